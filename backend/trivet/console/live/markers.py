"""What each topic's marker is made of: one value that differs whenever something of the topic has changed.

Each is a handful of look-ups by a primary key or a small partial index, whatever a table holds: rows that may still change are
among the newest, or not ended.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import TextClause, bindparam, text
from sqlalchemy.orm import Session

NEWEST: Final = 100


def _newest(table: str, *columns: str) -> TextClause:
    """Of the newest rows of a table, what may change."""
    row = ", ".join(columns)
    return text(
        f"(SELECT md5(string_agg(concat_ws(',', {row}), ';' ORDER BY id))"  # noqa: S608  # our own names alone
        f" FROM (SELECT * FROM {table} ORDER BY id DESC LIMIT {NEWEST}) AS newest)"
    )


SQL: Final[Mapping[str, tuple[TextClause, ...]]] = {
    "policy": (
        text("(SELECT coalesce(sum(generation), 0) FROM policy_generation)"),
        text("(SELECT count(*) FROM activation)"),
        text("(SELECT coalesce(sum(observed_generation + effective_generation), 0) FROM backend_holding)"),
        _newest("command", "id", "status", "observed_at", "effective_at", "ended_at", "outcome"),
    ),
    "breaches": (
        text("(SELECT concat_ws(',', count(*), max(id), sum(worst_value)) FROM breach WHERE closed_at IS NULL)"),
        text("(SELECT max(id) FROM breach)"),
        text("(SELECT concat_ws(',', count(*), max(since)) FROM guard_state)"),
    ),
    # Every export that told of a request took one; what is folded has not gone.
    "usage": (text("(SELECT last_value FROM usage_delta_id_seq)"), text("(SELECT max(posted_until) FROM posted_hour)")),
    "alerts": (
        _newest("alert", "id", "changed_at", "acknowledged_at", "ended_at", "settled"),
        text("(SELECT count(*) FROM alert WHERE ended_at IS NULL)"),
        _newest("notice_delivery", "id", "state", "attempts"),
        _newest("silence", "id", "ends_at", "expired_by"),
    ),
    "jobs": (
        _newest("job", "id", "state", "done", "note", "ended_at", "stop_asked_at"),
        text("(SELECT concat_ws(',', count(*), sum(done)) FROM job WHERE state IN ('waiting', 'running'))"),
    ),
    "drills": (
        _newest("drill", "id", "state", "ended_at"),
        _newest("drill_step", "id", "ok", "done_at", "effective_at"),
    ),
}
TOPICS: Final = tuple(SQL)
_ALIVE: Final = text(
    "SELECT DISTINCT csrf_token FROM web_session JOIN user_account ON user_account.id = web_session.user_id "
    "WHERE csrf_token IN :sessions AND web_session.expires_at > now() AND disabled_at IS NULL "
    "AND coalesce(web_session.last_seen_at, web_session.created_at) > now() - :idle"
).bindparams(bindparam("sessions", expanding=True))


def read(session: Session, topics: Iterable[str]) -> dict[str, str]:
    """The marker of each topic, in one statement."""
    asked: Sequence[str] = [topic for topic in TOPICS if topic in set(topics)]
    if not asked:
        return {}
    columns = (", ".join(each.text for each in SQL[topic]) for topic in asked)
    marks = ", ".join(f"concat_ws('|', {each})" for each in columns)
    found = session.execute(text(f"SELECT {marks}")).one()
    return dict(zip(asked, map(str, found), strict=True))


def alive(session: Session, sessions: Collection[str], idle: timedelta) -> frozenset[str]:
    """Which of some sessions, by the CSRF token that is theirs whatever their cookie is now, have not ended."""
    if not sessions:
        return frozenset()
    return frozenset(session.scalars(_ALIVE, {"sessions": sorted(sessions), "idle": idle}))
