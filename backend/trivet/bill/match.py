"""A bill against what was measured: each difference of a day and model, split exactly into what explains it. Pure.

For each kind of token, with A billed for T tokens, and m priced and n unpriced tokens measured, m at the cost v:

    p         = what a token cost us: v/m, else the price book's rate, else the bill's own A/T
    price     = A - p T           the bill's unit price is another one, for the tokens it bills
    unpriced  = p n               measured, but without a price: it cost nothing here
    volume    = p (T - m - n)     billed and not measured, or measured and not billed

which sums to A - v. Where a bill tells no tokens, A - v is explained only where one side has nothing; else it is
`unexplained`. What a bill charges beside tokens is tax, credit, fee, commitment or correction, whole. Parts are whole
picos and sum to the difference, whatever the figures.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from trivet.kit.money import EXACT, rounded, split

KINDS = ("input", "output", "cache_read", "cache_write", "reasoning")
CAPACITY = "capacity"
CAUSES = {
    "price": "the unit price on the bill is another one than ours",
    "volume": "tokens that only the bill has, or only we have",
    "unpriced": "tokens that we measured and have no price for",
    "day_boundary": "tokens that the two sides count in neighbouring days",
    "unknown_model": "a name on the bill that is no model of ours",
    "fee": "charges for other things than tokens",
    "commitment": "commitments bought, and usage that they cover",
    "tax": "what the provider adds as tax",
    "credit": "credits and discounts",
    "correction": "corrections and charges of days that this bill does not cover",
    "rounding": "rounding of the bill's lines",
    "no_rate": "measured in a currency that no rate leads from",
    "unexplained": "nothing that we know of",
}
_WHOLE = {"tax": "tax", "credit": "credit", "adjustment": "correction", "purchase": "commitment"}
_ZERO = Decimal(0)
_DAY = timedelta(days=1)
Target = tuple[date, int, int, str]  # (day, model id, pool id, name); 0 and "" are none


@dataclass(frozen=True, slots=True)
class Group:
    """Lines of a bill that are alike, summed. `slack`: by how much their rounding may be off. `counted`: tokens told."""

    target: Target
    kind: str
    category: str
    outside: bool
    covered: bool
    counted: bool
    amount: Decimal
    tokens: Decimal
    slack: Decimal


@dataclass(frozen=True, slots=True)
class Measured:
    """What telemetry says of one day and model, or the ledger of one day and pool. `cost` by currency."""

    cost: Mapping[str, Decimal] = field(default_factory=dict)
    tokens: Mapping[str, int] = field(default_factory=dict)
    unpriced: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Terms:
    """How two sides compare: rates a token by kind, and the measured cost in the bill's currency; None without a rate."""

    rates: Mapping[str, Decimal]
    cost: Decimal | None


Parts = dict[tuple[str, str], Decimal]  # by (cause, kind of token or "")


@dataclass(frozen=True, slots=True)
class Row:
    """One day and model: what was billed, what was measured, and the parts of the difference."""

    target: Target
    billed: Decimal
    measured: Decimal
    measured_in: Mapping[str, Decimal]
    billed_tokens: Decimal | None
    measured_tokens: int
    parts: Parts

    @property
    def difference(self) -> Decimal:
        return EXACT.subtract(self.billed, self.measured)


def match(
    groups: Iterable[Group],
    measured: Mapping[Target, Measured],
    terms: Mapping[Target, Terms],
    *,
    beside: bool = False,
    by_day: bool = True,
) -> list[Row]:
    """Rows in order. `beside`: tokens came in a file of their own, so that lines without tokens are counted there."""
    billed: dict[Target, list[Group]] = {}
    for group in groups:
        billed.setdefault(group.target, []).append(group)
    rows = [
        _row(target, billed.get(target, []), measured.get(target, Measured()), terms.get(target), beside)
        for target in sorted(billed.keys() | measured.keys())
    ]
    if by_day:
        _over_midnight(rows)
    return rows


