"""The parts of the page of unit costs, from facts to lines. Pure."""

from collections.abc import Sequence
from decimal import Decimal

from trivet.console import format as say
from trivet.console.address import Link
from trivet.console.money.costs_asked import Asked, word
from trivet.console.money.costs_words import NAMED, called, when
from trivet.console.money.unit_costs_line import Course, Told, course
from trivet.console.money.unit_costs_picture import scatter, waterfall
from trivet.console.money.unit_costs_read import QUADRANTS_OF, Facts, Why, by_of
from trivet.console.money.unit_costs_views import (
    Columns,
    FormulaLine,
    MovedLine,
    MovedPart,
    QuadrantPart,
    UnitLine,
    UnitTable,
    ValueLine,
)
from trivet.console.tongue import N_, _
from trivet.kit.money import EXACT
from trivet.report.moved import Moved, PerToken
from trivet.report.quadrant import MOVES
from trivet.report.unit import UnitCost

ROWS_MAX, LINES_MAX, NAMES_MAX = 40, 12, 6
# The words of `quadrant.MOVES`, for the catalogues.
QUADRANTS = (
    N_("high volume, high cost"), N_("high volume, low cost"), N_("low volume, high cost"), N_("low volume, low cost"),
    N_("Optimise first: shorten context, cache, then route simple requests to a smaller model."),
    N_("Keep it efficient: guard its cache hit rate and utilisation, and commit capacity for it."),
    N_("Question its value: move it to shared or metered capacity, batch it, or agree a price with its owner."),
    N_("Leave it, with a budget line; consolidate what stands idle."),
)  # fmt: skip


def line(asked: Asked, facts: Facts) -> Course | None:
    """A point a day; the day that still runs is not proven."""
    own = [row for row in facts.days if row.currency == facts.currency]
    last = asked.interval.end.date() if asked.running else None
    told = [Told(row.key[0], row.per_million_tokens, row.counts.tokens, row.key[0] != last) for row in own]
    return course(told, facts.flags, facts.currency, lambda day: asked.into(day, "day")) if told else None


def table(asked: Asked, facts: Facts) -> UnitTable | None:
    """Groups by what they cost, largest first; those past `ROWS_MAX` stand in the file."""
    own = [row for row in facts.units if row.currency == facts.currency]
    if not own:
        return None
    own.sort(key=lambda row: (-row.amount, row.key))
    shown = own[:ROWS_MAX]
    by = by_of(asked)[0]
    dearest = max((row.per_million_tokens or Decimal(0) for row in shown), default=Decimal(0))
    lines = tuple(_line(called(by, str(row.key[0])), asked.into(str(row.key[0]), by), row, dearest) for row in shown)
    whole = _line(_("All"), "", facts.whole, Decimal(0)) if facts.whole is not None else None
    every = [*lines, *([whole] if whole else [])]
    places = Columns(
        *(
            say.watched_places([amount for each in every if (amount := getattr(each, name)) is not None])
            for name in ("per_request", "per_million", "per_gpu_hour")
        )
    )
    return UnitTable(_(word(by)), lines, whole, places, len(own) - len(shown), by == "pool")


def _line(name: str, url: str, row: UnitCost, dearest: Decimal) -> UnitLine:
    million, energy = row.per_million_tokens, row.kwh_per_million_tokens
    return UnitLine(
        name, url, row.amount, row.counts.requests, row.counts.tokens, row.per_request, million, row.per_gpu_hour,
        "" if energy is None else f"{energy:.3g} kWh", float(million / dearest) if million and dearest else 0.0,
    )  # fmt: skip


def moved(why: Why | None, currency: str, by: str) -> MovedPart | None:
    """Why the whole moved, and the groups (`by` a dimension) that moved most."""
    own = [row for row in why.moved if row.currency == currency] if why else []
    whole = next((row for row in own if row.key is None), None)
    if why is None or whole is None or not whole.before:
        return None
    groups = sorted((row for row in own if row.key is not None), key=lambda row: (-abs(row.change), row.key))
    shown = groups[:LINES_MAX]
    parts = [name for name in whole.parts if any(row.parts[name] for row in (whole, *shown))]
    lines = [
        _moved_line(_("all"), whole, parts),
        *(_moved_line(called(by, str(r.key[0])), r, parts) for r in shown if r.key),
    ]
    return MovedPart(
        when(why.before),
        waterfall(whole.before, whole.after, {_(NAMED[name]): part for name, part in whole.parts.items()}, currency),
        tuple(_(NAMED[name]) for name in parts),
        tuple(lines),
        len(groups) - len(shown),
        say.watched_places([whole.after, whole.before]),
        _per_token([row for row in why.per_token if row.currency == currency]),
    )


