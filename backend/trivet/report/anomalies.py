"""Days on which tenants cost otherwise than usual: judged when they are posted whole, judged again when that changes."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet.identity import audit
from trivet.kit.errors import Conflict, NotFound
from trivet.kit.interval import Interval
from trivet.kit.money import EXACT, plain
from trivet.ledger.models import Posting
from trivet.ledger.service import posted_until
from trivet.report import anomaly, borne, limits, names, reference, tokens
from trivet.report.anomaly import WEEKS, Driver, Odd, Part
from trivet.report.gathered import Gathered
from trivet.report.grain import DAY
from trivet.report.models import Anomaly
from trivet.rollup.read import one_of
from trivet.tenant.models import Tenant

ZERO = Decimal(0)
LOOK_BACK = 7  # days that are judged again, as late calls and corrections change them
TENANTS_AT_ONCE = 500
EXPLAINED_MAX = 200  # odd days of one run that are explained; the others say so
DRIVERS_KEPT = 5
KINDS = ("input", "output", "cache_read", "cache_write", "reasoning")
USED = ("scenario_id", "model_id", "pool_id")

Key = tuple[int, str]  # tenant id, currency


def posted(session: Session, now: datetime) -> tuple[datetime | None, int]:
    """What `judge` would look at: the end of the last whole day that is posted, and the last posting of the days before.

    Who posts does so alone, so that postings are seen in the order of their ids.
    """
    until = posted_until(session)
    if until is None:
        return None, 0
    end = DAY.floor(min(until, now))
    return end, session.scalar(select(func.max(Posting.id)).where(Posting.hour < end)) or 0


def judge(session: Session, now: datetime, least: Decimal) -> int:
    """Judge the last whole days that are posted; how many anomalies stand. Doing it again changes nothing."""
    end, _ = posted(session, now)
    if end is None:
        return 0
    days = [(end - timedelta(days=n)).date() for n in range(LOOK_BACK, 0, -1)]
    found: list[tuple[Key, Odd]] = []
    for batch in _tenants(session):
        daily = _daily(session, batch, Interval(end - timedelta(days=7 * WEEKS + LOOK_BACK), end))
        found += [(key, odd) for key, own in daily.items() for day in days if (odd := anomaly.odd(day, own, least))]
    found.sort(key=lambda each: (-abs(each[1].excess), each[0], each[1].day))
    _withdraw(session, days, {(odd.day, *key) for key, odd in found}, now)
    known = {(row.day, row.tenant_id, row.currency): (row.amount, row.expected) for row in _known(session, days)}
    changed = [(key, odd) for key, odd in found if known.get((odd.day, *key)) != (odd.amount, odd.expected)]
    for number, (key, odd) in enumerate(changed):
        _keep(session, key, odd, now, drivers(session, key, odd) if number < EXPLAINED_MAX else [])
    return len(found)


def _known(session: Session, days: Sequence[date]) -> list[Anomaly]:
    return list(session.scalars(select(Anomaly).where(Anomaly.day.in_(days), Anomaly.withdrawn_at.is_(None))))


def _tenants(session: Session) -> Iterator[list[int]]:
    """All tenants and nobody (0), some at a time."""
    last, batch = -1, [0]
    while batch:
        yield batch
        query = select(Tenant.id).where(Tenant.id > last).order_by(Tenant.id).limit(TENANTS_AT_ONCE)
        batch = list(session.scalars(query))
        last = batch[-1] if batch else last


def _daily(session: Session, tenants: Sequence[int], interval: Interval) -> dict[Key, dict[date, Decimal]]:
    """Borne cost by tenant, currency and day: whole days, from balances."""
    gathered = Gathered(("tenant_id",), limits.GROUPS_MAX * 10)
    borne.gather(session, interval, borne.Asked({"tenant_id": tenants}, DAY), gathered)
    found: dict[Key, dict[date, Decimal]] = {}
    for (bucket, tenant_id, currency), sums in gathered.sums.items():
        found.setdefault((tenant_id, currency), {})[bucket.date()] = sums.amount
    return found


def drivers(session: Session, key: Key, odd: Odd) -> list[Driver]:
    """What drove an odd day, the largest parts first."""
    tenant_id, currency = key
    start = _begins(min(odd.compared))
    whole = Interval(start, _begins(odd.day) + timedelta(days=1))
    gathered = Gathered(USED, limits.GROUPS_MAX)
    borne.gather(session, whole, borne.Asked({"tenant_id": [tenant_id]}, DAY), gathered)
    amounts: dict[date, dict[tuple[Any, ...], Decimal]] = {}
    for (bucket, scenario, model, pool, own), sums in gathered.sums.items():
        if own == currency:
            amounts.setdefault(bucket.date(), {})[scenario, model, pool] = sums.amount
    pairs = {(ids[1], ids[2]) for day in amounts.values() for ids in day}
    rates = reference.at(session, pairs, (whole.start, whole.end))
    on_the_day = _parts(session, tenant_id, [odd.day], amounts, rates)
    usually = _parts(session, tenant_id, odd.compared, amounts, rates)
    told = _named(session, on_the_day | usually)
    named = [{told[ids]: part for ids, part in parts.items()} for parts in (on_the_day, usually)]
    return anomaly.drivers(named[0], named[1], len(odd.compared))[:DRIVERS_KEPT]


def _parts(
    session: Session,
    tenant_id: int,
    days: Sequence[date],
    amounts: Mapping[date, Mapping[tuple[Any, ...], Decimal]],
    rates: reference.Reference,
) -> dict[tuple[Any, ...], Part]:
    """Cost, work and tokens by kind of some days together, by `USED`."""
    found: dict[tuple[Any, ...], Part] = {}
    for day in days:
        start = _begins(day)
        served = tokens.counts(
            session, Interval(start, start + timedelta(days=1)), [*USED, "context_class"], {"tenant_id": [tenant_id]}
        )
        for ids, amount in amounts.get(day, {}).items():
            found[ids] = _plus(found.get(ids), Part(amount, ZERO, {}))
        for (scenario, model, pool, context_class), counts in served.items():
            kinds = {kind: count for kind in KINDS if (count := getattr(counts, f"{kind}_tokens"))}
            part = Part(ZERO, rates.work(model, pool, context_class, counts), kinds)
            found[scenario, model, pool] = _plus(found.get((scenario, model, pool)), part)
    return found


def _begins(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time(), tzinfo=UTC)


def _plus(before: Part | None, more: Part) -> Part:
    if before is None:
        return more
    kinds = {
        kind: before.kinds.get(kind, 0) + more.kinds.get(kind, 0) for kind in before.kinds.keys() | more.kinds.keys()
    }
    return Part(EXACT.add(before.amount, more.amount), EXACT.add(before.work, more.work), kinds)


def _named(session: Session, parts: Mapping[tuple[Any, ...], Part]) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Ids by their names; models of two providers stay apart."""
    by = ("scenario", "provider", "model", "pool")
    rows = [dict(zip(USED, ids, strict=True)) for ids in parts]
    labels = names.labels(session, by, rows)
    told = [labels.key(by, row) for row in rows]
    return {
        ids: (scenario, f"{provider}/{model}", pool)
        for ids, (scenario, provider, model, pool) in zip(parts, told, strict=True)
    }


