"""Quality scores: rows once, and what they add to the 10-second buckets of their scenario."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet.ingest.models import Score, UsageDelta
from trivet.ingest.score.subject import Scored, requests_of
from trivet.ingest.store import names
from trivet.ingest.store.deltas import COLUMNS, delta
from trivet.ingest.store.ids import NONE
from trivet.kit.clock import floor, rfc3339
from trivet.kit.errors import Invalid

SCORES_MAX = 1_000  # of one call
STATEMENT_ROWS = 4_000  # a statement takes 65,535 parameters
BUCKET_S = 10
NO_SCENARIO = "score_without_scenario"


@dataclass(frozen=True, slots=True)
class NewScore:
    """A score as it came. `value` is 0 to 1, `trace_id` 16 bytes; `external_id` empty: derived.

    `scenario` and `tenant` empty, `revision` and `level` None: what the scored request says, where a trace id finds one.
    `or_scenario` is the scenario where neither says one.
    """

    scenario: str
    metric: str
    value: float
    scored_at: datetime
    tenant: str = ""
    trace_id: bytes | None = None
    revision: int | None = None
    level: int | None = None
    external_id: str = ""
    span_id: bytes | None = None
    response_id: str = ""
    or_scenario: str = ""


@dataclass(slots=True)
class Added:
    """How many scores were new, and the others by place in what was given: why each was not taken.

    `overflowed` counts those kept under `overflow`, by kind of name.
    """

    stored: int = 0
    refused: dict[int, str] = field(default_factory=dict)
    overflowed: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Owned:
    """A score with ids, as it is stored. `found` says that a request named its tenant, `over` that this is `overflow`."""

    score: NewScore
    scenario_id: int
    tenant_id: int
    revision: int
    level: int
    found: bool
    over: bool = False


def identity_of(score: NewScore, *, over: bool = False) -> str:
    """Identity within its tenant: the sender's id, else one made of what was scored, so that sent twice it is one score.

    `over`: its tenant is `overflow`, where those of many tenants lie and must not be taken for each other.
    """
    if score.external_id and not over:
        return score.external_id
    what = [score.scenario, score.metric, rfc3339(score.scored_at), (score.trace_id or b"").hex()]
    if over:
        what = [score.tenant, score.external_id] if score.external_id else [score.tenant, *what]
    if score.span_id or score.response_id:
        what += [(score.span_id or b"").hex(), score.response_id]
    return "derived:" + hashlib.sha256("\0".join(what).encode()).hexdigest()


def check_time(scored_at: datetime, now: datetime, *, past: timedelta, future: timedelta) -> None:
    """`Invalid` for a score from too long ago or from the future."""
    if not now - past <= scored_at <= now + future:
        raise Invalid(f"`at` must lie between {past.days} days ago and {future.seconds} s from now.", field="at")


def add(session: Session, scores: Sequence[NewScore], *, source: str, tenant_id: int | None) -> int:
    """`take`, for scores that name their scenario: how many were new."""
    return take(session, scores, source=source, tenant_id=tenant_id).stored


def take(
    session: Session,
    scores: Sequence[NewScore],
    *,
    source: str,
    tenant_id: int | None,
    key_id: int = 0,
) -> Added:
    """Store those scores not stored before, and their deltas.

    `tenant_id` is that of a key bound to one, which decides, and whose requests alone are looked at. Names have the limits
    that those of requests have, for each key (`key_id`; people, who have none, together). Rows go in by id, so
    that two calls never wait in a circle.
    """
    result = Added()
    owned = _owned(session, scores, tenant_id, key_id, result)
    by_id = {(one.tenant_id, identity_of(one.score, over=one.over)): one for one in reversed(owned)}
    for key in _stored_under_nobody(session, by_id):
        del by_id[key]
    values = [_values(external_id, one, source) for (_, external_id), one in sorted(by_id.items(), key=lambda i: i[0])]
    new: list[Score] = []
    for start in range(0, len(values), STATEMENT_ROWS):
        rows = insert(Score).values(values[start : start + STATEMENT_ROWS])
        new += session.scalars(rows.on_conflict_do_nothing().returning(Score))
    if new:
        session.execute(insert(UsageDelta), deltas_of(new))
    result.stored = len(new)
    return result


def _values(external_id: str, one: _Owned, source: str) -> dict[str, Any]:
    return {
        "external_id": external_id,
        "scenario_id": one.scenario_id,
        "tenant_id": one.tenant_id,
        "metric": one.score.metric,
        "value": one.score.value,
        "revision": one.revision,
        "level": one.level,
        "scored_at": one.score.scored_at,
        "source": source,
        "trace_id": one.score.trace_id,
    }


def _owned(
    session: Session,
    scores: Sequence[NewScore],
    tenant_id: int | None,
    key_id: int,
    result: Added,
) -> list[_Owned]:
    """Whose each score is: what it says itself, else the request that it scores, else what stands in."""
    asked = () if tenant_id is not None else [score.tenant for score in scores]
    tenants, gone = names.ids_within(session, "tenant", asked, key_id, tenant_id)
    owners = [tenant_id if tenant_id is not None else tenants.get(score.tenant, NONE) for score in scores]
    found = requests_of(session, [_asked(score, owner) for score, owner in zip(scores, owners, strict=True)])
    named = [
        score.scenario or ("" if request and request.scenario_id else score.or_scenario)
        for score, request in zip(scores, found, strict=True)
    ]
    scenarios, gone_too = names.ids_within(session, "scenario", named, key_id, tenant_id)
    over = {"tenant": sum(score.tenant in gone for score in scores), "scenario": sum(n in gone_too for n in named)}
    result.overflowed = +Counter(over)
    owned = []
    for at, (score, owner, request, name) in enumerate(zip(scores, owners, found, named, strict=True)):
        scenario_id = scenarios[name] if name else (request.scenario_id if request else NONE)
        if scenario_id == NONE:
            result.refused[at] = NO_SCENARIO
        else:
            owned.append(replace(_one(score, owner, request, scenario_id), over=score.tenant in gone))
    return owned


def _asked(score: NewScore, owner: int) -> Scored | None:
    """What is to be looked up for a score; None where it says all itself or has no trace."""
    if not score.trace_id or (score.scenario and owner and score.revision is not None and score.level is not None):
        return None
    return Scored(score.trace_id, score.span_id or b"", score.response_id, owner, score.scored_at)


def _one(score: NewScore, owner: int, request: Any, scenario_id: int) -> _Owned:
    revision, level = score.revision, score.level
    if request is not None and revision is None:
        revision = request.policy_revision
    if request is not None and level is None:
        level = request.degrade_level
    tenant = owner or (request.tenant_id if request is not None else NONE)
    return _Owned(score, scenario_id, tenant, revision or 0, level or 0, tenant != owner)


def _stored_under_nobody(session: Session, by_id: dict[tuple[int, str], _Owned]) -> list[tuple[int, str]]:
    """Scores that came before their request did, and were stored as nobody's: sent again they are not new."""
    asked = {external_id: (tenant_id, external_id) for (tenant_id, external_id), one in by_id.items() if one.found}
    if not asked:
        return []
    ids = list(asked)
    there: list[str] = []
    for start in range(0, len(ids), STATEMENT_ROWS):
        own = Score.external_id.in_(ids[start : start + STATEMENT_ROWS])
        there += session.scalars(select(Score.external_id).where(Score.tenant_id == NONE, own))
    return [asked[external_id] for external_id in there]


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
