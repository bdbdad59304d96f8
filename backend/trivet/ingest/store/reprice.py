"""A price entered later prices only unpriced requests: the row gets its cost, the buckets a correction.

The correction takes the requests out of the unpriced (under no currency) and adds their cost (under the price's
currency); requests and tokens were counted when they came and stay.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet.ingest.models import DIMENSIONS, SpendDelta, UsageDelta
from trivet.ingest.request.context import class_of
from trivet.ingest.store.deltas import COLUMNS, delta
from trivet.ingest.store.row import COST_LIMIT_PICOS
from trivet.ingest.store.spends import WHOSE, quarter_of
from trivet.kit.clock import floor
from trivet.kit.money import from_picos
from trivet.pricing import service as pricing
from trivet.pricing.book import IMPORTED, PriceBook
from trivet.pricing.rate import Tokens, cost_picos
from trivet.pricing.tier import FALLS_BACK

BATCH_ROWS = 5_000
BUCKET_S = 10

# Only requests that some price covers are taken, so that those which stay unpriced are not read again and again. Another
# task's batch is skipped. What holds is said as `PriceBook` says it: by tier, and not past the end of what a person entered. Calls that cannot be priced (`shape`) and those that count nowhere (`repeats`) stay as they are. The
# partial index on unpriced rows carries the search.
_FALLS_BACK = ", ".join(f"'{tier}'" for tier in sorted(FALLS_BACK))
COVERED = f"""
    FROM request r JOIN model m ON m.id = r.model_id LEFT JOIN pool o ON o.id = r.pool_id
    WHERE r.cost_picos IS NULL AND r.shape IS NULL AND r.repeats IS NULL AND EXISTS (
        SELECT FROM price p WHERE p.provider = m.provider AND p.model = m.name
        AND p.effective_from <= r.started_at AND p.pool IN ('', o.name)
        AND (p.tier = coalesce(r.tier, '') OR (p.tier = '' AND r.tier IN ({_FALLS_BACK})))
        AND (p.layer = {IMPORTED} OR NOT EXISTS (
            SELECT FROM price_end e WHERE e.provider = p.provider AND e.model = p.model AND e.pool = p.pool
            AND e.tier = p.tier AND e.effective_from > p.effective_from AND e.effective_from <= r.started_at)))
"""  # noqa: S608  # constants of this package
_TAKE = text(f"""
    SELECT r.tenant_id, r.started_at, r.trace_id, r.span_id, r.ended_at, r.scenario_id, r.model_id, r.backend_id,
           r.pool_id, coalesce(r.version_id, 0) AS version_id, coalesce(r.region_id, 0) AS region_id, r.policy_revision AS revision, r.degrade_level AS level,
           r.streamed::int AS streamed, r.input_tokens, r.output_tokens, r.cache_read_tokens, r.cache_write_tokens, r.reasoning_tokens, coalesce(r.tier, '') AS tier, m.provider, m.name AS model,
           coalesce(o.name, '') AS pool, r.key_id, coalesce(r.end_user_id, 0) AS end_user_id
    {COVERED}
    ORDER BY r.tenant_id, r.started_at, r.trace_id, r.span_id
    LIMIT :rows FOR UPDATE OF r SKIP LOCKED
""")
_SET = text("""
    UPDATE request r SET cost_picos = n.cost_picos, price_id = n.price_id
    FROM unnest(CAST(:tenants AS int4[]), CAST(:starts AS timestamptz[]), CAST(:traces AS uuid[]),
                CAST(:spans AS int8[]), CAST(:costs AS int8[]), CAST(:prices AS int4[]))
         AS n (tenant_id, started_at, trace_id, span_id, cost_picos, price_id)
    WHERE r.tenant_id = n.tenant_id AND r.started_at = n.started_at AND r.trace_id = n.trace_id
      AND r.span_id = n.span_id AND r.cost_picos IS NULL
