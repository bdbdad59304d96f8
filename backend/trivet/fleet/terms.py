"""The dated terms of pools: what they say, and whether they say it rightly."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.fleet.capacity import Running, Spread, Term
from trivet.fleet.models import POLICIES, PURCHASES, PoolTerm
from trivet.kit.clock import floor, rfc3339
from trivet.kit.errors import Invalid
from trivet.kit.money import EXACT, plain

MONTHS_MAX = 240
AMOUNTS = (
    "purchase_price", "residual", "commitment_cost", "power_price_per_kwh", "pue", "watts_per_gpu", "operations_per_month",
    "price_per_unit_hour", "work_per_unit_hour", "load_test_tokens_per_gpu_hour", "planned_utilisation",
)  # fmt: skip
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Told:
    """What a term may tell beside size, price and kind; names are those of `PoolTerm`."""

    purchase_price: Decimal | None = None
    residual: Decimal | None = None
    amortisation_months: int | None = None
    commitment_cost: Decimal | None = None
    commitment_months: int | None = None
    spread_from: datetime | None = None
    power_price_per_kwh: Decimal | None = None
    pue: Decimal | None = None
    watts_per_gpu: Decimal | None = None
    operations_per_month: Decimal | None = None
    units: int | None = None
    price_per_unit_hour: Decimal | None = None
    work_per_unit_hour: Decimal | None = None
    load_test_tokens_per_gpu_hour: Decimal | None = None
    planned_utilisation: Decimal | None = None
    max_concurrency: int | None = None
    idle_policy: str = "apart"
    headroom_policy: str = "spread_use"


def columns(told: Told, *, purchase: str, gpus: int, price: Decimal | None, effective_from: datetime) -> dict[str, Any]:
    """The columns of `PoolTerm` beside size, currency and kind; `Invalid` names what does not fit together."""
    if purchase not in PURCHASES:
        raise Invalid(f"`purchase` is one of {', '.join(PURCHASES)}.", field="purchase")
    for field in ("idle_policy", "headroom_policy"):
        if getattr(told, field) not in POLICIES:
            raise Invalid(f"`{field}` is one of {', '.join(POLICIES)}.", field=field)
    _right(told)
    source = _source(told, purchase, price)
    values = asdict(told) | {"price_source": source, "price_per_gpu_hour": price or ZERO}
    if told.purchase_price is not None or told.commitment_cost is not None:
        if not gpus:
            raise Invalid("Say how many GPUs were bought or committed: without any there is no capacity.", field="gpus")
        values["spread_from"] = told.spread_from or effective_from
        for field, at in (("effective_from", effective_from), ("spread_from", values["spread_from"])):
            if floor(at, 3600) != at:
                raise Invalid(
                    f"What is spread over months is spread by whole hours: `{field}` must fall on one.", field=field
                )
    return values


def _right(told: Told) -> None:
    for field in ("amortisation_months", "commitment_months"):
        months = getattr(told, field)
        if months is not None and not 0 < months <= MONTHS_MAX:
            raise Invalid(f"`{field}` is 1 to {MONTHS_MAX}.", field=field)
    if told.pue is not None and told.pue < 1:
        raise Invalid("PUE is the power of the whole site over that of its computers: 1 or more.", field="pue")
    if told.planned_utilisation is not None and not 0 < told.planned_utilisation <= 1:
        raise Invalid(
            "`planned_utilisation` is a share above 0 and at most 1, such as 0.6.", field="planned_utilisation"
        )
    for field in ("load_test_tokens_per_gpu_hour", "work_per_unit_hour", "max_concurrency"):
        if getattr(told, field) is not None and not getattr(told, field) > 0:
            raise Invalid(f"`{field}` is more than 0; leave it out where nobody measured it.", field=field)
    if told.residual is not None and told.residual > (told.purchase_price or ZERO):
        raise Invalid("`residual` is at most the purchase price.", field="residual")


def _source(told: Told, purchase: str, price: Decimal | None) -> str:
    """Where the hour's cost comes from; `Invalid` where a term tells it twice, or tells what its kind does not have."""
    for field, kind in _OF_KIND.items():
        if getattr(told, field) is not None and purchase != kind:
            raise Invalid(f"`{field}` is told of {kind} pools only.", field=field)
    whole = next((field for field in ("purchase_price", "commitment_cost") if getattr(told, field) is not None), None)
    if whole and price is not None:
        raise Invalid(f"Give `{whole}` or `price_per_gpu_hour`: with both the hour would cost twice.", field=whole)
    for total, months in (("purchase_price", "amortisation_months"), ("commitment_cost", "commitment_months")):
        if (getattr(told, total) is None) != (getattr(told, months) is None):
            raise Invalid(f"`{total}` and `{months}` are told together.", field=months)
    if purchase == "provisioned":
        if told.units is None or told.price_per_unit_hour is None:
            raise Invalid("Provisioned throughput has `units` and `price_per_unit_hour`.", field="units")
        if price is not None:
            raise Invalid("Units have their own price: leave `price_per_gpu_hour` out.", field="price_per_gpu_hour")
        return "parts"
    if whole:
        return "parts"
    if purchase == "owned" and price is None:
        raise Invalid(
            "Owned cards have `purchase_price` with `amortisation_months`, or `price_per_gpu_hour`.",
            field="purchase_price",
        )
    return "book" if price is None else "term"


