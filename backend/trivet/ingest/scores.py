"""Quality scores: rows once, and what they add to the 10-second buckets of their scenario."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet.ingest.deltas import COLUMNS, delta
from trivet.ingest.dimensions import NONE, ids_of
from trivet.ingest.models import Score, UsageDelta
from trivet.kit.clock import floor, rfc3339
from trivet.kit.errors import Invalid

SCORES_MAX = 1_000  # of one call
BUCKET_S = 10


@dataclass(frozen=True, slots=True)
class NewScore:
    """A score as it came. `value` is 0 to 1, `trace_id` 16 bytes; `external_id` empty: derived."""

    scenario: str
    metric: str
    value: float
    scored_at: datetime
    tenant: str = ""
    trace_id: bytes | None = None
    revision: int = 0
    level: int = 0
    external_id: str = ""


def identity_of(score: NewScore) -> str:
    """Identity within its tenant: the sender's id, else one made of what was scored, so that sent twice it is one score."""
    if score.external_id:
        return score.external_id
    what = (score.scenario, score.metric, rfc3339(score.scored_at), (score.trace_id or b"").hex())
    return "derived:" + hashlib.sha256("\0".join(what).encode()).hexdigest()


def check_time(scored_at: datetime, now: datetime, *, past: timedelta, future: timedelta) -> None:
    """`Invalid` for a score from too long ago or from the future."""
    if not now - past <= scored_at <= now + future:
        raise Invalid(f"`at` must lie between {past.days} days ago and {future.seconds} s from now.", field="at")


def add(session: Session, scores: Sequence[NewScore], *, source: str, tenant_id: int | None) -> int:
    """Store those scores not stored before, and their deltas; how many were new.

    `tenant_id` is that of a key bound to one, which decides. Rows go in by id, so that two calls never wait in a circle.
    """
    scenarios = ids_of(session, "scenario", (score.scenario for score in scores))
    tenants = {} if tenant_id is not None else ids_of(session, "tenant", (score.tenant for score in scores))

    def owner(score: NewScore) -> int:
        return tenant_id if tenant_id is not None else tenants.get(score.tenant, NONE)

    by_id = {(owner(score), identity_of(score)): score for score in reversed(scores)}
    values = [
        {
            "external_id": external_id,
            "scenario_id": scenarios[score.scenario],
            "tenant_id": own_tenant_id,
            "metric": score.metric,
            "value": score.value,
            "revision": score.revision,
            "level": score.level,
            "scored_at": score.scored_at,
            "source": source,
            "trace_id": score.trace_id,
        }
        for (own_tenant_id, external_id), score in sorted(by_id.items(), key=lambda item: item[0])
    ]
    if not values:
        return 0
    new = session.scalars(insert(Score).values(values).on_conflict_do_nothing().returning(Score)).all()
    if new:
        session.execute(insert(UsageDelta), deltas_of(new))
    return len(new)


def deltas_of(scores: Sequence[Score]) -> list[dict[str, object]]:
    groups: dict[tuple[datetime, int, int, int, int], list[float]] = {}
    for score in scores:
        key = (floor(score.scored_at, BUCKET_S), score.tenant_id, score.scenario_id, score.revision, score.level)
        groups.setdefault(key, []).append(score.value)
    return [
        dict(
            zip(
                COLUMNS,
                delta(
                    bucket,
                    {"tenant_id": tenant_id, "scenario_id": scenario_id, "revision": revision, "level": level},
                    {"scores": len(values), "score_total": sum(values)},
                ),
                strict=True,
            )
        )
        for (bucket, tenant_id, scenario_id, revision, level), values in sorted(groups.items())
    ]


def page(
    session: Session, *, limit: int, after: tuple[datetime, int] | None, scenario_id: int | None, tenant_id: int | None
) -> Sequence[Score]:
    """Up to `limit + 1` scores, newest first, after the one at (time, id)."""
    wanted = select(Score).order_by(Score.scored_at.desc(), Score.id.desc()).limit(limit + 1)
    if after is not None:
        wanted = wanted.where(tuple_(Score.scored_at, Score.id) < after)
    if scenario_id is not None:
        wanted = wanted.where(Score.scenario_id == scenario_id)
    if tenant_id is not None:
        wanted = wanted.where(Score.tenant_id == tenant_id)
    return session.scalars(wanted).all()
