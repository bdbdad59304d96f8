"""The page of budgets: how each stands, which lines were crossed and what came of it, and a form that makes one."""

from collections.abc import Iterable
from datetime import date, datetime, time
from decimal import Decimal
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from trivet import db
from trivet.budget import making, reading
from trivet.budget import words as said
from trivet.budget.acting import NOTHING
from trivet.budget.crossing import LATE
from trivet.budget.draft import Asked, Identity, check
from trivet.budget.lines import FULL, drawn
from trivet.budget.reading import Crossing, OneBudget
from trivet.budget.windows import zone_of
from trivet.console import format as say
from trivet.console.door import Looking, check_token
from trivet.console.money import budgets_words as words
from trivet.console.money.budgets_bars import Shape, draw
from trivet.console.money.budgets_views import (
    BudgetForm,
    BudgetRow,
    BudgetsPage,
    BudgetTable,
    CrossingRow,
    OverRow,
)
from trivet.console.pages import show
from trivet.console.views import Choice, Reader
from trivet.kit.errors import Forbidden, Invalid, TrivetError
from trivet.kit.money import EXACT, plain_amount
from trivet.settings import get_settings

router = APIRouter()
BUDGETS_MAX = 200
HISTORY_MAX = 30
SCOPES = {
    "tenant": "Tenant", "cost_centre": "Cost centre", "scenario": "Scenario", "key": "API key", "end_user": "End user",
    "global": "Everyone together", "request": "Request", "interaction": "Interaction",
}  # fmt: skip
MEASURES = {"money": "Money", "tokens": "Tokens", "requests": "Requests"}
WINDOWS = {"day": "Day", "week": "Week, from Monday", "month": "Month"}
ACTIONS = {
    "": "Tell the owners, stop nothing", "refuse": "Refuse reservations beyond it", "1": "Degrade to level 1",
    "2": "Degrade to level 2", "3": "Degrade to level 3", "break": "Cut calls off",
}  # fmt: skip
WAYS_BACK = {"next_window": "in the next window", "manual": "when somebody restores it"}


class Asking(BaseModel):
    """What the form says, also in the address. Empty is not said yet."""

    name: str = Field("", max_length=256)
    scope: Literal["tenant", "cost_centre", "scenario", "key", "end_user", "global", "request", "interaction"] = (
        "tenant"
    )
    subject: str = Field("", max_length=256)
    tenant: str = Field("", max_length=256)
    scenario: str = Field("", max_length=256)
    measure: Literal["money", "tokens", "requests"] = "money"
    currency: str = Field("USD", max_length=3)
    limit: str = Field("", max_length=40)
    window: Literal["day", "week", "month"] = "month"
    zone: str = Field("", max_length=64)
    begins: str = Field("", max_length=10)
    action: Literal["", "refuse", "1", "2", "3", "break"] = ""
    way_back: Literal["next_window", "manual"] = "next_window"
    owners: str = Field("", max_length=2_000)
    reason: str = Field("", max_length=500)


class Given(Asking):
    """The same, to be made."""

    csrf_token: str = Field(max_length=200)


class Shown(Asking):
    """What the page's address says: the form, and whose history is shown."""

    budget: str = Field("", max_length=256)


@router.get("/budgets")
def budgets_page(looking: Looking, shown: Annotated[Shown, Query()]) -> HTMLResponse:
    """Every budget, the nearest to its limit first."""
    with db.transaction() as session:
        return show("budgets/page.html", _page(session, looking, shown, shown.budget, {}))


@router.post("/budgets")
def make(looking: Looking, given: Annotated[Given, Form()]) -> Response:
    """Make it through the same door as the API; a refusal comes back in the form, at its field."""
    if not looking.may_book:
        raise Forbidden(f"Budgets are for finance and admin; you are {looking.role.replace('_', ' ')}.")
    check_token(looking, given.csrf_token)
    try:
        identity, asked = _identity(given, looking), _asked(given)
        with db.transaction() as session:
            making.put(
                session, identity, asked, effective_from=_begins(given, identity), actor=looking.email, now=looking.now
            )  # fmt: skip
    except TrivetError as refused:
        errors = {refused.field or "form": refused.detail}
        with db.transaction() as session:
            page = _page(session, looking, given, "", errors)
            return show("budgets/page.html", page, status=refused.status)
    return RedirectResponse("/budgets", 303)


