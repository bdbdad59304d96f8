"""Rollups over REST: made again, as a job."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field

from trivet import db
from trivet.identity.auth import Principal, platform
from trivet.job import api as jobs
from trivet.job.answers import JobAnswer
from trivet.kit.body import Body, Instant
from trivet.kit.interval import Interval
from trivet.rollup import later

router = APIRouter(tags=["rollup"])


class Hours(Body):
    """Whole hours, half-open."""

    from_: Instant = Field(alias="from")
    to: Instant


@router.post("/rollups/rebuild", status_code=202, response_model=None, responses={202: {"model": JobAnswer}})
def begin_rebuild(body: Hours, principal: Annotated[Principal, Depends(platform("admin"))]) -> dict[str, Any]:
    """Make the rollups of some hours again out of their requests. What they say stays the same where it was right."""
    with db.transaction() as session:
        return jobs.said(session, [later.begin(session, Interval(body.from_, body.to), principal.actor)])[0]
