"""Rendering a page, and the pages that say what went wrong."""

from functools import lru_cache
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from jinja2 import Environment
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from trivet import problems
from trivet.console.render import environment
from trivet.console.views import ErrorPage
from trivet.kit.errors import TrivetError, Unavailable
from trivet.paths import shipped

MACHINE_PATHS = ("/api/", "/v1/", "/ofrep/")
STANDS = "Nothing was changed. Backends keep the policy they hold."
AWAY = ErrorPage(
    503,
    "The database is away, so this page cannot be shown.",
    "Backends keep the policy they hold, and exporters send again what was not acknowledged.",
    "Reload in a few seconds. `trivet doctor` says what is missing.",
)

BADLY_FILLED = ErrorPage(
    422, "This form was not filled in as the page fills it in.", STANDS, "Go back, reload the page and try again."
)


@lru_cache
def templates() -> Environment:
    """The console's templates, read once a process."""
    return environment(shipped("web"))


def show(template: str, page: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> HTMLResponse:
    """A template with its one context: `page`."""
    return HTMLResponse(templates().get_template(template).render(page=page), status, headers)


def install(app: FastAPI) -> None:
    """Register the console's own error pages. Where a machine asked, it gets a problem instead."""

    def refused(request: Request, error: Any) -> Response:
        return problems.answer(error) if _is_machine(request) else _page(_page_of(error), error.retry_after_s)

    def plain(request: Request, error: Any) -> Response:
        return _bare_problem(error) if _is_machine(request) else _page(_plain_page(error.status_code))

    def invalid(_: Request, __: Any) -> Response:
        return _page(BADLY_FILLED)

    def database(request: Request, error: Any) -> Response:
        if not problems.is_away(error):
            raise error
        return refused(request, Unavailable(problems.AWAY, retry_after_s=problems.RETRY_AFTER_S))

    app.add_exception_handler(TrivetError, refused)
    app.add_exception_handler(HTTPException, plain)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(DBAPIError, database)
    app.add_exception_handler(PoolTimeout, database)


def _is_machine(request: Request) -> bool:
    return request.url.path.startswith(MACHINE_PATHS)


def _page(page: ErrorPage, retry_after_s: int | None = None) -> Response:
    headers = {"Retry-After": str(retry_after_s)} if retry_after_s is not None else None
    return show("base/error.html", page, status=page.status, headers=headers)


def _bare_problem(error: HTTPException) -> Response:
    title = HTTPStatus(error.status_code).phrase
    body = {"type": "about:blank", "title": title, "status": error.status_code, "detail": error.detail}
    return JSONResponse(body, error.status_code, error.headers, media_type="application/problem+json")


def _page_of(error: TrivetError) -> ErrorPage:
    return AWAY if error.status == 503 else ErrorPage(error.status, error.detail, STANDS, "Go back and try again.")


def _plain_page(status: int) -> ErrorPage:
    if status == 404:
        return ErrorPage(404, "There is no page at this address.", STANDS, "The overview shows all there is.")
    if status == 405:
        return ErrorPage(405, "This address does not take that kind of request.", STANDS, "Go back to the overview.")
    return ErrorPage(status, f"{HTTPStatus(status).phrase}.", STANDS, "Go back and try again.")
