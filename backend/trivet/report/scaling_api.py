"""What KEDA's metrics-api trigger, or a Prometheus server, reads of a pool."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import PlainTextResponse
from pydantic import Field

from trivet import db
from trivet.identity.auth import Principal, platform
from trivet.kit.answer import Answer, answers
from trivet.kit.body import Body
from trivet.kit.clock import utc_now
from trivet.report import scaling
from trivet.report.limits import Place

router = APIRouter()
PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


class Scaling(Answer):
    """A pool's load now. Null is not known; without anything fresh the answer is 503 `no-fresh-signals`."""

    name: str
    at: str = Field(description="When the newest figure was measured.")
    servers: int = Field(description="Engines that speak for it.")
    backlog: int | None = Field(description="Calls waiting.")
    running: int | None
    kv_cache_usage: str | None = Field(description="0 to 1, of the fullest, as a quantity.")
    kv_cache_usage_mean: str | None
    desired_replicas: int | None
    reason: str


class ScalingQuery(Body):
    """Whose figures, how old they may be, and what one server should bear."""

    of: Literal["pool", "backend"] = "pool"
    per_server: float | None = Field(None, gt=0, le=1e6, description="Calls that one server should have at once.")
    kv_target: float = Field(scaling.KV_TARGET, gt=0, le=1)
    fresh_s: int = Field(scaling.FRESH_S, ge=10, le=600, description="Older figures are not answered.")


Reads = Annotated[Principal, Depends(platform("read"))]


@router.get("/scaling/{name}", response_model=None, responses=answers(Scaling))
def get_scaling(name: str, _: Reads, __: Place, query: Annotated[ScalingQuery, Query()]) -> dict[str, Any]:
    """How much waits and runs in a pool (or `of` a backend), how full its KV caches are, and how many servers that takes."""
    return _found(name, query)


@router.get("/scaling/{name}/metrics", response_class=PlainTextResponse)
def get_scaling_metrics(name: str, _: Reads, __: Place, query: Annotated[ScalingQuery, Query()]) -> PlainTextResponse:
    """The same in Prometheus' text format, for a server that scrapes it; what is not known is left out."""
    return PlainTextResponse(scaling.exposition(query.of, _found(name, query)), media_type=PROMETHEUS)


def _found(name: str, query: ScalingQuery) -> dict[str, Any]:
    with db.transaction() as session:
        load = scaling.load_of(session, query.of, name, utc_now(), query.fresh_s)
    return scaling.said(load, scaling.advice(load, query.per_server, query.kv_target))