_OF_KIND = {
    **dict.fromkeys(("purchase_price", "residual", "amortisation_months", "power_price_per_kwh", "pue"), "owned"),
    **dict.fromkeys(("watts_per_gpu", "operations_per_month"), "owned"),
    **dict.fromkeys(("commitment_cost", "commitment_months"), "reserved"),
    **dict.fromkeys(("units", "price_per_unit_hour", "work_per_unit_hour"), "provisioned"),
}  # fmt: skip


def terms(session: Session) -> dict[int, list[Term]]:
    """Every pool's terms by pool id, oldest first. Pools without a term (only seen in spans) are not there."""
    found: dict[int, list[Term]] = {}
    for row in session.scalars(select(PoolTerm).order_by(PoolTerm.pool_id, PoolTerm.effective_from)):
        found.setdefault(row.pool_id, []).append(of(row))
    return found


def of(row: PoolTerm) -> Term:
    """A row as the pure functions take it."""
    return Term(
        row.effective_from,
        row.gpus,
        row.price_per_gpu_hour if row.price_source == "term" else None,
        row.currency,
        row.purchase,
        row.gpu_type,
        row.units or 0,
        row.price_per_unit_hour,
        row.work_per_unit_hour,
        _purchased(row),
        _running(row),
        row.load_test_tokens_per_gpu_hour,
        row.planned_utilisation,
        row.max_concurrency,
        row.idle_policy,
        row.headroom_policy,
    )


def _purchased(row: PoolTerm) -> Spread | None:
    start = row.spread_from or row.effective_from
    if row.purchase_price is not None and row.amortisation_months:
        return Spread(EXACT.subtract(row.purchase_price, row.residual or ZERO), row.amortisation_months, start)
    if row.commitment_cost is not None and row.commitment_months:
        return Spread(row.commitment_cost, row.commitment_months, start)
    return None


def _running(row: PoolTerm) -> Running | None:
    if row.power_price_per_kwh is None and row.operations_per_month is None:
        return None
    return Running(
        row.power_price_per_kwh, Decimal(1) if row.pue is None else row.pue, row.watts_per_gpu, row.operations_per_month
    )


def body(row: PoolTerm) -> dict[str, Any]:
    """A term as JSON says it: amounts as text, what it does not tell as null."""
    said: dict[str, Any] = {
        "gpu_type": row.gpu_type,
        "gpus": row.gpus,
        "price_per_gpu_hour": plain(row.price_per_gpu_hour) if row.price_source == "term" else None,
        "price_source": row.price_source,
        "currency": row.currency,
        "purchase": row.purchase,
        "effective_from": rfc3339(row.effective_from),
    }
    return said | {field: _say(getattr(row, field)) for field in Told.__dataclass_fields__}


_SAY: dict[type, Callable[[Any], Any]] = {Decimal: plain, datetime: rfc3339}


def _say(value: Any) -> Any:
    return _SAY.get(type(value), lambda same: same)(value)
