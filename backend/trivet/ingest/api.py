"""OTLP/HTTP at the root, and quality scores under /api/v1."""

from collections import Counter
from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Request, Response

from trivet.identity.auth import Principal, requires
from trivet.ingest import body, gate, otlp, score_api, service
from trivet.settings import get_settings

T = TypeVar("T")
_may_send = requires("ingest")


async def _sender(request: Request) -> Principal:
    """Who sends, looked up without waiting for what goes on elsewhere in the process."""
    return await gate.ask(_may_send, request, places=get_settings().otlp_concurrent_exports)


root_router = APIRouter(prefix="/v1", tags=["otlp"], route_class=otlp.OtlpRoute)
Sender = Annotated[Principal, Depends(_sender)]


async def _take(request: Request, principal: Principal, take: Callable[[bytes, str, Principal], T]) -> tuple[str, T]:
    """Read the body within its limits, then hand it to a thread; the content type, and what came of it."""
    media_type = otlp.content_type(request)
    settings = get_settings()
    places, limit = settings.otlp_concurrent_exports, settings.otlp_body_limit_bytes
    with gate.body(_name(principal), max(1, places) * limit, limit) as grow:
        content = await body.read(request, limit, grow)
        async with gate.place(places, len(content)):
            return media_type, await gate.work(take, content, media_type, principal)


def _name(principal: Principal) -> str:
    """Whose share it is: all keys of a tenant have one."""
    return f"tenant:{principal.tenant_id}" if principal.tenant_id is not None else f"key:{principal.key_id}"


@root_router.post("/traces")
async def traces(request: Request, principal: Sender) -> Response:
    """Spans of LLM calls. 200 once they are committed; partial success names what was refused and why."""
    media_type, outcome = await _take(request, principal, service.take_traces)
    return otlp.accepted("traces", media_type, outcome.refused.total(), otlp.reasons("spans", outcome.refused))


@root_router.post("/metrics")
async def metrics(request: Request, principal: Sender) -> Response:
    """GPU readings (`hw.*`, `trivet.gpu.*`), by platform keys. Points of other metrics are not stored yet, and counted."""
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
