"""One handler for every refusal: RFC 9457 problems, and 503 where the database is away."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DataError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from trivet.kit.errors import Broken, Forbidden, Invalid, TrivetError, Unavailable

AWAY = "The database is away. Nothing was changed; ask again in a few seconds."
BUSY = "Others hold what this needs, for longer than we wait. Nothing was changed; ask again in a few seconds."
BAD_VALUE = "The database cannot hold one of these values: a NUL character, a half character, a number out of range."
BROKEN = "This is a fault of ours; it is in the log. Nothing was changed. Asking again as it is will not help."
RETRY_AFTER_S = 2
# SQLSTATE classes and codes (PostgreSQL, appendix A). No code at all: the connection never was, or was lost.
AWAY_STATES = ("08", "53", "57P", "58")
BUSY_STATES = ("40001", "40P01", "55P03", "57014")
WITHHELD_STATE = "42501"
WITHHELD = "This is more than one tenant's to see. Ask with a key or as a person of the whole platform."
ERRORS_SHOWN = 50
_TEXT = {"type": "string"}
# Of every endpoint, for the OpenAPI document.
TOLD: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "What failed, as a problem (RFC 9457). 503 has Retry-After.",
        "content": {
            "application/problem+json": {
                "schema": {
                    "type": "object",
                    "required": ["type", "title", "status", "detail"],
                    "properties": {
                        "type": _TEXT | {"description": "urn:trivet:problem: and its name"},
                        "title": _TEXT,
                        "status": {"type": "integer"},
                        "detail": _TEXT | {"description": "What is wrong and what to do, in words."},
                        "errors": {
                            "type": "array",
                            "items": {"type": "object", "properties": {"field": _TEXT, "detail": _TEXT}},
                        },
                    },
                }
            }
        },
    }
}


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
    if not isinstance(error, DBAPIError):
        return False
    state = _state(error)
    return error.connection_invalidated or (isinstance(error, OperationalError) and _is_of(state, AWAY_STATES))


def is_busy(error: Exception) -> bool:
    """Whether a statement waited too long for others, or was sacrificed to them: the same again may go through."""
    return isinstance(error, DBAPIError) and _state(error) in BUSY_STATES


def is_withheld(error: Exception) -> bool:
    """Whether somebody of one tenant asked for what row-level security keeps from them."""
    return isinstance(error, DBAPIError) and _state(error) == WITHHELD_STATE


def _state(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""


def _is_of(state: str, classes: tuple[str, ...]) -> bool:
    return not state or state.startswith(classes)


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
        if is_away(error) or is_busy(error):
            return answer(Unavailable(AWAY if is_away(error) else BUSY, retry_after_s=RETRY_AFTER_S))
        if isinstance(error, DataError):
            return answer(Invalid(BAD_VALUE))
        if is_withheld(error):
            return answer(Forbidden(WITHHELD))
        raise error

    def broken(_: Request, error: Any) -> JSONResponse:
        """The server logs what was raised, after this answer."""
        del error
        return answer(Broken(BROKEN))

    def half_character(_: Request, error: Any) -> JSONResponse:
        del error
        return answer(Invalid(BAD_VALUE))

    app.add_exception_handler(TrivetError, refuse)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, plain)
    app.add_exception_handler(DBAPIError, database)
    app.add_exception_handler(PoolTimeout, database)
    app.add_exception_handler(UnicodeEncodeError, half_character)
    app.add_exception_handler(Exception, broken)
