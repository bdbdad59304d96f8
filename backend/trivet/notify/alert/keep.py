"""Routes, silences and maintenance windows as people make them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from trivet import outbox
from trivet.identity import audit
from trivet.kit.errors import Conflict, Invalid, NotFound
from trivet.notify.alert.standing import ROUTES_MAX, SILENCES_MAX, WINDOWS_MAX, window_of
from trivet.notify.alert_models import Maintenance, Route, Silence
from trivet.notify.channel import keep as channels
from trivet.notify.rules.matchers import NAMES, checked
from trivet.notify.rules.windows import MINUTES_MAX

STEPS_MAX = 5
ROUTE_CHANNELS_MAX = 20
SILENCE_MAX = timedelta(days=90)
ZONES = available_timezones()


@dataclass(frozen=True, slots=True)
class RouteTerms:
    """What a route says; seconds. `steps` are (after_s, channels), rising."""

    matchers: Sequence[str]
    channels: Sequence[str]
    group_by: Sequence[str]
    group_wait_s: float
    group_interval_s: float
    repeat_s: float
    steps: Sequence[tuple[float, Sequence[str]]]
    goes_on: bool
    position: int


def put_route(session: Session, name: str, terms: RouteTerms, *, actor: str, now: datetime) -> Route:
    """Make a route, or give the one of this name other terms. `Invalid` names the field that is wrong."""
    values = _route_values(session, terms)
    row = session.scalar(select(Route).where(Route.name == name).with_for_update())
    before = None
    if row is None:
        if (session.scalar(select(func.count()).select_from(Route)) or 0) >= ROUTES_MAX:
            raise Conflict(f"There are {ROUTES_MAX} routes, the most there can be: delete one first.")
        row = Route(name=name, changed_at=now, changed_by=actor, **values)
        session.add(row)
    else:
        before = {field: getattr(row, field) for field in values}
        for field, value in values.items():
            setattr(row, field, value)
        row.changed_at, row.changed_by = now, actor
    session.flush()
    outbox.send(session, "notify.alerts", queue="control")
    audit.record(session, actor=actor, action="route.put", subject=f"route:{name}", before=before, after=values)
    return row


def _route_values(session: Session, terms: RouteTerms) -> dict[str, Any]:
    named = list(dict.fromkeys(terms.channels))
    if not 1 <= len(named) <= ROUTE_CHANNELS_MAX:
        raise Invalid(f"A route tells 1 to {ROUTE_CHANNELS_MAX} channels.", field="channels")
    channels.check_all_there(session, named, field="channels")
    if unknown := sorted(set(terms.group_by) - set(NAMES)):
        raise Invalid(f"No alert has a label {unknown[0]!r}: there are {', '.join(NAMES)}.", field="group_by")
    afters = [after for after, _ in terms.steps]
    if len(afters) > STEPS_MAX or afters != sorted(set(afters)):
        raise Invalid(f"Steps rise, each later than the one before, and are {STEPS_MAX} at most.", field="steps")
    for _, more in terms.steps:
        channels.check_all_there(session, list(more), field="steps")
    return {
        "position": terms.position, "matchers": checked(terms.matchers), "channels": named,
        "group_by": sorted(set(terms.group_by)), "group_wait_s": terms.group_wait_s,
        "group_interval_s": terms.group_interval_s, "repeat_s": terms.repeat_s,
        "steps": [{"after_s": after, "channels": list(more)} for after, more in terms.steps], "goes_on": terms.goes_on,
    }  # fmt: skip


def remove_route(session: Session, name: str, *, actor: str, reason: str = "") -> None:
    """Delete a route; what it has told it tells no end of."""
    row = session.scalar(select(Route).where(Route.name == name))
    if row is None:
        raise NotFound(f"There is no route {name!r}. GET /api/v1/routes lists them.")
    before = {"matchers": row.matchers, "channels": row.channels}
    session.delete(row)
    session.flush()
    outbox.send(session, "notify.alerts", queue="control")
    audit.record(
        session, actor=actor, action="route.delete", subject=f"route:{name}", before=before, reason=reason or None
    )


def silence(
    session: Session, *, matchers: Sequence[str], starts_at: datetime | None, ends_at: datetime, reason: str, actor: str,
    now: datetime,
) -> Silence:  # fmt: skip
    """Keep alerts that fit quiet until then. Without a matcher it would mean all of them: that is refused."""
    begins = max(starts_at or now, now)
    if not begins < ends_at <= begins + SILENCE_MAX:
        raise Invalid(f"A silence ends after it begins, at most {SILENCE_MAX.days} days later.", field="ends_at")
    in_force = select(func.count()).select_from(Silence).where(Silence.ends_at > now)
    if (session.scalar(in_force) or 0) >= SILENCES_MAX:
        raise Conflict(f"There are {SILENCES_MAX} silences in force, the most there can be: expire one first.")
    row = Silence(
        matchers=checked(matchers, least=1),
        starts_at=begins,
        ends_at=ends_at,
        reason=reason,
        created_at=now,
        created_by=actor,
    )
    session.add(row)
    session.flush()
    outbox.send(session, "notify.alerts", queue="control")
    after = {"matchers": row.matchers, "starts_at": f"{begins:%FT%TZ}", "ends_at": f"{ends_at:%FT%TZ}"}
    audit.record(session, actor=actor, action="silence.create", subject=f"silence:{row.id}", after=after, reason=reason)
    return row


def expire(session: Session, silence_id: int, *, actor: str, now: datetime) -> None:
    """End a silence now. `Conflict` where it is over."""
    row = session.get(Silence, silence_id, with_for_update=True)
    if row is None:
        raise NotFound(f"There is no silence {silence_id}. GET /api/v1/silences lists them.")
    if row.ends_at <= now:
        raise Conflict(f"Silence {silence_id} is over since {row.ends_at:%Y-%m-%d %H:%M} UTC.")
    row.ends_at, row.starts_at, row.expired_by = now, min(row.starts_at, now), actor
    outbox.send(session, "notify.alerts", queue="control")
    audit.record(session, actor=actor, action="silence.expire", subject=f"silence:{silence_id}")


def put_window(
    session: Session, name: str, *, matchers: Sequence[str], weekdays: Sequence[int], starts: time, minutes: int, zone: str,
    reason: str, actor: str, now: datetime,
) -> Maintenance:  # fmt: skip
    """Make a weekly maintenance window, or change the one of this name."""
    if zone not in ZONES:
        raise Invalid(f"{zone[:80]!r} is no time zone: write one such as Europe/Berlin.", field="zone")
    ZoneInfo(zone)
    if not 1 <= minutes <= MINUTES_MAX:
        raise Invalid(f"A window lasts 1 to {MINUTES_MAX} minutes.", field="minutes")
    row = session.scalar(select(Maintenance).where(Maintenance.name == name).with_for_update())
    before = window_of(row).words if row is not None else None
    if row is None:
        if (session.scalar(select(func.count()).select_from(Maintenance)) or 0) >= WINDOWS_MAX:
            raise Conflict(f"There are {WINDOWS_MAX} windows, the most there can be: delete one first.")
        row = Maintenance(name=name, created_at=now, created_by=actor)
        session.add(row)
    row.matchers, row.weekdays = checked(matchers, least=1), sorted(set(weekdays))
    row.starts, row.minutes, row.zone, row.reason = starts, minutes, zone, reason
    session.flush()
    outbox.send(session, "notify.alerts", queue="control")
    audit.record(
        session, actor=actor, action="maintenance.put", subject=f"maintenance:{name}", reason=reason,
        before={"window": before} if before else None, after={"window": window_of(row).words, "matchers": row.matchers},
    )  # fmt: skip
    return row


def remove_window(session: Session, name: str, *, actor: str, reason: str = "") -> None:
    """Delete a window."""
    row = session.scalar(select(Maintenance).where(Maintenance.name == name))
    if row is None:
        raise NotFound(f"There is no maintenance window {name!r}. GET /api/v1/maintenance lists them.")
    before = {"window": window_of(row).words}
    session.delete(row)
    session.flush()
    outbox.send(session, "notify.alerts", queue="control")
    audit.record(
        session, actor=actor, action="maintenance.delete", subject=f"maintenance:{name}", before=before,
        reason=reason or None,
    )  # fmt: skip
