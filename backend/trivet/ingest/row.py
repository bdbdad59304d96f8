"""A request with the ids of its dimensions and its provisional cost: what is stored, and what deltas are made from."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from trivet.ingest.fact import OK, SHAPES, RequestFact
from trivet.pricing.book import PriceBook
from trivet.pricing.rate import Tokens, cost_picos

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


UNKNOWN = Cost()


@dataclass(slots=True)
class Row:
    """One request to store. Ids are 0 where the span named none.

    `shape` says why it has no price whatever the book says (index into `SHAPES`). `repeats` is the span that is billed
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
    repeats: bytes | None = None

    @property
    def key(self) -> RowKey:
        """Identity, in the order of the primary key."""
        return self.tenant_id, self.fact.start_us, self.fact.trace_id, self.fact.span_id


def instant(microseconds: int) -> datetime:
    """Microseconds since 1970 as an aware datetime, exactly."""
    return EPOCH + timedelta(microseconds=microseconds)


def shape_of(fact: RequestFact) -> int:
    """Index into `SHAPES`: why a call cannot be priced, whatever the book says; 0 where it can.

    A call that went well without any token was not measured (a stream without usage): its cost is a gap, not zero.
    """
    if fact.shape:
        return SHAPES.index(fact.shape)
    if not fact.model:
        return NO_MODEL
    return NO_TOKENS if fact.outcome == OK and not fact.measured else 0


def cost_of(fact: RequestFact, book: PriceBook) -> Cost:
    """The provisional cost of a call whose shape is 0, by the price that held when it started."""
    line = book.price_at(fact.provider, fact.model, fact.pool, instant(fact.start_us))
    if line is None:
        return UNKNOWN
    tokens = Tokens(
        fact.input_tokens,
        fact.output_tokens,
        fact.cache_read_tokens,
        fact.cache_write_tokens,
        fact.reasoning_tokens,
    )
    picos = cost_picos(tokens, line.rates)
    return Cost(picos, line.id, line.currency) if picos <= COST_LIMIT_PICOS else UNKNOWN
