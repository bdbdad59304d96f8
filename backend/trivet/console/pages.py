"""Rendering a page, and the pages that say what went wrong."""

from functools import lru_cache
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment
from sqlalchemy.exc import DataError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from trivet import problems
from trivet.console.render import environment
from trivet.console.tongue import N_
from trivet.console.views import ErrorPage
from trivet.kit.errors import Forbidden, TrivetError
from trivet.paths import shipped

STANDS = N_("Nothing was changed. Backends keep the policy they hold.")
AWAY = ErrorPage(
    503,
    N_("The database is away, so this page cannot be shown."),
    N_("Backends keep the policy they hold, and exporters send again what was not acknowledged."),
    N_("Reload in a few seconds. `trivet doctor` says what is missing."),
)

BADLY_FILLED = ErrorPage(
    422,
    N_("This form was not filled in as the page fills it in."),
    STANDS,
    N_("Go back, reload the page and try again."),
)


@lru_cache
def templates() -> Environment:
    """The console's templates, read once a process."""
    return environment(shipped("web"))


def show(template: str, page: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> HTMLResponse:
    """A template with its one context: `page`."""
    return HTMLResponse(templates().get_template(template).render(page=page), status, headers)


def install(app: FastAPI) -> None:
    """Register the console's own error pages."""

    def refused(_: Request, error: Any) -> Response:
        return _page(_page_of(error), error.retry_after_s)

    def plain(_: Request, error: Any) -> Response:
        return _page(_plain_page(error.status_code))

    def invalid(_: Request, __: Any) -> Response:
        return _page(BADLY_FILLED)

    def database(request: Request, error: Any) -> Response:
        if isinstance(error, DataError):
            return invalid(request, error)
        if problems.is_withheld(error):
            return refused(request, Forbidden(problems.WITHHELD))
        if not (problems.is_away(error) or problems.is_busy(error)):
            raise error
        return _page(AWAY, problems.RETRY_AFTER_S)

    app.add_exception_handler(TrivetError, refused)
    app.add_exception_handler(HTTPException, plain)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(DBAPIError, database)
    app.add_exception_handler(PoolTimeout, database)
    app.add_exception_handler(UnicodeEncodeError, invalid)


def _page(page: ErrorPage, retry_after_s: int | None = None) -> Response:
    headers = {"Retry-After": str(retry_after_s)} if retry_after_s is not None else None
    return show("base/error.html", page, status=page.status, headers=headers)


def _page_of(error: TrivetError) -> ErrorPage:
    return AWAY if error.status == 503 else ErrorPage(error.status, error.detail, STANDS, N_("Go back and try again."))


def _plain_page(status: int) -> ErrorPage:
    if status == 404:
        return ErrorPage(404, N_("There is no page at this address."), STANDS, N_("The overview shows all there is."))
    if status == 405:
        return ErrorPage(
            405, N_("This address does not take that kind of request."), STANDS, N_("Go back to the overview.")
        )
    return ErrorPage(status, f"{HTTPStatus(status).phrase}.", STANDS, N_("Go back and try again."))
