"""What each topic's marker is made of: one value that differs whenever something of the topic has changed.

Each is a handful of look-ups by a primary key or a small partial index, whatever a table holds: rows that may still change are
among the newest, or not ended.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from sqlalchemy import bindparam, text
from sqlalchemy.orm import Session

_NEWEST: Final = "(SELECT * FROM {table} ORDER BY id DESC LIMIT 100) AS newest"


def _newest(table: str, columns: str) -> str:
    return f"(SELECT md5(string_agg(concat_ws(',', {columns}), ';' ORDER BY id)) FROM {_NEWEST.format(table=table)})"  # noqa: S608  # our own names alone


SQL: Final[Mapping[str, tuple[str, ...]]] = {
    "policy": (
        "(SELECT coalesce(sum(generation), 0) FROM policy_generation)",
        "(SELECT count(*) FROM activation)",
        "(SELECT coalesce(sum(observed_generation + effective_generation), 0) FROM backend_holding)",
        _newest("command", "id, status, observed_at, effective_at, ended_at, outcome"),
    ),
    "breaches": (
        "(SELECT concat_ws(',', count(*), max(id), sum(worst_value)) FROM breach WHERE closed_at IS NULL)",
        "(SELECT max(id) FROM breach)",
        "(SELECT concat_ws(',', count(*), max(since)) FROM guard_state)",
    ),
    # Every export that told of a request took one; what is folded has not gone.
    "usage": ("(SELECT last_value FROM usage_delta_id_seq)", "(SELECT max(posted_until) FROM posted_hour)"),
    "alerts": (
        _newest("alert", "id, changed_at, acknowledged_at, ended_at, settled"),
        "(SELECT count(*) FROM alert WHERE ended_at IS NULL)",
        _newest("notice_delivery", "id, state, attempts"),
        _newest("silence", "id, ends_at, expired_by"),
    ),
    "jobs": (
        _newest("job", "id, state, done, note, ended_at, stop_asked_at"),
        "(SELECT concat_ws(',', count(*), sum(done)) FROM job WHERE state IN ('waiting', 'running'))",
    ),
    "drills": (_newest("drill", "id, state, ended_at"), _newest("drill_step", "id, ok, done_at, effective_at")),
}  # fmt: skip
TOPICS: Final = tuple(SQL)
_ALIVE: Final = text(
    "SELECT token_hash FROM web_session JOIN user_account ON user_account.id = web_session.user_id "
    "WHERE token_hash IN :hashes AND expires_at > now() AND disabled_at IS NULL"
).bindparams(bindparam("hashes", expanding=True))


def read(session: Session, topics: Iterable[str]) -> dict[str, str]:
    """The marker of each topic, in one statement."""
    asked: Sequence[str] = [topic for topic in TOPICS if topic in set(topics)]
    if not asked:
        return {}
    columns = [f"concat_ws('|', {', '.join(SQL[topic])})" for topic in asked]
    found = session.execute(text(f"SELECT {', '.join(columns)}")).one()  # our own texts alone
    return dict(zip(asked, map(str, found), strict=True))


def alive(session: Session, hashes: Sequence[bytes]) -> frozenset[bytes]:
    """Which of some sessions, by the hash of their token, have not ended."""
    if not hashes:
        return frozenset()
    return frozenset(bytes(row[0]) for row in session.execute(_ALIVE, {"hashes": list(hashes)}))
