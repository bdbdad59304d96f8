"""OTLP/HTTP at the root, and quality scores under /api/v1."""

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


router = score_api.router
