"""What is normal of each guard, as the last replay found it: read often, so kept for a minute."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet import db
from trivet.card.watched import Guard
from trivet.guard.normal_model import GuardNormal
from trivet.guard.sequential import Normal

READ_EVERY = timedelta(seconds=60)
Key = tuple[int, str, str, float]  # scenario, guard, metric, limit


@dataclass(slots=True)
class _Known:
    normals: dict[Key, Normal] = field(default_factory=dict)
    read_at: datetime | None = None

    def forget(self) -> None:
        """Read again at the next look."""
        self.normals, self.read_at = {}, None


_known = _Known()
db.caches.append(_known.forget)


def of(scenario_id: int, guards: Iterable[Guard]) -> Mapping[str, Normal]:
    """By guard, of those whose limit is still the one that was replayed. As of the last `refresh`."""
    found = {guard.name: _known.normals.get((scenario_id, guard.name, guard.metric, guard.enter)) for guard in guards}
    return {name: normal for name, normal in found.items() if normal is not None}


def forget() -> None:
    """New ones were found."""
    _known.forget()


def refresh(session: Session, now: datetime) -> None:
    """Read them again where that was long ago."""
    if _known.read_at is not None and timedelta(0) <= now - _known.read_at < READ_EVERY:
        return
    rows = session.scalars(select(GuardNormal).where(GuardNormal.usual.is_not(None)))
    _known.normals = {
        (row.scenario_id, row.guard, row.metric, row.enter): Normal(row.usual, row.widening)
        for row in rows
        if row.usual is not None
    }
    _known.read_at = now
