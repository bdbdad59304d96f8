"""A request with the ids of its dimensions and its provisional cost: what is stored, and what deltas are made from."""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from trivet.ingest.request.fact import CACHED, OK, SHAPES, RequestFact
from trivet.kit.money import EXACT
from trivet.pricing.book import PriceBook, PriceLine
from trivet.pricing.rate import KINDS, Rates, Tokens, cost_picos

_Whole = tuple[int, int, int, int, int]  # picos of a token of each kind
_Line = tuple[PriceLine, _Whole | None]
_Dated = tuple[list[int], list[_Line | None]]  # starts in microseconds since 1970, and what holds from each
LINES_KEPT = 10_000  # models of one price book looked up and remembered
_MICROSECOND = timedelta(microseconds=1)
RowKey = tuple[int, int, bytes, bytes]
NO_TOKENS, NO_MODEL = SHAPES.index("no_tokens"), SHAPES.index("no_model")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
COST_LIMIT_PICOS = 2**63 - 1  # what the column holds: more than nine million units of money for one request


@dataclass(frozen=True, slots=True)
class Cost:
    """Picos, and the price they come from; both None and no currency where the price is unknown."""

    picos: int | None = None
    price_id: int | None = None
    currency: str = ""


UNKNOWN, FREE = Cost(), Cost(0)
_PRICED = frozenset({0, CACHED})  # shapes


@dataclass(slots=True)
class Row:
    """One request to store. Ids are 0 where the span named none.

    `shape` says what it is worth whatever the book says (index into `SHAPES`). `bound` where its
    key is bound to a tenant, who tells of its own calls. `repeats` is the span that is billed
    for this call where this one is not.
    """

    fact: RequestFact
    tenant_id: int
    scenario_id: int
    model_id: int
    backend_id: int
    pool_id: int
    version_id: int = 0
    region_id: int = 0
    key_id: int = 0
    cost: Cost = UNKNOWN
    shape: int = 0
    bound: bool = False
    repeats: bytes | None = None
    end_user_id: int = 0

    @property
    def key(self) -> RowKey:
        """Identity, in the order of the primary key."""
        return self.tenant_id, self.fact.start_us, self.fact.trace_id, self.fact.span_id


def instant(microseconds: int) -> datetime:
    """Microseconds since 1970 as an aware datetime, exactly."""
    return EPOCH + timedelta(microseconds=microseconds)


def shape_of(fact: RequestFact) -> int:
    """Index into `SHAPES`: what a call is worth whatever the book says; 0 where the book decides.

    A call that went well without any token was not measured (a stream without usage): its cost is a gap, not zero.
    """
    if fact.shape:
        return SHAPES.index(fact.shape)
    if not fact.model:
        return NO_MODEL
    return NO_TOKENS if fact.outcome == OK and not fact.measured else 0


class Pricer:
    """Costs by one price book: what it says of a model is looked up once, and whole rates are multiplied as integers."""

    def __init__(self, book: PriceBook) -> None:
        self.book = book
        self._lines: dict[tuple[str, str, str, str], _Dated] = {}

    def cost_of(self, row: Row) -> Cost:
        """The provisional cost of a call, by its shape and the price that held when it started."""
        if row.shape not in _PRICED:
            return UNKNOWN
        fact = row.fact
        found = self._line(fact)
        if row.shape == CACHED:
            return Cost(0, found[0].id, found[0].currency) if found else FREE
        if found is None:
            return UNKNOWN
        line, whole = found
        if whole is None:
            picos = cost_picos(
                Tokens(
                    fact.input_tokens,
                    fact.output_tokens,
                    fact.cache_read_tokens,
                    fact.cache_write_tokens,
                    fact.reasoning_tokens,
                ),
                line.rates,
            )
        else:
            picos = (
                whole[0] * fact.input_tokens
                + whole[1] * fact.output_tokens
                + whole[2] * fact.cache_read_tokens
                + whole[3] * fact.cache_write_tokens
                + whole[4] * fact.reasoning_tokens
            )
        return Cost(picos, line.id, line.currency) if picos <= COST_LIMIT_PICOS else UNKNOWN

    def _line(self, fact: RequestFact) -> _Line | None:
        key = (fact.provider, fact.model, fact.pool, fact.tier)
        dated = self._lines.get(key)
        if dated is None:
            if len(self._lines) >= LINES_KEPT:
                self._lines.clear()
            series = self.book.series(*key)
            lines = [(line, whole_picos(line.rates)) if line else None for line in series.lines]
            dated = self._lines[key] = ([(at - EPOCH) // _MICROSECOND for at in series.starts], lines)
        starts_us, held = dated
        index = bisect_right(starts_us, fact.start_us)
        return held[index - 1] if index else None


def whole_picos(rates: Rates) -> _Whole | None:
    """Picos of a token of each kind, where there are no steps and no fraction of a pico: then no rounding is needed."""
    each = []
    for kind in KINDS:
        steps = getattr(rates, kind)
        picos = EXACT.scaleb(steps[0][1], 6)
        if len(steps) > 1 or picos != picos.to_integral_value():
            return None
        each.append(int(picos))
    return each[0], each[1], each[2], each[3], each[4]
