"""What requests used of the reservations that their spans name: one row for each reservation and transaction. Pure.

The rows commit together with the requests. Requests that turn out to repeat another's call are taken back below zero.
What a span names that is no id of ours is nobody's reservation. What admission rejected used nothing and counts as no request.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from uuid import UUID

from trivet.ingest.request.fact import REJECTED
from trivet.ingest.store.row import Row
from trivet.kit.money import from_picos

COLUMNS = ("reservation_id", "tenant_id", "currency", "amount", "tokens", "requests")
TYPES = ["uuid", "int4", "text", "numeric", "int8", "int8"]
Use = tuple[UUID, int, str, Decimal, int, int]
ID_LENGTH = 36


def uses_of(rows: Iterable[Row], back: Iterable[Row] = ()) -> list[Use]:
    """Rows of `reservation_use`, by reservation, tenant and currency; an unpriced request adds no money."""
    sums: dict[tuple[UUID, int, str], list[int]] = {}
    for key, picos, tokens, requests in (*_each(rows, 1), *_each(back, -1)):
        total = sums.setdefault(key, [0, 0, 0])
        total[0] += picos
        total[1] += tokens
        total[2] += requests
    return [(*key, from_picos(picos), tokens, requests) for key, (picos, tokens, requests) in sorted(sums.items())]


def _each(rows: Iterable[Row], sign: int) -> Iterator[tuple[tuple[UUID, int, str], int, int, int]]:
    for row in rows:
        fact = row.fact
        reservation = id_of(fact.reservation) if fact.reservation else None
        if reservation is None:
            continue
        tokens = (
            fact.input_tokens
            + fact.output_tokens
            + fact.cache_read_tokens
            + fact.cache_write_tokens
            + fact.reasoning_tokens
        )
        yield (
            (reservation, row.tenant_id, row.cost.currency),
            sign * (row.cost.picos or 0),
            sign * tokens,
            sign * (fact.outcome != REJECTED),
        )


def id_of(text: str) -> UUID | None:
    """The id of a reservation out of what a span says; None for anything else."""
    if len(text) != ID_LENGTH:
        return None
    try:
        return UUID(text)
    except ValueError:
        return None
