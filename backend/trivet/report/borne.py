"""The posted part of a cost report: whole days from their balances, parts of days from entries."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, literal, or_, select
from sqlalchemy.orm import Session

from trivet.kit.interval import Interval
from trivet.ledger.models import BORNE, BalanceDay, Entry, Posting
from trivet.report import limits
from trivet.report.gathered import ALWAYS_APART, CHARGED, OWN, ZERO, Gathered, shows_apart
from trivet.report.grain import DAY, HOUR, Grain
from trivet.rollup.read import one_of

_OF_POSTING = {"period": Posting.period}


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of the ledger: filters by column, buckets, and the month after which nothing is seen."""

    where: Mapping[str, Collection[Any]]
    grain: Grain | None = None
    until_period: str | None = None


def gather(session: Session, part: Interval, asked: Asked, into: Gathered) -> None:
    """Add what was posted for the hours of an interval."""
    for days, stretch in stretches(part, asked.grain):
        rows = session.execute(_query(days, stretch, asked, into)).all()
        limits.check(rows, into.groups_max)
        for account, *key, amount, listed in rows:
            if account:
                into.add_apart(account, tuple(key), amount)
            else:
                into.add(tuple(key), amount, listed)


def stretches(part: Interval, grain: Grain | None) -> Iterator[tuple[bool, Interval]]:
    """An interval as (whole days?, stretch): its whole days in the middle, the hours before and after them. Pure."""
    first = DAY.floor(part.start)
    first = first if first == part.start else DAY.after(first)
    last = DAY.floor(part.end)
    if grain is HOUR or last <= first:
        yield False, part
        return
    if part.start < first:
        yield False, Interval(part.start, first)
    yield True, Interval(first, last)
    if last < part.end:
        yield False, Interval(last, part.end)


def _query(days: bool, part: Interval, asked: Asked, into: Gathered) -> Select[Any]:
    table: Any = BalanceDay if days else Entry
    at = BalanceDay.day if days else Posting.hour
    bucket = asked.grain.sql(at).label("bucket") if asked.grain else literal(None).label("bucket")
    keys = [bucket, *(_column(days, name) for name in into.columns), table.currency]
    apart = _apart(table).label("apart")
    amount = func.sum(table.amount)
    listed = func.coalesce(amount.filter(table.account.in_(CHARGED)), ZERO)
    query = select(apart, *keys, amount, listed).where(at >= part.start, at < part.end, table.account.in_(BORNE))
    if not days:
        query = query.join(Posting, Posting.id == Entry.posting_id)
    if asked.until_period is not None:
        query = query.where(_column(days, "period") <= asked.until_period)
    if not shows_apart(asked.where):
        query = query.where(apart == "")
    query = query.where(*(one_of(_column(days, name), values) for name, values in asked.where.items()))
    grouped = [apart, *(keys if asked.grain else keys[1:])]
    return query.group_by(*grouped).limit(into.groups_max + 1)


def _column(days: bool, name: str) -> Any:
    if days:
        return getattr(BalanceDay, name)
    return _OF_POSTING[name] if name in _OF_POSTING else getattr(Entry, name)


def _apart(table: Any) -> ColumnElement[str]:
    """The account of a line that is kept apart; '' for one that somebody bears."""
    nobodys = and_(table.tenant_id == 0, table.cost_centre_id == 0, table.account.not_in(OWN))
    return case((or_(nobodys, table.account == ALWAYS_APART), table.account), else_="")
