"""What a price list of others says, in our words: offers that can be said exactly, and why the rest cannot."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

ENTRIES_MAX: Final = 20_000  # of one list


class Sold(NamedTuple):
    """What an offer is of: by the names that spans use; tier '' is the standard one."""

    provider: str
    model: str
    tier: str


@dataclass(frozen=True, slots=True)
class Offer:
    """One price: its rates as `Price.rates` has them, and what the list says beside them that no rate can say."""

    sold: Sold
    currency: str
    rates: Mapping[str, list[list[Any]]]
    beside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unsayable:
    """An entry of a list that is left out whole, by its own name, with the reason."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class PriceList:
    """A list as read. `source` is what the rows made from it say they come from."""

    source: str
    offers: tuple[Offer, ...]
    unsayable: tuple[Unsayable, ...] = field(default=())
