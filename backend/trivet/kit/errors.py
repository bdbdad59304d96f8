"""One error base with a status; subclasses name facts of the business. One handler turns them into RFC 9457 problems.

TrivetError
  NotFound 404 · Conflict 409 · Invalid 422 · Unauthenticated 401 · Forbidden 403 · TooLarge 413 · Unavailable 503 · Broken 500
"""

from http import HTTPStatus
from typing import Any, ClassVar


class TrivetError(Exception):
    """A refusal that the caller can understand: what happened, and in `detail` what to do next."""

    status: ClassVar[int] = 500

    def __init__(self, detail: str, *, field: str | None = None, retry_after_s: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field
        self.retry_after_s = retry_after_s

    def problem(self) -> dict[str, Any]:
        """The RFC 9457 body."""
        body: dict[str, Any] = {
            "type": f"urn:trivet:problem:{kebab(type(self).__name__)}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        if self.field:
            body["errors"] = [{"field": self.field, "detail": self.detail}]
        return body


class NotFound(TrivetError):
    status = 404


class Conflict(TrivetError):
    status = 409


class Invalid(TrivetError):
    status = 422


class Unauthenticated(TrivetError):
    status = 401


class Forbidden(TrivetError):
    status = 403


class TooLarge(TrivetError):
    status = 413


class Unavailable(TrivetError):
    status = 503


class Broken(TrivetError):
    status = 500


def kebab(name: str) -> str:
    """`TooLarge` -> `too-large`."""
    return "".join(f"-{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))
