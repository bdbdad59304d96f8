"""Guards replayed over REST, as a job."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from trivet import db
from trivet.guard import later
from trivet.identity.auth import Principal, platform
from trivet.job import api as jobs
from trivet.job.answers import JobAnswer

router = APIRouter(tags=["guard"])


@router.post("/guards/replay", status_code=202, response_model=None, responses={202: {"model": JobAnswer}})
def begin_replay(principal: Annotated[Principal, Depends(platform("operations", "admin"))]) -> dict[str, Any]:
    """Find anew what is normal of each guard, over the last day. Otherwise it is found about once a day."""
    with db.transaction() as session:
        return jobs.said(session, [later.begin(session, principal.actor)])[0]