def _moved_line(name: str, row: Moved, shown: Sequence[str]) -> MovedLine:
    return MovedLine(name, row.change, tuple(row.parts[part] for part in shown))


def _per_token(rows: Sequence[PerToken]) -> str:
    """`A million tokens of the pools cost 0.96 USD, 0.12 less: −0.20 utilisation, 0.08 price.`"""
    if not rows or rows[0].before == rows[0].after:
        return ""
    row = rows[0]
    places = say.watched_places([row.before, row.after])
    change = EXACT.subtract(row.after, row.before)
    pairs = sorted(((n, p) for n, p in row.parts.items() if p), key=lambda pair: (-abs(pair[1]), pair[0]))
    said = {
        "amount": f"{say.amount(row.after, places)} {row.currency}", "change": say.amount(abs(change), places),
        "why": _(", ").join(
            _("{amount} {part}", amount=say.amount(part, places), part=_(NAMED[name])) for name, part in pairs
        ),
    }  # fmt: skip
    if change > 0:
        return _("A million tokens of the pools cost {amount}, {change} more: {why}.", **said)
    return _("A million tokens of the pools cost {amount}, {change} less: {why}.", **said)


def quadrants(asked: Asked, facts: Facts) -> QuadrantPart | None:
    """Where each lies, and the move that each quadrant calls for."""
    found = facts.quadrants.get(facts.currency)
    if found is None:
        return None
    points = [
        (called(facts.quadrants_of, str(p.point.key)), p.point.tokens, p.point.unit_cost, p.quadrant)
        for p in found.points
    ]
    who: dict[str, list[str]] = {}
    for name, _tokens, _unit, quadrant in points:
        who.setdefault(quadrant, []).append(name)
    moves = tuple((_(quadrant), _(move), _some(who[quadrant])) for quadrant, move in MOVES.values() if quadrant in who)
    of = tuple(
        Link(_(word(each)), asked.url(of=each) + "#quadrants", each == facts.quadrants_of) for each in QUADRANTS_OF
    )
    return QuadrantPart(of, scatter(points, found.volume, found.unit_cost, facts.currency), moves)


def _some(found: Sequence[str]) -> str:
    said = _(", ").join(found[:NAMES_MAX])
    more = len(found) - NAMES_MAX
    return _("{names} and {n} more", names=said, n=more) if more > 0 else said


def formula(facts: Facts) -> tuple[FormulaLine, ...]:
    """Planned beside actual, each a million work units; the actual cost of a million tokens at the end."""
    own = [(pool, of) for pool, of in facts.formula if of.currency == facts.currency]
    hours = _column([amount for _pool, of in own for amount in (of.price_per_gpu_hour, of.planned.price_per_gpu_hour)])
    work = _column([amount for _pool, of in own for amount in (of.per_million_work, of.planned.per_million)])
    tokens = _column([of.per_million for _pool, of in own])
    return tuple(
        FormulaLine(
            pool, hours[2 * n], hours[2 * n + 1], _share(of.utilisation), _share(of.planned.utilisation), work[2 * n],
            work[2 * n + 1], tokens[n],
        )
        for n, (pool, of) in enumerate(own)
    )  # fmt: skip


def _column(amounts: Sequence[Decimal | None]) -> list[str]:
    """Amounts of one column, all with the same number of places."""
    places = say.watched_places([amount for amount in amounts if amount is not None])
    return [say.DASH if amount is None else say.amount(amount, places) for amount in amounts]


def _share(value: Decimal | None) -> str:
    return say.share(None if value is None else float(value))


def values(facts: Facts) -> tuple[ValueLine, ...]:
    """Figures of worth beside what they cost."""
    return tuple(
        ValueLine(
            f"{_(word(row.kind)).lower()} {row.name}",
            f"{say.amount(row.value.amount, 2)} {row.value.currency or row.value.unit}",
            f"{_watched(row.cost)} {row.currency}",
            _ratio(row.ratio, row.per_unit, row.currency),
            row.value.note,
        )
        for row in facts.values
    )


def _ratio(ratio: Decimal | None, per_unit: Decimal | None, currency: str) -> str:
    if ratio is not None:
        return f"× {float(ratio):.3g}"
    if per_unit is None:
        return _("another currency")
    return _("{amount} {currency} each", amount=_watched(per_unit), currency=currency)


def _watched(amount: Decimal) -> str:
    return say.amount(amount, say.watched_places([amount]))