def _keep(session: Session, key: Key, odd: Odd, now: datetime, found: Sequence[Driver]) -> None:
    said = [{"by": each.by, "name": each.name, "amount": plain(each.amount)} for each in found if each.amount]
    judged = {
        "amount": odd.amount, "expected": odd.expected, "score": odd.score, "method": anomaly.METHOD, "drivers": said,
        "withdrawn_at": None,
    }  # fmt: skip
    row = insert(Anomaly).values(day=odd.day, tenant_id=key[0], currency=key[1], found_at=now, judged_at=now, **judged)
    session.execute(
        row.on_conflict_do_update(index_elements=["day", "tenant_id", "currency"], set_=judged | {"judged_at": now})
    )


def _withdraw(session: Session, days: Sequence[date], standing: set[tuple[date, int, str]], now: datetime) -> None:
    """Days that later postings made like others stand no more; what people said about them stays."""
    for row in _known(session, days):
        if (row.day, row.tenant_id, row.currency) not in standing:
            row.withdrawn_at = now
    session.flush()


def acknowledge(
    session: Session, day: date, tenant_id: int, currency: str, *, actor: str, reason: str, now: datetime
) -> Anomaly:
    """Say that an anomaly was seen, by whom and why it is none to act on; once."""
    row = session.get(Anomaly, (day, tenant_id, currency), with_for_update=True)
    if row is None:
        raise NotFound("There is no such anomaly.")
    if row.acknowledged_at is not None:
        raise Conflict(f"{row.acknowledged_by} acknowledged it already: {row.acknowledged_reason}")
    row.acknowledged_at, row.acknowledged_by, row.acknowledged_reason = now, actor, reason
    session.flush()
    audit.record(
        session, actor=actor, action="anomaly.acknowledge", subject=f"anomaly:{day.isoformat()}:{tenant_id}:{currency}",
        after={"acknowledged": True}, reason=reason,
    )  # fmt: skip
    return row


def standing(
    session: Session,
    since: date,
    until: date,
    where: Mapping[str, Sequence[int]],
    *,
    limit: int,
    after: tuple[Any, ...] | None,
) -> list[Anomaly]:
    """Anomalies of some days, newest first, that are not withdrawn."""
    query = select(Anomaly).where(Anomaly.day >= since, Anomaly.day < until, Anomaly.withdrawn_at.is_(None))
    if "tenant_id" in where:
        query = query.where(one_of(Anomaly.tenant_id, where["tenant_id"]))
    if after is not None:
        query = query.where(tuple_(Anomaly.day, Anomaly.tenant_id, Anomaly.currency) < after)
    return list(
        session.scalars(
            query.order_by(Anomaly.day.desc(), Anomaly.tenant_id.desc(), Anomaly.currency.desc()).limit(limit)
        )
    )
