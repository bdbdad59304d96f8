"""Post shared costs: by the hour where the hour says who bears them, else by the day once it is over.

A rule that looks at a whole day or month is posted a day at a time, at the day's first hour: 720 hours that each move
with every later one would be a quarter of a million postings a month for each cost. Days of a month are brought up to date with each day that
ends, and with each late correction: what stands is always what the usage known by now says.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from trivet.kit.clock import floor
from trivet.kit.interval import Interval, month_of
from trivet.kit.money import plain
from trivet.ledger import book, shared_rows
from trivet.ledger.book import Source
from trivet.ledger.hour import Known
from trivet.ledger.month import bounds
from trivet.ledger.posting import Entries
from trivet.ledger.shared import (
    DAY,
    HOUR,
    NOBODY,
    OF_MONTH,
    PROPORTIONAL,
    Rule,
    Target,
    entries,
    of_day,
    of_hour,
    rule_at,
    shares,
    weigh,
)
from trivet.ledger.shared_rows import Cost, Reader
from trivet.pricing.exchange import NoRate

DAY_S = 86_400
KIND = "shared"
NOTHING = "Nothing of it falls here."


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a part of a cost is posted, by which rule, and the hour or the days whose usage it is split by."""

    at: datetime
    rule: Rule
    within: Interval


def post(session: Session, known: Known) -> Iterator[int | None]:
    """An hour's part of each shared cost whose rule looks at no more than the hour."""
    every = shared_rows.costs(session)
    if not every:
        return
    posted = set(book.sources_of(session, KIND, known.hour))
    reader = Reader(session)
    for cost in every:
        rule = rule_at(cost.rules, known.hour)
        own = of_hour(cost.recurs, cost.terms, known.hour)
        if rule and rule.by_day and floor(known.hour, DAY_S) == known.hour:
            continue  # here stands what is posted for the whole day
        if rule and not rule.by_day and own:
            place = _Place(known.hour, rule, Interval(known.hour, known.hour + HOUR))
            yield _post(session, reader, cost, {own[1]: own[0]}, place)
        elif cost.name in posted:
            yield book.post(session, Source(KIND, cost.name, "none"), known.hour, {}, NOTHING)


def post_days(session: Session, hours: Collection[datetime], until: datetime) -> list[int]:
    """Bring the days of some hours that were posted up to date, where they are over at `until`; ids of the postings."""
    every = [cost for cost in shared_rows.costs(session) if any(rule.by_day for rule in cost.rules)]
    if not every:
        return []
    touched = {floor(hour, DAY_S) for hour in hours}
    reader = Reader(session)
    found = [
        _post_day(session, reader, cost, day, until) for cost in every for day in sorted(_days(cost, touched, until))
    ]
    return [row_id for row_id in found if row_id is not None]


def _days(cost: Cost, touched: Iterable[datetime], until: datetime) -> set[datetime]:
    """Days to look at: those touched that are over; of a rule that looks at the month, all of its days that are."""
    found: set[datetime] = set()
    for day in touched:
        rule = rule_at(cost.rules, day)
        if rule is None or not rule.by_day or day + DAY > until:
            continue
        days = [day]
        if rule.usage_of == OF_MONTH:
            days = [bounds(month_of(day)).start + DAY * n for n in range(31)]
        found |= {one for one in days if month_of(one) == month_of(day) and one + DAY <= until}
    return found


def _post_day(session: Session, reader: Reader, cost: Cost, day: datetime, until: datetime) -> int | None:
    rule = rule_at(cost.rules, day)
    if rule is None or not rule.by_day:
        return None  # its hours are posted one by one
    amounts = of_day(cost.recurs, cost.terms, day)
    if not amounts and cost.name not in book.sources_of(session, KIND, day):
        return None
    within = Interval(day, day + DAY)
    if rule.usage_of == OF_MONTH:
        whole = bounds(month_of(day))
        within = Interval(whole.start, min(whole.end, floor(until, DAY_S)))
    return _post(session, reader, cost, amounts, _Place(day, rule, within))


def _post(session: Session, reader: Reader, cost: Cost, amounts: dict[str, Decimal], place: _Place) -> int | None:
    rule = place.rule
    target: Entries = {}
    said = []
    for currency, amount in amounts.items():
        parts, why = _parts(reader, place, currency, amount)
        target |= entries(parts, currency, reader.centres(place.at))
        said.append(f"{plain(amount)} {currency} {why}")
    method = f"{rule.kind}-{rule.usage_of}-1" if rule.usage_of else f"{rule.kind}-1"
    return book.post(session, Source(KIND, cost.name, method), place.at, target, "; ".join(said) or NOTHING)


def _parts(reader: Reader, place: _Place, currency: str, amount: Decimal) -> tuple[dict[Target, Decimal], str]:
    """Who bears an amount, and why in words."""
    rule = place.rule
    if rule.kind != PROPORTIONAL:
        return shares(amount, rule, {}), f"by {rule.kind} shares."
    try:
        used = reader.usage(place.within, currency, place.at)
    except NoRate as missing:
        return {NOBODY: amount}, f"cannot be split by usage. {missing.detail}"
    parts = shares(amount, rule, weigh(rule, used, reader.above(place.at)))
    if parts.keys() == {NOBODY}:
        return parts, f"for nobody: none of those it is split between used anything in the {rule.usage_of}."
    return parts, f"in proportion to the usage cost of the {rule.usage_of}."
