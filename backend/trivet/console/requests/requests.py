"""The pages of requests: search, its file, one request, one trace."""

from datetime import timedelta
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Path
from fastapi import Query as Ask
from fastapi.responses import HTMLResponse
from starlette.responses import StreamingResponse

from trivet import db
from trivet.console.door import Looking
from trivet.console.files import csv_answer
from trivet.console.pages import show
from trivet.console.requests import read as reading
from trivet.console.requests import rows, words
from trivet.console.requests.asked import OUTCOME_WORDS, RANGES, WORDS, Asked, Query, asked
from trivet.console.requests.picture import Picture, picture
from trivet.console.requests.views import Field, RequestPage, RequestsPage, TracePage
from trivet.console.requests.waterfall import waterfall
from trivet.console.tongue import _
from trivet.console.views import LEVEL_WORDS, Reader
from trivet.kit.body import Asked as Text
from trivet.report import interactions

router = APIRouter()
LEVELS = ("0", "1", "2", "3")
DRAWN_MAX = 200  # requests of a trace; a longer one is in its file
KEPT = (
    "provider", "model_version", "backend", "pool", "region", "context_class", "streamed", "cause", "finish_reason",
    "response_id", "conversation_id", "trace_id", "span_id",
)  # fmt: skip


@router.get("/requests")
def listed(looking: Looking, query: Annotated[Query, Ask()]) -> HTMLResponse:
    """Newest first, a page at a time."""
    question = asked(query, looking)
    with db.transaction() as session:
        facts = reading.read(session, question, looking)
    return show("requests/list.html", _page(looking, question, facts))


@router.get("/requests.csv")
def file(looking: Looking, query: Annotated[Query, Ask()]) -> StreamingResponse:
    """The same search, to its end."""
    found = (rows.values(item) for item in reading.every(asked(query, looking), looking))
    return csv_answer("requests", rows.COLUMNS, found)


@router.get("/requests/trace/{id}")
def trace(looking: Looking, id_: Annotated[Text, Path(alias="id")]) -> HTMLResponse:
    """A trace as a waterfall of its requests."""
    tenants = None if looking.tenant_id is None else [looking.tenant_id]
    with db.transaction() as session:
        found = interactions.one(session, "trace", id_, tenants)
        (said,) = interactions.told(session, [found], whole=True)
    pairs = list(zip(found.rows, said["items"], strict=True))
    drawn = waterfall(pairs[-DRAWN_MAX:], found.started, found.ended)
    page = TracePage(
        looking, found.id, words.of_trace(found), drawn, len(pairs) - len(drawn) + found.left_out,
        rows.one_currency(each.row for each in drawn), f"/interactions/trace/{found.id}",
    )  # fmt: skip
    return show("requests/trace.html", page)


@router.get("/requests/{id}")
def one(looking: Looking, id_: Annotated[Text, Path(alias="id")]) -> HTMLResponse:
    """One request: what it cost and why, under what it ran, when, and what of it is kept."""
    with db.transaction() as session:
        found = reading.one(session, id_, looking)
        page = _one(looking, found)
    return show("requests/one.html", page)


def _page(looking: Reader, question: Asked, facts: reading.Facts) -> RequestsPage:
    shown = tuple(rows.row(item) for item in facts.found.items)
    drawn = _picture(looking, question, facts)
    older = facts.found.next_cursor
    first = not question.query.cursor
    return RequestsPage(
        reader=looking,
        sentence=words.of_list(len(shown), drawn if first else None, more=bool(older), partial=bool(drawn and drawn.partial)),
        address=question.address,
        ranges=question.address.ranges(RANGES),
        filters=question.filters,
        fields=tuple(_field(name, question.query) for name in WORDS),
        picture=drawn if drawn and drawn.bars else None,
        rows=shown,
        currency=rows.one_currency(shown),
        places=rows.places(shown),
        looked_back_to=facts.found.looked_back_to,
        older_url=question.address.url(cursor=older) if older else "",
        wider_url="" if shown or question.address.range in ("7d", "90d") else question.address.url(range="7d", since="", until=""),
    )  # fmt: skip


def _picture(looking: Reader, question: Asked, facts: reading.Facts) -> Picture | None:
    if facts.counts is None or facts.over is None:
        return None
    sought = question.sought
    partial = bool(sought.latency_ms is not None or sought.cost is not None or sought.conversation_prefix)
    return picture(facts.counts, facts.over, facts.grain_s, question.address, looking.zone, partial=partial)


def _field(name: str, query: Query) -> Field:
    choices = {"outcome": OUTCOME_WORDS, "level": LEVELS}.get(name, ())
    numeric = name in ("revision", "slower", "dearer")
    return Field(name, WORDS[name], getattr(query, name), choices, numeric)


def _one(looking: Reader, found: reading.One) -> RequestPage:
    item, row = found.item, found.row
    first = None if row["ttft_us"] is None else row["started_at"] + timedelta(microseconds=row["ttft_us"])
    return RequestPage(
        reader=looking,
        sentence=words.of_one(item, looking.zone),
        row=rows.row(item),
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        received_at=row["received_at"],
        first_token_at=first,
        priced=found.priced,
        price_url=_price_url(found),
        price_words=_price_words(found),
        policy=_policy(item),
        kept=tuple(Field(name, name, str(item[name])) for name in KEPT if item[name] not in (None, "", "none")),
        trace_url=f"/requests/trace/{item['trace_id']}",
        conversation_url=_conversation(item),
    )


def _policy(item: rows.Item) -> tuple[Field, ...]:
    level = item["level"]
    word = _(LEVEL_WORDS[level]) if level < len(LEVEL_WORDS) else ""
    return (
        Field("level", _("Level"), f"{level} · {word}" if word else str(level)),
        Field("revision", _("Revision of the card"), str(item["revision"] or "–")),
        Field("generation", _("Generation of the policy"), str(item["generation"] or "–")),
    )


def _price_url(found: reading.One) -> str:
    if found.price is None:
        return ""
    said = {
        "provider": found.price.provider,
        "model": found.price.model,
        "pool": found.price.pool,
        "tier": found.price.tier,
    }
    return f"/prices/one?{urlencode({name: value for name, value in said.items() if value})}"


def _price_words(found: reading.One) -> str:
    if found.price is None:
        return ""
    since = found.price.effective_from
    return _("price {id} of {provider}, from {since}, {source}", id=found.price.id, provider=found.price.provider,
             since=f"{since:%Y-%m-%d}", source=found.price.source)  # fmt: skip


def _conversation(item: rows.Item) -> str:
    if not item["conversation_id"]:
        return ""
    tenant = f"?{urlencode({'tenant': item['tenant']})}" if item["tenant_id"] else ""
    return f"/interactions/conversation/{quote(item['conversation_id'], safe='')}{tenant}"
