"""The parts of the costs page, from facts to lines. Pure."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from trivet.console import format as say
from trivet.console.money.costs_asked import INTO, Asked, word
from trivet.console.money.costs_picture import scatter, waterfall
from trivet.console.money.costs_read import QUADRANTS_OF, Facts
from trivet.console.money.costs_views import (
    AnomalyLine,
    CostLine,
    CostTable,
    FormulaLine,
    Link,
    MovedLine,
    MovedPart,
    QuadrantPart,
    UnitLine,
    ValueLine,
)
from trivet.console.money.costs_words import NAMED, when
from trivet.kit.money import EXACT
from trivet.report.gathered import KEPT_APART
from trivet.report.moved import Moved, PerToken
from trivet.report.names import NONE
from trivet.report.quadrant import MOVES

ROWS_MAX, LINES_MAX, NAMES_MAX = 40, 12, 6
ZERO = Decimal(0)
APART = {
    "idle": "idle: capacity in which nothing ran", "headroom": "headroom: capacity awake and not filled",
    "down": "down: capacity that could not serve", "shared": "shared cost that no rule splits",
    "bill_variance": "what bills say beyond what was measured", "hidden": "idle that its pool hides",
}  # fmt: skip


def table(asked: Asked, facts: Facts, currency: str) -> CostTable | None:
    """Largest first, what nobody bears at the end; rows past `ROWS_MAX` in one, so that the total still adds up."""
    totals = facts.found.totals.get(currency)
    if totals is None:
        return None
    beside = _beside(asked, facts, currency)
    rows = [row for row in facts.found.rows if row.currency == currency]
    rows.sort(key=lambda row: (-row.amount, row.key))
    lines = [_line(asked, row.key[0], row.amount, row.provisional, beside) for row in rows[:ROWS_MAX]]
    left = rows[ROWS_MAX:]
    if left:
        amount, provisional = _sum(row.amount for row in left), _sum(row.provisional for row in left)
        posted = EXACT.subtract(amount, provisional)
        lines.append(CostLine(f"{len(left)} more", "more", posted, provisional, amount, None, "", "", ""))
    for account in KEPT_APART:
        amount = getattr(totals, account)
        if amount:
            url = asked.url("/costs/postings", account=account)
            lines.append(CostLine(APART[account], "apart", amount, ZERO, amount, None, "", "", url))
    return CostTable(
        word(asked.group),
        "Budget" if asked.compare == "budget" else f"{when(facts.before)}",
        tuple(lines),
        len(left),
        totals.total,
        totals.provisional,
        say.watched_places([totals.total]),
        max((line.total for line in lines), default=ZERO),
    )


def _beside(asked: Asked, facts: Facts, currency: str) -> dict[str, Decimal]:
    if asked.compare == "budget":
        return {name: amount for (name, own), amount in facts.budgets.items() if own == currency}
    if facts.previous is None:
        return {}
    return {row.key[0]: row.amount for row in facts.previous.rows if row.currency == currency}


def _line(asked: Asked, name: str, amount: Decimal, provisional: Decimal, beside: dict[str, Decimal]) -> CostLine:
    other = beside.get(name)
    if other is None and asked.compare == "previous":
        other = ZERO
    kind = "unattributed" if name == NONE.get(asked.group) else "payer"
    posted = EXACT.subtract(amount, provisional)
    into = asked.into(name) if INTO[asked.group] != asked.group else ""
    return CostLine(
        name, kind, posted, provisional, amount, other, _change(asked, amount, other), into, asked.behind(name)
    )


def _change(asked: Asked, amount: Decimal, other: Decimal | None) -> str:
    if other is None:
        return "no budget" if asked.compare == "budget" else ""
    if other <= 0:
        return "new" if asked.compare == "previous" and amount else say.DASH
    share = amount / other
    return f"{say.share(float(share))} used" if asked.compare == "budget" else say.change(float(share - 1))


def moved(asked: Asked, facts: Facts, currency: str) -> MovedPart | None:
    """Why the whole moved, and the groups that moved most."""
    del asked
    own = [row for row in facts.moved if row.currency == currency]
    whole = next((row for row in own if row.key is None), None)
    if whole is None or not whole.before:
        return None
    groups = sorted((row for row in own if row.key is not None), key=lambda row: (-abs(row.change), row.key))[
        :LINES_MAX
    ]
    shown = [name for name in whole.parts if any(row.parts[name] for row in (whole, *groups))]
    lines = [_moved_line("all", whole, shown), *(_moved_line(str(row.key[0]), row, shown) for row in groups if row.key)]
    return MovedPart(
        when(facts.before),
        waterfall(
            whole.before, whole.after, {NAMED.get(name, name): part for name, part in whole.parts.items()}, currency
        ),
        tuple(NAMED.get(name, name) for name in shown),
        tuple(lines),
        say.watched_places([whole.after, whole.before]),
        _per_token([row for row in facts.per_token if row.currency == currency]),
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
    why = ", ".join(f"{say.amount(part, places)} {name}" for name, part in pairs)
    more = "more" if change > 0 else "less"
    return (
        f"A million tokens of the pools cost {say.amount(row.after, places)} {row.currency}, "
        f"{say.amount(abs(change), places)} {more}: {why}."
    )


def anomalies(asked: Asked, facts: Facts) -> tuple[AnomalyLine, ...]:
    lines = []
    for tenant, row in facts.odd:
        places = say.watched_places([row.amount, row.expected])
        more = row.amount > row.expected
        words = f"{say.amount(abs(row.amount - row.expected), places)} {'more' if more else 'less'} than its days usually cost"
        lines.append(
            AnomalyLine(
                row.day, tenant, f"{say.amount(row.amount, places)} {row.currency}", say.amount(row.expected, places), words,
                _driver(row.drivers, row.currency), _seen(row),
                asked.url(tenant=tenant, group="model", range="days", since=row.day.isoformat(), until=_next(row)),
                f"/costs/anomalies/{row.day.isoformat()}/{row.tenant_id}/{row.currency}",
            )
        )  # fmt: skip
    return tuple(lines)


def _next(row: Any) -> str:
    return str(row.day.fromordinal(row.day.toordinal() + 1).isoformat())


def _driver(drivers: Sequence[dict[str, Any]], currency: str) -> str:
    """`model openai/gpt-4o, +22.50 USD; scenario chat, +22.50 USD`: the largest two."""
    said = []
    for each in drivers[:2]:
        amount = Decimal(each["amount"])
        sign = "+" if amount > 0 else ""
        name = each["by"] if each["by"] == each["name"] else f"{each['by']} {each['name']}"
        said.append(f"{name}, {sign}{say.amount(amount, say.watched_places([amount]))} {currency}")
    return "; ".join(said) or "not explained"


def _seen(row: Any) -> str:
    return f"{row.acknowledged_by}: {row.acknowledged_reason}" if row.acknowledged_at else ""


def units(facts: Facts, currency: str) -> tuple[UnitLine, ...]:
    own = [row for row in facts.units if row.currency == currency]
    own.sort(key=lambda row: (-row.amount, row.key))
    own = own[:ROWS_MAX]
    request, million, hour = (
        _column([getattr(row, name) for row in own]) for name in ("per_request", "per_million_tokens", "per_gpu_hour")
    )
    return tuple(
        UnitLine(
            str(row.key[0]), row.counts.requests, row.counts.tokens, request[n], million[n], hour[n],
            "" if row.kwh_per_million_tokens is None else f"{row.kwh_per_million_tokens:.3g} kWh",
        )
        for n, row in enumerate(own)
    )  # fmt: skip


def _column(amounts: Sequence[Decimal | None]) -> list[str]:
    """Amounts of one column, all with the same number of places."""
    places = say.watched_places([amount for amount in amounts if amount is not None])
    return [say.DASH if amount is None else say.amount(amount, places) for amount in amounts]


def _watched(amount: Decimal | None) -> str:
    return say.DASH if amount is None else say.amount(amount, say.watched_places([amount]))


def quadrants(asked: Asked, facts: Facts, currency: str) -> QuadrantPart | None:
    found = facts.quadrants.get(currency)
    if found is None:
        return None
    points = [(str(p.point.key), p.point.tokens, p.point.unit_cost, p.quadrant) for p in found.points]
    who: dict[str, list[str]] = {}
    for name, _, _, quadrant in points:
        who.setdefault(quadrant, []).append(name)
    moves = tuple((quadrant, move, _some(who[quadrant])) for quadrant, move in MOVES.values() if quadrant in who)
    of = tuple(
        Link(word(each), asked.url(group=each) + "#quadrants", each == facts.quadrants_of) for each in QUADRANTS_OF
    )
    return QuadrantPart(of, scatter(points, found.volume, found.unit_cost, currency), moves)


def _some(found: Sequence[str]) -> str:
    more = f" and {len(found) - NAMES_MAX} more" if len(found) > NAMES_MAX else ""
    return ", ".join(found[:NAMES_MAX]) + more


def formula(facts: Facts, currency: str) -> tuple[FormulaLine, ...]:
    """Planned beside actual, each a million work units; the actual cost of a million tokens at the end."""
    own = [(pool, of) for pool, of in facts.formula if of.currency == currency]
    hours = _column([amount for _, of in own for amount in (of.price_per_gpu_hour, of.planned.price_per_gpu_hour)])
    work = _column([amount for _, of in own for amount in (of.per_million_work, of.planned.per_million)])
    tokens = _column([of.per_million for _, of in own])
    return tuple(
        FormulaLine(
            pool, hours[2 * n], hours[2 * n + 1], _share(of.utilisation), _share(of.planned.utilisation), work[2 * n],
            work[2 * n + 1], tokens[n],
        )
        for n, (pool, of) in enumerate(own)
    )  # fmt: skip


def _share(value: Decimal | None) -> str:
    return say.share(None if value is None else float(value))


def values(facts: Facts) -> tuple[ValueLine, ...]:
    return tuple(
        ValueLine(
            f"{row.kind} {row.name}",
            f"{say.amount(row.value.amount, 2)} {row.value.currency or row.value.unit}",
            f"{_watched(row.cost)} {row.currency}",
            f"× {float(row.ratio):.3g}" if row.ratio is not None
            else (f"{_watched(row.per_unit)} {row.currency} each" if row.per_unit is not None else "another currency"),
            row.value.note,
        )
        for row in facts.values
    )  # fmt: skip


def _sum(amounts: Any) -> Decimal:
    total = ZERO
    for each in amounts:
        total = EXACT.add(total, each)
    return total
