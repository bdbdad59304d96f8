"""The language of a page. English is written in the code and is the key; `web/locale/<language>/<area>.po` holds the others.

`_("{who} pays {amount}", who=…, amount=…)` in Python and in templates; values are put in after translation, so a catalogue
may order them as its language does. `N_("pending")` marks words that are looked up later, by `_(state)`.
`_n("{n} call", "{n} calls", n)` counts. What a machine or a person wrote (names, reasons) is shown as it was written.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, Final

from babel import negotiate_locale
from babel.messages.pofile import read_po
from markupsafe import Markup
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trivet.identity.auth import cookie_name
from trivet.kit.marked import N_
from trivet.paths import shipped

__all__ = ["COOKIE", "LANGUAGES", "N_", "SOURCE", "Tongue", "_", "_n", "catalogue", "language", "speaking", "wanted"]
SOURCE: Final = "en"
LANGUAGES: Final[Mapping[str, str]] = {"en": "English", "zh": "中文"}
COOKIE: Final = "trivet_language"
ACCEPTED_MAX = 20  # preferences of a browser that are looked at

_spoken: ContextVar[str] = ContextVar("spoken", default=SOURCE)


def language() -> str:
    """The language that this page is written in: a key of `LANGUAGES`."""
    return _spoken.get()


@contextmanager
def speaking(tongue: str) -> Iterator[None]:
    """Within this block pages are written in another language."""
    token = _spoken.set(tongue if tongue in LANGUAGES else SOURCE)
    try:
        yield
    finally:
        _spoken.reset(token)


def _(text: str, /, **values: Any) -> str:
    """The text in the reader's language, with its values put in. With markup among them it stays markup."""
    return _filled(catalogue(language()).get(text, text), values)


def _n(one: str, many: str, n: int, /, **values: Any) -> str:
    """The same for a count: `_n("{n} call", "{n} calls", 3)`; `n` is put in as it is unless `values` name it."""
    found = catalogue(language()).get(one)
    return _filled(found or (one if n == 1 else many), {"n": n, **values})


def _filled(text: str, values: Mapping[str, Any]) -> str:
    if not values:
        return text
    if any(isinstance(value, Markup) for value in values.values()):
        return Markup(text).format(**values)  # noqa: S704  # our own text; `Markup.format` escapes what is no markup
    return text.format(**values)


@lru_cache
def catalogue(tongue: str) -> Mapping[str, str]:
    """Every text of a language, of all areas, read once a process."""
    found: dict[str, str] = {}
    for path in sorted((shipped("web") / "locale" / tongue).glob("*.po")):
        with path.open("rb") as file:
            for message in read_po(file, locale=tongue):
                said = message.string[0] if isinstance(message.string, tuple | list) else message.string
                key = message.id[0] if isinstance(message.id, tuple | list) else message.id
                if key and said:
                    found[key] = said
    return found


def wanted(asking: HTTPConnection) -> str:
    """The language a browser asks for: what its reader chose here, else what it prefers."""
    chosen = asking.cookies.get(cookie_name(asking, COOKIE), "")
    if chosen in LANGUAGES:
        return chosen
    preferred = asking.headers.get("accept-language", "").split(",")
    asked = [part.partition(";")[0].strip().replace("-", "_") for part in preferred]
    exact = negotiate_locale(asked[:ACCEPTED_MAX], list(LANGUAGES))
    return exact or next((each[:2] for each in asked[:ACCEPTED_MAX] if each[:2] in LANGUAGES), SOURCE)


class Tongue:
    """Every page is written in the language its reader asks for. Pure ASGI: what it sets holds for the whole request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        asked = wanted(HTTPConnection(scope))

        async def send_told(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"content-language", asked.encode())]
            await send(message)

        with speaking(asked):
            await self.app(scope, receive, send_told)
