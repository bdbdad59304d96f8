"""The hours of a pool, explained: how each was split and by which method, energy, and what interruptions cost. Reading only."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.fleet.capacity import sum_of
from trivet.fleet.models import Pool
from trivet.kit.clock import rfc3339
from trivet.kit.errors import NotFound
from trivet.kit.interval import Interval
from trivet.kit.money import EXACT, PICO, money, plain
from trivet.ledger import energy, pool_losses
from trivet.ledger.energy import Used
from trivet.ledger.pool_losses import Loss
from trivet.ledger.pool_models import PoolHourSplit
from trivet.ledger.pool_split import PARTS
from trivet.ledger.reading import HOUR
from trivet.pricing.models import Model

SECOND_US = Decimal(1_000_000)
ZERO = Decimal(0)
NONE = Used(None, 0)


def pool_named(session: Session, name: str) -> int:
    """A pool's id; `NotFound` where there is none of that name."""
    found = session.scalar(select(Pool.id).where(Pool.name == name))
    if found is None:
        raise NotFound(f"There is no pool {name!r}: GET /api/v1/pools lists them.", field="name")
    return found


def hours(
    session: Session, pool_id: int, interval: Interval, after: datetime | None, limit: int
) -> list[dict[str, Any]]:
    """Posted hours of a pool, oldest first, as JSON says them: at most `limit`, those after an hour where one is given."""
    own = select(PoolHourSplit).where(
        PoolHourSplit.pool_id == pool_id, PoolHourSplit.hour >= interval.start, PoolHourSplit.hour < interval.end
    )
    if after is not None:
        own = own.where(PoolHourSplit.hour > after)
    wanted = own.with_only_columns(PoolHourSplit.hour).distinct().order_by(PoolHourSplit.hour).limit(limit)
    named = list(session.scalars(wanted))
    if not named:
        return []
    rows = session.scalars(
        own.where(PoolHourSplit.hour.in_(named)).order_by(PoolHourSplit.hour, PoolHourSplit.starts_at)
    ).all()
    told = Interval(named[0], named[-1] + HOUR)
    lost = pool_losses.losses(session, told, [pool_id])
    tokens = energy.tokens_by_hour(session, told, pool_id)
    by_hour = {hour: [row for row in rows if row.hour == hour] for hour in named}
    return [
        _hour(hour, own, Used(_kwh(own), tokens.get(hour, 0)), lost.get((pool_id, hour), []))
        for hour, own in by_hour.items()
    ]


def _kwh(rows: Sequence[PoolHourSplit]) -> Decimal | None:
    """Of an hour's stretches together."""
    said = [row.energy_kwh for row in rows if row.energy_kwh is not None]
    return sum_of(said) if said else None


def whole(session: Session, pool_id: int, interval: Interval) -> dict[str, Any]:
    """Energy and interruptions of a pool over a whole interval."""
    by_hour = pool_losses.losses(session, interval, [pool_id])
    used = session.execute(
        select(PoolHourSplit.hour, PoolHourSplit.currency, PoolHourSplit.used, PoolHourSplit.work).where(
            PoolHourSplit.pool_id == pool_id, PoolHourSplit.hour.in_([hour for _, hour in by_hour])
        )
    ).all()
    models = {key[1]: each for key, each in energy.by_model(session, interval, [pool_id]).items()}
    found = session.execute(select(Model.id, Model.provider, Model.name).where(Model.id.in_(models)))
    names = {row_id: (provider, name) for row_id, provider, name in found} | {0: ("", "")}
    return {
        "energy": _energy(energy.by_pool(session, interval, [pool_id]).get(pool_id, NONE)),
        "energy_by_model": [
            {"provider": names[model_id][0], "model": names[model_id][1]} | _energy(each)
            for model_id, each in models.items()
        ],
        "interruptions": _interruptions(
            [loss for losses in by_hour.values() for loss in losses],
            [
                part
                for (_, hour), losses in by_hour.items()
                for part in _shares(losses, [row[1:] for row in used if row[0] == hour])
            ],
        ),
    }


def _hour(hour: datetime, rows: Sequence[PoolHourSplit], used: Used, lost: Sequence[Loss]) -> dict[str, Any]:
    return {
        "hour": rfc3339(hour),
        "requests": max(row.requests for row in rows),
        "work": _number(sum_of(row.work for row in rows)),
        "energy": _energy(used),
        "interruptions": _interruptions(lost, _shares(lost, [(row.currency, row.used, row.work) for row in rows])),
        "stretches": [_stretch(row) for row in rows],
    }


def _stretch(row: PoolHourSplit) -> dict[str, Any]:
    return {
        "starts_at": rfc3339(row.starts_at),
        "ends_at": rfc3339(row.ends_at),
        "purchase": row.purchase,
        "currency": row.currency,
        "method": row.method,
        "evidence": row.evidence,
        "seconds": {part: _number(Decimal(getattr(row, f"{part}_us")) / SECOND_US) for part in PARTS},
        "cost": {"total": plain(row.cost)} | {part: plain(getattr(row, part)) for part in PARTS},
        "unused": plain(EXACT.subtract(row.cost, row.used)),
        "prefill": None if row.prefill is None else plain(row.prefill),
        "decode": None if row.decode is None else plain(row.decode),
        "parts_per_hour": row.parts,
        "gaps": row.gaps,
        "capacity_work": None if row.capacity_work is None else _number(row.capacity_work),
        "idle_policy": row.idle_policy,
        "headroom_policy": row.headroom_policy,
    }


def _energy(used: Used) -> dict[str, Any]:
    each = used.kwh_per_million_tokens
    return {
        "kwh": None if used.kwh is None else plain(used.kwh),
        "tokens": used.tokens,
        "kwh_per_million_tokens": None if each is None else plain(each),
    }


def _shares(lost: Sequence[Loss], stretches: Sequence[Sequence[Any]]) -> list[tuple[str, str, Decimal]]:
    """(kind, currency, amount): what the work of lost requests and of retries was of an hour's used cost.

    `stretches` are (currency, used cost, work) each.
    """
    work = {kind: sum_of(loss.work for loss in lost if loss.kind == kind) for kind in ("lost", "retry")}
    whole = sum_of(part for _, _, part in stretches)
    return [
        (kind, currency, EXACT.quantize(EXACT.divide(EXACT.multiply(used, own), whole), PICO))
        for currency, used, _ in stretches
        for kind, own in work.items()
        if own and whole
    ]


def _interruptions(lost: Sequence[Loss], shares: Sequence[tuple[str, str, Decimal]]) -> dict[str, Any]:
    """By kind: how many requests, what they cost at standard rate, and what they took of the pool's used cost."""
    return {
        kind: {
            "requests": sum(loss.requests for loss in lost if loss.kind == kind),
            "standard": _amounts((loss.currency, loss.cost) for loss in lost if loss.kind == kind),
            "of_used": _amounts((currency, amount) for each, currency, amount in shares if each == kind),
        }
        for kind in ("lost", "retry")
    }


def _amounts(given: Iterable[tuple[str, Decimal]]) -> list[dict[str, str]]:
    """Sums by currency, as money."""
    sums: dict[str, Decimal] = {}
    for currency, amount in given:
        if currency:
            sums[currency] = EXACT.add(sums.get(currency, ZERO), amount)
    return [money(amount, currency) for currency, amount in sorted(sums.items())]


def _number(value: Decimal) -> str:
    """An exact number as plain text, without trailing zeros, with at most six places."""
    text = format(EXACT.quantize(value, Decimal("0.000001")), "f")
    return text.rstrip("0").rstrip(".")
