"""Pools: self-hosted capacity, its size and its cost by date. Terms are never edited: the next row supersedes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Form
from fastapi import Query as Ask
from fastapi.responses import HTMLResponse, Response
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.responses import StreamingResponse

from trivet import db
from trivet.console.address import settle
from trivet.console.door import Looking
from trivet.console.files import csv_answer
from trivet.console.pages import show
from trivet.console.settings import doing, parts
from trivet.console.settings.parts import Cell, Entry, Listing, Query, Row, SettingsPage, Signed, Words
from trivet.console.tongue import N_, _, _n
from trivet.console.views import Reader
from trivet.fleet import service
from trivet.fleet.models import PURCHASES, Pool, PoolTerm
from trivet.fleet.terms import Told
from trivet.kit.body import Currency
from trivet.kit.clock import floor, rfc3339
from trivet.kit.errors import Invalid
from trivet.pricing.dated import plain
from trivet.report.files.table import Column

router = APIRouter()
ROLES = ("admin", "finance", "sre")
HEADS: Final = (
    N_("Pool"), N_("From"), N_("State"), N_("GPUs"), N_("Type"), N_("Purchase"), N_("A GPU hour"), N_("Currency"),
    N_("Commitment"), N_("Cards heard of"),
)  # fmt: skip
NUMBERS: Final = (3, 6, 9)
PURCHASE_WORDS: Final = (N_("on demand"), N_("reserved"), N_("spot"), N_("owned"), N_("provisioned"))
STATES: Final = (N_("holds"), N_("past"), N_("to come"), N_("only seen"))
HOLDS, PAST, TO_COME, ONLY_SEEN = STATES
COLUMNS: Final = (
    Column("pool"), Column("effective_from"), Column("state"), Column("gpus", "count"), Column("gpu_type"), Column("purchase"),
    Column("price_per_gpu_hour", "money"), Column("currency"), Column("purchase_price", "money"), Column("commitment_cost", "money"),
    Column("months", "count"), Column("gpus_seen", "count"),
)  # fmt: skip
POOLS_MAX = 200  # on one page, each with all its terms
TERMS_MAX = 5_000


@dataclass(frozen=True, slots=True)
class Held:
    """One term of a pool, or none; `state` is one of STATES."""

    pool: Pool
    term: PoolTerm | None
    state: str
    seen: int


class GivenTerm(Signed):
    """The next term of a pool, as typed."""

    name: Words
    gpu_type: Words = ""
    gpus: Annotated[str, parts.Field(max_length=20)] = ""
    price: Annotated[str, parts.Field(max_length=40)] = ""
    currency: Annotated[str, parts.Field(max_length=10)] = "USD"
    purchase: Annotated[str, parts.Field(max_length=20)] = "on_demand"
    effective_from: Annotated[str, parts.Field(max_length=40)] = ""
    total: Annotated[str, parts.Field(max_length=40)] = ""
    months: Annotated[str, parts.Field(max_length=5)] = ""


@router.get("/pools")
def page(looking: Looking, query: Annotated[Query, Ask()]) -> HTMLResponse:
    """By name, each with all its terms, the one that holds first."""
    return _show(looking, query)


@router.get("/pools.csv")
def file(looking: Looking, query: Annotated[Query, Ask()]) -> StreamingResponse:
    """The same rows."""
    with db.transaction() as session:
        found = _read(session, query, looking.now, parts.FILE_MAX)
    return csv_answer("pools", COLUMNS, (_values(each) for each in found))


@router.post("/pools")
def add(looking: Looking, given: Annotated[GivenTerm, Form()]) -> Response:
    """A pool, or its next term."""

    def work(session: Session) -> None:
        name, currency = _checked(given)
        start = parts.time_of(given.effective_from, looking.zone, "effective_from") or floor(looking.now, 3600)
        service.add_pool_term(
            session, name=name, gpu_type=given.gpu_type.strip(), gpus=parts.number_of(given.gpus, "gpus") or 0,
            price_per_gpu_hour=parts.amount_of(given.price, "price"), currency=currency, purchase=given.purchase,
            effective_from=start, actor=looking.email, now=looking.now, told=_told(given),
        )  # fmt: skip

    return doing.change(
        looking, given, ROLES, work, to=f"/pools?{urlencode({'q': given.name.strip()})}",
        again=lambda said, status: _show(looking, Query(), given, said, status),
    )  # fmt: skip


def _checked(given: GivenTerm) -> tuple[str, str]:
    if not given.gpu_type.strip():
        raise Invalid("Say what kind of GPU it is: the price book knows prices by it.", field="gpu_type")
    try:
        return TypeAdapter(parts.StoredName).validate_python(given.name.strip()), TypeAdapter(Currency).validate_python(
            given.currency.strip()
        )
    except ValidationError as bad:
        raise Invalid(f"{bad.errors()[0]['input']!r}: {bad.errors()[0]['msg']}.", field="name") from bad


def _told(given: GivenTerm) -> Told:
    """A sum for so many months is the purchase of owned cards, else the commitment of a reservation."""
    total, months = parts.amount_of(given.total, "total"), parts.number_of(given.months, "months")
    if total is None:
        return Told()
    if given.purchase == "owned":
        return Told(purchase_price=total, amortisation_months=months)
    return Told(commitment_cost=total, commitment_months=months)


def _show(
    looking: Reader, query: Query, given: GivenTerm | None = None, problem: str = "", status: int = 200
) -> HTMLResponse:
    with db.transaction() as session:
        found = _read(session, query, looking.now, POOLS_MAX + 1)
    address = settle("/pools", query, looking.now, looking.zone)
    names = list(dict.fromkeys(each.pool.name for each in found))
    shown = set(names[:POOLS_MAX])
    made = SettingsPage(
        reader=looking,
        sentence=sentence(found),
        address=address,
        q=query.q,
        filters=(),
        listing=Listing(
            HEADS, NUMBERS, tuple(_row(each) for each in found if each.pool.name in shown),
            address.url(cursor=names[POOLS_MAX - 1]) if len(names) > POOLS_MAX else "",
        ),
        forms=(_form(given, open_=bool(problem)),) if doing.may(looking, ROLES) else (),
        empty=_("A pool is GPU capacity of your own: its size and its cost by date. Calls and cards name it."),
        command="",
        problem=problem,
        log_url=parts.log_of(looking),
    )  # fmt: skip
    return show("settings/pools.html", made, status=status)


def sentence(found: Sequence[Held]) -> str:
    """How many cards are paid for in how many pools, and how many were heard of."""
    if not found:
        return _("There is no pool: nothing is served on GPUs of your own, as far as calls say.")
    held = [each for each in found if each.state == "holds" and each.term]
    paid = sum(each.term.gpus for each in held if each.term)
    seen = sum({each.pool.id: each.seen for each in found}.values())
    pools = _n("{n} pool", "{n} pools", len({each.pool.id for each in found}))
    gpus = _n("{n} GPU is paid for", "{n} GPUs are paid for", paid)
    return _("{pools}; {gpus}, {n} heard of.", pools=pools, gpus=gpus, n=seen)


def _read(session: Session, query: Query, now: datetime, limit: int) -> list[Held]:
    wanted = select(Pool).order_by(Pool.name).limit(limit)
    if query.q:
        wanted = wanted.where(Pool.name.icontains(query.q, autoescape=True))
    pools = session.scalars(wanted.where(Pool.name > query.cursor) if query.cursor else wanted).all()
    terms: dict[int, list[PoolTerm]] = {}
    asked = select(PoolTerm).where(PoolTerm.pool_id.in_([pool.id for pool in pools]))
    for term in session.scalars(asked.order_by(PoolTerm.effective_from.desc()).limit(TERMS_MAX)):
        terms.setdefault(term.pool_id, []).append(term)
    seen = service.gpu_counts(session)
    return [each for pool in pools for each in held(pool, terms.get(pool.id, []), seen.get(pool.id, 0), now)]


def held(pool: Pool, terms: Sequence[PoolTerm], seen: int, now: datetime) -> list[Held]:
    """Each term with its state, newest first; a pool without any is only seen. Pure."""
    if not terms:
        return [Held(pool, None, ONLY_SEEN, seen)]
    holds = next((term.id for term in terms if term.effective_from <= now), None)
    return [
        Held(pool, term, TO_COME if term.effective_from > now else HOLDS if term.id == holds else PAST, seen)
        for term in terms
    ]


def _row(each: Held) -> Row:
    pool = Cell(each.pool.name, url=f"/gpus?{urlencode({'pool': each.pool.name})}")
    seen = Cell(str(each.seen), "number")
    term = each.term
    if term is None:
        nothing = Cell("–", "soft")
        return Row((pool, nothing, Cell(each.state, "soft", said=True), *[nothing] * 6, seen))
    price = plain(term.price_per_gpu_hour) if term.price_source == "term" else ""
    kind = dict(zip(PURCHASES, PURCHASE_WORDS, strict=True)).get(term.purchase, term.purchase)
    return Row((
        pool, Cell("", "time", term.effective_from), Cell(each.state, "strong" if each.state == "holds" else "soft", said=True),
        Cell(str(term.gpus), "number"), Cell(term.gpu_type), Cell(kind, said=True),
        Cell(price, "number") if price else Cell(N_("by the price book") if term.price_source == "book" else N_("by its parts"), "soft", said=True),
        Cell(term.currency), Cell(_commitment(term)), seen,
    ))  # fmt: skip


def _commitment(term: PoolTerm) -> str:
    for total, months in (
        (term.purchase_price, term.amortisation_months), (term.commitment_cost, term.commitment_months),
    ):  # fmt: skip
        if total is not None:
            return _n("{total} over {n} month", "{total} over {n} months", months or 0, total=plain(total))
    return "–"


def _form(given: GivenTerm | None, *, open_: bool) -> parts.Form:
    said = given or GivenTerm(name="", csrf_token="")
    return parts.Form(
        "term", "/pools", N_("A pool, or the next dated row of one"), N_("Add this row"),
        (
            Entry("name", N_("Pool"), "", said.name, required=True),
            Entry("effective_from", N_("From"), N_("a day or an instant; empty: this hour"), said.effective_from),
            Entry("gpu_type", N_("Type"), N_("H200, L4 …"), said.gpu_type, required=True),
            Entry("gpus", N_("GPUs"), "", said.gpus, required=True),
            Entry("purchase", N_("Purchase"), "", said.purchase, tuple(zip(PURCHASES, PURCHASE_WORDS, strict=True))),
            Entry("price", N_("A GPU hour"), N_("empty: by the price book, or by the sum below"), said.price),
            Entry("currency", N_("Currency"), "", said.currency, required=True),
            Entry("total", N_("Paid or committed in all"), N_("owned or reserved cards"), said.total),
            Entry("months", N_("Over months"), "", said.months),
        ),
        open_,
    )  # fmt: skip


def _values(each: Held) -> Sequence[Any]:
    term = each.term
    if term is None:
        return (each.pool.name, "", each.state, None, "", "", None, "", None, None, None, each.seen)
    return (
        each.pool.name, rfc3339(term.effective_from), each.state, term.gpus, term.gpu_type, term.purchase,
        term.price_per_gpu_hour if term.price_source == "term" else None, term.currency, term.purchase_price, term.commitment_cost,
        term.amortisation_months or term.commitment_months, each.seen,
    )  # fmt: skip
