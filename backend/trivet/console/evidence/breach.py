"""The page of one breach, and the button that breaks the tenant that carries it, alone."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Path, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from trivet import db
from trivet.console.door import Looking, check_token
from trivet.console.evidence import breach_read
from trivet.console.pages import show
from trivet.console.places import check_role
from trivet.console.views import Reader
from trivet.evidence import breaking
from trivet.kit.body import Asked, Name
from trivet.kit.errors import Invalid, TrivetError

router = APIRouter()
Id = Annotated[int, Path(ge=1, lt=2**63)]
Limit = Literal["", "900", "3600", "14400"]
TEMPLATE = "evidence/breach.html"


class Given(BaseModel):
    """What the form says. An empty limit is `when restored`."""

    tenant: Name
    reason: str = Field("", max_length=500)
    expires_in_s: Limit = ""
    csrf_token: str = Field(max_length=200)


@router.get("/breaches/{breach_id}")
def breach(
    looking: Looking, breach_id: Id, tenant: Annotated[Asked, Query()] = "", expires_in_s: Limit = "3600"
) -> HTMLResponse:
    """What broke, who carries it and what came of it."""
    with db.transaction() as session:
        page = breach_read.page(
            session, looking, breach_id, tenant=tenant, reason=None, expires=expires_in_s, errors={}
        )  # fmt: skip
        return show(TEMPLATE, page)


@router.post("/breaches/{breach_id}/break")
def break_tenant(looking: Looking, breach_id: Id, given: Annotated[Given, Form()]) -> Response:
    """Give the command; a refusal comes back in the form, at its field."""
    check_role(looking.role, "Commands are for sre, product owner and admin", may=looking.may_command)
    check_token(looking, given.csrf_token)
    try:
        with db.transaction() as session:
            _break(session, looking, breach_id, given)
    except TrivetError as refused:
        errors = {"reason" if refused.field == "reason" else "form": refused.detail}
        with db.transaction() as session:
            page = breach_read.page(
                session, looking, breach_id, tenant=given.tenant, reason=given.reason, expires=given.expires_in_s, errors=errors
            )  # fmt: skip
            return show(TEMPLATE, page, status=refused.status)
    return RedirectResponse(breach_read.address(breach_id, given.tenant), 303)


def _break(session: Session, looking: Reader, breach_id: int, given: Given) -> None:
    if not given.reason.strip():
        raise Invalid("Say why: a command needs a reason.", field="reason")
    breaking.break_tenant(
        session, breach_id, tenant=given.tenant, reason=given.reason, actor=looking.email, now=looking.now,
        expires_in_s=float(given.expires_in_s) if given.expires_in_s else None,
    )  # fmt: skip
