"""Which level backends were proven to run at, over time: out of whole commands and when telemetry carried them."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from trivet.command.models import Command
from trivet.kit.interval import Interval

Step = tuple[datetime, int]  # from when on, which level


def steps(session: Session, scenario_ids: Collection[int], interval: Interval, limit: int) -> dict[int, list[Step]]:
    """By scenario: the level proven at the beginning (level 0 where nothing was), then each change in the interval.

    At most the newest `limit` changes of all together.
    """
    found: dict[int, list[Step]] = {id_: [(interval.start, 0)] for id_ in scenario_ids}
    before = (
        _whole(scenario_ids)
        .ext(distinct_on(Command.scenario_id))
        .where(Command.effective_at < interval.start)
        .order_by(Command.scenario_id, Command.generation.desc())
    )
    for id_, _, level in session.execute(before):
        found[id_] = [(interval.start, level or 0)]
    within = _whole(scenario_ids).where(Command.effective_at >= interval.start, Command.effective_at < interval.end)
    changes = session.execute(within.order_by(Command.effective_at.desc(), Command.id.desc()).limit(limit)).all()
    for id_, at, level in reversed(changes):
        assert at is not None  # it lies in the interval
        found[id_].append((at, level or 0))
    return found


def _whole(scenario_ids: Collection[int]) -> Select[int, datetime | None, int | None]:
    """Commands that put all of a scenario at a level."""
    return select(Command.scenario_id, Command.effective_at, Command.level).where(
        Command.scenario_id.in_(scenario_ids), Command.kind.in_(("degrade", "restore")), Command.tenant_id.is_(None),
        Command.backend_id.is_(None), Command.share.is_(None),
    )  # fmt: skip
