"""Conversations and traces: what a user did once and what it took; of each a receipt."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Path
from fastapi import Query as Ask
from fastapi.responses import HTMLResponse
from pydantic import Field as Within
from sqlalchemy.orm import Session
from starlette.responses import StreamingResponse

from trivet import db
from trivet.console import format as say
from trivet.console.address import Address, Link, Name, Times, settle
from trivet.console.door import Looking
from trivet.console.files import csv_answer
from trivet.console.pages import show
from trivet.console.requests import receipt
from trivet.console.requests import receipts_words as words
from trivet.console.requests.asked import WORDS, own
from trivet.console.requests.receipts_views import Dot, InteractionRow, InteractionsPage, ReceiptPage
from trivet.console.requests.rows import TOKENS
from trivet.console.requests.views import Field
from trivet.console.requests.words import amounts
from trivet.console.tongue import N_, _
from trivet.console.views import Reader
from trivet.kit.body import Asked as Text
from trivet.kit.errors import Invalid
from trivet.kit.interval import Interval
from trivet.kit.money import from_picos
from trivet.kit.page import to_cursor
from trivet.report import interactions, names
from trivet.report.files.table import Column
from trivet.report.interactions import Interaction, KindOf
from trivet.report.search import pieces

router = APIRouter()
SHOWN, FILE_PAGE, FILE_MAX = 25, 50, 1_000
IDS_SHOWN = 3
RANGES: Final = ("1h", "6h", "24h", "7d")
FILTERS: Final = ("tenant", "scenario", "model")
KIND_WORDS: Final[Mapping[KindOf, str]] = {"conversation": N_("Conversations"), "trace": N_("Traces")}
WIDTH, HEIGHT = 960, 72
COLUMNS: Final = (
    Column("id"), Column("tenants"), Column("scenarios"), Column("models"), Column("levels"), Column("requests", "count"),
    Column("errors", "count"), Column("timeouts", "count"), Column("refusals", "count"), Column("rejections", "count"),
    *(Column(f"{kind}_tokens", "count") for kind in TOKENS), Column("started_at"), Column("ended_at"),
    Column("unpriced_requests", "count"), Column("cost", "money"), Column("currency"),
)  # fmt: skip


class Query(Times):
    """Of what kind, and whose."""

    kind: Annotated[str, Within(max_length=20)] = "conversation"
    tenant: Name = ""
    scenario: Name = ""
    model: Name = ""
    cursor: Annotated[str, Within(max_length=400)] = ""


@router.get("/interactions")
def listed(looking: Looking, query: Annotated[Query, Ask()]) -> HTMLResponse:
    """Newest first, a page at a time."""
    kind, address = _settled(query, looking)
    with db.transaction() as session:
        found, older = _newest(
            session, kind, query, looking, interval=address.interval, limit=SHOWN, cursor=query.cursor
        )
        shown = [_row(each, said) for each, said in zip(found, interactions.told(session, found), strict=True)]
    dots, highest = _dots(found, shown)
    page = InteractionsPage(
        reader=looking,
        sentence=words.of_list(kind, len(shown), more=bool(older or query.cursor)),
        address=address,
        kinds=tuple(Link(said, address.url(kind=key, cursor=""), key == kind) for key, said in KIND_WORDS.items()),
        ranges=address.ranges(RANGES),
        filters=tuple(
            Link(_("{name}: {value}", name=_(WORDS[name]), value=value), address.url(**{name: "", "cursor": ""}))
            for name in FILTERS
            if (value := getattr(query, name))
        ),
        fields=tuple(Field(name, WORDS[name], getattr(query, name)) for name in FILTERS),
        dots=dots,
        highest=highest,
        rows=tuple(shown),
        older_url=address.url(cursor=older) if older else "",
    )
    return show("interactions/list.html", page)


@router.get("/interactions.csv")
def file(looking: Looking, query: Annotated[Query, Ask()]) -> StreamingResponse:
    """The same list, to its end: a line a currency."""
    kind, address = _settled(query, looking)

    def rows() -> Iterator[Sequence[Any]]:
        cursor, left = query.cursor, FILE_MAX
        while left > 0:
            with db.transaction() as session:
                found, older = _newest(
                    session, kind, query, looking, interval=address.interval, limit=FILE_PAGE, cursor=cursor
                )
                told = interactions.told(session, found)
            for said in told:
                yield from _values(said)
            cursor, left = older, left - FILE_PAGE
            if not older:
                return

    return csv_answer(f"{kind}s", COLUMNS, rows())


@router.get("/interactions/{kind}/{id:path}")
def one(
    looking: Looking,
    kind: Literal["conversation", "trace"],
    id_: Annotated[Text, Path(alias="id")],
    tenant: Annotated[Text, Ask()] = "",
) -> HTMLResponse:
    """One of them, call by call, as a receipt."""
    with db.transaction() as session:
        where = own(names.where(session, {"tenant": [tenant] if tenant else []}), looking)
        found = interactions.one(session, kind, id_, where.get("tenant_id"))
        (said,) = interactions.told(session, [found], whole=True)
    return show("interactions/one.html", _receipt(looking, found, said))


def _settled(query: Query, looking: Reader) -> tuple[KindOf, Address]:
    kind: KindOf = "trace" if query.kind == "trace" else "conversation"
    return kind, settle("/interactions", query, looking.now, looking.zone)


def _newest(
    session: Session, kind: KindOf, query: Query, looking: Reader, *, interval: Interval, limit: int, cursor: str
) -> tuple[list[Interaction], str]:
    """A page of them, looked for in stretches that grow backwards, and where the next begins."""
    where = own(names.where(session, {name: [value] for name in FILTERS if (value := getattr(query, name))}), looking)
    found: list[Interaction] = []
    for piece in pieces(Interval(interval.start, _end(interval, cursor))):
        older: datetime | None = piece.end
        while older is not None and len(found) < limit:
            some, older = interactions.newest(session, kind, Interval(piece.start, older), where, limit - len(found))
            found += some
        if len(found) >= limit:
            rest = older or piece.start
            return found, to_cursor([rest.isoformat()]) if rest > interval.start else ""
    return found, ""


def _end(interval: Interval, cursor: str) -> datetime:
    if not cursor:
        return interval.end
    try:
        return max(min(interactions.end_of(cursor), interval.end), interval.start)
    except Invalid:
        return interval.end


def _receipt(looking: Reader, found: Interaction, said: Mapping[str, Any]) -> ReceiptPage:
    pairs = list(zip(found.rows, said["items"], strict=True))
    every = receipt.lines(pairs)
    traces = {item["trace_id"] for _row, item in pairs}
    asks = {"trace": found.id} if found.kind == "trace" else {"session": found.id, "tenant": _whose(said["tenants"])}
    return ReceiptPage(
        reader=looking,
        kind=found.kind,
        id=found.id,
        sentence=words.of_one(found),
        tenants=", ".join(said["tenants"]),
        scenarios=", ".join(said["scenarios"]),
        started_at=found.started,
        ended_at=found.ended,
        lines=every,
        bars=receipt.bars(every),
        under=receipt.under(pairs),
        tokens=tuple(found.tokens[kind] for kind in TOKENS),
        totals=tuple((currency, from_picos(picos)) for currency, picos in sorted(found.picos.items())),
        unpriced=found.unpriced,
        left_out=found.left_out,
        csv_url=f"/requests.csv?{urlencode({name: value for name, value in asks.items() if value})}",
        trace_url=f"/requests/trace/{traces.pop()}" if len(traces) == 1 else "",
    )


def _row(found: Interaction, said: Mapping[str, Any]) -> InteractionRow:
    owner = _whose(said["tenants"])
    query = f"?{urlencode({'tenant': owner})}" if found.kind == "conversation" and owner else ""
    return InteractionRow(
        id=found.id,
        url=f"/interactions/{found.kind}/{quote(found.id, safe='')}{query}",
        tenants=_some(said["tenants"]),
        models=_some(said["models"]),
        levels=", ".join(map(str, said["levels"])),
        requests=say.count(found.requests) + ("+" if found.left_out else ""),
        failed=found.requests - found.outcomes[0],
        tokens=found.tokens.total(),
        cost=amounts(found),
        lasted=say.duration((found.ended - found.started).total_seconds() * 1000),
        at=found.newest,
    )


def _whose(owners: Sequence[str]) -> str:
    """The one tenant they are of; empty where nobody named one, or they are of several."""
    return owners[0] if len(owners) == 1 and owners[0] != names.NONE["tenant"] else ""


def _dots(found: Sequence[Interaction], shown: Sequence[InteractionRow]) -> tuple[tuple[Dot, ...], str]:
    """What each cost over when it was, from the oldest on this page to the newest, in the currency that most have."""
    currencies = [currency for each in found for currency in each.picos]
    if not currencies:
        return (), ""
    currency = max(set(currencies), key=lambda each: (currencies.count(each), each))
    highest = max(each.picos[currency] for each in found) or 1
    first = min(each.newest for each in found)
    whole = (max(each.newest for each in found) - first).total_seconds() or 1.0
    dots = tuple(
        Dot(
            round((each.newest - first).total_seconds() / whole * WIDTH, 2),
            round(HEIGHT * (1 - each.picos[currency] / highest), 2), row.url, f"{row.cost} · {row.lasted}",
        )
        for each, row in zip(found, shown, strict=True)
        if currency in each.picos
    )  # fmt: skip
    return dots, say.watched(from_picos(highest), currency)


def _values(said: Mapping[str, Any]) -> Iterator[Sequence[Any]]:
    counts = [said[name] for name in ("requests", "errors", "timeouts", "refusals", "rejections")]
    for cost in said["cost"] or [None]:
        yield (
            said["id"], *(", ".join(map(str, said[name])) for name in ("tenants", "scenarios", "models", "levels")), *counts,
            *(said["tokens"][kind] for kind in TOKENS), said["started_at"], said["ended_at"], said["unpriced_requests"],
            Decimal(cost["amount"]) if cost else None, cost["currency"] if cost else "",
        )  # fmt: skip


def _some(told: Sequence[str]) -> str:
    more = len(told) - IDS_SHOWN
    first = ", ".join(told[:IDS_SHOWN])
    return _("{some} and {n} more", some=first, n=more) if more > 0 else first
