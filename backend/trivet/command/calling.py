"""One signed message over HTTP: bounded in time and size, nowhere but to the address that was named."""

import json
import time
from typing import Final

import httpx
from celery.exceptions import SoftTimeLimitExceeded

from trivet.command.webhooks import Came, Message
from trivet.kit import outward, webhook
from trivet.kit.clock import utc_now
from trivet.kit.errors import Invalid
from trivet.settings import get_settings

TIMEOUT_S: Final = 5.0  # of each step; their sum is the worker's to bound, for a server that drips its answer
ANSWER_BYTES_MAX: Final = 16 * 1024
ETAG_MAX: Final = 200


def call(message: Message) -> Came:
    """Send it. Never raises for what the other side may do."""
    began = time.monotonic()
    try:
        outward.callable_url(message.url, get_settings().outward_hosts)  # the list may have changed since
        status, etag = _post(message, began)
    except Invalid as refused:
        return Came(None, None, refused.detail, _ms(began))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Came(None, None, f"{type(error).__name__}: {error}"[:300].rstrip(": "), _ms(began))
    except SoftTimeLimitExceeded:
        return Came(None, None, f"Not answered within {_ms(began) / 1000:.0f} s", _ms(began))
    problem = "" if 200 <= status < 300 else f"HTTP {status}"
    return Came(status, etag, problem, _ms(began))


def _post(message: Message, began: float) -> tuple[int, str | None]:
    headers = webhook.sign(message.secret, message.id, utc_now(), message.body) | {
        "Content-Type": "application/json",
        "User-Agent": "trivet",
    }
    # No redirects and no proxy from the environment: it goes to the host that is on the list.
    with (
        httpx.Client(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False) as http,
        http.stream("POST", message.url, content=message.body, headers=headers) as answer,
    ):
        return answer.status_code, answer.headers.get("ETag", "")[:ETAG_MAX] or _said(answer, began)


def _said(answer: httpx.Response, began: float) -> str | None:
    """The ETag in an answer's JSON body, for those who cannot set headers."""
    body = b""
    for chunk in answer.iter_bytes():
        body += chunk
        if len(body) > ANSWER_BYTES_MAX or time.monotonic() - began > TIMEOUT_S:
            return None
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return None
    etag = said.get("etag") if isinstance(said, dict) else None
    return etag[:ETAG_MAX] if isinstance(etag, str) else None


def _ms(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
