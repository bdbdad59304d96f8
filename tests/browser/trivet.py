"""What the tests ask the API, beside the page."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx


@dataclass(frozen=True)
class Trivet:
    """One running Trivet and an admin's connection to it."""

    address: str
    http: httpx.Client

    def get(self, path: str, **query: Any) -> Any:
        return self.http.get(f"/api/v1/{path}", params=query).raise_for_status().json()

    def post(self, path: str, body: Any = None, key: str | None = None) -> Any:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        answer = self.http.post(f"/api/v1/{path}", json=body or {}, headers=headers)
        assert answer.is_success, answer.text
        return answer.json()

    def guard(self, name: str) -> dict[str, Any]:
        return next(g for g in self.get("guards")["items"] if g["guard"] == name)


def until(look: Callable[[], Any], limit_s: float = 60.0) -> Any:
    """What `look` gives as soon as it is something; the last of it in the message where it never is."""
    deadline = time.monotonic() + limit_s
    while not (found := look()):
        assert time.monotonic() < deadline, f"waited {limit_s} s; last seen: {found!r}"
        time.sleep(0.1)
    return found
