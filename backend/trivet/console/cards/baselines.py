"""The pages of baselines: all of them, freezing one, and one held against another or against now."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Path, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet import db
from trivet.compare import measured as measures
from trivet.compare import service
from trivet.compare.api import other
from trivet.compare.models import Baseline
from trivet.console import files
from trivet.console import format as say
from trivet.console.address import Address, Link, Name, Times, instant, number_after, settle
from trivet.console.cards import baselines_words as words
from trivet.console.cards.baselines_views import BaselinePage, BaselineRow, BaselinesPage, Cell, Frozen
from trivet.console.door import Looking, check_token
from trivet.console.pages import show
from trivet.console.places import check_role
from trivet.console.tongue import N_, _, _n
from trivet.console.views import Choice, Reader
from trivet.kit.body import Asked as Text
from trivet.kit.clock import floor, rfc3339
from trivet.kit.errors import Invalid, TrivetError
from trivet.kit.page import to_cursor
from trivet.report.files.table import Column
from trivet.tenant.models import Scenario

router = APIRouter()
SHOWN, OTHERS_SHOWN, SCENARIOS_SHOWN, FILE_MAX = 30, 12, 500, 1_000
HOUR_S = 3600
Id = Annotated[int, Path(ge=1, lt=2**63)]
COLUMNS = (Column("id", "count"), Column("scenario"), Column("name"), Column("from"), Column("to"), Column("requests", "count"), *(Column(m.key, "number") for m in measures.MEASURES if m.key != "requests"), Column("currency"), Column("frozen_by"), Column("reason"))  # fmt: skip
COMPARED = (Column("measure"), Column("before", "number"), Column("after", "number"), Column("difference", "number"), Column("relative", "number"), Column("verdict"), Column("before_sample", "count"), Column("after_sample", "count"))  # fmt: skip


class Asked(Times):
    """Which baselines the address asks for."""

    scenario: Name = ""
    cursor: Name = ""


class AskedOne(Times):
    """What one is held against: another's id, or now."""

    against: Name = "now"


class NewOne(BaseModel):
    """The form."""

    scenario: Text = ""
    name: Text = ""
    since: Text = ""
    until: Text = ""
    reason: Text = ""
    csrf_token: Text = ""


@router.get("/baselines")
def listed(looking: Looking, asked: Annotated[Asked, Query()]) -> HTMLResponse:
    """Newest first, with the form that freezes another."""
    return _list(looking, asked)


@router.post("/baselines")
def freeze(looking: Looking, given: Annotated[NewOne, Form()]) -> Response:
    """Freeze one; a refusal comes back on the page, above what was typed."""
    check_role(looking.role, "Baselines are for sre, product owner and admin", may=looking.may_command)
    check_token(looking, given.csrf_token)
    try:
        since, until = instant(given.since, looking.zone), instant(given.until, looking.zone, last=True)
        if since is None or until is None or since >= until:
            raise Invalid("Name a day, or a day and a time, and a later one.", field="since")
        with db.transaction() as session:
            made = service.freeze(
                session, scenario=given.scenario, name=given.name, start=since, end=until, reason=given.reason,
                actor=looking.email, now=looking.now,
            )  # fmt: skip
            return RedirectResponse(f"/baselines/{made.id}", 303)
    except TrivetError as refused:
        typed = Frozen(given.scenario, given.name, given.since, given.until, given.reason, refused.detail)
        return _list(looking, Asked(), typed, refused.status)


@router.get("/baselines.csv")
def file_of_all(_: Looking, asked: Annotated[Asked, Query()]) -> StreamingResponse:
    with db.transaction() as session:
        found = service.some(session, scenario=asked.scenario or None, limit=FILE_MAX)[:FILE_MAX]
        rows = [_line(row, name) for row, name in found]
    return files.csv_answer("baselines", COLUMNS, rows)


@router.get("/baselines/{baseline}.csv")
def file_of_one(looking: Looking, baseline: Id, asked: Annotated[AskedOne, Query()]) -> StreamingResponse:
    """The comparison."""
    with db.transaction() as session:
        found = service.compared(session, baseline, _against(asked.against), looking.now)
    rows = [
        (d.measure.key, d.before.value, d.after.value, d.difference, d.relative, d.verdict, d.before.sample, d.after.sample)
        for d in found.differences
    ]  # fmt: skip
    return files.csv_answer(f"baseline-{baseline}", COMPARED, rows)


@router.get("/baselines/{baseline}")
def one(looking: Looking, baseline: Id, asked: Annotated[AskedOne, Query()]) -> HTMLResponse:
    """One, held against another of its scenario or against as long a time up to now."""
    address = settle(f"/baselines/{baseline}", asked, looking.now, looking.zone)
    with db.transaction() as session:
        return show("baselines/one.html", _one(session, looking, baseline, asked, address))


def _against(text: str) -> int | None:
    """A bad value means now."""
    return other(text) if text.isdecimal() and len(text) < 19 and int(text) else None


