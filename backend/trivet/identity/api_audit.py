"""The audit log over REST, and its chain."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from trivet import db
from trivet.identity import answers, chain, reading
from trivet.identity.auth import Principal, platform
from trivet.kit.answer import answers as told
from trivet.kit.body import EARLIEST, LATEST, Asked, Body, Instant
from trivet.kit.clock import utc_now
from trivet.kit.errors import Invalid
from trivet.kit.interval import Interval
from trivet.kit.page import from_cursor, page

router = APIRouter()
Admin = Annotated[Principal, Depends(platform("admin"))]
Reads = Annotated[Principal, Depends(platform("admin", "operations", "finance"))]


class Walk(Body):
    """How to verify. `again`: from the first row."""

    again: bool = False


class Wanted(BaseModel):
    """Which changes: by whom, what was done, to what, when."""

    limit: Annotated[int, Field(ge=1, le=500)] = 100
    cursor: str | None = None
    actor: Asked = ""
    action: Asked = ""
    subject: Asked = ""
    since: Instant | None = None
    until: Instant | None = None


@router.get("/audit", responses=told(answers.ChangesBody))
def list_audit(_: Reads, wanted: Annotated[Wanted, Query()]) -> dict[str, Any]:
    """Newest first."""
    start, end = wanted.since or EARLIEST, wanted.until or LATEST
    if not start < end:
        raise Invalid("`until` comes after `since`.", field="until")
    within = Interval(start, end) if wanted.since or wanted.until else None
    asked = reading.Asked(wanted.actor, wanted.action, wanted.subject, within)
    before = from_cursor(wanted.cursor, int)[0] if wanted.cursor else 0
    with db.transaction() as session:
        found = reading.changes(session, asked, wanted.limit + 1, before)
        return page([answers.change(row) for row in found], wanted.limit, lambda item: [item["id"]])


@router.get("/audit/verification", responses=told(answers.ChainBody))
def verify_audit(_: Admin) -> dict[str, Any]:
    """How much of the chain fits: what was verified before, and the next rows, at most 10,000."""
    with db.transaction() as session:
        return answers.chain(chain.look(session))


@router.post("/audit/verification", responses=told(answers.ChainBody))
def verify_further(principal: Admin, body: Walk | None = None) -> dict[str, Any]:
    """Verify the next rows, at most 10,000, and remember how far it is; ask again until `verified` is `rows`."""
    del principal
    with db.transaction() as session:
        return answers.chain(chain.step(session, utc_now(), again=body.again if body else False))
