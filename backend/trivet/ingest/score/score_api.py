"""POST and GET /api/v1/scores."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import select

from trivet import db
from trivet.identity.auth import Principal, requires
from trivet.ingest.decode.span import TEXT_LIMIT, clean
from trivet.ingest.models import Score
from trivet.ingest.score import scores
from trivet.ingest.store import persist
from trivet.kit.clock import rfc3339, utc_now
from trivet.kit.errors import Invalid
from trivet.kit.page import from_cursor, to_cursor
from trivet.settings import get_settings
from trivet.tenant.models import Scenario, Tenant

router = APIRouter(prefix="/scores", tags=["scores"])
Name = Annotated[str, Field(min_length=1, max_length=TEXT_LIMIT)]


class ScoreIn(BaseModel):
    """One quality score, 0 (worst) to 1 (best). `id` makes sending it twice harmless.

    With a `trace_id`, what it does not say (scenario, tenant, revision, level) is what the scored request says.
    """

    model_config = ConfigDict(extra="forbid")

    scenario: Name | None = None
    metric: Name
    value: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
    tenant: Annotated[str, Field(max_length=TEXT_LIMIT)] = ""
    trace_id: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{32}$")] | None = None
    revision: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    level: Annotated[int, Field(ge=0, le=3)] | None = None
    at: AwareDatetime | None = None
    id: Annotated[str, Field(max_length=TEXT_LIMIT)] = ""


@router.post("", status_code=201)
def add_scores(
    body: ScoreIn | Annotated[list[ScoreIn], Field(max_length=scores.SCORES_MAX)],
    principal: Annotated[Principal, Depends(requires("ingest"))],
) -> dict[str, int]:
    """One score or a list. Those sent before are counted as duplicates and change nothing."""
    now = utc_now()
    given = body if isinstance(body, list) else [body]
    new = [_score(item, now) for item in given]
    with db.transaction() as session:
        added = scores.take(
            session, new, source=principal.actor, tenant_id=principal.tenant_id, key_id=principal.key_id
        )
        if added.refused:
            at = min(added.refused)
            raise Invalid(
                f"Score {at + 1} names no scenario, and no request of its trace is known: name one.", field="scenario"
            )
        persist.deny(session, persist.over_limits(added.overflowed), principal.key_id, now)
    return {"stored": added.stored, "duplicates": len(new) - added.stored}


@router.get("")
def list_scores(
    principal: Annotated[Principal, Depends(requires("read"))],
    scenario: str | None = None,
    limit: Annotated[int, Query(ge=1)] = 100,
    cursor: str | None = None,
) -> dict[str, Any]:
    """Scores, newest first."""
    limit = min(limit, get_settings().page_limit)
    with db.transaction() as session:
        scenario_id = None
        if scenario is not None:
            scenario_id = session.scalar(select(Scenario.id).where(Scenario.name == clean(scenario))) or -1
        found = scores.page(
            session, limit=limit, after=_after(cursor), scenario_id=scenario_id, tenant_id=principal.tenant_id
        )
        scenarios = _names(session, Scenario, {score.scenario_id for score in found})
        tenants = _names(session, Tenant, {score.tenant_id for score in found})
    items = [_shown(score, scenarios, tenants) for score in found[:limit]]
    last = found[limit - 1] if len(found) > limit else None
    next_cursor = to_cursor([rfc3339(last.scored_at), last.id]) if last else None
    return {"items": items, "next_cursor": next_cursor}


def _score(item: ScoreIn, now: datetime) -> scores.NewScore:
    settings = get_settings()
    at = item.at or now
    past, future = timedelta(days=settings.late_limit_days), timedelta(seconds=settings.clock_skew_limit_s)
    scores.check_time(at, now, past=past, future=future)
    return scores.NewScore(
        scenario=clean(item.scenario or ""),
        metric=clean(item.metric),
        value=item.value,
        scored_at=at,
        tenant=clean(item.tenant),
        trace_id=bytes.fromhex(item.trace_id) if item.trace_id else None,
        revision=item.revision,
        level=item.level,
        external_id=clean(item.id),
    )


def _after(cursor: str | None) -> tuple[datetime, int] | None:
    if cursor is None:
        return None
    try:
        at, row_id = from_cursor(cursor)
        return datetime.fromisoformat(at), int(row_id)
    except (TypeError, ValueError) as bad:
        raise Invalid("This cursor is not one of ours: start again without it.", field="cursor") from bad


def _names(session: Any, table: Any, ids: set[int]) -> dict[int, str]:
    return dict(session.execute(select(table.id, table.name).where(table.id.in_(ids))).all()) if ids else {}


def _shown(score: Score, scenarios: dict[int, str], tenants: dict[int, str]) -> dict[str, Any]:
    return {
        "id": score.external_id,
        "scenario": scenarios.get(score.scenario_id, ""),
        "tenant": tenants.get(score.tenant_id, ""),
        "metric": score.metric,
        "value": score.value,
        "revision": score.revision,
        "level": score.level,
        "at": rfc3339(score.scored_at),
        "trace_id": score.trace_id.hex() if score.trace_id else None,
        "source": score.source,
    }
