"""What a driver is: hands that bring one thing of an engine or a cluster to a wanted state. Level-triggered.

`apply` looks first and acts where what is there differs, so doing it twice, late or after a restart changes nothing. A driver
keeps nothing that it could not find out again.
"""

import random
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import httpx

TIMEOUT_S: Final = 10.0
PATIENCE_S: Final = (
    300.0  # with what moves gigabytes: models and adapters load, weights leave for the host and come back
)
TRIES: Final = 3
BACK_OFF_S: Final = 0.5
ANSWER_BYTES_MAX: Final = 16 * 1024 * 1024
AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})

Desired = Mapping[str, Any]


class DriverError(Exception):
    """What is wanted could not be brought about; the message says why and, where it can, what to do."""


@dataclass(frozen=True)
class Applied:
    """What came of it: whether anything was done, and what, in words. `reason` is told where nothing was done too."""

    changed: bool
    reason: str


class Driver(Protocol):
    """One thing of a kind, such as a deployment's size, and how it is brought to what is wanted.

    `apply` raises DriverError. `dry` looks and says what would be done.
    """

    def apply(self, desired: Desired, *, dry: bool = False) -> Applied: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Answer:
    """An HTTP answer: its status, and its body where that is JSON (else None)."""

    status: int
    body: Any
    text: str = ""


def trusting(ca_file: str | None) -> Any:
    """Who is trusted to be whom they say: the authorities of `ca_file`, else those of the web. OSError where it is none."""
    return ssl.create_default_context(cafile=ca_file) if ca_file else True


class Http:
    """Calls to one address, with a bound on time and size, tried again where that may help.

    Every call here sets a state, so doing one twice does no harm. Redirects are not followed: keys go where they were sent.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        verify: Any = True,
        auth: httpx.Auth | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = url.rstrip("/")
        self._sleep, self._timeout_s = sleep, timeout_s
        self._http = httpx.Client(
            headers=dict(headers or {}),
            timeout=timeout_s,
            verify=verify if self.url.startswith("https:") else False,  # reading certificates takes a while
            auth=auth,
            follow_redirects=False,
            trust_env=False,
        )

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        media_type: str = "application/json",
        patience_s: float | None = None,
        **query: Any,
    ) -> Answer:
        """One call. DriverError where nobody answers, or only to come back later, after all tries.

        `patience_s` is for what takes long: so long its answer is waited for, and it is not asked again while it may be at it.
        """
        problem = ""
        for attempt in range(TRIES):
            if attempt:
                self._sleep(BACK_OFF_S * 2**attempt * (0.5 + 0.5 * random.random()))
            try:
                answer = self._once(method, path, body, query, media_type=media_type, patience_s=patience_s)
            except httpx.HTTPError as error:
                problem = f"{type(error).__name__}: {error}".rstrip(": ")
                if patience_s and isinstance(error, httpx.ReadTimeout):
                    said = f"{method} {self.url}{path}: no answer in {patience_s:g} s, it may still be at it"
                    raise DriverError(said) from error
                continue
            if answer.status not in AGAIN:
                return answer
            problem = f"HTTP {answer.status} {answer.text[:200]}".strip()
        raise DriverError(f"{method} {self.url}{path}: {problem} ({TRIES} tries)")

    def ok(self, method: str, path: str, body: Any = None, **more: Any) -> Answer:
        """The same, and DriverError for any status that is not a success."""
        answer = self.call(method, path, body, **more)
        if not 200 <= answer.status < 300:
            raise DriverError(f"{method} {self.url}{path}: HTTP {answer.status} {answer.text[:200]}".strip())
        return answer

    def _once(
        self, method: str, path: str, body: Any, query: Mapping[str, Any], *, media_type: str, patience_s: float | None
    ) -> Answer:
        more: dict[str, Any] = {"params": dict(query)} if query else {}
        if body is not None:
            more |= {"json": body, "headers": {"Content-Type": media_type}}
        if patience_s:
            more["timeout"] = httpx.Timeout(self._timeout_s, read=max(patience_s, self._timeout_s))
        response = self._http.request(method, self.url + path, **more)
        if len(response.content) > ANSWER_BYTES_MAX:
            raise DriverError(f"{method} {self.url}{path}: an answer of more than {ANSWER_BYTES_MAX} bytes")
        try:
            said = response.json()
        except ValueError:
            said = None
        return Answer(response.status_code, said, response.text)

    def close(self) -> None:
        self._http.close()
