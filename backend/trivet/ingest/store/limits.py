"""The limits that requests are counted against, as the database has them: read once a second a process."""

import time
from dataclasses import dataclass
from typing import Any

from psycopg import Cursor

from trivet import db
from trivet.ingest.store import tallies

KEPT_S = 1.0  # how old they may be


@dataclass(slots=True)
class _Known:
    """The limits read last. One for the process; a race over it costs one more look."""

    limits: tallies.Limits
    until: float = 0.0


_known = _Known({})


def forget() -> None:
    """Look anew before the next count."""
    _known.until = 0.0


db.caches.append(forget)


def newest(cursor: Cursor[Any]) -> tallies.Limits:
    """What is counted now, by scenario; at most `KEPT_S` old."""
    if time.monotonic() >= _known.until:
        cursor.execute("SELECT scenario_id, kind, over_us, id FROM guard_limit ORDER BY id")
        found: dict[int, list[tallies.Limit]] = {}
        for scenario_id, kind, over_us, id_ in cursor:
            found.setdefault(scenario_id, []).append(tallies.Limit(kind, over_us, id_))
        _known.limits = {scenario_id: tallies.watched(own) for scenario_id, own in found.items()}
        _known.until = time.monotonic() + KEPT_S
    return _known.limits