def _page(session: Session, looking: Reader, asking: Asking, chosen: str, errors: dict[str, str]) -> BudgetsPage:
    now = looking.now
    every = reading.budgets(session, now, limit=BUDGETS_MAX)
    ordered = sorted((one for one in every if one.foremost), key=lambda one: (-_share(one), one.row.name))
    rest = [one for one in every if not one.foremost]
    wanted = [one.row.id for one in every if one.row.name == chosen]
    crossings = reading.crossings(
        session, now, budget_id=wanted[0] if wanted else None, limit=HISTORY_MAX, telling=True
    )
    known = {one.row.name: one for one in every}
    places = say.watched_places(
        [each.row.spent for each in crossings if (one := known.get(each.budget)) and one.row.currency]
    )
    return BudgetsPage(
        reader=looking,
        sentence=words.sentence([_standing(one, now) for one in ordered]),
        bars=draw([_shape(one) for one in ordered]),
        tables=tuple(_tables([*ordered, *rest])),
        crossings=tuple(_crossing(each, known.get(each.budget), places) for each in crossings),
        over=tuple(_over(session, [one for one in every if one.over and (not wanted or one.row.id in wanted)])),
        chosen=chosen if wanted else "",
        unheard=_unheard(every),
        form=_form(asking, looking, errors) if looking.may_book else None,
    )


def _unheard(every: Iterable[OneBudget]) -> str:
    """Why owners hear nothing, where that is so."""
    if get_settings().smtp_host or not any(one.terms.owners for one in every):
        return ""
    return "No mail server is set (TRIVET_SMTP_HOST), so owners read of lines here only."


def _unit(one: OneBudget) -> str:
    return one.row.currency or one.row.measure


def _share(one: OneBudget) -> Decimal:
    found = one.foremost
    return EXACT.divide(EXACT.add(found.row.spent, found.row.held), found.row.limit) if found else Decimal(0)


def _label(one: OneBudget) -> str:
    """`search`, or `daily: tenant acme` where each has its own."""
    own = one.foremost and one.foremost.row.subject_id and not one.row.subject_id
    return f"{one.row.name}: {one.foremost.whose}" if one.foremost and own else one.row.name


def _standing(one: OneBudget, now: datetime) -> words.Standing:
    found = one.foremost
    assert found is not None  # only those with a window are said
    row = found.row
    ends = None if found.pace.ends_at is None else said.percent(found.pace.ends_at, row.limit)
    limit = words.amount(row.limit, one.row.measure, one.row.currency)
    return words.Standing(_label(one), said.percent(row.spent, row.limit), limit, row.ends_at - now, ends)


def _shape(one: OneBudget) -> Shape:
    found = one.foremost
    assert found is not None
    lines = drawn(one.standing.terms) if one.standing else tuple(one.terms.lines)
    return Shape(_label(one), found.row.spent, found.row.held, found.row.limit, found.pace.gone, (*lines, FULL))


def _tables(every: Iterable[OneBudget]) -> Iterable[BudgetTable]:
    units: dict[str, list[OneBudget]] = {}
    for one in every:
        units.setdefault(_unit(one), []).append(one)
    for unit, own in sorted(units.items()):
        amounts = [one.terms.limit for one in own] + [one.foremost.row.spent for one in own if one.foremost]
        places = say.watched_places(amounts) if own[0].row.measure == "money" else 0
        yield BudgetTable(unit, places, tuple(_row(one) for one in own))


def _row(one: OneBudget) -> BudgetRow:
    found, terms = one.foremost, one.terms
    window = found.row if found else None
    limit = window.limit if window else terms.limit
    spent = window.spent if window else Decimal(0)
    percent = said.percent(spent, limit)
    pace = found.pace.ends_at if found else None
    near = "spent" if percent >= FULL else "near" if percent >= words.PAST else "fine"
    return BudgetRow(
        name=one.row.name,
        of=found.whose if found and one.row.subject_id == 0 and found.row.subject_id else "",
        rule=_rule(one),
        spent=spent,
        held=window.held if window else Decimal(0),
        limit=limit,
        percent=f"{percent} %" if window else "–",
        pace=f"{said.percent(pace, limit)} %" if pace is not None else "–",
        ends_at=window.ends_at if window else None,
        state=near if one.standing else "not in force",
        at_least=bool(window and one.row.measure == "money" and (window.unpriced or window.gaps)),
        hard=_hard(one),
        more=max(one.open - 1, 0),
    )


def _rule(one: OneBudget) -> str:
    """`every tenant, a day in Europe/Berlin`."""
    row = one.row
    identity = Identity(
        row.name, row.scope, row.measure, row.window, row.zone, one.subject, one.tenant, one.scenario, row.currency
    )  # fmt: skip
    return words.rule(identity)


def _hard(one: OneBudget) -> str:
    terms = one.terms
    if not terms.hard:
        return "tells"
    return {"refuse": "refuses", "break": "cuts off", "degrade": f"degrades to {terms.level}"}[terms.action]


