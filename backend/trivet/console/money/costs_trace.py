"""What a figure is made of: the entries behind it with their postings' method and reason, then the requests of an hour."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter
from fastapi import Query as Ask
from fastapi.responses import HTMLResponse
from pydantic import BaseModel
from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from trivet import db
from trivet.console import format as say
from trivet.console.door import Looking
from trivet.console.money.costs_asked import Asked, Query, settle
from trivet.console.money.costs_views import BehindRow, EntryLine, Link, PostingsPage, RequestsPage
from trivet.console.money.costs_words import during
from trivet.console.pages import show
from trivet.kit.body import Asked as Text
from trivet.kit.body import Instant
from trivet.kit.interval import Interval
from trivet.kit.money import EXACT
from trivet.kit.page import INT8, from_cursor, to_cursor
from trivet.ledger.models import BORNE, Entry, Posting
from trivet.report import centres, names, rows
from trivet.report.costs import Totals, costs
from trivet.report.names import Labels

router = APIRouter()
SHOWN = 50
HOUR = timedelta(hours=1)
WHOSE = ("cost_centre", "tenant", "scenario", "provider", "model", "pool")


class PostingsQuery(Query):
    """The question whose rows these are, and where the page begins."""

    before: Annotated[str, Ask(max_length=200)] = ""


class RequestsQuery(BaseModel):
    """Whose requests of which hour."""

    hour: Instant
    tenant: Text = ""
    scenario: Text = ""
    model: Text = ""
    pool: Text = ""


@router.get("/costs/postings")
def postings(looking: Looking, query: Annotated[PostingsQuery, Ask()]) -> HTMLResponse:
    """Newest first, a page at a time, in one currency: the one asked for, else the one with most of it."""
    asked = settle(query, looking.now)
    with db.transaction() as session:
        given = {name: [said] for name, said in asked.filters.items()}
        where = centres.with_descendants(session, names.where(session, given), asked.interval.end)
        totals = costs(session, asked.interval, [], where, basis=asked.basis, as_of=asked.as_of or None).totals
        currency = asked.currency or max(totals, key=lambda each: (totals[each].total, each), default="")
        found = session.execute(_behind(asked, where, currency, query.before)).all()
        labels = names.labels(session, WHOSE, [_ids(entry) for entry, _ in found])
    older = found[SHOWN - 1] if len(found) > SHOWN else None
    page = PostingsPage(
        looking,
        _sentence(asked, totals.get(currency), currency),
        currency,
        tuple(Link(each, asked.url("/costs/postings", currency=each, before=""), each == currency) for each in totals),
        asked.url(before=""),
        tuple(_line(entry, posting, labels) for entry, posting in found[:SHOWN]),
        asked.url("/costs/postings", before=to_cursor([older[1].id, older[0].line])) if older else None,
    )
    return show("costs/postings.html", page)


def _sentence(asked: Asked, totals: Totals | None, currency: str) -> str:
    of = ", ".join(asked.filters.values()) or "everything"
    posted = EXACT.subtract(totals.total, totals.provisional) if totals else Decimal(0)
    said = f"{say.amount(posted, say.watched_places([posted]))} {currency}" if posted else "nothing"
    rest = " Open hours have none yet." if asked.running else ""
    return f"The entries behind {during(asked.interval, running=asked.running, of=of)}: {said} is posted.{rest}"


def _behind(asked: Asked, where: Any, currency: str, before: str) -> Any:
    query = (
        select(Entry, Posting)
        .join(Posting, Posting.id == Entry.posting_id)
        .where(Posting.hour >= asked.interval.start, Posting.hour < asked.interval.end, Entry.account.in_(BORNE))
        .where(*(names.among(_table(name), name, values) for name, values in where.items()), Entry.currency == currency)
        .order_by(Posting.id.desc(), Entry.line.desc())
        .limit(SHOWN + 1)
    )
    if asked.as_of:
        query = query.where(Posting.period <= asked.as_of)
    if before:
        query = query.where(tuple_(Posting.id, Entry.line) < tuple(from_cursor(before, INT8, INT8)))
    return query


def _table(column: str) -> type[Posting | Entry]:
    return Posting if column == "period" else Entry


def _ids(entry: Entry) -> dict[str, int]:
    return {names.column(name): getattr(entry, names.column(name)) for name in WHOSE}


def _line(entry: Entry, posting: Posting, labels: Labels) -> EntryLine:
    ids = _ids(entry)
    told = dict(zip(WHOSE, labels.key(WHOSE, ids), strict=True))
    whose = " · ".join(told[name] for name in WHOSE if ids[names.column(name)] and name != "provider")
    asks = {name: told[name] for name in ("tenant", "scenario", "model", "pool") if ids[names.column(name)]}
    booked = posting.period + (f", adjusts {posting.adjusts}" if posting.adjusts else "")
    url = f"/costs/requests?{urlencode({'hour': posting.hour.isoformat()} | asks)}" if entry.tenant_id else ""
    return EntryLine(
        posting.id, posting.hour, f"{posting.kind} {posting.source}" if posting.kind != posting.source else posting.kind,
        booked, entry.account, whose or "nobody", entry.amount, posting.method, posting.reason, url,
    )  # fmt: skip


@router.get("/costs/requests")
def requests(looking: Looking, query: Annotated[RequestsQuery, Ask()]) -> HTMLResponse:
    """The newest requests that began in an hour, as far as retention keeps them."""
    given = {name: [said] for name in ("tenant", "scenario", "model", "pool") if (said := getattr(query, name))}
    with db.transaction() as session:
        found = _requests(session, query.hour, given)
    of = ", ".join(value[0] for value in given.values()) or "everybody"
    many = f"{say.count(len(found))} request{'' if len(found) == 1 else 's'}"
    count = f"The newest {SHOWN} requests" if len(found) > SHOWN else many
    kept = "" if found else " Requests are kept for a while and then only counted."
    page = RequestsPage(
        looking,
        f"{count} of {of} began between {query.hour:%-d %B %H:%M} and {query.hour + HOUR:%H:%M} UTC.{kept}",
        "/costs",
        tuple(_row(item) for item in found[:SHOWN]),
    )
    return show("costs/requests.html", page)


def _requests(session: Session, hour: datetime, given: dict[str, list[str]]) -> list[dict[str, Any]]:
    return rows.requests(session, Interval(hour, hour + HOUR), names.where(session, given), SHOWN + 1, None)


def _row(item: dict[str, Any]) -> BehindRow:
    cost = item["cost"]
    return BehindRow(
        datetime.fromisoformat(item["started_at"]), item["model"], item["tenant"], item["outcome"],
        sum(item["tokens"].values()), f"{cost['amount']} {cost['currency']}" if cost else item["unpriced_reason"],
    )  # fmt: skip
