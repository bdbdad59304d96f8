"""GPU hours of the book: by type, how they are bought and where, dated."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet import outbox
from trivet.fleet.models import PURCHASES
from trivet.kit.errors import Invalid
from trivet.pricing import dated
from trivet.pricing.models import GpuPrice


def price_at(session: Session, gpu_type: str, purchase: str, at: datetime, region: str = "") -> GpuPrice | None:
    """What an hour of one GPU costs at an instant: the region's own price, else the one of any; None where nobody said."""
    found = session.scalars(
        select(GpuPrice)
        .where(
            GpuPrice.gpu_type == gpu_type,
            GpuPrice.purchase == purchase,
            GpuPrice.region.in_({region, ""}),
            GpuPrice.effective_from <= at,
        )
        .order_by((GpuPrice.region == region).desc(), GpuPrice.effective_from.desc())
        .limit(1)
    )
    return found.one_or_none()


def prices_of(session: Session, gpu_types: Iterable[str]) -> list[GpuPrice]:
    """All rows of some types, by their start: for who prices many hours at once."""
    wanted = select(GpuPrice).where(GpuPrice.gpu_type.in_(sorted(set(gpu_types))))
    return list(session.scalars(wanted.order_by(GpuPrice.effective_from, GpuPrice.id)))


def add(
    session: Session,
    *,
    gpu_type: str,
    purchase: str,
    region: str,
    effective_from: datetime,
    currency: str,
    price_per_hour: Decimal,
    source: str,
    actor: str,
) -> GpuPrice:
    """A new price of a GPU hour. Hours of pools since then are due again: those that take the book's price change."""
    if purchase not in PURCHASES:
        raise Invalid(f"`purchase` is one of {', '.join(PURCHASES)}.", field="purchase")
    row = {
        "gpu_type": gpu_type,
        "purchase": purchase,
        "region": region,
        "effective_from": effective_from,
        "currency": currency,
        "price_per_hour": price_per_hour,
        "source": source,
    }
    made = dated.add(session, GpuPrice, row, actor=actor)
    outbox.send(session, "ledger.pool_changed", 0, effective_from.isoformat())
    return made
