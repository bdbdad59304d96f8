"""The web process: REST under /api/v1, OTLP and OFREP at the root, the console at /."""

import importlib
import importlib.util
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import ModuleType

from fastapi import APIRouter, FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from trivet import CONTEXTS, db, problems, selfwatch
from trivet.command import hub
from trivet.command.quick import Quick
from trivet.console import create_console
from trivet.identity import service as identity
from trivet.identity.front import Front
from trivet.identity.idempotency import Idempotency
from trivet.settings import get_settings

MACHINES = ("/api/", "/v1/", "/ofrep/")
FORM_BYTES = 64 << 10


def create_app() -> FastAPI:
    """The app, with every context's routers."""
    app = FastAPI(
        title="Trivet",
        version="1",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        responses=problems.TOLD,
    )
    problems.install(app)
    api = APIRouter(prefix="/api/v1")
    for module in _api_modules():
        if hasattr(module, "router"):
            api.include_router(module.router)
        if hasattr(module, "root_router"):
            app.include_router(module.root_router)
    app.include_router(api)
    app.include_router(selfwatch.root_router)
    app.add_middleware(Idempotency)
    settings = get_settings()
    files = settings.bill_file_limit_bytes + FORM_BYTES  # the file, in a form
    app.add_middleware(Front, body_limit_bytes=settings.rest_body_limit_bytes, file_limit_bytes=files)
    app.add_middleware(ExceptionMiddleware, handlers=app.exception_handlers)  # what the two raise is a problem too
    app.add_middleware(Quick)
    app.router.default = _elsewhere(create_console())
    return app


def _api_modules() -> list[ModuleType]:
    names = [f"trivet.{context}.api" for context in CONTEXTS]
    return [importlib.import_module(name) for name in names if importlib.util.find_spec(name)]


def _elsewhere(console: ASGIApp) -> ASGIApp:
    """What no route takes: a machine's path is not found, the rest is the console's."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(MACHINES):
            raise HTTPException(404, f"There is nothing at {scope['path'][:200]}; see /api/v1/openapi.json.")
        await console(scope, receive, send)

    return app


@asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
    """First start: the person and key that the settings name."""
    settings = get_settings()
    email, password = settings.admin_email, settings.admin_password.get_secret_value()
    key = settings.bootstrap_key.get_secret_value()
    if email or key:
        with db.transaction() as session:
            identity.bootstrap(session, email=email, password=password, key=key)
    yield
    await hub.here().close()
