"""One handler for every refusal: RFC 9457 problems, and 503 where the database is away."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from trivet.kit.errors import Invalid, TrivetError, Unavailable

AWAY = "The database is away. Nothing was changed; ask again in a few seconds."
RETRY_AFTER_S = 2
ERRORS_SHOWN = 50


def answer(refused: TrivetError) -> JSONResponse:
    """The problem as a response."""
    headers = {}
    if refused.retry_after_s is not None:
        headers["Retry-After"] = str(refused.retry_after_s)
    if refused.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="trivet"'
    return JSONResponse(refused.problem(), refused.status, headers, media_type="application/problem+json")


def is_away(error: Exception) -> bool:
    """Whether the database could not be reached or was lost, as against a statement it refused."""
    if isinstance(error, PoolTimeout | InterfaceError):
        return True
    if isinstance(error, OperationalError):
        return True
    return isinstance(error, DBAPIError) and error.connection_invalidated


def install(app: FastAPI) -> None:
    """Register the handlers."""

    def refuse(_: Request, error: Any) -> JSONResponse:
        return answer(error)

    def invalid(_: Request, error: Any) -> JSONResponse:
        shown = error.errors()[:ERRORS_SHOWN]
        problem = Invalid("Some fields are not as they should be; each is named.").problem()
        problem["errors"] = [{"field": ".".join(map(str, e["loc"][1:])), "detail": e["msg"]} for e in shown]
        return JSONResponse(problem, 422, media_type="application/problem+json")

    def plain(_: Request, error: Any) -> JSONResponse:
        problem = {"type": "about:blank", "title": error.detail, "status": error.status_code, "detail": error.detail}
        return JSONResponse(problem, error.status_code, error.headers, media_type="application/problem+json")

    def database(_: Request, error: Any) -> JSONResponse:
        if is_away(error):
            return answer(Unavailable(AWAY, retry_after_s=RETRY_AFTER_S))
        raise error

    app.add_exception_handler(TrivetError, refuse)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, plain)
    app.add_exception_handler(DBAPIError, database)
    app.add_exception_handler(PoolTimeout, database)
