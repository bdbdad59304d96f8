"""What stands before the REST API: nobody's body is read before we know who sends it, and none without end.

Whoever is of one tenant reads under row-level security from here on.

Pure ASGI, because middleware that wraps responses in tasks leaks connections when clients go away. The principal found
here is in `scope["state"]`, where `auth.authenticate` looks first, so a key is looked up once a request.
"""

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trivet import db
from trivet.identity.auth import authenticate, known, secret_of

API, OFREP = "/api/v1/", "/ofrep/"
OPEN = frozenset({"/api/v1/openapi.json"})
READS = frozenset({"GET", "HEAD"})  # a change may have to look at what all share, such as a global budget
FILES = frozenset({"/api/v1/bills"})  # which take a whole file


class Front:
    """Authenticates under `/api/v1`, and bounds bodies there and under `/ofrep`."""

    def __init__(self, app: ASGIApp, body_limit_bytes: int, file_limit_bytes: int | None = None) -> None:
        self.app = app
        self.limit = body_limit_bytes
        self.file_limit = file_limit_bytes or body_limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or not path.startswith((API, OFREP)):
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        bound = None
        if path.startswith(API) and path not in OPEN:
            # A key that was looked up a moment ago needs no thread to be looked up again.
            principal = known(secret_of(request.headers))
            if principal is None:
                principal = await run_in_threadpool(authenticate, request)
            request.state.principal = principal
            bound = principal.tenant_id if scope["method"] in READS else None
        limit = self.file_limit if path in FILES else self.limit
        said = request.headers.get("content-length", "")
        if said.isdecimal() and int(said) > limit:
            raise self._too_large(limit)
        with db.bound_to(bound):
            await self.app(scope, self._bounded(receive, limit), send)

    def _bounded(self, receive: Receive, limit: int) -> Receive:
        read = 0

        async def bounded() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > limit:
                raise self._too_large(limit)
            return message

        return bounded

    def _too_large(self, limit: int) -> HTTPException:
        return HTTPException(413, f"A body has at most {limit} bytes here; send it in parts.")
