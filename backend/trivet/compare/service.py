"""Baselines: frozen, listed, compared with each other or with now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from trivet.compare import measured as measures
from trivet.compare.measured import Difference, Measured, measured
from trivet.compare.models import Baseline
from trivet.identity import audit
from trivet.kit.clock import floor, rfc3339
from trivet.kit.errors import Conflict, Invalid, NotFound
from trivet.kit.interval import Interval
from trivet.pricing.models import Model
from trivet.rollup import read
from trivet.tenant.models import Scenario

BUCKET_S, HOUR_S = 10, 3600
LONGEST = timedelta(days=92)
WHOLE_HOURS = timedelta(days=2)  # from here on a time begins and ends on the hour
GROUPS_MAX = 5_000
NAME_MAX, REASON_MAX = 100, 500
GROUP_BY = ("model_id", "revision", "level", "currency")


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison: a baseline, or now (`id` None)."""

    id: int | None
    name: str
    interval: Interval
    measured: Measured


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two times of one scenario on the same terms."""

    scenario: str
    before: Side
    after: Side
    currency: str
    differences: tuple[Difference, ...]


def freeze(
    session: Session, *, scenario: str, name: str, start: datetime, end: datetime, reason: str, actor: str, now: datetime
) -> Baseline:  # fmt: skip
    """Keep how a scenario stood in a time that is over."""
    row, name, reason = scenario_named(session, scenario), name.strip(), reason.strip()
    if not 1 <= len(name) <= NAME_MAX:
        raise Invalid(f"A baseline has a name of at most {NAME_MAX} characters.", field="name")
    if not 1 <= len(reason) <= REASON_MAX:
        raise Invalid("Say why this time is kept: what will be compared with it.", field="reason")
    if end > now:
        raise Invalid("A baseline is of a time that is over.", field="to")
    if taken(session, row.id, name):
        raise Conflict(f"Scenario {scenario!r} has a baseline {name!r} already: baselines do not change.", field="name")
    within = whole(Interval(start, end))
    found = over(session, row.id, within)
    if not found.requests:
        raise Conflict(f"No request of {scenario!r} ended between {rfc3339(within.start)} and {rfc3339(within.end)}.")
    made = Baseline(
        scenario_id=row.id, name=name, reason=reason, actor=actor, start=within.start, end=within.end,
        terms=measures.TERMS, measured=measures.kept(found), created_at=now,
    )  # fmt: skip
    session.add(made)
    session.flush()
    told = {"scenario": scenario, "from": rfc3339(within.start), "to": rfc3339(within.end), "requests": found.requests}
    audit.record(
        session, actor=actor, action="baseline.freeze", subject=f"baseline:{made.id}", after=told, reason=reason
    )
    return made


def taken(session: Session, scenario_id: int, name: str) -> bool:
    """Whether a scenario has a baseline of this name."""
    return bool(session.scalar(select(exists().where(Baseline.scenario_id == scenario_id, Baseline.name == name))))


def newest(session: Session, scenario_id: int) -> Baseline | None:
    """The baseline that was frozen last."""
    own = select(Baseline).where(Baseline.scenario_id == scenario_id)
    return session.scalar(own.order_by(Baseline.id.desc()).limit(1))


def one(session: Session, id_: int) -> tuple[Baseline, str]:
    """A baseline and the name of its scenario, or `NotFound`."""
    found = session.execute(
        select(Baseline, Scenario.name).join(Scenario, Scenario.id == Baseline.scenario_id).where(Baseline.id == id_)
    ).one_or_none()
    if found is None:
        raise NotFound(f"There is no baseline {id_}.")
    return found[0], found[1]


def some(
    session: Session, *, scenario: str | None = None, before: int | None = None, limit: int
) -> Sequence[tuple[Baseline, str]]:
    """Newest first, with the names of their scenarios; one more than `limit` where there are more."""
    query = select(Baseline, Scenario.name).join(Scenario, Scenario.id == Baseline.scenario_id)
    if scenario:
        query = query.where(Scenario.name == scenario)
    if before is not None:
        query = query.where(Baseline.id < before)
    return [(row, name) for row, name in session.execute(query.order_by(Baseline.id.desc()).limit(limit + 1))]


def compared(session: Session, baseline: int, with_: int | None, now: datetime) -> Comparison:
    """A baseline with another of the same scenario, or (`with_` None) with as long a time up to now."""
    row, scenario = one(session, baseline)
    if with_ is None:
        length = Interval(row.start, row.end).seconds
        step = HOUR_S if length >= WHOLE_HOURS.total_seconds() else BUCKET_S
        end = floor(now, step)
        within = Interval(end - timedelta(seconds=length), end)
        after = Side(None, "", within, over(session, row.scenario_id, within))
    else:
        other, of = one(session, with_)
        if other.scenario_id != row.scenario_id:
            raise Invalid(f"Baseline {with_} is of {of!r}, and {baseline} of {scenario!r}.", field="with")
        after = side(other)
    before = side(row)
    currency, found = measures.differences(before.measured, after.measured)
    return Comparison(scenario, before, after, currency, found)


def side(row: Baseline) -> Side:
    """A baseline as one side."""
    return Side(row.id, row.name, Interval(row.start, row.end), measures.read(row.measured))


def over(session: Session, scenario_id: int, within: Interval) -> Measured:
    """What a scenario did in a time of whole buckets."""
    found = read.usage(session, within, GROUP_BY, {"scenario_id": [scenario_id]}, limit=GROUPS_MAX + 1)
    if len(found) > GROUPS_MAX:
        raise Invalid(f"More than {GROUPS_MAX:,} models, revisions and levels in this time: ask for a shorter one.", field="to")  # fmt: skip
    ids = sorted({key[0] for key in found})
    models = dict(session.execute(select(Model.id, Model.name).where(read.one_of(Model.id, ids))).all())
    return measured(((models.get(model, ""), revision, level, code), usage) for (model, revision, level, code), usage in found.items())  # fmt: skip


def whole(asked: Interval) -> Interval:
    """The time in whole buckets; a long one in whole hours."""
    if asked.end - asked.start > LONGEST:
        raise Invalid(f"A baseline is of {LONGEST.days} days at most.", field="from")
    step = HOUR_S if asked.end - asked.start >= WHOLE_HOURS else BUCKET_S
    return Interval(floor(asked.start, step), max(floor(asked.end, step), floor(asked.start, step) + timedelta(seconds=step)))  # fmt: skip


def scenario_named(session: Session, name: str) -> Scenario:
    """The scenario, or `NotFound`."""
    found = session.scalar(select(Scenario).where(Scenario.name == name))
    if found is None:
        raise NotFound(f"There is no scenario {name!r}. Register it: POST /api/v1/scenarios.")
    return found
