"""What pages of requests read: a search, sums for its picture, one request with its price."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from trivet import db
from trivet.console.requests.asked import Asked, where
from trivet.console.requests.parts import Priced, priced
from trivet.console.requests.picture import buckets
from trivet.console.views import Reader
from trivet.ingest.store.ids import span_number
from trivet.kit.errors import Invalid, NotFound
from trivet.kit.interval import Interval
from trivet.pricing import service as pricing
from trivet.pricing.models import Price
from trivet.pricing.rate import KINDS, Rates, Tokens
from trivet.report import names, rows, search
from trivet.report.search import Found, trace_id
from trivet.rollup import read as rollup

SPAN_DIGITS = 16
SHOWN, FILE_PAGE, FILE_MAX = 50, 500, 20_000
MEASURES = ("requests", "errors", "timeouts", "refusals", "rejections")
_ONE = text("""
    SELECT r.*, coalesce(p.currency, 'USD') AS currency FROM request r LEFT JOIN price p ON p.id = r.price_id
    WHERE uuid_hash(trace_id) = uuid_hash(:trace) AND trace_id = :trace AND span_id = :span
      AND (CAST(:tenant AS int4) IS NULL OR tenant_id = :tenant)
    ORDER BY started_at DESC LIMIT 1
""")


@dataclass(frozen=True, slots=True)
class Facts:
    """A page of a search; `counts` by bucket and outcome, None where no picture can be drawn of it."""

    found: Found
    counts: Mapping[datetime, Sequence[int]] | None
    over: Interval | None
    grain_s: int


@dataclass(frozen=True, slots=True)
class One:
    """One request, as it is kept, with what its cost was made of."""

    item: Mapping[str, Any]
    row: Mapping[str, Any]
    price: Price | None
    priced: Priced | None


def read(session: Session, asked: Asked, looking: Reader) -> Facts:
    """The search and the sums beside it. Ids have no picture."""
    kept = where(session, asked.query, looking)
    found = _search(session, asked, kept, SHOWN, asked.query.cursor or None)
    drawn = None if asked.sought.by_id or asked.sought.response else buckets(asked.address.interval)
    if drawn is None:
        return Facts(found, None, None, 0)
    over, grain_s = drawn
    sums = rollup.sums(session, over, ["bucket"], MEASURES, kept, grain_s=grain_s)
    return Facts(found, {at: _by_outcome(each) for (at,), each in sums.items()}, over, grain_s)


def _search(session: Session, asked: Asked, kept: Mapping[str, list[int]], limit: int, cursor: str | None) -> Found:
    try:
        return search.search(session, asked.address.interval, kept, asked.sought, limit=limit, cursor=cursor)
    except Invalid:  # a cursor of another question: the first page
        return search.search(session, asked.address.interval, kept, asked.sought, limit=limit)


def _by_outcome(sums: Sequence[Any]) -> tuple[int, ...]:
    every, *others = (int(each) for each in sums)
    return every - sum(others), *others


def every(asked: Asked, looking: Reader) -> Iterator[Mapping[str, Any]]:
    """The same search to its end, for a file: a transaction a page, at most `FILE_MAX` requests."""
    cursor, left = None, FILE_MAX
    while left > 0:
        with db.transaction() as session:
            found = _search(session, asked, where(session, asked.query, looking), min(FILE_PAGE, left), cursor)
        yield from found.items
        left -= len(found.items)
        cursor = found.next_cursor
        if cursor is None:
            return


def one(session: Session, id_: str, looking: Reader) -> One:
    """The request of `trace-span`, both in hexadecimal; `NotFound` also for one of somebody else's tenant."""
    trace, _, span = id_.partition("-")
    try:
        values = {"trace": trace_id(trace), "span": span_number(bytes.fromhex(span)), "tenant": looking.tenant_id}
    except (Invalid, ValueError, OverflowError) as bad:
        raise NotFound("There is no request of this id.") from bad
    kept = session.execute(_ONE, values).mappings().first() if len(span) == SPAN_DIGITS else None
    if kept is None:
        raise NotFound("There is no request of this id.")
    row = dict(kept)
    item = rows.request_item(row, names.labels(session, rows.REQUEST_BY, [row]))
    price = session.get(Price, row["price_id"]) if row["price_id"] is not None else None
    return One(item, row, price, _priced(session, row, item, price) if price else None)


def _priced(session: Session, row: Mapping[str, Any], item: Mapping[str, Any], price: Price) -> Priced:
    """By the contract that held when it was priced; the row's own rates where none did."""
    tokens = Tokens(**{kind: row[f"{kind}_tokens"] for kind in KINDS})
    pool = "" if item["pool"] == "none" else item["pool"]
    book, tries = pricing.book(session), [Rates.parse(price.rates)]
    for at in (row["ended_at"], row["started_at"]):
        line = book.price_at(item["provider"], item["model"], pool, at, row["tier"] or "")
        if line is not None and line.id == price.id:
            tries.insert(0, line.rates)
    return priced(tokens, tries, row["cost_picos"])
