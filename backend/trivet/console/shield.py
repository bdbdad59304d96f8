"""What every answer of the console carries, and which requests it does not even look at. Pure ASGI."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trivet.pricing.importing.litellm import FILE_LIMIT_BYTES
from trivet.settings import get_settings

POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'; "
    "img-src 'self' data:; connect-src 'self'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
FORM_BYTES_MAX = 64 << 10
TAKES_BILLS = frozenset({"/bills"})  # forms that carry a whole file
TAKES_PRICES = frozenset({"/prices/import", "/prices/import/apply"})


class Shield:
    """Security headers on the way out; on the way in, no change that another site's page asked for, no long form."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_shielded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refused = _refusal(scope["method"], scope["path"], Headers(scope=scope))
        await (refused or self.app)(scope, receive, send_shielded)


def _refusal(method: str, path: str, headers: Headers) -> PlainTextResponse | None:
    if method in SAFE_METHODS:
        return None
    if not is_own(headers.get("sec-fetch-site"), headers.get("origin"), headers.get("host", "")):
        return PlainTextResponse("This form was sent from another site, so nothing was changed.", 403)
    length, limit = headers.get("content-length", ""), FORM_BYTES_MAX
    if path in TAKES_BILLS:
        limit += get_settings().bill_file_limit_bytes
    elif path in TAKES_PRICES:
        limit += FILE_LIMIT_BYTES
    if not length.isdecimal() or int(length) > limit:
        return PlainTextResponse(f"A form says its length and has at most {limit} bytes.", 413)
    return None


def is_own(fetch_site: str | None, origin: str | None, host: str) -> bool:
    """Whether a change was asked for by one of our own pages.

    Browsers of today send `Sec-Fetch-Site`; older ones send `Origin`; what sends neither is no browser, and has no
    cookie that another site could borrow.
    """
    if fetch_site is not None:
        return fetch_site in {"same-origin", "none"}
    if origin is not None:
        return urlsplit(origin).netloc == host
    return True
