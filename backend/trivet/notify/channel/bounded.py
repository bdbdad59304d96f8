"""One request to an address that somebody entered: it ends in time and fits in memory, whatever the other side does."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

TIMEOUT_S = 10.0  # from the name's look-up to the last byte: an answer that comes byte by byte gains nothing
READ_MAX = 8 << 20  # bytes of an answer; an Alertmanager lists its silences


@dataclass(frozen=True, slots=True)
class Said:
    """What was answered."""

    status: int
    body: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def words(self, most: int) -> str:
        """The answer's beginning as text."""
        return self.body[: 4 * most].decode("utf-8", "replace")[:most].strip()


def ask(method: str, url: str, *, content: bytes = b"", headers: Mapping[str, str] | None = None) -> Said:
    """The answer, as far as `READ_MAX`; `httpx.HTTPError` where none came in `TIMEOUT_S`. No redirect is followed."""
    try:
        return asyncio.run(_ask(method, url, content, {"accept-encoding": "identity"} | dict(headers or {})))
    except TimeoutError:
        raise httpx.ReadTimeout(f"no whole answer within {TIMEOUT_S:g} s") from None
    except httpx.InvalidURL as bad:
        raise httpx.UnsupportedProtocol(str(bad)) from bad
    except httpx.ConnectError as failed:
        raise httpx.ConnectError(_deepest(failed)) from failed


async def _ask(method: str, url: str, content: bytes, headers: Mapping[str, str]) -> Said:
    body = b""
    async with (
        asyncio.timeout(TIMEOUT_S),
        httpx.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False) as client,
        client.stream(method, url, content=content or None, headers=headers) as answer,
    ):
        async for part in answer.aiter_raw():
            body += part
            if len(body) > READ_MAX:
                break
        return Said(answer.status_code, body[:READ_MAX])


def _deepest(failed: BaseException) -> str:
    """The system's own words (`Connection refused`): those around them only say that it failed."""
    words, inner = str(failed), failed
    while (below := inner.__cause__ or inner.__context__) is not None:
        inner = below
        if isinstance(inner, OSError):
            words = os.strerror(inner.errno) if inner.errno is not None and inner.errno > 0 else str(inner) or words
    return words
