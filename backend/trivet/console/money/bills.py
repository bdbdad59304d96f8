"""The page of bills: one of them against what was measured, all of them, a form to import, names to tell, and posting."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel, Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile

from trivet import db
from trivet.bill import aliases, answers, posting, service, telling
from trivet.bill.api import limits
from trivet.bill.asked import Given, wanted_of
from trivet.bill.match import Parts
from trivet.bill.models import Bill, BillAlias, BillLine, BillMatch
from trivet.bill.names import SAME
from trivet.bill.read.formats import providers
from trivet.bill.telling import Told
from trivet.console import format as say
from trivet.console.door import Looking, check_token
from trivet.console.money import bills_words as words
from trivet.console.money.bills_draw import draw
from trivet.console.money.bills_views import BillRow, BillsPage, CauseRow, Chosen, DayRow, NameRow, PostForm
from trivet.console.pages import show
from trivet.console.views import Reader
from trivet.kit.errors import Forbidden, Invalid, NotFound, TrivetError
from trivet.kit.money import EXACT
from trivet.kit.page import INT4
from trivet.ledger.periods import shut

router = APIRouter()
SHOWN = 50
DAYS_SHOWN = 200
NAMES_SHOWN = 50
MODELS_OFFERED = 200
ZERO = Decimal(0)
WAITING = ("imported", "matched")


class Posted(BaseModel):
    spread: Literal["apart", "use"] = "apart"
    csrf_token: str = Field(max_length=200)


class Named(BaseModel):
    name: str = Field(max_length=256)
    model: str = Field("", max_length=256)
    csrf_token: str = Field(max_length=200)


@router.get("/bills")
def bills_page(looking: Looking, bill: Annotated[str, Query(max_length=12)] = "") -> HTMLResponse:
    """All bills, and one of them: the one asked for, else the newest that waits to be posted, else the newest."""
    with db.transaction() as session:
        return show("bills/page.html", _page(session, looking, bill))


@router.get("/bills/{bill_id}")
def one_bill(looking: Looking, bill_id: str) -> Response:
    """The address that checks of a close name."""
    del looking
    return RedirectResponse(f"/bills?bill={bill_id if bill_id.isdigit() else ''}", 303)


@router.post("/bills")
async def import_bill(request: Request, looking: Looking) -> Response:
    """The same import as over REST; a refusal comes back on the page."""
    _may_book(looking)  # before the file is taken
    async with request.form(max_files=2, max_fields=10) as form:
        return await run_in_threadpool(_import, looking, form)


@router.post("/bills/{bill_id}/post")
def post_bill(looking: Looking, bill_id: int, given: Annotated[Posted, Form()]) -> Response:
    """Post it, or again with another way to bear it."""
    _may(looking, given.csrf_token)

    def post(session: Session) -> int:
        service.find(session, _id(str(bill_id)))
        return posting.post(session, bill_id, spread=given.spread, actor=looking.email, now=looking.now).id

    return _done(looking, post, str(bill_id))


@router.post("/bills/{bill_id}/names")
def say_name(looking: Looking, bill_id: int, given: Annotated[Named, Form()]) -> Response:
    """Say which model a name on the bill is; nothing: none of ours."""
    _may(looking, given.csrf_token)

    def tell(session: Session) -> int:
        bill = service.find(session, _id(str(bill_id)))
        service.say_alias(
            session, provider=bill.provider, name=given.name, model=given.model.strip() or None, pool=None,
            actor=looking.email, now=looking.now,
        )  # fmt: skip
        return bill.id

    return _done(looking, tell, str(bill_id))


def _import(looking: Reader, form: FormData) -> Response:
    _may(looking, str(form.get("csrf_token", "")))
    file, usage = form.get("file"), form.get("usage")

    def bring(session: Session) -> int:
        if not isinstance(file, UploadFile) or not file.filename:
            raise Invalid("Choose the file of the bill.", field="file")
        beside = usage.file if isinstance(usage, UploadFile) and usage.filename else None
        replaces = str(form.get("replaces", "")).strip()
        given = Given(
            provider=str(form.get("provider", ""))[:256].strip(), zone=str(form.get("zone", ""))[:64].strip(),
            replaces=_id(replaces) if replaces else None,
        )  # fmt: skip
        wanted = wanted_of(given, file.file, beside, file.filename)
        return service.do_import(session, wanted, limits=limits(), actor=looking.email, now=looking.now).bills[0].id

    return _done(looking, bring, "")


def _may_book(looking: Reader) -> None:
    if not looking.may_book:
        raise Forbidden(f"Bills are for finance and admin; you are {looking.role.replace('_', ' ')}.")


def _may(looking: Reader, token: str) -> None:
    _may_book(looking)
    check_token(looking, token)


def _done(looking: Reader, work: Callable[[Session], int], bill: str) -> Response:
    """Go on to the bill, or say on the page why not."""
    try:
        with db.transaction() as session:
            bill_id = work(session)
    except TrivetError as refused:
        with db.transaction() as session:
            return show("bills/page.html", _page(session, looking, bill, refused.detail), status=refused.status)
    return RedirectResponse(f"/bills?bill={bill_id}", 303)


def _id(given: str) -> int:
    if not given.isdigit() or int(given) not in INT4:
        raise NotFound(f"There is no bill {given[:20]}.")
    return int(given)


def _page(session: Session, looking: Reader, asked_for: str, problem: str = "") -> BillsPage:
    newest = list(session.scalars(select(Bill).order_by(Bill.id.desc()).limit(SHOWN)))
    count = session.scalar(select(func.count()).select_from(Bill)) or 0
    waiting = session.scalar(select(func.count()).select_from(Bill).where(Bill.state.in_(WAITING))) or 0
    bill = _wanted(session, newest, asked_for)
    rows = answers.rows_of(session, bill.id) if bill else []
    of = answers.told(bill, rows) if bill else None
    sums = _sums(session, [each.id for each in newest])
    return BillsPage(
        reader=looking,
        sentence=words.sentence(of, waiting),
        bills=tuple(_row(each, *sums.get(each.id, (ZERO, ZERO)), chosen=each is bill) for each in newest),
        bills_left_out=count - len(newest),
        chosen=_chosen(session, looking, bill, rows, of) if bill and of else None,
        problem=problem,
        providers=tuple(providers()),
    )


def _wanted(session: Session, newest: Sequence[Bill], asked_for: str) -> Bill | None:
    if asked_for:
        return service.find(session, _id(asked_for))
    return next((bill for bill in newest if bill.state in WAITING), newest[0] if newest else None)


def _sums(session: Session, bill_ids: Sequence[int]) -> dict[int, tuple[Decimal, Decimal]]:
    """Measured and unexplained, by bill."""
    part = func.jsonb_array_elements(BillMatch.parts).table_valued("value", name="part").lateral()
    measured = select(BillMatch.bill_id, func.sum(BillMatch.measured)).where(BillMatch.bill_id.in_(bill_ids))
    unexplained = (
        select(BillMatch.bill_id, func.sum(func.cast(part.c.value.op("->>")(2), BillMatch.measured.type)))
        .select_from(BillMatch)
        .join(part, part.c.value.op("->>")(0) == "unexplained")
        .where(BillMatch.bill_id.in_(bill_ids))
    )
    first: dict[int, Decimal] = dict(session.execute(measured.group_by(BillMatch.bill_id)).all())
    second: dict[int, Decimal] = dict(session.execute(unexplained.group_by(BillMatch.bill_id)).all())
    return {bill_id: (amount, second.get(bill_id, ZERO)) for bill_id, amount in first.items()}


def _row(bill: Bill, measured: Decimal, unexplained: Decimal, *, chosen: bool) -> BillRow:
    return BillRow(
        id=bill.id,
        provider=telling.title(bill.provider),
        days=telling.days(bill.starts_on, bill.ends_on),
        state=bill.state,
        currency=bill.currency,
        total=bill.total,
        measured=measured,
        difference=EXACT.subtract(bill.total, measured),
        unexplained=unexplained,
        chosen=chosen,
    )


def _chosen(session: Session, looking: Reader, bill: Bill, rows: Sequence[BillMatch], of: Told) -> Chosen:
    ranked = _ranked(of.parts)
    names = _names(session, bill)
    places = say.watched_places([row.billed for row in rows] + [row.measured for row in rows])
    return Chosen(
        id=bill.id,
        title=f"{telling.title(bill.provider)}, {telling.days(bill.starts_on, bill.ends_on)}",
        state=bill.state,
        currency=bill.currency,
        about=words.about(
            file_name=bill.file_name, author=bill.author, lines=bill.lines, zone=bill.zone, invoices=bill.invoice_ids,
            rest=words.left_out(bill.left_out.get("other_services", {}), bill.left_out.get("bad_rows", {}), bill.currency),
        ),
        waterfall=draw(
            of.measured, bill.total, [(words.cause(*key), amount) for key, amount in ranked], bill.currency,
            posted=bill.state == "posted",
        ),
        causes=tuple(CauseRow(words.cause(*key), words.meaning(key[0]), amount) for key, amount in ranked),
        days=tuple(_day(row, places) for row in rows[:DAYS_SHOWN]),
        days_left_out=max(len(rows) - DAYS_SHOWN, 0),
        places=places,
        unknown=tuple(name for name in names if not name.is_),
        guessed=tuple(name for name in names if name.is_),
        models=_models(session, bill),
        post=_post_form(session, looking, bill, rows, of),
    )  # fmt: skip


def _ranked(parts: Parts) -> list[tuple[tuple[str, str], Decimal]]:
    return sorted(parts.items(), key=lambda item: (-abs(item[1]), item[0]))


def _day(row: BillMatch, places: int) -> DayRow:
    billed = "–" if row.billed_tokens is None else f"{row.billed_tokens:,.0f}"
    return DayRow(
        day=row.day,
        name=row.name or "the bill as a whole",
        billed=row.billed,
        measured=row.measured,
        difference=EXACT.subtract(row.billed, row.measured),
        tokens=f"{billed} / {row.measured_tokens:,}" if row.billed_tokens is not None or row.measured_tokens else "–",
        causes=words.causes(row.parts, places),
    )


def _names(session: Session, bill: Bill) -> list[NameRow]:
    """Names that nobody knows, then those that were guessed by a rule; the dearest first."""
    query = (
        select(BillAlias, func.sum(BillLine.amount))
        .join(BillLine, BillLine.alias_id == BillAlias.id)
        .where(BillLine.bill_id == bill.id)
        .where(BillAlias.rule.not_in(("", SAME)) | (BillAlias.model_id.is_(None) & BillAlias.pool_id.is_(None)))
        .group_by(BillAlias.id)
        .order_by(BillAlias.model_id.is_not(None), func.sum(BillLine.amount).desc(), BillAlias.name)
        .limit(NAMES_SHOWN)
    )
    found = session.execute(query).all()
    targets = answers.targets(session, [alias for alias, _ in found])
    return [
        NameRow(alias.name, next(filter(None, targets[alias.id]), ""), alias.rule, amount) for alias, amount in found
    ]


def _models(session: Session, bill: Bill) -> tuple[str, ...]:
    known = aliases.models_of(session, bill.measured_as)
    return tuple(sorted(set(known.values())))[:MODELS_OFFERED]


def _post_form(session: Session, looking: Reader, bill: Bill, rows: Sequence[BillMatch], of: Told) -> PostForm | None:
    if not looking.may_book or bill.state == "replaced":
        return None
    days = {row.day for row in rows if row.billed != row.measured}
    closed = shut(session)
    first = f"{bill.starts_on:%Y-%m}"
    adjusts = f"{bill.starts_on:%B %Y}" if closed and first <= closed else ""
    ways = tuple(
        (value, label, words.preview(of, len(days), value, adjusts))
        for value, label in (("apart", "Keep them apart"), ("use", "Spread them by use"))
    )
    return PostForm("Post again" if bill.state == "posted" else "Post the bill", ways, bill.spread)