def _crossing(one: Crossing, budget: OneBudget | None, places: int) -> CrossingRow:
    line = one.row
    unit = _unit(budget) if budget else ""
    kinds = [act.kind for act, _, _ in one.acts]
    outcomes = [act.outcome for act, _, _ in one.acts]
    done = "told" if budget and budget.terms.owners else "noted: it has no owners to tell"
    if line.hard and not kinds:
        done = words.NOTHING if line.reason.endswith((NOTHING, LATE)) else words.REFUSES
    elif line.hard:
        done = words.done(
            kinds[0], outcomes, one.overshoot.breach_to_command_ms, returned=line.returned_at is not None
        )  # fmt: skip
    return CrossingRow(
        at=line.crossed_at,
        budget=one.budget,
        of=one.window.whose,
        line=line.line,
        hard=line.hard,
        spent=_amount(line.spent, unit, places),
        done=done,
        over=_amount(one.overshoot.over, unit, places) if line.hard and one.overshoot.over else "–",
        reason=line.reason,
    )


def _amount(value: Decimal, unit: str, places: int) -> str:
    return f"{say.amount(value, 0 if unit in {'tokens', 'requests'} else places)} {unit}"


def _over(session: Session, every: Iterable[OneBudget]) -> Iterable[OverRow]:
    found = [(one, reading.over(session, one.row.id, limit=HISTORY_MAX)) for one in every]
    places = say.watched_places([row.amount for one, rows in found if one.row.currency for row, _, _ in rows])
    for one, rows in found:
        for row, tenant, scenario in rows:
            amount = _amount(row.amount, _unit(one), places)
            done = _hard(one) if row.command_id else "listed"
            yield OverRow(row.at, one.row.name, row.what, tenant or "–", scenario or "–", amount, done)


def _form(asking: Asking, looking: Reader, errors: dict[str, str]) -> BudgetForm:
    return BudgetForm(
        name=asking.name,
        scopes=_choices(SCOPES, asking.scope),
        subject=asking.subject,
        tenant=asking.tenant,
        scenario=asking.scenario,
        measures=_choices(MEASURES, asking.measure),
        currency=asking.currency,
        limit=asking.limit,
        windows=_choices(WINDOWS, asking.window),
        zone=asking.zone or str(looking.zone),
        begins=asking.begins,
        actions=_choices(ACTIONS, asking.action),
        ways_back=_choices(WAYS_BACK, asking.way_back),
        owners=asking.owners,
        reason=asking.reason,
        preview=_preview(asking, looking),
        errors=errors,
    )


def _choices(words_of: dict[str, str], chosen: str) -> tuple[Choice, ...]:
    return tuple(Choice(value, label, "", value == chosen) for value, label in words_of.items())


def _preview(asking: Asking, looking: Reader) -> str:
    """What it would be, in a sentence; where it makes no sense yet, why."""
    if not asking.limit:
        return "Say how much, for whom and how long: what it will do is said here first."
    try:
        identity, asked = _identity(asking, looking), _asked(asking)
        check(identity, asked)
        return words.preview(identity, asked, starts_at=_begins(asking, identity))
    except TrivetError as refused:
        return refused.detail


def _identity(asking: Asking, looking: Reader) -> Identity:
    single = asking.scope in ("request", "interaction")
    return Identity(
        name=asking.name.strip(),
        scope=asking.scope,
        measure=asking.measure,
        window=asking.scope if single else asking.window,
        zone=asking.zone.strip() or str(looking.zone),
        subject=asking.subject.strip(),
        tenant=asking.tenant.strip(),
        scenario=asking.scenario.strip(),
        currency=asking.currency.strip().upper() if asking.measure == "money" else "",
    )


def _asked(asking: Asking) -> Asked:
    try:
        limit = plain_amount(asking.limit.strip())
    except ValueError as wrong:
        raise Invalid(str(wrong), field="limit") from wrong
    levels = asking.action.isdigit()
    return Asked(
        limit=limit,
        hard=bool(asking.action),
        action=("degrade" if levels else asking.action) or None,
        level=int(asking.action) if levels else None,
        way_back=asking.way_back,
        owners=tuple(asking.owners.replace(",", " ").split()),
        reason=asking.reason.strip(),
    )


def _begins(asking: Asking, identity: Identity) -> datetime | None:
    """Midnight of the day that was named, by the budget's own clock; None: now."""
    if not asking.begins:
        return None
    try:
        day = date.fromisoformat(asking.begins)
    except ValueError as wrong:
        raise Invalid("Write the day such as 2026-12-01.", field="effective_from") from wrong
    zone: ZoneInfo = zone_of(identity.zone)
    return datetime.combine(day, time(), zone)
