"""Budgets as the page and its file show them: how each stands, the course of one, lines crossed and what came of it."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import Field
from sqlalchemy.orm import Session

from trivet.budget import answers, reading
from trivet.budget import course as courses
from trivet.budget import words as said
from trivet.budget.acting import NOTHING
from trivet.budget.crossing import LATE
from trivet.budget.draft import Identity
from trivet.budget.lines import FULL, drawn
from trivet.budget.reading import Crossing, OneBudget
from trivet.console import format as say
from trivet.console.address import Address, Link, Times, name_after
from trivet.console.money import budgets_course, budgets_form
from trivet.console.money import budgets_words as words
from trivet.console.money.budgets_bars import Shape, draw
from trivet.console.money.budgets_form import SCOPES, Asking
from trivet.console.money.budgets_views import BudgetRow, BudgetsPage, BudgetTable, CrossingRow, OverRow
from trivet.console.tongue import N_, _
from trivet.console.views import Reader
from trivet.kit.money import EXACT
from trivet.kit.page import to_cursor
from trivet.report.files.table import Column
from trivet.settings import get_settings

SHOWN = 100
FILE_MAX = 1_000  # as many as there may be
HISTORY_MAX = 30
OVER_MAX = 10  # budgets whose requests over them are listed
STATES: Final = {"spent": N_("spent"), "near": N_("near"), "fine": N_("fine"), "off": N_("not in force")}
COLUMNS = (
    Column("name"), Column("scope"), Column("of"), Column("window"), Column("zone"), Column("starts_at"), Column("ends_at"),
    Column("spent", "money"), Column("held", "money"), Column("limit", "money"), Column("unit"), Column("percent"),
    Column("forecast", "money"), Column("hard"),
)  # fmt: skip


class Query(Asking, Times):
    """The form, and which budgets: `whose` a scope, `budget` the one whose course and history are shown."""

    budget: Annotated[str, Field(max_length=256)] = ""
    whose: Annotated[str, Field(max_length=20)] = ""
    cursor: Annotated[str, Field(max_length=400)] = ""


def listed(session: Session, query: Query, now: datetime, count: int) -> list[OneBudget]:
    """Budgets by name, the same as the API lists."""
    scope = query.whose if query.whose in SCOPES else ""
    return reading.budgets(session, now, after=name_after(query.cursor), limit=count, scope=scope)


def lines(session: Session, query: Query, now: datetime) -> list[tuple[Any, ...]]:
    """Every budget as a file has it: the figures that the API answers."""
    return [_line(answers.item(one, bound=False)) for one in listed(session, query, now, FILE_MAX)]


def _line(item: dict[str, Any]) -> tuple[Any, ...]:
    window, terms = item["foremost"] or {}, item["terms"]
    limit = window.get("limit") or terms["limit"]

    def amount(name: str) -> Decimal | None:
        return Decimal(window[name]["amount"]) if window.get(name) else None

    return (
        item["name"], item["scope"], window.get("of"), item["window"], item["zone"], window.get("starts_at"),
        window.get("ends_at"), amount("spent"), amount("held"), Decimal(limit["amount"]), limit["unit"],
        window.get("percent"), amount("forecast"), terms["action"] if terms["hard"] else None,
    )  # fmt: skip


def page(
    session: Session, looking: Reader, query: Query, address: Address, *, form: Asking, errors: dict[str, str]
) -> BudgetsPage:
    """The page; `form` is what it says so far, `errors` why it was refused, by field."""
    now = looking.now
    found = listed(session, query, now, SHOWN + 1)
    every = found[:SHOWN]
    ordered = sorted((one for one in every if one.foremost), key=lambda one: (-_share(one), one.row.name))
    rest = [one for one in every if not one.foremost]
    wanted = _wanted(session, every, query.budget, now)
    crossings = reading.crossings(
        session, now, budget_id=wanted.row.id if wanted else None, limit=HISTORY_MAX, telling=True
    )
    known = {one.row.name: one for one in [*every, *([wanted] if wanted else [])]}
    places = say.watched_places(
        [each.row.spent for each in crossings if (one := known.get(each.budget)) and one.row.currency]
    )
    shown = wanted or (ordered[0] if ordered else None)
    over = [one for one in every if one.over and (wanted is None or one.row.id == wanted.row.id)]
    return BudgetsPage(
        reader=looking,
        sentence=words.sentence([_standing(one, now) for one in ordered]),
        address=address,
        scopes=address.choices("whose", SCOPES, query.whose),
        chips=(Link(wanted.row.name, address.url(budget="")),) if wanted else (),
        course=_course(session, shown, now, looking) if shown else None,
        course_of=_label(shown) if shown else "",
        bars=draw([_shape(one) for one in ordered]),
        tables=tuple(_tables([*ordered, *rest], address)),
        next_url=address.url(cursor=to_cursor([every[-1].row.name])) if len(found) > SHOWN else "",
        crossings=tuple(_crossing(each, known.get(each.budget), places) for each in crossings),
        over=tuple(_over(session, over[:OVER_MAX])),
        chosen=wanted.row.name if wanted else "",
        unheard=_unheard(every),
        form=budgets_form.made(form, looking, errors) if looking.may_book else None,
    )


def _wanted(session: Session, every: Sequence[OneBudget], name: str, now: datetime) -> OneBudget | None:
    if not name:
        return None
    here = next((one for one in every if one.row.name == name), None)
    return here or next(iter(reading.budgets(session, now, name=name, limit=1)), None)


def _course(session: Session, one: OneBudget, now: datetime, looking: Reader) -> budgets_course.Picture | None:
    """The picture of the window that is nearest to its limit; None of one that is judged call by call."""
    found, standing = one.foremost, one.standing
    if found is None or standing is None or standing.window not in ("day", "week", "month"):
        return None
    row = found.row
    of = courses.course(session, standing, row, now)
    crossed = reading.crossings(session, now, budget_id=one.row.id, limit=HISTORY_MAX)
    told = budgets_course.ahead(of, row.ends_at, now, found.pace.ends_at)
    return budgets_course.draw(
        budgets_course.Drawn(
            row.starts_at, row.ends_at, of, row.limit, (*drawn(standing.terms), FULL), one.terms.hard, _unit(one),
            tuple((each.row.crossed_at, each.row.line) for each in crossed if each.row.window_id == row.id),
        ),
        told,
        looking.zone,
    )  # fmt: skip


def _unheard(every: Iterable[OneBudget]) -> str:
    """Why owners hear nothing, where that is so."""
    if get_settings().smtp_host or not any(one.terms.owners for one in every):
        return ""
    return _("No mail server is set (TRIVET_SMTP_HOST), so owners read of lines here only.")


def _unit(one: OneBudget) -> str:
    return one.row.currency or one.row.measure  # a currency, `tokens` or `requests`


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


def _tables(every: Iterable[OneBudget], address: Address) -> Iterable[BudgetTable]:
    units: dict[str, list[OneBudget]] = {}
    for one in every:
        units.setdefault(_unit(one), []).append(one)
    for unit, own in sorted(units.items()):
        amounts = [one.terms.limit for one in own] + [one.foremost.row.spent for one in own if one.foremost]
        places = say.watched_places(amounts) if own[0].row.measure == "money" else 0
        yield BudgetTable(unit, places, tuple(_row(one, address) for one in own))


def _row(one: OneBudget, address: Address) -> BudgetRow:
    found, terms = one.foremost, one.terms
    window = found.row if found else None
    limit = window.limit if window else terms.limit
    spent = window.spent if window else Decimal(0)
    percent = said.percent(spent, limit)
    pace = found.pace.ends_at if found else None
    near = "spent" if percent >= FULL else "near" if percent >= words.PAST else "fine"
    state = near if one.standing else "off"
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
        state_words=_(STATES[state]),
        state=state,
        url=address.url(budget=one.row.name),
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
        return _("tells")
    said = {"refuse": N_("refuses"), "break": N_("cuts off"), "degrade": N_("degrades to {level}")}[
        terms.action or "refuse"
    ]
    return _(said, level=terms.level)


def _crossing(one: Crossing, budget: OneBudget | None, places: int) -> CrossingRow:
    line = one.row
    unit = _unit(budget) if budget else ""
    kinds = [act.kind for act, _scenario, _tenant in one.acts]
    outcomes = [act.outcome for act, _scenario, _tenant in one.acts]
    done = _("told") if budget and budget.terms.owners else _("noted: it has no owners to tell")
    if line.hard and not kinds:
        done = _(words.NOTHING if line.reason.endswith((NOTHING, LATE)) else words.REFUSES)
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
    places = say.watched_places(
        [row.amount for one, rows in found if one.row.currency for row, _tenant, _scenario in rows]
    )
    for one, rows in found:
        for row, tenant, scenario in rows:
            amount = _amount(row.amount, _unit(one), places)
            done = _hard(one) if row.command_id else _("listed")
            yield OverRow(row.at, one.row.name, row.what, tenant or "–", scenario or "–", amount, done)
