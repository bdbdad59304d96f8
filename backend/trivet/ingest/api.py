"""OTLP/HTTP at the root, and quality scores under /api/v1."""

from collections import Counter
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool

from trivet.identity.auth import Principal, requires
from trivet.ingest import body, gate, otlp, score_api, service
from trivet.settings import get_settings

root_router = APIRouter(prefix="/v1", tags=["otlp"], route_class=otlp.OtlpRoute)
Sender = Annotated[Principal, Depends(requires("ingest"))]


async def _take(request: Request, principal: Principal, take: Any) -> tuple[str, Any]:
    """Read the body within its limits and hand it to a thread; the content type, and what came of it."""
    media_type = otlp.content_type(request)
    settings = get_settings()
    async with gate.place(settings.otlp_concurrent_exports):
        content = await body.read(request, settings.otlp_body_limit_bytes)
        return media_type, await run_in_threadpool(take, content, media_type, principal)


@root_router.post("/traces")
async def traces(request: Request, principal: Sender) -> Response:
    """Spans of LLM calls. 200 once they are committed; partial success names what was refused and why."""
    media_type, outcome = await _take(request, principal, service.take_traces)
    return otlp.accepted("traces", media_type, outcome.refused.total(), otlp.reasons("spans", outcome.refused))


@root_router.post("/metrics")
async def metrics(request: Request, principal: Sender) -> Response:
    """GPU readings (`hw.*`, `trivet.gpu.*`). Points of other metrics are not stored yet: partial success says how many."""
    media_type, readings = await _take(request, principal, service.take_metrics)
    counted = Counter(readings.refused)
    if readings.not_stored:
        counted["metric_not_stored_yet"] = readings.not_stored
    return otlp.accepted("metrics", media_type, counted.total(), otlp.reasons("data points", counted))


@root_router.post("/logs")
async def logs(request: Request, principal: Sender) -> Response:
    """Logs are taken and not stored yet: partial success says how many."""
    media_type, count = await _take(request, principal, service.take_logs)
    message = otlp.reasons("log records", Counter({"logs_not_stored_yet": count})) if count else ""
    return otlp.accepted("logs", media_type, count, message)


router = score_api.router
