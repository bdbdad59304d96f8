"""The posted part of a cost report: whole days from their balances, parts of days from entries."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, literal, or_, select
from sqlalchemy.orm import Session

from trivet.kit.interval import Interval
from trivet.ledger.models import BORNE, BalanceCentre, BalanceDay, Entry, Posting
from trivet.report import kept, limits, names
from trivet.report.gathered import ALWAYS_APART, CHARGED, OWN, ZERO, Gathered, shows_apart
from trivet.report.grain import DAY, HOUR, Grain
from trivet.report.kept import Rows


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of the ledger: filters by column, buckets, and the month after which nothing is seen."""

    where: Mapping[str, Collection[Any]]
    grain: Grain | None = None
    until_period: str | None = None


def gather(session: Session, part: Interval, asked: Asked, into: Gathered) -> None:
    """Add what was posted for the hours of an interval."""
    for days, stretch in stretches(_whole(session, part), asked.grain):
        rows = _of_days(session, stretch, asked, into) if days else _read(session, days, stretch, asked, into)
        for account, *key, amount, listed in rows:
            if account:
                into.add_apart(account, tuple(key), amount)
            else:
                into.add(tuple(key), amount, listed)


def _of_days(session: Session, stretch: Interval, asked: Asked, into: Gathered) -> Rows:
    """Whole days, the last of them apart: the others are the same until something is booked for them."""
    last = DAY.floor(stretch.end - timedelta(microseconds=1))
    parts = [Interval(stretch.start, last), Interval(last, stretch.end)] if last > stretch.start else [stretch]
    return [row for part in parts for row in _kept(session, part, asked, into)]


def _kept(session: Session, part: Interval, asked: Asked, into: Gathered) -> Rows:
    where = tuple(sorted((name, tuple(sorted(values))) for name, values in asked.where.items()))
    question = (part.start, part.end, asked.grain, asked.until_period, into.columns, into.groups_max, where)
    marker = _newest(session, part)
    found = kept.answers.find(question, marker)
    if found is None:
        found = _read(session, True, part, asked, into)  # of whole days
        if _newest(session, part) == marker:  # else somebody posted between the two
            kept.answers.keep(question, marker, found)
    return found


def _newest(session: Session, part: Interval) -> int:
    """The newest posting of the hours of an interval."""
    return session.scalar(select(func.max(Posting.id)).where(Posting.hour >= part.start, Posting.hour < part.end)) or 0


def _read(session: Session, days: bool, part: Interval, asked: Asked, into: Gathered) -> Rows:
    rows = session.execute(_query(days, part, asked, into)).all()
    limits.check(rows, into.groups_max)
    return rows


def _whole(session: Session, part: Interval) -> Interval:
    """The same, to the end of its last day where nothing is posted for the rest of it: then its balances tell the day."""
    end = DAY.after(DAY.floor(part.end))
    rest = select(Posting.id).where(Posting.hour >= part.end, Posting.hour < end).limit(1)
    return part if DAY.floor(part.end) == part.end or session.scalar(rest) is not None else Interval(part.start, end)


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
    source = _source(days, {*into.columns, *asked.where})
    table = source.table
    bucket = asked.grain.sql(source.at).label("bucket") if asked.grain else literal(None).label("bucket")
    keys = [bucket, *(source.column(name) for name in into.columns), table.currency]
    apart = source.apart().label("apart")
    amount = func.sum(table.amount)
    listed = func.coalesce(amount.filter(table.account.in_(CHARGED)), ZERO)
    query = select(apart, *keys, amount, listed)
    query = query.where(source.at >= part.start, source.at < part.end, table.account.in_(BORNE))
    if table is Entry:
        query = query.join(Posting, Posting.id == Entry.posting_id)
    if asked.until_period is not None:
        query = query.where(source.column("period") <= asked.until_period)
    if not shows_apart(asked.where):
        query = query.where(apart == "")
    query = query.where(*(source.among(name, values) for name, values in asked.where.items()))
    return query.group_by(apart, *(keys if asked.grain else keys[1:])).limit(into.groups_max + 1)


@dataclass(frozen=True, slots=True)
class _Source:
    """A table that tells amounts, and the column of when they were."""

    table: Any
    at: Any

    def column(self, name: str) -> Any:
        if name == "tenant_id":
            return names.tenants(self.table).label(name)
        return Posting.period if self.table is Entry and name == "period" else getattr(self.table, name)

    def among(self, name: str, values: Collection[Any]) -> ColumnElement[bool]:
        return names.among(Posting if self.table is Entry and name == "period" else self.table, name, values)

    def apart(self) -> ColumnElement[str]:
        """The account of a line that is kept apart; '' for one that somebody bears."""
        nobodys = (
            self.table.nobodys
            if self.table is BalanceCentre
            else and_(self.table.tenant_id == 0, self.table.cost_centre_id == 0)
        )
        own = and_(nobodys, self.table.account.not_in(OWN))
        return case((or_(own, self.table.account == ALWAYS_APART), self.table.account), else_="")


def _source(days: bool, wanted: Collection[str]) -> _Source:
    """The smallest table that has some columns."""
    if not days:
        return _Source(Entry, Posting.hour)
    coarse = set(wanted) <= set(BalanceCentre.__table__.columns.keys())
    return _Source(BalanceCentre, BalanceCentre.day) if coarse else _Source(BalanceDay, BalanceDay.day)
