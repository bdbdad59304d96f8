"""The page of drills: what was drilled and what proved each step, what comes back by itself, and the form of a new one."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.card import service as cards
from trivet.console import format as say
from trivet.console.address import Address, Times, number_after
from trivet.console.control import filters
from trivet.console.control.commands_read import among
from trivet.console.control.commands_words import span
from trivet.console.control.lanes import Band, Lane, Lanes, Scale
from trivet.console.evidence import drills_words as words
from trivet.console.evidence.drills_views import DrillForm, DrillRow, DrillsPage, ScheduleRow, StepRow
from trivet.console.tongue import _, _n
from trivet.console.views import Reader
from trivet.evidence import drill_plan, drill_schedules, drill_state
from trivet.evidence.models import STATES, Drill, DrillSchedule, DrillStep
from trivet.kit.body import Asked
from trivet.kit.page import to_cursor
from trivet.tenant.models import Scenario

SHOWN, LANES_MAX, SCHEDULES_MAX, STEPS_MAX = 20, 12, 200, 40
Row = tuple[Drill, str, str]  # with the names of its scenario and backend


class Query(Times):
    """The address of the page of drills. `drill`: the scenario whose plan the form shows."""

    scenario: Asked = ""
    state: Annotated[Literal["", "running", "restoring", "passed", "failed", "aborted"], among(*STATES)] = ""
    drill: Asked = ""
    cursor: Annotated[str, Field(max_length=40)] = ""


def newest(session: Session, query: Query, address: Address, limit: int) -> list[Row]:
    """Drills that began in the range, newest first."""
    asked = drill_state.named().where(
        Drill.started_at >= address.interval.start, Drill.started_at < address.interval.end
    )
    asked = asked.where(Scenario.name == query.scenario) if query.scenario else asked
    asked = asked.where(Drill.state == query.state) if query.state else asked
    before_id = number_after(query.cursor)
    asked = asked.where(Drill.id < before_id) if before_id is not None else asked
    return [tuple(row) for row in session.execute(asked.order_by(Drill.id.desc()).limit(limit))]  # type: ignore[misc]  # three columns


def steps_of(session: Session, ids: Iterable[int]) -> Mapping[int, list[DrillStep]]:
    """Steps of some drills in their order."""
    found: dict[int, list[DrillStep]] = {id_: [] for id_ in ids}
    query = select(DrillStep).where(DrillStep.drill_id.in_(found)).order_by(DrillStep.drill_id, DrillStep.position)
    for step in session.scalars(query.limit(STEPS_MAX * max(1, len(found)))):
        found[step.drill_id].append(step)
    return found


def page(
    session: Session, looking: Reader, query: Query, address: Address, form: DrillForm | None = None
) -> DrillsPage:
    """`form`: what was filled in and refused."""
    rows = newest(session, query, address, SHOWN + 1)
    shown = rows[:SHOWN]
    steps = steps_of(session, [row[0].id for row in shown])
    governing = {card.scenario: card.card for card in cards.active(session).values()}
    names = sorted(governing)
    chosen = (form.scenario if form else "") or query.drill or query.scenario or (names[0] if names else "")
    top = governing[chosen].top if chosen in governing else 0
    called = {"scenario": _("scenario"), "state": _("state")}
    return DrillsPage(
        reader=looking,
        address=address,
        sentence=words.sentence([(row[0].state, row[1]) for row in shown], len(names)),
        live_url=address.url(),
        kept=filters.kept(address),
        fields=(
            filters.field("scenario", called["scenario"], [(name, name) for name in names], query.scenario),
            filters.field("state", called["state"], [(state, _(words.STATES[state])) for state in STATES], query.state),
        ),
        chips=filters.chips(address, called),
        picture=_picture(shown, address, looking),
        drills=tuple(_drill(*row, steps[row[0].id], looking) for row in shown),
        next_url=address.url(cursor=to_cursor([shown[-1][0].id])) if len(rows) > SHOWN else "",
        schedules=_schedules(session),
        scenarios=tuple(names[: filters.LISTED_MAX]),
        form=_form(form, chosen, words.plan(chosen, top)) if looking.may_command and names else None,
    )


def _form(form: DrillForm | None, chosen: str, plan: str) -> DrillForm:
    if form is None:
        return DrillForm(chosen, "", "", "", "", plan, {})
    return DrillForm(chosen, form.reason, form.backend, form.every_days, form.at, plan, form.errors)


def _picture(rows: Sequence[Row], address: Address, looking: Reader) -> Lanes:
    """A lane a scenario, a band a drill: solid where it passed."""
    scale = Scale(address.interval, looking.zone)
    by_scenario: dict[str, list[Band]] = {}
    for drill, scenario, _backend in rows:
        x, width = scale.band(drill.started_at, drill.ended_at or looking.now)
        style = "held" if drill.state == "passed" else "wanted"
        says = _("drill {id}, {state}", id=drill.id, state=_(words.STATES[drill.state]))
        by_scenario.setdefault(scenario, []).append(Band(x, width, style, says, url=f"#drill-{drill.id}"))
    lanes = [Lane(name, address.url(scenario=name, cursor=""), "", tuple(bands)) for name, bands in by_scenario.items()]
    return Lanes(tuple(lanes[:LANES_MAX]), scale.ticks, max(0, len(lanes) - LANES_MAX))


def _drill(drill: Drill, scenario: str, backend: str, steps: Sequence[DrillStep], looking: Reader) -> DrillRow:
    until = drill.ended_at or looking.now
    return DrillRow(
        id=drill.id, scenario=scenario, backend=backend, levels=", ".join(map(str, drill.levels)),
        state=_(words.STATES[drill.state]), mark=words.MARKS.get(drill.state, "expired"), actor=drill.actor,
        reason=drill.reason, words=drill.outcome or _("under way"), started_at=drill.started_at,
        lasted=say.elapsed((until - drill.started_at).total_seconds()),
        may_abort=drill.state == "running" and looking.may_command,
        steps=tuple(_step(step, drill) for step in steps),
    )  # fmt: skip


def _step(step: DrillStep, drill: Drill) -> StepRow:
    mark, state = words.step_state(step.ok)
    proven = step.effective_at or step.observed_at or step.done_at
    after = span((proven - drill.started_at).total_seconds()) if proven else ""
    return StepRow(words.step(step.kind, step.level), mark, state, step.reason, after, step.command_id)


def _schedules(session: Session) -> tuple[ScheduleRow, ...]:
    return tuple(
        ScheduleRow(
            each.id, scenario, backend, _n("every day", "every {n} days", each.every_days), each.next_at, each.reason,
            each.actor, each.said,
        )
        for each, scenario, backend in session.execute(drill_schedules.standing().order_by(DrillSchedule.next_at).limit(SCHEDULES_MAX))
    )  # fmt: skip


assert set(words.STATES) == set(STATES) and set(words.KINDS) == set(drill_plan.KINDS)
