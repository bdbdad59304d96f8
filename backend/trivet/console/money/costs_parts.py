"""The parts of the costs page, from facts to lines. Pure."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from trivet.console import format as say
from trivet.console.money import pivot
from trivet.console.money.costs_asked import TIMES, Asked, word
from trivet.console.money.costs_picture import Bars, Day, Key, Part, bars
from trivet.console.money.costs_read import Facts, name_of
from trivet.console.money.costs_views import AnomalyLine, CostLine, CostTable, PivotTable
from trivet.console.money.costs_words import called, when
from trivet.console.tongue import N_, _, _n
from trivet.kit.money import EXACT
from trivet.report.names import NONE

ROWS_MAX = 40
DRIVERS = {"model": N_("model"), "scenario": N_("scenario"), "tenant": N_("tenant")}  # of days that stand out
ZERO = Decimal(0)


def table(asked: Asked, facts: Facts) -> CostTable | None:
    """Largest first (days in their order), what nobody bears at the end; rows past `ROWS_MAX` in one, so that it adds up."""
    totals = facts.found.totals.get(facts.currency)
    if totals is None or asked.across:
        return None
    beside = _beside(asked, facts)
    rows = {name_of(row.key, [asked.group])[0]: row for row in facts.found.rows if row.currency == facts.currency}
    shown = pivot.largest({name: row.amount for name, row in rows.items()}, asked.group, ROWS_MAX)
    lines = [_line(asked, name, rows[name].amount, rows[name].provisional, beside) for name in shown]
    left = [row for name, row in rows.items() if name not in set(shown)]
    if left:
        amount, provisional = pivot.total(row.amount for row in left), pivot.total(row.provisional for row in left)
        posted = EXACT.subtract(amount, provisional)
        said = _n("{n} earlier", "{n} earlier", len(left)) if asked.group in TIMES else _("{n} more", n=len(left))
        lines.append(CostLine(said, "more", posted, provisional, amount, None, "", "", ""))
    for account, words in pivot.APART_WORDS.items():
        amount = getattr(totals, account)
        if amount:
            lines.append(CostLine(_(words), "apart", amount, ZERO, amount, None, "", "", asked.behind(account=account)))
    return CostTable(
        _(word(asked.group)),
        _("Budget") if asked.compare == "budget" else when(facts.before),
        tuple(lines),
        len(left),
        totals.total,
        totals.provisional,
        say.watched_places([totals.total]),
        max((line.total for line in lines), default=ZERO),
        has_beside=asked.group not in TIMES,
        by_centre=asked.group == "cost_centre",
    )


def pivoted(asked: Asked, facts: Facts) -> PivotTable | None:
    """The table of two dimensions."""
    if facts.sums is None or not facts.found.totals:
        return None
    made = pivot.pivot(asked, facts.sums)
    places = say.watched_places([made.total])
    return PivotTable(_(word(asked.group)), _(word(asked.across)), made, places)


def _beside(asked: Asked, facts: Facts) -> Mapping[str, Decimal]:
    if asked.compare == "budget":
        return {name: amount for (name, own), amount in facts.budgets.items() if own == facts.currency}
    if facts.previous is None or asked.group in TIMES:
        return {}
    return {row.key[0]: row.amount for row in facts.previous.rows if row.currency == facts.currency}


def _line(asked: Asked, name: str, amount: Decimal, provisional: Decimal, beside: Mapping[str, Decimal]) -> CostLine:
    other = beside.get(name)
    if other is None and asked.compare == "previous":
        other = ZERO
    kind = "unattributed" if name == NONE.get(asked.group) else "payer"
    posted = EXACT.subtract(amount, provisional)
    return CostLine(
        called(asked.group, name), kind, posted, provisional, amount, other, _change(asked, amount, other), asked.into(name),
        asked.behind(**{asked.group: name}),
    )  # fmt: skip


def _change(asked: Asked, amount: Decimal, other: Decimal | None) -> str:
    if other is None:
        return _("no budget") if asked.compare == "budget" else ""
    if other <= 0:
        return _("new") if asked.compare == "previous" and amount else say.DASH
    share = amount / other
    return (
        _("{share} used", share=say.share(float(share))) if asked.compare == "budget" else say.change(float(share - 1))
    )


def picture(asked: Asked, facts: Facts) -> Bars | None:
    """A bar a day, the largest rows apart; the days of the month that are left as the forecast says."""
    posted: dict[date, dict[str, Decimal]] = {}
    for row in facts.daily.rows:
        if row.currency == facts.currency:
            own = posted.setdefault(_day(row.key[-1]), {})
            own["borne"] = EXACT.subtract(row.amount, row.provisional)
            own["provisional"] = row.provisional
    for apart in facts.daily.apart:
        if apart.currency == facts.currency:
            own = posted.setdefault(_day(apart.key[-1]), {})
            own["apart"] = EXACT.add(own.get("apart", ZERO), apart.amount)
    if not posted:
        return None
    days = {day: Day(day, _parts(asked, facts, day, posted.get(day, {}))) for day in _every(min(posted), max(posted))}
    ahead = next((each.month for each in facts.ahead if each.currency == facts.currency), None)
    if ahead is not None:
        for day, amount in ahead.days:
            had = days[day].parts if day in days else ()
            more = max(EXACT.subtract(amount, pivot.total(part.amount for part in had)), ZERO)
            low, high = _around(amount, ahead.total, ahead.spent, (ahead.low, ahead.high))
            days[day] = Day(day, (*had, Part("forecast", more)), low, high)
    ordered = [days[day] for day in sorted(days)]
    return bars(ordered, facts.flags, _keys(asked, facts, ordered), facts.currency)


def _parts(asked: Asked, facts: Facts, day: date, own: Mapping[str, Decimal]) -> tuple[Part, ...]:
    """What a day's bar is stacked of: the largest rows, all others, what nobody bears, what is not posted yet."""
    at, found, rest = day.isoformat(), [], own.get("borne", ZERO)
    for n, (name, by_day) in enumerate(facts.stacked.items()):
        amount = by_day.get(at, ZERO)
        rest = EXACT.subtract(rest, amount)
        found.append(Part(f"top{n}", amount, called(asked.group, name), asked.cell_of_day(name, at)))
    whole = asked.into(at, "day")
    found.append(Part("others" if facts.stacked else "borne", rest, "", whole))
    found += [Part(kind, own.get(kind, ZERO), "", whole) for kind in ("apart", "provisional")]
    return tuple(part for part in found if part.amount)