def _row(target: Target, groups: list[Group], measured: Measured, terms: Terms | None, beside: bool) -> Row:
    cost = terms.cost if terms else _ZERO
    parts: Parts = {}
    of_tokens: list[Group] = []
    for group in groups:
        cause = _whole_cause(group)
        if cause:
            _add(parts, cause, group.kind, group.amount)
        else:
            of_tokens.append(group)
    if cost is None:
        for group in of_tokens:
            _add(parts, "no_rate", group.kind, group.amount)
    elif target[2]:
        _capacity(parts, of_tokens, cost)
    else:
        sides = _sides(of_tokens, measured, beside)
        _tokens(parts, sides, terms.rates if terms else {}, cost)
    told = [group.tokens for group in groups if group.counted]
    return Row(
        target,
        _sum(group.amount for group in groups),
        cost or _ZERO,
        measured.cost,
        _sum(told) if told else None,
        sum(measured.tokens.values()) + sum(measured.unpriced.values()),
        {key: amount for key, amount in parts.items() if amount},
    )


def _whole_cause(group: Group) -> str:
    """The cause that explains a group whole; "" where it is compared."""
    if group.outside:
        return "correction"
    if group.category in _WHOLE:
        return _WHOLE[group.category]
    _, model_id, pool_id, name = group.target
    if pool_id:
        return ""
    if group.kind:
        return "" if model_id else "unknown_model"
    return "fee" if model_id or not name else "unknown_model"


def _capacity(parts: Parts, groups: list[Group], cost: Decimal) -> None:
    """A pool's hours on a bill against what they cost in the ledger."""
    billed, slack = _sum(group.amount for group in groups), _sum(group.slack for group in groups)
    difference = EXACT.subtract(billed, cost)
    both = bool(billed) and bool(cost)
    cause = "rounding" if abs(difference) <= slack else "price" if both else "volume"
    _add(parts, cause, CAPACITY, difference)


@dataclass(slots=True)
class _Side:
    """One kind of token of one day and model. `tokens` None: the bill does not tell."""

    amount: Decimal = _ZERO
    slack: Decimal = _ZERO
    tokens: Decimal | None = None
    covered: bool = False
    measured: int = 0
    unpriced: int = 0
    cost: Decimal = _ZERO


def _tokens(parts: Parts, sides: dict[str, "_Side"], rates: Mapping[str, Decimal], cost: Decimal) -> None:
    weights = {kind: _weight(kind, side, rates) for kind, side in sides.items()}
    guessed = not any(weights.values())
    if guessed:
        weights = {kind: Decimal(side.measured) for kind, side in sides.items()}
    if any(weights.values()):
        for kind, share in split(cost, weights).items():
            sides[kind].cost = share
    elif cost:
        _add(parts, "unexplained", "", cost.copy_negate())
    for kind, side in sides.items():
        for cause, amount in _explained(side, rates.get(kind), guessed and bool(cost)):
            _add(parts, cause, kind, amount)


def _sides(groups: list[Group], measured: Measured, beside: bool) -> dict[str, _Side]:
    """Both sides by kind. Where a bill has no reasoning of its own, ours is in its output."""
    billed_kinds = {group.kind for group in groups}
    sides: dict[str, _Side] = {}
    for kind in KINDS:
        own = "output" if kind == "reasoning" and "reasoning" not in billed_kinds else kind
        side = sides.setdefault(own, _Side())
        side.measured += measured.tokens.get(kind, 0)
        side.unpriced += measured.unpriced.get(kind, 0)
    silent = {group.kind for group in groups if not group.counted and group.amount}
    for group in groups:
        side = sides[group.kind]
        side.amount = EXACT.add(side.amount, group.amount)
        side.slack = EXACT.add(side.slack, group.slack)
        side.covered = side.covered or group.covered
        if group.counted and (beside or group.kind not in silent):
            side.tokens = EXACT.add(side.tokens or _ZERO, group.tokens)
    for kind, side in sides.items():
        if side.tokens is None and kind not in billed_kinds:
            side.tokens = _ZERO
    return sides


