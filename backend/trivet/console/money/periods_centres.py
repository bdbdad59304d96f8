"""The page of cost centres: their tree, whom each is charged for, who has none yet, and costs shared by many."""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.responses import StreamingResponse

from trivet import db
from trivet.console.door import Looking, check_token
from trivet.console.files import csv_answer
from trivet.console.money import periods_words as words
from trivet.console.money.periods_views import CentreRow, CentresPage, SharedRow, UnmappedRow, Upload
from trivet.console.pages import show
from trivet.console.tongue import _
from trivet.console.views import Reader
from trivet.kit.body import NAME_MAX
from trivet.kit.errors import Forbidden, Invalid, TrivetError
from trivet.ledger import shared_rows
from trivet.ledger.shared import MONTHLY, Rule, Term, rule_at, term_at
from trivet.report.files.table import Column
from trivet.tenant import centres, mapping, service, tree
from trivet.tenant.mapping import BadRows
from trivet.tenant.models import CostCentre, Tenant

router = APIRouter()
UNMAPPED_SHOWN = 100
TENANTS_SHOWN = 12
FILE_MAX = 60_000  # characters in the form; a larger file goes over REST
COLUMNS: Final = tuple(Column(name) for name in ("cost_centre", "beneath", "code", "statements_go_to", "tenant"))
NO_UPLOAD = Upload("", (), ())
Name = Annotated[str, Field(max_length=NAME_MAX)]


class Signed(BaseModel):
    csrf_token: str = Field(max_length=200)


class GivenMapping(Signed):
    tenant: Name
    cost_centre: Name


class GivenCentre(Signed):
    name: Name
    parent: Name = ""


class GivenFile(Signed):
    text: str = Field("", max_length=FILE_MAX)
    act: Literal["preview", "take"] = "preview"


@router.get("/cost-centres")
def centres_page(looking: Looking) -> HTMLResponse:
    """The tree of now, tenants without a cost centre, shared costs."""
    return _show(looking)


@router.get("/cost-centres.csv")
def centres_file(looking: Looking) -> StreamingResponse:
    """A line a tenant of each cost centre, and one for a cost centre without any."""
    with db.transaction() as session:
        found = list(_lines(session, looking))
    return csv_answer("cost-centres", COLUMNS, found)


def _lines(session: Session, looking: Reader) -> Iterator[Sequence[str]]:
    paths = tree.paths(session, looking.now)
    charged: dict[int, list[str]] = {}
    held = service.cost_centres_at(session, looking.now)
    for id_, name in session.execute(select(Tenant.id, Tenant.name).order_by(Tenant.name)):
        charged.setdefault(held.get(id_, 0), []).append(name)
    for row in sorted(session.scalars(select(CostCentre)), key=lambda row: paths[row.id]):
        for tenant in charged.get(row.id, [""]):
            yield row.name, " / ".join(paths[row.id][:-1]), row.code, ", ".join(row.owners), tenant
    for tenant in charged.get(0, []):
        yield "", "", "", "", tenant


@router.post("/cost-centres/map")
def map_tenant(looking: Looking, given: Annotated[GivenMapping, Form()]) -> Response:
    """Charge one tenant to a cost centre: its first holds for all its usage, another from this hour on."""

    def work(session: Session) -> None:
        centres.named(session, given.cost_centre, "cost_centre")
        service.register(
            session, name=given.tenant, cost_centre=given.cost_centre, effective_from=None, actor=looking.email,
            now=looking.now,
        )  # fmt: skip

    return _change(looking, given, work)


@router.post("/cost-centres/new")
def make_centre(looking: Looking, given: Annotated[GivenCentre, Form()]) -> Response:
    """A new cost centre, beneath another one or at the top."""

    def work(session: Session) -> None:
        if not given.name.strip():
            raise Invalid("A cost centre needs a name.", field="name")
        centres.create(session, name=given.name.strip(), parent=given.parent or None, actor=looking.email)

    return _change(looking, given, work)


@router.post("/cost-centres/upload")
def upload(looking: Looking, given: Annotated[GivenFile, Form()]) -> Response:
    """A file of mappings: first what it would do, then all of it or nothing."""
    _may(looking, given)
    try:
        with db.transaction() as session:
            trial = session.begin_nested()
            found = mapping.take(session, mapping.parse(given.text), actor=looking.email, now=looking.now)
            trial.commit() if given.act == "take" else trial.rollback()
    except BadRows as refused:
        problems = tuple(f"{field}: {detail}" for field, detail in refused.errors)
        return _show(looking, upload=Upload(given.text, (), problems), status=refused.status)
    except TrivetError as refused:
        return _show(looking, upload=Upload(given.text, (), (refused.detail,)), status=refused.status)
    if given.act == "take":
        return RedirectResponse("/cost-centres", 303)
    rows = [
        words.mapping(each.row.tenant, each.before, each.row.cost_centre, each.effective_from, known=each.known)
        for each in found
    ]
    return _show(looking, upload=Upload(given.text, tuple(rows), ()))