_KEYS = {
    "others": N_("all others"), "borne": N_("posted"), "apart": N_("nobody's"), "provisional": N_("provisional"),
    "forecast": N_("forecast, with its interval"),
}  # fmt: skip


def _keys(asked: Asked, facts: Facts, days: Sequence[Day]) -> list[Key]:
    """What each shade is, of those that are drawn."""
    drawn = {part.kind for day in days for part in day.parts if part.amount > 0}
    named = [Key(f"top{n}", called(asked.group, name), asked.into(name)) for n, name in enumerate(facts.stacked)]
    return [key for key in [*named, *(Key(kind, _(words)) for kind, words in _KEYS.items())] if key.kind in drawn]


def _around(
    amount: Decimal, total: Decimal, spent: Decimal, ends: tuple[Decimal | None, Decimal | None]
) -> tuple[Decimal | None, Decimal | None]:
    """A day's share of the interval of what is left."""
    left = EXACT.subtract(total, spent)
    if ends[0] is None or ends[1] is None or left <= 0:
        return None, None
    low, high = (
        EXACT.divide(EXACT.multiply(amount, EXACT.subtract(end, spent)), left) for end in ends if end is not None
    )
    return max(low, ZERO), high


def _day(bucket: str) -> date:
    return datetime.fromisoformat(bucket).date()


def _every(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def anomalies(asked: Asked, facts: Facts) -> tuple[AnomalyLine, ...]:
    """Odd days in words."""
    return tuple(_odd(asked, tenant, row) for tenant, row in facts.odd)


def _odd(asked: Asked, tenant: str, row: Any) -> AnomalyLine:
    places = say.watched_places([row.amount, row.expected])
    by = say.amount(abs(row.amount - row.expected), places)
    more = row.amount > row.expected
    drivers = _driver(row.drivers, row.currency)
    words = (
        _("{amount} more than its days usually cost: {drivers}", amount=by, drivers=drivers)
        if more
        else _("{amount} less than its days usually cost: {drivers}", amount=by, drivers=drivers)
    )
    until = (row.day + timedelta(days=1)).isoformat()
    return AnomalyLine(
        row.day, tenant, row.amount, row.expected, row.currency, places, words, _seen(row),
        asked.url(tenant=tenant, group="model", across="", range="days", since=row.day.isoformat(), until=until),
        f"/costs/anomalies/{row.day.isoformat()}/{row.tenant_id}/{row.currency}",
    )  # fmt: skip


def _driver(drivers: Sequence[dict[str, Any]], currency: str) -> str:
    """`model openai/gpt-4o, +22.50 USD; scenario chat, +22.50 USD`: the largest two."""
    said = []
    for each in drivers[:2]:
        amount = Decimal(each["amount"])
        sign = "+" if amount > 0 else ""
        by = _(DRIVERS.get(each["by"], each["by"]))
        name = by if each["by"] == each["name"] else f"{by} {called(each['by'], each['name'])}"
        said.append(f"{name}, {sign}{say.amount(amount, say.watched_places([amount]))} {currency}")
    return _("; ").join(said) or _("not explained")


def _seen(row: Any) -> str:
    return f"{row.acknowledged_by}: {row.acknowledged_reason}" if row.acknowledged_at else ""
