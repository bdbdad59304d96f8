"""What the costs page reads, in one transaction, through the functions that the API answers with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.archive.facts import NotKept
from trivet.console.money.costs_asked import Asked
from trivet.fleet.models import Pool, PoolTerm
from trivet.kit.interval import Interval, month_of
from trivet.ledger.models import Period
from trivet.pricing.models import Price
from trivet.report import anomalies, compare, moved, names, outlook, plotted, pools, unit, value
from trivet.report.costs import Costs, costs
from trivet.report.grain import MONTH
from trivet.report.limits import TooManyGroups
from trivet.report.models import Anomaly
from trivet.report.moved import Moved, PerToken
from trivet.report.outlook import Outlook
from trivet.report.pools import PoolFigures
from trivet.report.quadrant import Quadrants
from trivet.report.unit import UnitCost
from trivet.report.value import Held

QUADRANTS_OF = ("model", "scenario", "tenant")
ANOMALIES_SHOWN, FLAGS_MAX, CLOSES_SHOWN = 12, 24, 6
WHY_DAYS_MAX = 100
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the page is made of. What the question does not allow, or is not kept any more, is empty or None."""

    found: Costs
    daily: Costs
    before: Interval
    previous: Costs | None
    budgets: Mapping[tuple[str, str], Decimal]
    moved: list[Moved]
    per_token: list[PerToken]
    ahead: list[Outlook]
    odd: list[tuple[str, Anomaly]]
    units: list[UnitCost]
    quadrants: Mapping[str, Quadrants]
    quadrants_of: str
    formula: list[tuple[str, PoolFigures]]
    values: list[Held]
    flags: list[tuple[date, str, str]]
    closes: list[str]


def read(session: Session, asked: Asked, now: datetime) -> Facts:
    """One question after the other; nothing is decided here about how it is shown."""
    where = names.where(session, {name: [said] for name, said in asked.filters.items()})
    interval, by = asked.interval, [asked.group]
    close = asked.as_of or None
    found = costs(session, interval, by, where, basis=asked.basis, as_of=close)
    before = compare.previous(interval)
    of_usage = not {"purchase", "account"} & asked.filters.keys()
    own = by if asked.group in unit.GROUP_BY else []
    explained = asked.basis == "allocation" and close is None and of_usage and interval.seconds <= WHY_DAYS_MAX * 86_400
    why = _kept(lambda: moved.why(session, before, interval, own, where)) if explained else None
    of = asked.group if asked.group in QUADRANTS_OF else "model"
    return Facts(
        found,
        costs(session, interval, [], where, basis=asked.basis, as_of=close, grain="1d"),
        before,
        _kept(lambda: costs(session, before, by, where, basis=asked.basis, as_of=close)),
        _budgets(session, asked, found),
        why[0] if why else [],
        why[1] if why else [],
        _ahead(session, asked, where, now),
        _odd(session, asked, where),
        (_kept(lambda: unit.units(session, interval, own, where, basis=asked.basis)) or []) if own and of_usage else [],
        (_kept(lambda: plotted.plotted(session, interval, of, where)) or {}) if of_usage else {},
        of,
        _formula(session, asked, where),
        value.against(session, month_of(interval.start)) if not asked.filters else [],
        flags(session, interval),
        list(session.scalars(
            select(Period.month).where(Period.state == "closed").order_by(Period.month.desc()).limit(CLOSES_SHOWN)
        )),
    )  # fmt: skip


def _kept(ask: Callable[[], T]) -> T | None:
    """An answer, or None where what it needs is not kept any more or would be too much for a page."""
    try:
        return ask()
    except (NotKept, TooManyGroups):
        return None


def _budgets(session: Session, asked: Asked, found: Costs) -> Mapping[tuple[str, str], Decimal]:
    if asked.compare != "budget" or asked.group not in compare.SCOPES:
        return {}
    whole = (
        Interval(asked.interval.start, MONTH.after(MONTH.floor(asked.interval.start)))
        if asked.running
        else asked.interval
    )
    return compare.budgets(session, whole, asked.group, [row.key[0] for row in found.rows])


def _ahead(session: Session, asked: Asked, where: Mapping[str, Any], now: datetime) -> list[Outlook]:
    if not asked.running or asked.basis != "allocation":
        return []
    month = Interval(asked.interval.start, MONTH.after(asked.interval.start))
    return outlook.outlook(session, month, now, [], where)


def _odd(session: Session, asked: Asked, where: Mapping[str, Any]) -> list[tuple[str, Anomaly]]:
    if asked.filters.keys() - {"tenant"}:
        return []
    until = (asked.interval.end - timedelta(microseconds=1)).date() + timedelta(days=1)
    found = anomalies.standing(
        session, asked.interval.start.date(), until, where, limit=ANOMALIES_SHOWN, after=None
    )  # fmt: skip
    labels = names.labels(session, ["tenant"], [{"tenant_id": row.tenant_id} for row in found])
    return [(labels.key(["tenant"], {"tenant_id": row.tenant_id})[0], row) for row in found]


def _formula(session: Session, asked: Asked, where: Mapping[str, Any]) -> list[tuple[str, PoolFigures]]:
    if asked.filters.keys() - {"pool"}:
        return []
    found = _kept(lambda: pools.figures(session, asked.interval, where)) or []
    labels = names.labels(session, ["pool"], [{"pool_id": each.pool_id} for each in found])
    return [(labels.key(["pool"], {"pool_id": each.pool_id})[0], each) for each in found]


def flags(session: Session, interval: Interval) -> list[tuple[date, str, str]]:
    """What happened to prices and periods, by day: prices, pools' terms, closes; the newest of each kind."""
    within = (Price.effective_from >= interval.start, Price.effective_from < interval.end)
    priced = session.execute(
        select(Price.effective_from, Price.model).where(*within).order_by(Price.effective_from.desc()).limit(FLAGS_MAX)
    )
    found: dict[tuple[date, str], list[str]] = {}
    for at, model in priced:
        found.setdefault((at.date(), "price"), []).append(f"price of {model}")
    terms = session.execute(
        select(PoolTerm.effective_from, Pool.name)
        .join(Pool, Pool.id == PoolTerm.pool_id)
        .where(PoolTerm.effective_from >= interval.start, PoolTerm.effective_from < interval.end)
        .order_by(PoolTerm.effective_from.desc())
        .limit(FLAGS_MAX)
    )
    for at, pool in terms:
        found.setdefault((at.date(), "pool"), []).append(f"terms of {pool}")
    closed = session.execute(
        select(Period.closed_at, Period.month)
        .where(Period.closed_at >= interval.start, Period.closed_at < interval.end)
        .limit(FLAGS_MAX)
    )
    for closed_at, month in closed:
        if closed_at is not None:
            found.setdefault((closed_at.date(), "close"), []).append(f"{month} was closed")
    by_day: dict[date, tuple[list[str], list[str]]] = {}
    for (day, kind), words in sorted(found.items()):
        kinds, said = by_day.setdefault(day, ([], []))
        kinds.append(kind)
        said.extend(dict.fromkeys(words))
    return [(day, ", ".join(kinds), "; ".join(said)) for day, (kinds, said) in by_day.items()]
