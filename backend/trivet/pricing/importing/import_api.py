"""Price lists of others over REST: a preview, or with `apply` the same and entered."""

import gzip
import io
import zlib
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response

from trivet import db
from trivet.identity.auth import Principal, platform
from trivet.job import api as jobs
from trivet.kit.body import Instant
from trivet.kit.clock import floor, rfc3339, utc_now
from trivet.kit.errors import Invalid
from trivet.pricing.dated import plain
from trivet.pricing.importing import later, litellm, service
from trivet.pricing.importing.preview import CHANGED, NEW, Change, Preview

router = APIRouter(tags=["pricing"])
SHOWN = 1_000  # changes and entries left out that an answer names; it counts all


async def _body(request: Request) -> bytes:
    """The file as it came: a JSON parser would make floats of its prices."""
    return await request.body()


@router.post("/prices/import")
def import_prices(
    body: Annotated[bytes, Depends(_body)],
    request: Request,
    response: Response,
    principal: Annotated[Principal, Depends(platform("admin", "finance"))],
    *,
    source: Literal["litellm", "genai-prices"] = "litellm",
    effective_from: Instant | None = None,
    apply: Annotated[bool, Query(description="Enter it; else only show what it would change.")] = False,
    in_background: Annotated[
        bool, Query(alias="later", description="Have it entered by a worker: 202 and a job.")
    ] = False,
) -> dict[str, Any]:
    """Hold a price list against the book. For `litellm` the body is its price file, also gzipped (`Content-Encoding`)."""
    at = effective_from or floor(utc_now(), 1)
    data = inflated(body, request.headers.get("content-encoding", "")) if source == "litellm" else b""
    with db.transaction() as session:
        if apply and in_background:
            response.status_code = 202
            return jobs.said(session, [later.begin(session, source, data, at, principal.actor)])[0]
        offered = later.offered(session, source, data, at)
        seen = service.enter(session, offered, at, principal.actor) if apply else service.look(session, offered, at)
        return said(seen, applied=apply)


def inflated(body: bytes, encoding: str) -> bytes:
    """The file, unpacked within the limit of one."""
    if encoding.strip().lower() not in ("gzip", "x-gzip"):
        return body
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as packed:
            return packed.read(litellm.FILE_LIMIT_BYTES + 1)
    except (OSError, EOFError, zlib.error) as bad:
        raise Invalid("The body says it is gzipped and is not.", field="file") from bad


def said(seen: Preview, *, applied: bool) -> dict[str, Any]:
    """A preview in the wire form: all is counted, what changes is named."""
    moving = [*seen.of(NEW), *seen.of(CHANGED)]
    return {
        "source": seen.source,
        "effective_from": rfc3339(seen.effective_from),
        "applied": applied,
        **seen.counts,
        "changes": [_change(change) for change in moving[:SHOWN]],
        "changes_left_out": max(0, len(moving) - SHOWN),
        "left_out": [{"name": each.name, "reason": each.reason} for each in seen.unsayable[:SHOWN]],
    }


def _change(change: Change) -> dict[str, Any]:
    sold = change.offer.sold
    return {
        "provider": sold.provider,
        "model": sold.model,
        "tier": sold.tier or None,
        "state": change.state,
        "overridden": change.overridden,
        "moves": [
            {
                "kind": move.kind,
                "from_input_tokens": move.over,
                "old": plain(move.old),
                "new": plain(move.new),
                "percent": None if move.percent is None else format(move.percent, "f"),
            }
            for move in change.moves
        ],
        "beside": list(change.offer.beside),
    }
