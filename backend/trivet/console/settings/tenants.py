"""Tenants: who calls are for, and whom each is charged to by date."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Form
from fastapi import Query as Ask
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.responses import StreamingResponse

from trivet import db
from trivet.console import format as say
from trivet.console.address import settle
from trivet.console.door import Looking
from trivet.console.files import csv_answer
from trivet.console.pages import show
from trivet.console.settings import doing, parts
from trivet.console.settings.parts import Cell, Entry, Listing, Query, Row, SettingsPage, Signed, Words
from trivet.console.tongue import N_, _, _n
from trivet.console.views import Reader
from trivet.kit.clock import rfc3339
from trivet.kit.errors import Invalid
from trivet.report.files.table import Column
from trivet.tenant import centres, service
from trivet.tenant.models import CostCentre, Tenant, TenantCostCentre

router = APIRouter()
ROLES = ("admin", "finance")
OFFERED = 500
HEADS: Final = (N_("Tenant"), N_("Charged to"), N_("Since"), N_("Before"), N_("First met"), N_("Registered"))
COLUMNS: Final = tuple(
    Column(name) for name in ("tenant", "cost_centre", "effective_from", "before", "first_met_at", "registered_at")
)
Charge = tuple[str, datetime]  # cost centre, from when


class Given(Signed):
    """A tenant, and whom it is charged to."""

    name: Words
    cost_centre: Words = ""
    effective_from: Annotated[str, parts.Field(max_length=40)] = ""


@router.get("/tenants")
def page(looking: Looking, query: Annotated[Query, Ask()]) -> HTMLResponse:
    """By name, a page at a time."""
    return _show(looking, query)


@router.get("/tenants.csv")
def file(looking: Looking, query: Annotated[Query, Ask()]) -> StreamingResponse:
    """All that match."""
    with db.transaction() as session:
        found = _read(session, query, parts.FILE_MAX)
        charged = _charges(session, [row.id for row in found])
    return csv_answer("tenants", COLUMNS, (list(_values(row, charged.get(row.id, ()), looking.now)) for row in found))


@router.post("/tenants")
def register(looking: Looking, given: Annotated[Given, Form()]) -> Response:
    """Register a tenant, or charge one that is known to another cost centre from an hour on."""

    def work(session: Session) -> None:
        if not given.name.strip():
            raise Invalid("A tenant needs a name.", field="name")
        if given.cost_centre:
            centres.named(session, given.cost_centre, "cost_centre")
        service.register(
            session, name=given.name.strip(), cost_centre=given.cost_centre or None,
            effective_from=parts.time_of(given.effective_from, looking.zone, "effective_from"), actor=looking.email,
            now=looking.now,
        )  # fmt: skip

    to = f"/tenants?{urlencode({'q': given.name.strip()})}"
    return doing.change(
        looking, given, ROLES, work, to=to, again=lambda said, status: _show(looking, Query(), given, said, status)
    )


def _show(
    looking: Reader, query: Query, given: Given | None = None, problem: str = "", status: int = 200
) -> HTMLResponse:
    with db.transaction() as session:
        made = _page(session, looking, query, given, problem)
    return show("settings/tenants.html", made, status=status)


def _page(session: Session, looking: Reader, query: Query, given: Given | None, problem: str) -> SettingsPage:
    address = settle("/tenants", query, looking.now, looking.zone)
    found = _read(session, query, parts.SHOWN + 1)
    shown = found[: parts.SHOWN]
    charged = _charges(session, [row.id for row in shown])
    every = session.scalar(select(func.count(Tenant.id))) or 0
    mapped = session.scalar(select(func.count(func.distinct(TenantCostCentre.tenant_id)))) or 0
    return SettingsPage(
        reader=looking,
        sentence=sentence(every, every - mapped),
        address=address,
        q=query.q,
        filters=(),
        listing=Listing(
            HEADS, (), tuple(_row(row, charged.get(row.id, ()), looking.now) for row in shown),
            address.url(cursor=shown[-1].name) if len(found) > len(shown) else "",
        ),
        forms=(_form(session, given, bool(problem)),) if doing.may(looking, ROLES) else (),
        empty=_("A tenant is kept under its name from its first call on, or when somebody registers it."),
        command="",
        problem=problem,
        log_url=parts.log_of(looking),
    )  # fmt: skip


def sentence(every: int, unmapped: int) -> str:
    """How many there are, and for how many nobody pays."""
    if not every:
        return _("No tenant has been met yet.")
    many = _n("{n} tenant", "{n} tenants", every)
    if not unmapped:
        return _("{tenants}, each charged to a cost centre.", tenants=many)
    return _(
        "{tenants}; {n} charged to nobody, so their cost shows as unattributed.", tenants=many, n=say.count(unmapped)
    )


def _read(session: Session, query: Query, limit: int) -> Sequence[Tenant]:
    wanted = select(Tenant).order_by(Tenant.name).limit(limit)
    if query.q:
        wanted = wanted.where(Tenant.name.icontains(query.q, autoescape=True))
    return session.scalars(wanted.where(Tenant.name > query.cursor) if query.cursor else wanted).all()


def _charges(session: Session, ids: Sequence[int]) -> dict[int, list[Charge]]:
    """By tenant, newest first."""
    found: dict[int, list[Charge]] = {}
    t = TenantCostCentre
    asked = select(t.tenant_id, CostCentre.name, t.effective_from).join(CostCentre, CostCentre.id == t.cost_centre_id)
    for tenant, centre, start in session.execute(asked.where(t.tenant_id.in_(ids)).order_by(t.effective_from.desc())):
        found.setdefault(tenant, []).append((centre, start))
    return found


def _row(row: Tenant, charged: Sequence[Charge], now: datetime) -> Row:
    held = [each for each in charged if each[1] <= now]
    later = [each for each in charged if each[1] > now]
    centre = Cell(held[0][0], "strong") if held else Cell(N_("unattributed"), "soft", said=True)
    since = _since(held[0][1]) if held else Cell("–", "soft")
    before = ", ".join(
        [*(f"{name} ({start:%Y-%m-%d})" for name, start in later), *(name for name, _start in held[1:4])]
    )
    name = Cell(row.name, url=f"/requests?{urlencode({'tenant': row.name})}")
    return Row((name, centre, since, Cell(before or "–", "soft"), _at(row.created_at), _at(row.registered_at)))


def _since(at: datetime) -> Cell:
    return Cell(N_("always"), "soft", said=True) if at == service.ALWAYS else Cell("", "time", at)


def _at(at: datetime | None) -> Cell:
    return Cell("–", "soft") if at is None else Cell("", "time", at)


def _form(session: Session, given: Given | None, open_: bool) -> parts.Form:  # one place calls it
    names = session.scalars(select(CostCentre.name).order_by(CostCentre.name).limit(OFFERED))
    said = given or Given(name="", csrf_token="")
    return parts.Form(
        "register", "/tenants", N_("Register a tenant, or charge one to another cost centre"), N_("Register"),
        (
            Entry("name", N_("Name"), N_("as its calls name it"), said.name, required=True),
            Entry("cost_centre", N_("Cost centre"), "", said.cost_centre, (("", N_("none yet")), *((n, n) for n in names))),
            Entry("effective_from", N_("From"), N_("a whole hour; empty: a first one for all its usage, another from this hour"), said.effective_from),
        ),
        open_,
    )  # fmt: skip


def _values(row: Tenant, charged: Sequence[Charge], now: datetime) -> Iterator[Any]:
    held = [each for each in charged if each[1] <= now]
    yield row.name
    yield held[0][0] if held else ""
    yield rfc3339(held[0][1]) if held else ""
    yield ", ".join(name for name, _start in held[1:])
    yield rfc3339(row.created_at)
    yield rfc3339(row.registered_at) if row.registered_at else ""
