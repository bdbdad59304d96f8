"""OTLP/HTTP at the root, and quality scores under /api/v1."""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from trivet.identity.auth import Principal, requires
from trivet.ingest import body, gate, otlp, score_api
from trivet.ingest.service import take_traces
from trivet.ingest.telemetry import take_logs, take_metrics
from trivet.settings import get_settings

Take = Callable[[bytes, str, Principal], Awaitable[Counter[str]]]
_may_send = requires("ingest")


async def _sender(request: Request) -> Principal:
    """Who sends, looked up without waiting for what goes on elsewhere in the process."""
    return await gate.ask(_may_send, request, places=get_settings().otlp_concurrent_exports)


root_router = APIRouter(prefix="/v1", tags=["otlp"], route_class=otlp.OtlpRoute)
Sender = Annotated[Principal, Depends(_sender)]


async def _take(request: Request, principal: Principal, signal: str, take: Take) -> Response:
    """Read the body within its limits and store what is in it; the answer says what was refused."""
    media_type = otlp.content_type(request)
    settings = get_settings()
    places, limit = settings.otlp_concurrent_exports, settings.otlp_body_limit_bytes
    with gate.body(_name(principal), max(1, places) * limit, limit) as grow:
        content = await body.read(request, limit, grow)
        async with gate.place(places, len(content)):
            refused = await take(content, media_type, principal)
    return otlp.accepted(signal, media_type, refused)


def _name(principal: Principal) -> str:
    """Whose share it is: all keys of a tenant have one."""
    return f"tenant:{principal.tenant_id}" if principal.tenant_id is not None else f"key:{principal.key_id}"


@root_router.post("/traces")
async def traces(request: Request, principal: Sender) -> Response:
    """Spans of LLM calls. 200 once they are committed; partial success names what was refused and why."""
    return await _take(request, principal, "traces", take_traces)


@root_router.post("/metrics")
async def metrics(request: Request, principal: Sender) -> Response:
    """GPU readings (`hw.*`, `trivet.gpu.*`), by platform keys. Points of other metrics are not stored yet, and counted."""
    return await _take(request, principal, "metrics", take_metrics)


@root_router.post("/logs")
async def logs(request: Request, principal: Sender) -> Response:
    """Logs are taken and not stored yet: partial success says how many."""
    return await _take(request, principal, "logs", take_logs)


router = score_api.router
