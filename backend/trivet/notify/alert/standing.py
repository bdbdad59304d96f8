"""All that a decision rests on, read once: open alerts, routes, silences, maintenance windows, what was told."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, case, exists, func, select
from sqlalchemy.orm import Session

from trivet.notify import alert_models as rows
from trivet.notify.rules.decide import Fact, Group, Quiet, Told
from trivet.notify.rules.route import Step, Way
from trivet.notify.rules.windows import Window, ends_of

JUDGED_MAX = 2_000  # alerts at a time
ROUTES_MAX, SILENCES_MAX, WINDOWS_MAX, CHANNELS_MAX = 100, 1_000, 100, 100
WORKS_UP_TO = 3  # failures in a row after which a channel does not work


@dataclass(frozen=True, slots=True)
class Standing:
    """What there is at one moment. `there` says of each channel whether it works."""

    alerts: list[rows.Alert]
    ways: list[Way]
    quiets: list[Quiet]
    windows: list[tuple[Window, datetime]]
    there: dict[str, bool]
    kinds: dict[str, str]


def read(session: Session, now: datetime) -> Standing:
    """Everything that is not settled, and what it is judged by."""
    channels = session.scalars(select(rows.Channel).limit(CHANNELS_MAX)).all()
    return Standing(
        list(session.scalars(_unsettled())),
        ways(session),
        quiets(session, now),
        ends_of([window_of(row) for row in session.scalars(select(rows.Maintenance).limit(WINDOWS_MAX))], now),
        {row.name: row.failures < WORKS_UP_TO for row in channels},
        {row.name: row.kind for row in channels},
    )


def _unsettled() -> Select[rows.Alert]:
    """What is not settled. Where that is more than can be judged at a time: first what somebody is to be told, the gravest
    first; of the rest those that chance names, so that none is forgotten for long.
    """
    notice, row = rows.Notice, rows.Alert
    decided = exists().where(notice.alert_id == row.id)
    waits = exists().where(notice.alert_id == row.id, notice.decision.in_(("wait", "send")))
    owed = row.ended_at.is_not(None) | waits | (~decided & (row.unrouted == ""))
    gravest = case({"page": 0, "ticket": 1}, value=row.severity, else_=2)
    chance = case((owed, row.id), else_=func.random())
    return select(row).where(~row.settled).order_by(owed.desc(), gravest, chance).limit(JUDGED_MAX)


def ways(session: Session) -> list[Way]:
    """Routes in their order."""
    query = select(rows.Route).order_by(rows.Route.position, rows.Route.id).limit(ROUTES_MAX)
    return [way_of(row) for row in session.scalars(query)]


def way_of(row: rows.Route) -> Way:
    steps = tuple(Step(float(step["after_s"]), tuple(step["channels"])) for step in row.steps)
    return Way(
        row.id, row.name, tuple(row.matchers), tuple(row.channels), tuple(row.group_by), row.group_wait_s,
        row.group_interval_s, row.repeat_s, steps, row.goes_on,
    )  # fmt: skip


def quiets(session: Session, now: datetime) -> list[Quiet]:
    """Silences in force, those that last longest first."""
    query = (
        select(rows.Silence)
        .where(rows.Silence.starts_at <= now, rows.Silence.ends_at > now)
        .order_by(rows.Silence.ends_at.desc(), rows.Silence.id)
        .limit(SILENCES_MAX)
    )
    return [
        Quiet(row.id, tuple(row.matchers), row.ends_at, row.created_by, row.reason) for row in session.scalars(query)
    ]


def window_of(row: rows.Maintenance) -> Window:
    return Window(row.name, tuple(row.matchers), tuple(row.weekdays), row.starts, row.minutes, row.zone, row.reason)


def fact_of(row: rows.Alert) -> Fact:
    """An alert as decisions see it: its severity is a label like the others."""
    return Fact(
        row.id, labels_of(row), row.started_at, row.level, row.ended_at, row.acknowledged_at, row.acknowledged_by or ""
    )


def labels_of(row: rows.Alert) -> dict[str, str]:
    return {**row.labels, "severity": row.severity}


def told_of(row: rows.Notice | None) -> Told:
    if row is None:
        return Told()
    return Told(row.first_told_at, row.told_at, row.told_severity or "", bool(row.told_firing), row.steps)


def group_of(row: rows.NoticeGroup) -> Group:
    return Group(row.opened_at, row.told_at)
