"""One bulk OFREP poll over HTTP, and the few things it can come to. No policy is decided here."""

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx

from trivet_collectors.policy.document import DocumentRefusedError, checked, is_instant
from trivet_collectors.policy.evaluate import POLICY

PATH: Final = "/ofrep/v1/evaluate/flags"
ANSWER_BYTES_MAX: Final = 16 * 1024 * 1024
VALID_UNTIL_HEADER: Final = "Trivet-Valid-Until"


@dataclass(frozen=True)
class Changed:
    """200: this is the state now, whatever was held before."""

    document: dict[str, Any]
    etag: str | None


@dataclass(frozen=True)
class Unchanged:
    """304: what is held is the state, valid until `valid_until` when the server says so."""

    valid_until: str | None


@dataclass(frozen=True)
class Denied:
    """401 or 403: asking again soon will not help."""

    problem: str


@dataclass(frozen=True)
class Failed:
    """Nothing was learned. `retry_after_s` is the server's wish, where it has one."""

    problem: str
    retry_after_s: float | None = None


Answer = Changed | Unchanged | Denied | Failed


class Transport:
    """Asks `endpoint` for the document of `backend`. One call at a time; a call ends within about `timeout_s`."""

    def __init__(self, endpoint: str, api_key: str, backend: str, *, timeout_s: float) -> None:
        self.backend = backend
        self.timeout_s = timeout_s
        self._url = endpoint.rstrip("/") + PATH
        self._http = httpx.Client(
            timeout=timeout_s,
            follow_redirects=False,  # the key goes to the endpoint that was named and nowhere else
            headers={"Authorization": f"Bearer {api_key}", "User-Agent": "trivet-policy-client"},
        )

    def ask(self, etag: str | None) -> Answer:
        """One poll, with `etag` as proof of what is held. Never raises for what a server or network may do."""
        headers = {"If-None-Match": etag} if etag else {}
        body = {"context": {"backend": self.backend}}
        try:
            with self._http.stream("POST", self._url, json=body, headers=headers) as response:
                return self._answer(response)
        except httpx.HTTPError as error:
            return Failed(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
        except DocumentRefusedError as error:
            return Failed(f"document refused: {error}")

    def close(self) -> None:
        self._http.close()

    def _answer(self, response: httpx.Response) -> Answer:
        status = response.status_code
        if status == httpx.codes.OK:
            return Changed(checked(_policy_of(self._body(response)), self.backend), response.headers.get("ETag"))
        if status == httpx.codes.NOT_MODIFIED:
            valid_until = response.headers.get(VALID_UNTIL_HEADER)
            return Unchanged(valid_until if is_instant(valid_until) else None)
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            return Denied(f"HTTP {status}: the API key is not accepted or lacks the scope `policy`")
        return Failed(f"HTTP {status}", retry_after_s(response.headers.get("Retry-After"), datetime.now(UTC)))

    def _body(self, response: httpx.Response) -> bytes:
        # httpx bounds each read, not their sum: a server that drips would hold us for ever.
        deadline = time.monotonic() + self.timeout_s
        chunks: list[bytes] = []
        size = 0
        for chunk in response.iter_bytes():
            size += len(chunk)
            if size > ANSWER_BYTES_MAX:
                raise DocumentRefusedError(f"larger than {ANSWER_BYTES_MAX} bytes")
            if time.monotonic() > deadline:
                raise httpx.ReadTimeout(f"answer not complete after {self.timeout_s} s")
            chunks.append(chunk)
        return b"".join(chunks)


def retry_after_s(header: str | None, now: datetime) -> float | None:
    """Seconds to wait by a Retry-After header: a number of seconds or an HTTP date. None where there is no such wish."""
    if not header:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        return max(0.0, (parsedate_to_datetime(header) - now).total_seconds())
    except (TypeError, ValueError):
        return None


def _policy_of(body: bytes) -> Any:
    """The value of flag `policy` in a bulk answer."""
    try:
        flags = json.loads(body)["flags"]
        return next(flag["value"] for flag in flags if flag["key"] == POLICY)
    except StopIteration:
        raise DocumentRefusedError("no flag `policy` in the answer") from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DocumentRefusedError(f"not a bulk OFREP answer ({type(error).__name__})") from None
