"""What a scenario's data carries, read from rollups and signals of the last days."""

from datetime import datetime, timedelta

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from trivet.card.content import Card
from trivet.card.measured import DAYS, SIGNALS, Carried, missing
from trivet.fleet.models import GpuRollup
from trivet.fleet.signal_models import SignalSeries
from trivet.kit import histogram
from trivet.kit.clock import floor
from trivet.kit.errors import Invalid
from trivet.kit.interval import Interval
from trivet.rollup import read

HOUR_S = 3600


class Unmeasured(Invalid):
    """A guard on what the scenario's data does not carry."""


def refuse_unmeasured(session: Session, scenario_id: int, card: Card, now: datetime) -> None:
    """`Unmeasured`, which names the guard, where enough requests came and none of them carries what it watches."""
    found = list(missing(card, of_scenario(session, scenario_id, now)))
    if found:
        name, why = found[0]
        more = f" ({len(found) - 1} more)" if len(found) > 1 else ""
        raise Unmeasured(f"guards.{name}: {why}{more}", field=f"guards.{name}.metric")


def of_scenario(session: Session, scenario_id: int, now: datetime) -> Carried:
    """Requests with what they carry, and which signals anybody sent."""
    end = floor(now, HOUR_S) + timedelta(hours=1)
    start = end - timedelta(days=DAYS)
    found = read.usage(session, Interval(start, end), [], {"scenario_id": [scenario_id]}).get((), read.Usage())
    signals = {name for name in SIGNALS.values() if _sent(session, name, start)}
    first, gaps = histogram.total(found.ttft), histogram.total(found.inter_token)
    return Carried(found.served, first, gaps, found.scores, frozenset(signals))


def _sent(session: Session, metric: str, since: datetime) -> bool:
    if metric.startswith("hw."):
        wanted = exists().where(GpuRollup.grain_s == HOUR_S, GpuRollup.bucket >= since, GpuRollup.metric == metric)
    else:
        wanted = exists().where(SignalSeries.metric == metric, SignalSeries.seen_on >= since)
    return bool(session.scalar(select(wanted)))
