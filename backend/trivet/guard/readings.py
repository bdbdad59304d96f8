"""Values of metrics that are no sum over a window's requests, read for all scenarios that guard them and kept for a moment.

What changes in a second is read each second; days, drift and long burn rates are read less often, as they move less.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from trivet import db
from trivet.card.service import ActiveCard
from trivet.guard import burned, drifted, gauged, spent
from trivet.guard.asked import Ask, Key
from trivet.guard.measures import Burned, Reading
from trivet.kit.errors import TrivetError

Read = Callable[[Session, Sequence[Ask], datetime], dict[Key, Reading]]
# By metric: what reads it, and for how many seconds that is kept.
READERS: Mapping[str, tuple[Read, float]] = {
    "cost_per_day": (spent.today, 5.0),
    "cost_per_tenant_day": (spent.today, 5.0),
    "queue_depth": (gauged.queues, 0.0),
    "kv_cache_usage": (gauged.caches, 0.0),
    "gpu_utilisation": (gauged.gpus, 5.0),
    "cache_hit_rate": (gauged.hits, 5.0),
    "input_length_drift": (drifted.lengths, 60.0),
    "quality_drift": (drifted.scores, 60.0),
}


@dataclass(frozen=True, slots=True)
class Readings:
    """Readings by scenario and guard, and how fast budgets burned."""

    values: Mapping[Key, Reading] = field(default_factory=dict)
    burns: Mapping[Key, Burned] = field(default_factory=dict)

    def of(self, card: ActiveCard) -> dict[str, Reading]:
        """Those of one card, by guard."""
        return {
            g.name: self.values[key] for g in card.card.guards if (key := (card.scenario_id, g.name)) in self.values
        }

    def burned(self, card: ActiveCard) -> dict[str, Burned]:
        """Those of one card, by guard."""
        return {g.name: self.burns[key] for g in card.card.guards if (key := (card.scenario_id, g.name)) in self.burns}


@dataclass(slots=True)
class _Kept:
    """What was read of some guards, and until when it is taken as it is."""

    asks: frozenset[Ask]
    made: datetime
    until: datetime
    found: Mapping[Key, Reading]


_kept: dict[str, _Kept] = {}
db.caches.append(_kept.clear)


def read(session: Session, active: Mapping[int, ActiveCard], now: datetime) -> Readings:
    """All that the guards of these cards ask for beside their requests."""
    asks = [
        Ask(id_, card.revision_id, guard, card.card.cost.currency)
        for id_, card in active.items()
        for guard in card.card.guards
    ]
    values: dict[Key, Reading] = {}
    for metric in sorted({ask.guard.metric for ask in asks} & READERS.keys()):
        values |= _of(session, metric, [ask for ask in asks if ask.guard.metric == metric], now)
    return Readings(values, burned.read(session, [ask for ask in asks if ask.guard.burn is not None], now))


def _of(session: Session, metric: str, asks: Sequence[Ask], now: datetime) -> Mapping[Key, Reading]:
    kept, wanted = _kept.get(metric), frozenset(asks)
    if kept and kept.made <= now < kept.until and wanted <= kept.asks:
        return {ask.key: kept.found[ask.key] for ask in asks if ask.key in kept.found}
    reader, keep_s = READERS[metric]
    try:
        found = reader(session, asks, now)
    except TrivetError as refused:  # rollups that are not kept any more, say: no other metric suffers from it
        found = {ask.key: Reading(None, 0, f"could not be read: {refused.detail}") for ask in asks}
    if kept is None or not wanted < kept.asks:  # a look at a few does not push out one at all
        _kept[metric] = _Kept(wanted, now, now + timedelta(seconds=keep_s), found)
    return found
