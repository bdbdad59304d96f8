"""What the page of unit costs reads, in one transaction, through the functions that the API answers with."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy.orm import Session

from trivet.console.money.costs_asked import Asked
from trivet.console.money.costs_flags import Flag, flags
from trivet.console.money.costs_read import NO_CURRENCY, Question, kept
from trivet.kit.interval import Interval, month_of
from trivet.report import compare, moved, names, plotted, pools, unit, unit_days, value
from trivet.report.moved import Moved, PerToken
from trivet.report.pools import PoolFigures
from trivet.report.quadrant import Quadrants
from trivet.report.unit import UnitCost
from trivet.report.value import Held

QUADRANTS_OF = ("model", "scenario", "tenant")
WHY_DAYS_MAX = 100
LEDGER_ALONE = {"purchase", "account"}  # what usage knows nothing of


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the page is made of. What the question does not allow, or is not kept any more, is empty."""

    currency: str
    currencies: tuple[str, ...]
    units: list[UnitCost]
    whole: UnitCost | None
    days: list[UnitCost]
    quadrants: Mapping[str, Quadrants]
    quadrants_of: str
    formula: list[tuple[str, PoolFigures]]
    values: list[Held]
    flags: list[Flag]


@dataclass(frozen=True, slots=True)
class Why:
    """Why it moved: of each group and the whole, and of pools' cost per token."""

    before: Interval
    moved: list[Moved]
    per_token: list[PerToken]


def by_of(asked: Asked) -> list[str]:
    """What unit costs are told by: cost centres where usage is not told by what is asked."""
    return [asked.group if asked.group in unit.GROUP_BY else "cost_centre"]


def is_of_usage(asked: Asked) -> bool:
    """Whether usage can be told apart as the filters do; then there are units to divide by."""
    return not LEDGER_ALONE & asked.filters.keys()


def units(session: Session, question: Question) -> list[UnitCost]:
    """Unit costs by the dimension asked for; of somebody's own without anything of whole pools."""
    asked = question.asked
    if not is_of_usage(asked):
        return []
    where, own = question.where(session), question.tenant_id is None
    found = kept(lambda: unit.units(session, asked.interval, by_of(asked), where, basis=asked.basis, whole_pools=own))
    return found or []


def read(session: Session, question: Question) -> Facts:
    """One question after the other; nothing is decided here about how it is shown."""
    asked, where = question.asked, question.where(session)
    interval, found = asked.interval, units(session, question)
    whole = kept(lambda: unit.units(session, interval, [], where, basis=asked.basis)) if found else None
    ordered = sorted(whole or [], key=lambda row: (-row.amount, row.currency))
    currencies = tuple(row.currency for row in ordered)
    currency = asked.currency if asked.currency in currencies else (currencies or (NO_CURRENCY,))[0]
    of = asked.of or (asked.group if asked.group in QUADRANTS_OF else "model")
    drawn = found and len(found) > 0
    return Facts(
        currency,
        currencies,
        found,
        next((row for row in ordered if row.currency == currency), None),
        (kept(lambda: unit_days.unit_days(session, interval, where, basis=asked.basis)) or []) if drawn else [],
        _quadrants(session, question, of, found) if drawn else {},
        of,
        formula(session, question),
        value.against(session, month_of(interval.start)) if not asked.filters and question.tenant_id is None else [],
        flags(session, interval, question.tenant_id),
    )


def _quadrants(session: Session, question: Question, of: str, found: list[UnitCost]) -> Mapping[str, Quadrants]:
    """Of allocated cost; where that is what the table tells by the same dimension, it is not asked again."""
    asked = question.asked
    if [of] == by_of(asked) and asked.basis == "allocation":
        return plotted.of_units(found)
    return kept(lambda: plotted.plotted(session, asked.interval, of, question.where(session))) or {}


def formula(session: Session, question: Question) -> list[tuple[str, PoolFigures]]:
    """Pools, planned against actual; nothing for somebody of one tenant."""
    asked = question.asked
    if asked.filters.keys() - {"pool"} or question.tenant_id is not None:
        return []
    where = question.where(session)
    found = kept(lambda: pools.figures(session, asked.interval, where)) or []
    labels = names.labels(session, ["pool"], [{"pool_id": each.pool_id} for each in found])
    return [(labels.key(["pool"], {"pool_id": each.pool_id})[0], each) for each in found]


def why(session: Session, question: Question) -> Why | None:
    """Why the amount moved against the time before; None where it cannot be split."""
    asked = question.asked
    short = asked.interval.seconds <= WHY_DAYS_MAX * 86_400
    if asked.basis != "allocation" or asked.as_of or not is_of_usage(asked) or not short:
        return None
    before, where = compare.previous(asked.interval), question.where(session)
    found = kept(lambda: moved.why(session, before, asked.interval, by_of(asked), where))
    if found is None:
        return None
    return Why(before, found[0], found[1] if question.tenant_id is None else [])


def per(row: UnitCost | None) -> Decimal | None:
    """What a million tokens cost."""
    return row.per_million_tokens if row is not None else None
