"""How a call ended: ok, error, timeout, refused (by the model) or rejected (by admission, before any model); and why."""

from functools import lru_cache
from typing import Final

from trivet.ingest.decode.span import Span
from trivet.ingest.dialect import causes
from trivet.ingest.dialect.fields import ERROR as ERROR_TYPE
from trivet.ingest.dialect.fields import ERROR_MESSAGE, FINISH, HTTP_STATUS, OUTCOME
from trivet.ingest.request.fact import ERROR, OK, REFUSED, REJECTED, TIMEOUT

_REFUSED_FINISH: Final = {
    "content_filter": causes.CONTENT_FILTER,
    "content-filter": causes.CONTENT_FILTER,
    "safety": causes.CONTENT_FILTER,
    "prohibited_content": causes.CONTENT_FILTER,
    "guardrail": causes.CONTENT_FILTER,
    "guardrail_intervened": causes.CONTENT_FILTER,
    "blocklist": causes.CONTENT_FILTER,
    "spii": causes.CONTENT_FILTER,
    "refusal": causes.REFUSAL,
    "refused": causes.REFUSAL,
}
_TIMEOUT_WORDS = ("timeout", "timedout", "timed_out", "deadline")
_REFUSED_WORDS = ("content_filter", "contentfilter", "content_policy", "contentpolicy", "responsibleai")
_TIMEOUT_STATUS = frozenset({408, 504})
_STATUS_ERROR = 2
_FAILED_FROM = 400  # HTTP statuses
_SETTLED = frozenset({OK, REJECTED})
_FINISHES_KEPT = 1_024  # finish reasons remembered

Ending = tuple[int, int]  # index into `OUTCOMES`, index into `CAUSES`
_WELL: Final[Ending] = (OK, 0)


def ending_of(span: Span) -> Ending:
    """How a call ended and why.

    `trivet.outcome` decides where it is one of ours; then `error.type`, HTTP status, the exception event and the span's
    status; then the finish reason. An upstream 429 is an error: only a policy rejects. Why a policy rejects, the policy
    knows.
    """
    said = span.said
    stated, finish, error, http_status = said[OUTCOME], said[FINISH], said[ERROR_TYPE], said[HTTP_STATUS]
    if stated in _SETTLED:
        return stated, 0
    failed = span.status == _STATUS_ERROR or error or span.exception or (http_status or 0) >= _FAILED_FROM
    if stated is None and not failed:
        return _finished(finish) if finish else _WELL
    code = http_status or (int(error) if error and len(error) == 3 and error.isascii() and error.isdigit() else 0)
    named = (error or span.exception).lower()
    cause = causes.cause_of(f"{error or ''} {span.exception} {said[ERROR_MESSAGE] or ''} {span.message}", code)
    refused = _REFUSED_FINISH.get((finish or "").lower())
    if stated is None:
        if code in _TIMEOUT_STATUS or any(word in named for word in _TIMEOUT_WORDS):
            stated = TIMEOUT
        elif refused or any(word in named for word in _REFUSED_WORDS):
            stated = REFUSED
        else:
            stated = ERROR
    if stated == TIMEOUT:
        return TIMEOUT, causes.TIMEOUT
    if stated == REFUSED:
        return REFUSED, refused or (cause if cause == causes.CONTENT_FILTER else causes.REFUSAL)
    return ERROR, cause


@lru_cache(maxsize=_FINISHES_KEPT)
def _finished(finish: str) -> Ending:
    """Of a call that no error was said of."""
    reason = finish.lower()
    refused = _REFUSED_FINISH.get(reason)
    if refused:
        return REFUSED, refused
    return (ERROR, causes.OTHER) if reason == "error" else _WELL