def _may(looking: Reader, given: Signed) -> None:
    if not looking.may_book:
        raise Forbidden(f"Cost centres are for finance and admin; you are {looking.role.replace('_', ' ')}.")
    check_token(looking, given.csrf_token)


def _change(looking: Reader, given: Signed, work: Callable[[Session], None]) -> Response:
    _may(looking, given)
    try:
        with db.transaction() as session:
            work(session)
    except TrivetError as refused:
        return _show(looking, problem=refused.detail, status=refused.status)
    return RedirectResponse("/cost-centres", 303)


def _show(looking: Reader, *, upload: Upload = NO_UPLOAD, problem: str = "", status: int = 200) -> HTMLResponse:
    with db.transaction() as session:
        page = _page(session, looking, upload, problem)
    return show("periods/centres.html", page, status=status)


def _page(session: Session, looking: Reader, upload: Upload, problem: str) -> CentresPage:
    paths = tree.paths(session, looking.now)
    charged = service.cost_centres_at(session, looking.now)
    tenants = session.execute(select(Tenant.id, Tenant.name, Tenant.created_at).order_by(Tenant.name)).all()
    unmapped = [UnmappedRow(name, since) for id_, name, since in tenants if id_ not in charged]
    by_centre: dict[int, list[str]] = {}
    for id_, name, _since in tenants:
        if id_ in charged:
            by_centre.setdefault(charged[id_], []).append(name)
    rows = session.scalars(select(CostCentre)).all()
    return CentresPage(
        reader=looking,
        sentence=words.centres(len(rows), len(tenants) - len(unmapped), len(unmapped)),
        centres=tuple(
            _centre(row, paths[row.id], by_centre.get(row.id, ()))
            for row in sorted(rows, key=lambda row: paths[row.id])
        ),
        names=tuple(sorted(row.name for row in rows)),
        unmapped=tuple(unmapped[:UNMAPPED_SHOWN]),
        unmapped_left_out=max(len(unmapped) - UNMAPPED_SHOWN, 0),
        shared=tuple(_shared(session, looking)),
        upload=upload,
        problem=problem,
    )


def _centre(row: CostCentre, path: Sequence[str], tenants: Sequence[str]) -> CentreRow:
    return CentreRow(
        row.name, len(path), " / ".join(path[:-1]), row.code, ", ".join(row.owners), ", ".join(tenants[:TENANTS_SHOWN]),
        max(len(tenants) - TENANTS_SHOWN, 0),
    )  # fmt: skip


def _shared(session: Session, looking: Reader) -> list[SharedRow]:
    """Those that cost something now or later; one that has ended is in the ledger and no more here."""
    found = []
    for cost in shared_rows.costs(session):
        term = term_at(cost.recurs, cost.terms, looking.now) or cost.terms[0]
        rule = rule_at(cost.rules, looking.now) or cost.rules[0]
        if term.amount and (term.end is None or term.end > looking.now):
            found.append(
                SharedRow(
                    cost.name, term.amount, term.currency, _spread(cost.recurs, term, looking),
                    words.rule(rule.kind, rule.usage_of, _targets(session, rule)), cost.note,
                )
            )  # fmt: skip
    return found


def _spread(recurs: str, term: Term, looking: Reader) -> str:
    if recurs == MONTHLY:
        return _("each month")
    start, end = (at.astimezone(looking.zone) for at in (term.start, term.end or term.start))
    return _("{start} to {end}", start=f"{start:%Y-%m-%d}", end=f"{end:%Y-%m-%d}")


def _targets(session: Session, rule: Rule) -> list[tuple[str, str]]:
    ids = [target for target, _ in rule.shares]
    centre_names = dict(
        session.execute(select(CostCentre.id, CostCentre.name).where(CostCentre.id.in_([c for c, _ in ids]))).all()
    )
    tenant_names = dict(session.execute(select(Tenant.id, Tenant.name).where(Tenant.id.in_([t for _, t in ids]))).all())
    return [(centre_names.get(c) or tenant_names[t], _percent(percent)) for (c, t), percent in rule.shares]


def _percent(percent: Decimal) -> str:
    return format(percent.normalize(), "f")
