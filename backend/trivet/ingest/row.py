"""A request with the ids of its dimensions and its provisional cost: what is stored, and what deltas are made from."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from trivet.ingest.fact import OK, RequestFact
from trivet.pricing.book import PriceBook
from trivet.pricing.rate import Tokens, cost_picos

RowKey = tuple[int, int, bytes, bytes]
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
    """One request to store. Ids are 0 where the span named none."""

    fact: RequestFact
    tenant_id: int
    scenario_id: int
    model_id: int
    backend_id: int
    pool_id: int
    cost: Cost = UNKNOWN

    @property
    def key(self) -> RowKey:
        """Identity, in the order of the primary key."""
        return self.tenant_id, self.fact.start_us, self.fact.trace_id, self.fact.span_id


def instant(microseconds: int) -> datetime:
    """Microseconds since 1970 as an aware datetime, exactly."""
    return EPOCH + timedelta(microseconds=microseconds)


def cost_of(fact: RequestFact, book: PriceBook) -> Cost:
    """The provisional cost, by the price that held when the request started.

    A call that went well without any token was not measured (a stream without usage): its cost is a gap, not zero.
    """
    if fact.outcome == OK and not fact.measured:
        return UNKNOWN
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