def _weight(kind: str, side: _Side, rates: Mapping[str, Decimal]) -> Decimal:
    """What a kind's share in the measured cost is reckoned by."""
    rate = rates.get(kind)
    if rate is None:
        rate = EXACT.divide(abs(side.amount), side.tokens) if side.tokens else _ZERO
    return EXACT.multiply(rate, Decimal(side.measured))


def _explained(side: _Side, rate: Decimal | None, guessed: bool) -> list[tuple[str, Decimal]]:
    difference = EXACT.subtract(side.amount, side.cost)
    if side.tokens is None:
        return [(_untold(side, difference, rate), difference)]
    price = EXACT.divide(side.cost, Decimal(side.measured)) if side.measured and side.cost else rate
    if price is None:
        return _at_the_bills_price(side, difference)
    unpriced = rounded(EXACT.multiply(price, Decimal(side.unpriced)))
    missed = EXACT.subtract(side.tokens, Decimal(side.measured + side.unpriced))
    volume = rounded(EXACT.multiply(price, missed))
    rest = EXACT.subtract(EXACT.subtract(difference, unpriced), volume)
    return [("unpriced", unpriced), ("volume", volume), (_of_price(side, rest, guessed), rest)]


def _of_price(side: _Side, rest: Decimal, guessed: bool) -> str:
    if abs(rest) <= side.slack:
        return "rounding"
    if side.covered:
        return "commitment"
    return "unexplained" if guessed else "price"


def _untold(side: _Side, difference: Decimal, rate: Decimal | None) -> str:
    """Why an amount without tokens differs."""
    if not side.measured and not side.unpriced:
        return "volume"
    if abs(difference) <= side.slack:
        return "rounding"
    if side.covered:
        return "commitment"
    return "unpriced" if side.unpriced and not side.cost and rate is None else "unexplained"


def _at_the_bills_price(side: _Side, difference: Decimal) -> list[tuple[str, Decimal]]:
    """No price of ours: the measured tokens are worth what the bill takes for as many."""
    if not side.tokens:
        return [("unexplained" if side.measured or side.unpriced else "volume", difference)]
    seen = min(Decimal(side.measured + side.unpriced), side.tokens)
    unpriced = rounded(EXACT.divide(EXACT.multiply(difference, seen), side.tokens))
    return [("unpriced", unpriced), ("volume", EXACT.subtract(difference, unpriced))]


def _over_midnight(rows: list[Row]) -> None:
    """Volumes of one model and kind that cancel between a day and the next were counted on other sides of midnight."""
    by_target = {row.target: row for row in rows}
    for (day, *rest), row in by_target.items():
        following = by_target.get((day + _DAY, *rest))  # type: ignore[arg-type]  # a target, a day later
        if following is None:
            continue
        for kind in KINDS:
            key = ("volume", kind)
            here, there = row.parts.get(key, _ZERO), following.parts.get(key, _ZERO)
            if here and there and (here < 0) != (there < 0):
                moved = min(abs(here), abs(there)).copy_sign(here)
                for each, amount in ((row, moved), (following, moved.copy_negate())):
                    _add(each.parts, "volume", kind, amount.copy_negate())
                    _add(each.parts, "day_boundary", kind, amount)
    for row in rows:
        for empty in [key for key, amount in row.parts.items() if not amount]:
            del row.parts[empty]


def by_cause(rows: Iterable[Row]) -> Parts:
    """The parts of all rows together."""
    found: Parts = {}
    for row in rows:
        for (cause, kind), amount in row.parts.items():
            _add(found, cause, kind, amount)
    return {key: amount for key, amount in found.items() if amount}


def _add(parts: Parts, cause: str, kind: str, amount: Decimal) -> None:
    parts[cause, kind] = EXACT.add(parts.get((cause, kind), _ZERO), amount)


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    total = _ZERO
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total
