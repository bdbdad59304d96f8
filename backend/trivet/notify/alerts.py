"""Alerts: fired and resolved in the caller's transaction; what is told of them is decided after it.

```python
alerts.fire(session, Alert({"alertname": "TrivetBudget", "kind": "budget", "budget": "daily"}, "ticket", why=…), now)
alerts.resolve(session, alerts.key_of(labels), now)
```
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Select, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet import outbox
from trivet.identity import audit
from trivet.kit.errors import Conflict, Invalid, NotFound
from trivet.notify import alert_models as rows
from trivet.notify.rules.decide import SEVERITIES
from trivet.notify.rules.matchers import NAMES, VALUE_MAX

WORDS_MAX = 2_000
NOTE_MAX = 500


@dataclass(frozen=True, slots=True)
class Alert:
    """What is wrong. The labels are its identity: nothing in them may change while it lasts.

    `why` comes first in every message, `done` says what was done about it. `level` is that to which it raises a ladder: of
    two of one scenario the larger is told. `runbook` is a metric or kind with a page in `alerts/runbooks`. `path` is the page
    of ours that shows it. `ends_at`: when it ends by itself.
    """

    labels: Mapping[str, str]
    severity: str
    why: str
    done: str = ""
    level: int = 0
    runbook: str = ""
    path: str = "/alerts"
    tenant_id: int | None = None
    breach_id: int | None = None
    command_id: int | None = None
    started_at: datetime | None = None
    ends_at: datetime | None = None
    more: Mapping[str, str] = field(default_factory=dict)  # annotations beside these


def key_of(labels: Mapping[str, str]) -> str:
    """The identity of labels: the same for the same set, in whatever order."""
    content = json.dumps(sorted(labels.items()), ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def fire(session: Session, alert: Alert, now: datetime) -> int:
    """Open the alert, or bring the open one with these labels up to date; its id.

    A change of its severity or of what was done leads to a new decision; nothing else does.
    """
    key = key_of(_checked(alert))
    row = session.scalar(_open(key).with_for_update())
    if row is None:
        values = _values(alert, now) | {"key": key}
        made = insert(rows.Alert).values(values).on_conflict_do_nothing().returning(rows.Alert.id)
        id_ = session.scalar(made)
        if id_ is not None:
            _ask_the_judge(session)
            return id_
        row = session.scalars(_open(key).with_for_update()).one()
    if row.severity != alert.severity:
        row.severity_before, row.severity_since, row.severity = row.severity, now, alert.severity
        row.changed_at = now
        _ask_the_judge(session)
    row.annotations, row.level = _annotations(alert), alert.level
    row.command_id = alert.command_id or row.command_id
    row.ends_at = alert.ends_at
    session.flush()
    return row.id


def resolve(session: Session, key: str, now: datetime) -> bool:
    """End the open alert of this key; whether there was one."""
    done = session.scalar(
        update(rows.Alert)
        .where(rows.Alert.key == key, rows.Alert.ended_at.is_(None))
        .values(ended_at=now, changed_at=now)
        .returning(rows.Alert.id)
    )
    if done is not None:
        _ask_the_judge(session)
    return done is not None


def acknowledge(
    session: Session, alert_id: int, *, tenant_id: int | None, actor: str, note: str, now: datetime
) -> None:
    """Somebody has it: it is neither repeated nor escalated any more. `NotFound`, or `Conflict` where it is over."""
    row = session.get(rows.Alert, alert_id, with_for_update=True)
    if row is None or (tenant_id is not None and row.tenant_id != tenant_id):
        raise NotFound(f"There is no alert {alert_id}. GET /api/v1/alerts lists them.")
    if row.ended_at is not None:
        raise Conflict(
            f"Alert {alert_id} is over since {row.ended_at:%Y-%m-%d %H:%M} UTC: nothing is left to acknowledge."
        )
    if row.acknowledged_at is not None:
        return
    row.acknowledged_at, row.acknowledged_by, row.changed_at = now, actor, now
    _ask_the_judge(session)
    audit.record(session, actor=actor, action="alert.acknowledge", subject=f"alert:{alert_id}", reason=note or None)


def end_those_due(session: Session, now: datetime) -> int:
    """End alerts whose own end has come; how many."""
    due = select(rows.Alert.key).where(rows.Alert.ended_at.is_(None), rows.Alert.ends_at <= now).limit(1_000)
    return sum(resolve(session, key, now) for key in session.scalars(due).all())


def _ask_the_judge(session: Session) -> None:
    """Once for each transaction: ten thousand alerts that open together are one judgement."""
    if session.info.get(_ask_the_judge) is not session.get_transaction():
        session.info[_ask_the_judge] = session.get_transaction()
        outbox.send(session, "notify.alerts", queue="control")


def _open(key: str) -> Select[rows.Alert]:
    return select(rows.Alert).where(rows.Alert.key == key, rows.Alert.ended_at.is_(None))


def _checked(alert: Alert) -> Mapping[str, str]:
    unknown = sorted(set(alert.labels) - set(NAMES) | ({"severity"} & set(alert.labels)))
    if unknown or "alertname" not in alert.labels or alert.severity not in SEVERITIES:
        raise Invalid(f"An alert has an alertname, a severity of {SEVERITIES} and labels of {NAMES}; not {unknown}.")
    return {name: value[:VALUE_MAX] for name, value in alert.labels.items() if value}


def _values(alert: Alert, now: datetime) -> dict[str, object]:
    return {
        "labels": dict(_checked(alert)), "severity": alert.severity, "severity_since": now, "level": alert.level,
        "annotations": _annotations(alert), "tenant_id": alert.tenant_id, "breach_id": alert.breach_id,
        "command_id": alert.command_id, "started_at": alert.started_at or now, "ends_at": alert.ends_at,
        "changed_at": now, "unrouted": "", "settled": False,
    }  # fmt: skip


def _annotations(alert: Alert) -> dict[str, str]:
    said = {"why": alert.why, "done": alert.done, "runbook": alert.runbook, "path": alert.path, **alert.more}
    return {name: words.replace("\0", "")[:WORDS_MAX] for name, words in said.items() if words}
