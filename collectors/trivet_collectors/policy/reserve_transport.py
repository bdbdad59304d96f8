"""One batch of reservations over HTTP, and the few things it can come to. Nothing is decided here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx

PATH: Final = "/api/v1/reservations/batch"
BATCH_MAX: Final = 500  # operations


@dataclass(frozen=True)
class Away:
    """Nothing was learned: whether it was done is not known. `denied`: asking again will not help."""

    problem: str
    denied: bool = False


@dataclass(frozen=True)
class Answered:
    """What came of each operation, in order: `{"granted": …}` or `{"refused": problem}`."""

    items: list[dict[str, Any]]


class ReserveTransport:
    """Sends batches to `endpoint`. A call ends within about `timeout_s`; any number of threads may call."""

    def __init__(self, endpoint: str, api_key: str, *, timeout_s: float) -> None:
        self._url = endpoint.rstrip("/") + PATH
        self._http = httpx.Client(
            timeout=timeout_s,
            follow_redirects=False,  # the key goes to the endpoint that was named and nowhere else
            headers={"Authorization": f"Bearer {api_key}", "User-Agent": "trivet-policy-client"},
        )

    def send(
        self, hold: Sequence[dict[str, Any]] = (), post: Sequence[dict[str, Any]] = (), void: Sequence[str] = ()
    ) -> Answered | Away:
        """Never raises for what a server or a network may do."""
        body = {"hold": list(hold), "post": list(post), "void": list(void)}
        try:
            response = self._http.post(self._url, json=body)
            if response.status_code != httpx.codes.OK:
                return Away(f"HTTP {response.status_code}", denied=response.status_code in (401, 403))
            items = response.json()["items"]
        except httpx.HTTPError as error:
            return Away(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            return Away(f"not an answer of the reservations' service ({type(error).__name__})")
        if not isinstance(items, list) or len(items) != len(hold) + len(post) + len(void):
            return Away("the answer has another number of items than were asked")
        return Answered(items)

    def close(self) -> None:
        self._http.close()