""")


_KEPT = DIMENSIONS[: DIMENSIONS.index("context_class")]


@dataclass(frozen=True, slots=True)
class Priced:
    """One request and the price that holds for it."""

    request: Any  # a row of `_TAKE`
    picos: int
    price_id: int
    currency: str


def price_batch(session: Session, limit: int = BATCH_ROWS) -> int:
    """Price up to `limit` unpriced requests; how many. Fewer than `limit` means that none is left."""
    taken = session.execute(_TAKE, {"rows": limit}).all()
    priced = priced_of(taken, pricing.book(session))
    if not priced:
        return 0
    session.execute(
        _SET,
        {
            "tenants": [p.request.tenant_id for p in priced],
            "starts": [p.request.started_at for p in priced],
            "traces": [p.request.trace_id for p in priced],
            "spans": [p.request.span_id for p in priced],
            "costs": [p.picos for p in priced],
            "prices": [p.price_id for p in priced],
        },
    )
    session.execute(insert(UsageDelta), corrections_of(priced))
    session.execute(insert(SpendDelta), spends_of(priced))
    return len(priced)


def priced_of(requests: Sequence[Any], book: PriceBook) -> list[Priced]:
    """Those requests that the book has a price for."""
    priced = []
    for request in requests:
        line = book.price_at(request.provider, request.model, request.pool, request.started_at, request.tier)
        if line is None:
            continue
        tokens = Tokens(
            request.input_tokens,
            request.output_tokens,
            request.cache_read_tokens,
            request.cache_write_tokens,
            request.reasoning_tokens,
        )
        picos = cost_picos(tokens, line.rates)
        if picos <= COST_LIMIT_PICOS:
            priced.append(Priced(request, picos, line.id, line.currency))
    return priced


def corrections_of(priced: Sequence[Priced]) -> list[dict[str, Any]]:
    """Delta rows: out of the unpriced, into the cost."""
    groups: dict[tuple[Any, ...], tuple[int, Decimal]] = {}
    for each in priced:
        r = each.request
        bucket = floor(r.ended_at, BUCKET_S)
        context = class_of(r.input_tokens + r.cache_read_tokens + r.cache_write_tokens)
        own = (bucket, *(getattr(r, name) for name in _KEPT), context, r.streamed)
        for currency, unpriced, cost in (("", -1, Decimal(0)), (each.currency, 0, from_picos(each.picos))):
            before = groups.get((*own, currency), (0, Decimal(0)))
            groups[(*own, currency)] = (before[0] + unpriced, before[1] + cost)
    return [_correction(key, unpriced, cost) for key, (unpriced, cost) in sorted(groups.items())]


def _correction(key: tuple[Any, ...], unpriced: int, cost: Decimal) -> dict[str, Any]:
    bucket: datetime = key[0]
    dimensions = dict(zip(DIMENSIONS, key[1:], strict=True))
    return dict(zip(COLUMNS, delta(bucket, dimensions, {"unpriced_requests": unpriced, "cost": cost}), strict=True))


def spends_of(priced: Sequence[Priced]) -> list[dict[str, Any]]:
    """The same of what was spent: out of the unpriced, into the cost."""
    groups: dict[tuple[Any, ...], tuple[int, int]] = {}
    for each in priced:
        own = (quarter_of(each.request.ended_at), *(getattr(each.request, name) for name in WHOSE))
        for currency, unpriced, picos in (("", -1, 0), (each.currency, 0, each.picos)):
            before = groups.get((*own, currency), (0, 0))
            groups[(*own, currency)] = (before[0] + unpriced, before[1] + picos)
    names = ("quarter", *WHOSE, "currency")
    return [
        dict(zip(names, key, strict=True))
        | {"requests": 0, "tokens": 0, "unpriced": unpriced, "cost": from_picos(picos)}
        for key, (unpriced, picos) in sorted(groups.items())
    ]
