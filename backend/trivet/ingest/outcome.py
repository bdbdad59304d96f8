"""How a call ended: ok, error, timeout, refused (by the model) or rejected (by admission, before any model)."""

import json
from typing import Any

from trivet.ingest.fact import ERROR, OK, REFUSED, TIMEOUT
from trivet.ingest.models import OUTCOMES
from trivet.ingest.span import clean

_BY_NAME = {name: index for index, name in enumerate(OUTCOMES)}
_REFUSED_FINISH = frozenset({"content_filter", "refusal", "refused", "safety", "prohibited_content", "guardrail"})
_FAILED_FINISH = _REFUSED_FINISH | {"error"}
_TIMEOUT_WORDS = ("timeout", "timedout", "timed_out", "deadline")
_REFUSED_WORDS = ("content_filter", "contentfilter", "content_policy", "contentpolicy")
_TIMEOUT_STATUS = frozenset({408, 504})
_STATUS_ERROR = 2
FINISH_LIMIT = 64  # characters


def finish_reason_of(value: Any) -> str | None:
    """The first finish reason of a list, of a JSON text of a list, or of a plain text."""
    if isinstance(value, str) and value.startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    if isinstance(value, list):
        value = value[0] if value else None
    return clean(value, FINISH_LIMIT) if isinstance(value, str) and value else None


def outcome_of(*, stated: Any, error: Any, status: int, http_status: Any, finish: str | None, exception: str) -> int:
    """Index into `OUTCOMES`.

    `trivet.outcome` decides where it is one of ours; then `error.type`, HTTP status, the exception event and the span's
    status; then the finish reason. An upstream 429 is an error: only a policy rejects.
    """
    if isinstance(stated, str):
        known = _BY_NAME.get(stated.lower())
        if known is not None:
            return known
    code = _code(http_status) or _code(error)
    named = f"{error}" if error else exception
    if named or code >= 400 or status == _STATUS_ERROR:
        return _failure(named.lower(), code, finish)
    if finish is None or finish == "stop":
        return OK
    return _failure("", 0, finish) if finish.lower() in _FAILED_FINISH else OK


def _failure(named: str, code: int, finish: str | None) -> int:
    if code in _TIMEOUT_STATUS or any(word in named for word in _TIMEOUT_WORDS):
        return TIMEOUT
    if (finish or "").lower() in _REFUSED_FINISH or any(word in named for word in _REFUSED_WORDS):
        return REFUSED
    return ERROR


def _code(value: Any) -> int:
    """An HTTP status as number or text; 0 for none."""
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and len(value) == 3 and value.isascii() and value.isdigit() else 0
