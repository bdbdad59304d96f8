"""Who used supply, and where an amount stands in the ledger."""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple


class User(NamedTuple):
    """Who used supply, by id; 0 is none."""

    tenant_id: int
    scenario_id: int
    model_id: int


class Line(NamedTuple):
    """Where an amount stands: account, dimensions, currency, and how the capacity was bought ("" for metered supply)."""

    account: str
    cost_centre_id: int
    tenant_id: int
    scenario_id: int
    model_id: int
    pool_id: int
    currency: str
    purchase: str = ""


Entries = dict[Line, Decimal]
CostCentres = Mapping[int, int]  # tenant id -> cost centre id; tenants that are not there are unattributed
