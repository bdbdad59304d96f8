"""What was posted of units that are no tokens (bandwidth, cache storage, tool calls …), so that FOCUS rows tell it apart.

The report's figures hold it together with tokens; here the same entries are read by unit, and its quantities beside.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from trivet.kit.interval import Interval
from trivet.kit.money import EXACT
from trivet.ledger import unit_use, units
from trivet.ledger.models import Entry, Posting
from trivet.report import centres, names
from trivet.report.files.focus_model import METERED, UNIT, USE, Group, Quantities
from trivet.report.grain import GRAINS, Grain
from trivet.rollup.read import one_of

BY = ("cost_centre", "tenant", "provider", "model", "pool")
_KEYS = ("cost_centre_id", "tenant_id", "model_id", "pool_id", "currency")


def posted(
    session: Session, piece: Interval, where: Mapping[str, Collection[Any]], grain: str, as_of: str | None
) -> dict[Group, Decimal]:
    """Amounts by group, whose account is `unit:` and the unit's name."""
    width = GRAINS[grain]
    bucket = width.sql(Posting.hour).label("bucket")
    keys = [bucket, Posting.period, Posting.source, *(getattr(Entry, name) for name in _KEYS)]
    query = select(*keys, func.sum(Entry.amount)).join(Posting, Posting.id == Entry.posting_id)
    query = query.where(Posting.kind == units.KIND, Posting.hour >= piece.start, Posting.hour < piece.end)
    query = query.where(Entry.account.in_(USE))
    for name, values in centres.with_descendants(session, where, piece.end).items():
        query = query.where(one_of(Posting.period if name == "period" else getattr(Entry, name), values))
    if as_of is not None:
        query = query.where(Posting.period <= as_of)
    rows = session.execute(query.group_by(*keys)).all()
    ids = [dict(zip(_KEYS, row[3:-1], strict=True)) for row in rows]
    labels = names.labels(session, BY, ids)
    found: dict[Group, Decimal] = {}
    for (start, period, unit, *_, amount), own in zip(rows, ids, strict=True):
        centre, tenant, provider, model, pool = labels.key(BY, own)
        group = Group(
            start, _after(width, start), period, centre, tenant, provider, model, pool, METERED, f"{UNIT}{unit}",
            own["currency"],
        )  # fmt: skip
        found[group] = EXACT.add(found.get(group, Decimal(0)), amount)
    return {group: amount for group, amount in found.items() if amount}


def quantities(session: Session, piece: Interval, grain: str) -> Quantities:
    """How much of each unit was used, by (start, tenant, provider, model, pool, unit), as counted now."""
    used = unit_use.read(session, piece, requests=True)
    ids = [{"tenant_id": use.user.tenant_id, "model_id": use.user.model_id, "pool_id": use.pool_id} for use in used]
    labels = names.labels(session, BY[1:], ids)
    found: dict[tuple[Any, ...], Decimal] = {}
    for use, own in zip(used, ids, strict=True):
        key = (GRAINS[grain].floor(use.hour), *labels.key(BY[1:], own), use.of.unit)
        found[key] = EXACT.add(found.get(key, Decimal(0)), use.amount)
    return found


def _after(width: Grain, start: datetime) -> datetime:
    return start + timedelta(seconds=width.least_s)
