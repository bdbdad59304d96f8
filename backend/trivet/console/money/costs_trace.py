"""What a figure is made of: the entries behind it with their postings' method and reason, then the requests of an hour."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter
from fastapi import Query as Ask
from fastapi.responses import HTMLResponse, StreamingResponse
from pydantic import BaseModel
from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from trivet import db
from trivet.console import format as say
from trivet.console.address import Link
from trivet.console.door import Looking
from trivet.console.files import csv_answer
from trivet.console.money.costs_asked import Asked, Query, settle
from trivet.console.money.costs_read import Question
from trivet.console.money.costs_views import BehindRow, EntryLine, PostingsPage, RequestsPage
from trivet.console.money.costs_words import called, during, whose
from trivet.console.pages import show
from trivet.console.tongue import _, _n
from trivet.kit.body import Asked as Text
from trivet.kit.body import Instant
from trivet.kit.clock import rfc3339
from trivet.kit.interval import Interval
from trivet.kit.money import EXACT
from trivet.kit.page import INT8, from_cursor, to_cursor
from trivet.ledger.models import BORNE, Entry, Posting
from trivet.report import centres, names, rows
from trivet.report.costs import Totals, costs
from trivet.report.files.table import Column
from trivet.report.names import Labels

router = APIRouter()
SHOWN = 50
ROWS_MAX = 100_000
HOUR = timedelta(hours=1)
WHOSE = ("cost_centre", "tenant", "scenario", "provider", "model", "pool")


FILED = (
    Column("posting", "count"), Column("line", "count"), Column("hour"), Column("kind"), Column("source"), Column("period"),
    Column("adjusts"), Column("account"), *map(Column, WHOSE), Column("amount", "money"), Column("currency"),
    Column("method"), Column("reason"),
)  # fmt: skip


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
        where, totals, currency = _asked(session, Question(asked, looking.tenant_id))
        found = session.execute(_behind(asked, where, currency, query.before).limit(SHOWN + 1)).all()
        labels = names.labels(session, WHOSE, [_ids(entry) for entry, _posting in found])
    older = found[SHOWN - 1] if len(found) > SHOWN else None
    page = PostingsPage(
        looking,
        replace(asked, path="/costs/postings"),
        _sentence(asked, totals.get(currency), currency),
        currency,
        tuple(Link(each, asked.url("/costs/postings", currency=each, before=""), each == currency) for each in totals),
        asked.url(before=""),
        tuple(_line(entry, posting, labels) for entry, posting in found[:SHOWN]),
        asked.url("/costs/postings", before=to_cursor([older[1].id, older[0].line])) if older else None,
    )
    return show("costs/postings.html", page)


@router.get("/costs/postings.csv")
def postings_csv(looking: Looking, query: Annotated[PostingsQuery, Ask()]) -> StreamingResponse:
    """All entries of the same question and currency, newest first, as many as a file holds."""
    asked = settle(query, looking.now)
    with db.transaction() as session:
        where, _totals, currency = _asked(session, Question(asked, looking.tenant_id))
        found = session.execute(_behind(asked, where, currency, "").limit(ROWS_MAX)).all()
        labels = names.labels(session, WHOSE, [_ids(entry) for entry, _posting in found])
    return csv_answer("postings", FILED, [_filed(entry, posting, labels) for entry, posting in found])


def _asked(session: Session, question: Question) -> tuple[Mapping[str, Collection[Any]], dict[str, Totals], str]:
    """Filters as ids, what they add up to by currency, and the currency that is shown."""
    asked = question.asked
    where = centres.with_descendants(session, question.where(session), asked.interval.end)
    totals = costs(session, asked.interval, [], where, basis=asked.basis, as_of=asked.as_of or None).totals
    return where, totals, asked.currency or max(totals, key=lambda each: (totals[each].total, each), default="")


def _sentence(asked: Asked, totals: Totals | None, currency: str) -> str:
    of = whose(asked.filters) or _("everything")
    posted = EXACT.subtract(totals.total, totals.provisional) if totals else Decimal(0)
    said = f"{say.amount(posted, say.watched_places([posted]))} {currency}" if posted else _("nothing")
    whole = during(asked.interval, running=asked.running, of=of)
    if asked.running:
        return _("The entries behind {whole}: {amount} is posted. Open hours have none yet.", whole=whole, amount=said)
    return _("The entries behind {whole}: {amount} is posted.", whole=whole, amount=said)


def _behind(asked: Asked, where: Mapping[str, Collection[Any]], currency: str, before: str) -> Any:
    query = (
        select(Entry, Posting)
        .join(Posting, Posting.id == Entry.posting_id)
        .where(Posting.hour >= asked.interval.start, Posting.hour < asked.interval.end, Entry.account.in_(BORNE))
        .where(*(names.among(_table(name), name, values) for name, values in where.items()), Entry.currency == currency)
        .order_by(Posting.id.desc(), Entry.line.desc())
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


def _filed(entry: Entry, posting: Posting, labels: Labels) -> Sequence[Any]:
    ids = _ids(entry)
    told = dict(zip(WHOSE, labels.key(WHOSE, ids), strict=True))
    return (
        posting.id, entry.line, rfc3339(posting.hour), posting.kind, posting.source, posting.period, posting.adjusts,
        entry.account, *(told[name] if ids[names.column(name)] else None for name in WHOSE), entry.amount, entry.currency,
        posting.method, posting.reason,
    )  # fmt: skip


def _line(entry: Entry, posting: Posting, labels: Labels) -> EntryLine:
    ids = _ids(entry)
    told = dict(zip(WHOSE, labels.key(WHOSE, ids), strict=True))
    borne_by = " · ".join(str(told[name]) for name in WHOSE if ids[names.column(name)] and name != "provider")
    asks = {name: told[name] for name in ("tenant", "scenario", "model", "pool") if ids[names.column(name)]}
    booked = posting.period
    if posting.adjusts:
        booked = _("{month}, adjusts {adjusted}", month=posting.period, adjusted=posting.adjusts)
    url = f"/costs/requests?{urlencode({'hour': posting.hour.isoformat()} | asks)}" if entry.tenant_id else ""
    return EntryLine(
        posting.id, posting.hour, _of(posting),
        booked, called("account", entry.account), borne_by or _("nobody"), entry.amount, posting.method, posting.reason, url,
    )  # fmt: skip


def _of(posting: Posting) -> str:
    """`pool gpus-eu`, `metered`."""
    kind = _(posting.kind)
    return f"{kind} {posting.source}" if posting.kind != posting.source else kind


@router.get("/costs/requests")
def requests(looking: Looking, query: Annotated[RequestsQuery, Ask()]) -> HTMLResponse:
    """The newest requests that began in an hour, as far as retention keeps them."""
    given = {name: [said] for name in ("tenant", "scenario", "model", "pool") if (said := getattr(query, name))}
    with db.transaction() as session:
        where = names.where(session, given)
        if looking.tenant_id is not None:
            where["tenant_id"] = [
                one for one in where.get("tenant_id", [looking.tenant_id]) if one == looking.tenant_id
            ]
        found = rows.requests(session, Interval(query.hour, query.hour + HOUR), where, SHOWN + 1, None)
    page = RequestsPage(
        looking, _asked_of(query.hour, given, len(found)), "/costs", tuple(_row(item) for item in found[:SHOWN])
    )
    return show("costs/requests.html", page)


def _asked_of(hour: datetime, given: dict[str, list[str]], many: int) -> str:
    """`2 requests of acme began between 20 Nov 07:00 and 08:00 UTC.`"""
    said = {
        "count": _n("{n} request", "{n} requests", many, n=say.count(many)) if many <= SHOWN
        else _("The newest {n} requests", n=SHOWN),
        "name": whose({name: value[0] for name, value in given.items()}) or _("everybody"),
        "day": say.day(hour), "first": f"{hour:%H:%M}", "last": f"{hour + HOUR:%H:%M}",
    }  # fmt: skip
    told = _("{count} of {name} began on {day} between {first} and {last} UTC.", **said)
    return told if many else _("{said} Requests are kept for a while and then only counted.", said=told)


def _row(item: dict[str, Any]) -> BehindRow:
    cost = item["cost"]
    return BehindRow(
        datetime.fromisoformat(item["started_at"]), item["model"], called("tenant", item["tenant"]), item["outcome"],
        sum(item["tokens"].values()), f"{cost['amount']} {cost['currency']}" if cost else item["unpriced_reason"],
    )  # fmt: skip
