"""Coming in by a one-time link: it is looked at as often as one likes, and used once."""

from typing import Annotated

from fastapi import APIRouter, Form, Path, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from trivet import db
from trivet.console.door import TOO_OFTEN, door_page
from trivet.console.pages import show
from trivet.console.people import browser, cookies
from trivet.console.people.forms import Secret
from trivet.console.people.people_views import LinkPage
from trivet.console.tongue import N_
from trivet.identity import brake, people, sessions
from trivet.kit.clock import utc_now
from trivet.kit.errors import Invalid, NotFound
from trivet.settings import get_settings

router = APIRouter()
PATH = f"{people.LINK_PATH}/{{token}}"
Token = Annotated[str, Path(max_length=100, pattern=r"^[\w-]+$")]
DEAD = N_("This link is not good: it was used, a newer one was made, or its day has passed. Ask an admin for another.")
SHORT = N_("A password has at least 8 characters. Nothing was changed; choose a longer one.")


@router.get(PATH)
def look(request: Request, token: Token) -> HTMLResponse:
    """Whose link it is, and the form."""
    if not _allowed(request):
        return door_page("", TOO_OFTEN, "/", status=429)
    try:
        with db.transaction() as session:
            user = people.of_link(session, token, utc_now())
    except NotFound:
        return door_page("", DEAD, "/", status=404)
    return show("sign_in/link.html", LinkPage(token, user.email, None))


@router.post(PATH)
def use(request: Request, token: Token, new: Annotated[Secret, Form()]) -> Response:
    """Set the password and come in. The link is used up."""
    now = utc_now()
    if not _allowed(request):
        return door_page("", TOO_OFTEN, "/", status=429)
    try:
        with db.transaction() as session:
            user = people.use_link(session, token, new, now)
            called = browser.called(request.headers.get("user-agent", ""))
            made = sessions.begin(session, user, now, sessions.rules_of(get_settings()), called)
    except NotFound:
        return door_page("", DEAD, "/", status=404)
    except Invalid:
        return show("sign_in/link.html", LinkPage(token, "", SHORT), status=422)
    answer = RedirectResponse("/", 303)
    cookies.let_in(request, answer, made, now)
    return answer


def _allowed(request: Request) -> bool:
    with db.transaction() as session:
        return brake.allows(session, [brake.from_address(request.client.host if request.client else "")], utc_now())
