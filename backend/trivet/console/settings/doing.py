"""A change from a page of settings: who may, the form's own token, one transaction, and back to the page."""

from collections.abc import Callable

from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session

from trivet import db
from trivet.console.door import check_token
from trivet.console.places import check_role
from trivet.console.settings.parts import Signed
from trivet.console.views import Reader
from trivet.kit.errors import TrivetError

Again = Callable[[str, int], Response]  # the page again, with what was wrong


def may(looking: Reader, roles: tuple[str, ...]) -> bool:
    """Whether somebody's role may change this; never who is of one tenant."""
    return looking.role in roles and looking.tenant_id is None


def change(
    looking: Reader, given: Signed, roles: tuple[str, ...], work: Callable[[Session], None], *, to: str, again: Again
) -> Response:
    """Do it, or show the page again with the refusal's own words."""
    check_role(looking.role, f"This is for {' and '.join(roles)}", may=may(looking, roles))
    check_token(looking, given.csrf_token)
    try:
        with db.transaction() as session:
            work(session)
    except TrivetError as refused:
        return again(refused.detail, refused.status)
    return RedirectResponse(to, 303)
