"""How each posted hour of a pool was split: rows that explain it line by line, replaced when it is posted again."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from trivet.fleet.capacity import HOUR_US, Stretch
from trivet.fleet.cost import Energy
from trivet.fleet.models import Pool
from trivet.kit.money import EXACT, PICO, plain
from trivet.ledger.pool_models import PoolHourSplit
from trivet.ledger.pool_share import Shares, method_of
from trivet.ledger.pool_split import PARTS, Kept, Split
from trivet.ledger.posting import Judged, PoolHour

NOTHING, UNPRICED = "no-capacity-1", "unpriced-1"
SECOND_US = 1_000_000


def method(hour: PoolHour, own: Judged) -> str:
    """By which methods an hour was judged: its states, how full, shared how; of several stretches each once."""
    fills = dict.fromkeys(each.method for each in own.splits)
    return ", ".join([own.states.method, *fills, method_of(hour.phases)])


def reason(own: Judged) -> str:
    """Why the amounts are as they are, in words."""
    prices = " + ".join(f"{plain(each.stretch.per_hour)} {each.stretch.currency}/h" for each in own.splits)
    times = ", ".join(f"{part} {sum(each.us[part] for each in own.splits) / SECOND_US:g} s" for part in PARTS)
    gaps = list(
        dict.fromkeys(gap for each in own.splits for gap in (each.stretch.hourly.gaps if each.stretch.hourly else ()))
    )
    return f"Capacity {prices}; {times}." + (f" Not in it: {'; '.join(gaps)}." if gaps else "")


def store(session: Session, hour: datetime, pool: PoolHour, own: Judged, energy: Energy | None) -> None:
    """The rows of one pool's hour, instead of those that stood there."""
    _delete(session, hour, [pool.pool_id])
    rows = [
        _row(hour, pool, split, share) | _found(pool, own, n) | {"energy_kwh": _kwh(energy, split.stretch)}
        for n, (split, share) in enumerate(zip(own.splits, own.shares, strict=True))
    ]
    session.execute(insert(PoolHourSplit), rows)


def _row(hour: datetime, pool: PoolHour, own: Split, share: Shares) -> dict[str, Any]:
    return (
        _of(hour, pool.pool_id, own.stretch)
        | {f"{part}_us": own.us[part] for part in PARTS}
        | {part: own.amounts[part] for part in PARTS}
        | {
            "cost": own.cost, "prefill": share.prefill, "decode": share.decode, "capacity_work": own.capacity_work,
            "requests": sum(pool.requests.values()), "work": EXACT.quantize(own.work, PICO),
        }
    )  # fmt: skip


def _found(pool: PoolHour, own: Judged, n: int) -> dict[str, str]:
    if pool.kept:
        return {"method": pool.kept[n].method, "evidence": pool.kept[n].evidence}
    parts = (own.states.method, own.splits[n].method, method_of(pool.phases))
    return {"method": ", ".join(parts), "evidence": own.states.evidence}


def _of(hour: datetime, pool_id: int, part: Stretch) -> dict[str, Any]:
    """What is known of a stretch before anything was measured."""
    priced, term = part.hourly, part.term
    return {
        "pool_id": pool_id, "hour": hour, "starts_at": part.start, "ends_at": part.end, "purchase": part.purchase,
        "currency": part.currency,
        "parts": {name: plain(amount) for name, amount in priced.parts.items()} if priced else {},
        "gaps": list(priced.gaps) if priced else [],
        "idle_policy": term.idle_policy if term else "apart",
        "headroom_policy": term.headroom_policy if term else "apart",
    }  # fmt: skip


def unpriced(
    session: Session, hour: datetime, capacity: Mapping[int, Sequence[Stretch]], priced: Collection[int]
) -> None:
    """Rows of capacity that nobody has priced, beside those stored of its pool: it is not booked, and of a pool without any
    price in the hour requests are metered.
    """
    _delete(session, hour, capacity.keys() - set(priced))
    zero = dict.fromkeys(PARTS, 0) | {f"{part}_us": 0 for part in PARTS} | {"cost": 0, "requests": 0, "work": 0}
    rows = [
        _of(hour, pool_id, part) | zero | {"method": UNPRICED, "evidence": "none"}
        for pool_id, parts in capacity.items()
        for part in parts
    ]
    if rows:
        session.execute(insert(PoolHourSplit), rows)


def forget(session: Session, hour: datetime, name: str) -> None:
    """A pool has no capacity in an hour any more."""
    _delete(session, hour, list(session.scalars(select(Pool.id).where(Pool.name == name))))


def _delete(session: Session, hour: datetime, pools: Any) -> None:
    ids = list(pools)
    if ids:
        session.execute(delete(PoolHourSplit).where(PoolHourSplit.hour == hour, PoolHourSplit.pool_id.in_(ids)))


def _kwh(energy: Energy | None, part: Stretch) -> Any:
    """The part of the hour's energy that falls to a stretch by its length; None where no card said any."""
    if energy is None:
        return None
    return EXACT.quantize(EXACT.divide(EXACT.multiply(energy.kwh, part.length_us), HOUR_US), PICO)


def kept(session: Session, hour: datetime) -> dict[int, dict[tuple[datetime, datetime], Kept]]:
    """What counters told of an hour when it was posted last, by pool and stretch; what requests told they tell again."""
    found: dict[int, dict[tuple[datetime, datetime], Kept]] = {}
    told = select(PoolHourSplit).where(PoolHourSplit.hour == hour, PoolHourSplit.evidence == "counters")
    for row in session.scalars(told):
        us = {part: getattr(row, f"{part}_us") for part in PARTS}
        if any(us.values()):
            found.setdefault(row.pool_id, {})[row.starts_at, row.ends_at] = Kept(us, row.method, row.evidence)
    return found


def matching(before: Mapping[tuple[datetime, datetime], Kept], capacity: Sequence[Stretch]) -> list[Kept] | None:
    """What was found of each stretch; None where the terms have changed since."""
    own = [before.get((part.start, part.end)) for part in capacity]
    return [each for each in own if each] if all(own) else None