def _list(looking: Reader, asked: Asked, typed: Frozen | None = None, status: int = 200) -> HTMLResponse:
    address = settle("/baselines", asked, looking.now, looking.zone)
    before = number_after(asked.cursor)
    with db.transaction() as session:
        found = service.some(session, scenario=asked.scenario or None, before=before, limit=SHOWN)
        names = session.scalars(select(Scenario.name).order_by(Scenario.name).limit(SCENARIOS_SHOWN)).all()
        shown = found[:SHOWN]
        given = typed or _usual(looking, asked.scenario)
        page = BaselinesPage(
            reader=looking,
            address=address,
            sentence=_sentence(len(found), asked.scenario),
            rows=tuple(_row(row, name) for row, name in shown),
            next_url=address.url(cursor=to_cursor([shown[-1][0].id])) if len(found) > SHOWN else "",
            chosen=(Link(asked.scenario, address.url(scenario="")),) if asked.scenario else (),
            scenarios=tuple(Choice(name, name, "", name == given.scenario) for name in names),
            typed=given,
        )
        return show("baselines/list.html", page, status=status)


def _usual(looking: Reader, scenario: str) -> Frozen:
    """The last seven whole days of hours."""
    end = floor(looking.now, HOUR_S)
    start = end - timedelta(days=7)
    since, until = (at.astimezone(looking.zone).strftime("%Y-%m-%dT%H:%M") for at in (start, end))
    return Frozen(scenario=scenario, since=since, until=until)


def _sentence(n: int, scenario: str) -> str:
    if not n:
        return _("Nothing is frozen yet, so nothing says how a scenario stood before a change.")
    more = "+" if n > SHOWN else ""
    if scenario:
        return _n("{name} has {n} baseline to be held against.", "{name} has {n} baselines to be held against.", min(n, SHOWN), name=say.title(scenario), n=f"{min(n, SHOWN)}{more}")  # fmt: skip
    return _n("{n} baseline is kept: how a scenario stood before a change.", "{n} baselines are kept: how scenarios stood before a change.", min(n, SHOWN), n=f"{min(n, SHOWN)}{more}")  # fmt: skip


def _row(row: Baseline, scenario: str) -> BaselineRow:
    found = measures.read(row.measured)
    values = measures.values(found)
    code = measures.currency_of(found)
    cost = words.of_key(values, "cost_per_request")
    return BaselineRow(
        url=f"/baselines/{row.id}",
        name=row.name,
        scenario=scenario,
        start=row.start,
        end=row.end,
        requests=found.requests,
        quality=words.of_key(values, "quality"),
        p95=words.of_key(values, "p95_latency_ms"),
        cost=Cell(say.with_currency(cost.words, code), cost.exact) if cost.exact else cost,
        actor=row.actor,
        reason=row.reason,
    )


def _line(row: Baseline, scenario: str) -> tuple[object, ...]:
    found = measures.read(row.measured)
    numbers = [value.value for value in measures.values(found) if value.measure.key != "requests"]
    return (row.id, scenario, row.name, rfc3339(row.start), rfc3339(row.end), found.requests, *numbers, measures.currency_of(found), row.actor, row.reason)  # fmt: skip


def _one(session: Session, looking: Reader, baseline: int, asked: AskedOne, address: Address) -> BaselinePage:
    row, scenario = service.one(session, baseline)
    against = _against(asked.against)
    found = service.compared(session, baseline, against, looking.now)
    rest = [each for each, _name in service.some(session, scenario=scenario, limit=OTHERS_SHOWN) if each.id != row.id]
    others = [Link(_("now"), address.url(against=""), against is None)]
    others += [Link(each.name, address.url(against=str(each.id)), each.id == against) for each in rest[:OTHERS_SHOWN]]
    rows = words.rows(found)
    drawn = sum(bool(each.relative) for each in rows)
    return BaselinePage(
        reader=looking,
        address=address,
        sentence=words.sentence(found),
        name=row.name,
        scenario=scenario,
        scenario_url=address.url("/baselines", against="", scenario=scenario),
        start=row.start,
        end=row.end,
        after_start=found.after.interval.start,
        after_end=found.after.interval.end,
        after_name=found.after.name or _("now"),
        made=_("Frozen by {who}: {reason}", who=row.actor, reason=row.reason),
        others=tuple(others),
        rows=rows,
        currency=found.currency,
        height=drawn * words.ROW,
        mix=_mix(found),
        terms=_(measures.TERMS_WORDS),
    )


MIX = (("models", N_("Model")), ("revisions", N_("Revision")), ("levels", N_("Level")))


def _mix(found: service.Comparison) -> tuple[tuple[str, str, int, int], ...]:
    rows = []
    for kind, label in MIX:
        one, two = getattr(found.before.measured, kind), getattr(found.after.measured, kind)
        most = sorted({*one, *two}, key=lambda name: -(one.get(name, 0) + two.get(name, 0)))[:8]
        rows += [(_(label), name, *pair) for name in most if any(pair := (one.get(name, 0), two.get(name, 0)))]
    return tuple(rows)
