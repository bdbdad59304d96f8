"""How many requests were served and how many of them were bad, over the lookbacks of burn-rate guards. Out of rollups."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from trivet import db
from trivet.guard import flow, signs
from trivet.guard.asked import Ask, Key, back
from trivet.guard.burn import lookbacks
from trivet.guard.measures import Burned
from trivet.guard.tally import limit_of
from trivet.ingest.store.tallies import Limit
from trivet.kit.histogram import share_above, total
from trivet.rollup import read as rollup

SHORT_S = 3_600
KEPT_S = {True: 5.0, False: 60.0}  # a count of a short lookback, and of a long one
COUNTS = ("requests", "rejections", "errors", "timeouts", "refusals")
TIMES = ("latency", "ttft", "inter_token")
EVENTS = {"rate_limit_rate": flow.LIMITS, "cold_start_rate": frozenset({flow.COLD_START})}  # told apart from requests
Pair = tuple[int, int]
_kept: dict[int, tuple[datetime, frozenset[Ask], dict[Key, Pair]]] = {}
db.caches.append(_kept.clear)


def read(session: Session, asks: Sequence[Ask], now: datetime) -> dict[Key, Burned]:
    """By guard and seconds back: requests, and how many were bad; of guards that burn a budget."""
    wanted: dict[int, list[Ask]] = {}
    for ask in asks:
        for seconds in lookbacks(ask.guard.burn) if ask.guard.burn else ():
            wanted.setdefault(seconds, []).append(ask)
    found: dict[Key, dict[int, Pair]] = {}
    for seconds, of in sorted(wanted.items()):
        for key, pair in _over(session, seconds, of, now).items():
            found.setdefault(key, {})[seconds] = pair
    return dict(found)


def _over(session: Session, seconds: int, asks: Sequence[Ask], now: datetime) -> Mapping[Key, Pair]:
    made, of, found = _kept.get(seconds, (now, frozenset[Ask](), {}))
    if of >= frozenset(asks) and made <= now < made + timedelta(seconds=KEPT_S[seconds <= SHORT_S]):
        return {ask.key: found[ask.key] for ask in asks if ask.key in found}
    fresh = _read(session, seconds, asks, now)
    _kept[seconds] = now, frozenset(asks), fresh
    return fresh


def _read(session: Session, seconds: int, asks: Sequence[Ask], now: datetime) -> dict[Key, Pair]:
    interval = back(now, seconds, 60 if seconds <= SHORT_S * 6 else 3_600)
    limits = {ask: limit for ask in asks if (limit := limit_of(ask.guard)) is not None}
    timed = sorted({ask.scenario_id for ask, limit in limits.items() if limit.kind in TIMES})
    others = {ask.scenario_id for ask, limit in limits.items() if limit.kind not in TIMES}
    told = [ask for ask in asks if ask.guard.metric in EVENTS]
    counted = sorted(others | {ask.scenario_id for ask in told})
    usage = rollup.usage(session, interval, ["scenario_id"], {"scenario_id": timed}) if timed else {}
    counts = rollup.counts(session, interval, ["scenario_id"], COUNTS, {"scenario_id": counted}) if counted else {}
    events = signs.events_in(session, {ask.scenario_id for ask in told}, interval, now) if told else {}
    found: dict[Key, Pair] = {}
    for ask, limit in limits.items():
        own = (ask.scenario_id,)
        if limit.kind in TIMES and own in usage:
            found[ask.key] = _slow(getattr(usage[own], limit.kind), limit)
        elif own in counts:
            found[ask.key] = _bad(counts[own], limit)
    for ask in told:
        requests, rejections, *_ = counts.get((ask.scenario_id,), (0, 0))
        bad = flow.count(events.get(ask.scenario_id, ()), EVENTS[ask.guard.metric])
        found[ask.key] = max(0, requests - rejections), bad
    return found


def _slow(data: bytes, limit: Limit) -> Pair:
    n = max(0, total(data))
    return n, round((share_above(data, limit.over_us) or 0.0) * n)


def _bad(counted: tuple[int, ...], limit: Limit) -> Pair:
    requests, rejections, errors, timeouts, refusals = counted
    bad = {"errors": errors + timeouts, "timeouts": timeouts, "refusals": refusals}[limit.kind]
    return max(0, requests - rejections), max(0, bad)
