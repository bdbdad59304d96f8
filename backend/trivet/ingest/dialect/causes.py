"""Why a call did not end well: patterns over what its span says of the error, as data, tried in the order written.

The first rows are what breaks serving and hides behind a general status (a CUDA error is an HTTP 500, a serverless cap a
429); then come the kinds that a status alone tells. Texts are those of the OpenAI, Anthropic, Google, AWS and LiteLLM
clients, of PyTorch, and of vLLM, SGLang, TGI and Triton.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from trivet.ingest.request.fact import CAUSES

READ_MAX = 768  # characters; the patterns look ahead by bounded steps, so that no text is slow to read
_KEPT = 1_024  # errors remembered: when calls fail, many fail alike


@dataclass(frozen=True, slots=True)
class Cause:
    """A call failed by `name` where `pattern` is in what it says (in lower case), or its HTTP status is one of these."""

    name: str
    pattern: str
    statuses: frozenset[int] = frozenset()


_TABLE: Final = (
    Cause(
        "out_of_memory",
        r"out ?of ?memory|cuda ?oom|cudaerrormemoryallocation|\boom(_?killed)?\b|no available memory for the cache"
        r"|failed to allocate memory|kv cache is full",
    ),
    Cause(
        "concurrency_limit",
        r"concurren\w{0,24}_?(limit|quota)|(max\w{0,8}|too many) parallel|concurren\w{0,24} .{0,40}(limit|exceed|quota)"
        r"|too many concurrent|(limit|max\w{0,8}|quota|exceed\w{0,4}) .{0,30}concurren|all workers (are )?busy",
    ),
    Cause(
        "model_load",
        r"model_?(load|not_?ready|not_?loaded)|(fail|error|unable|could not|cannot)\w{0,4} .{0,30}load\w{0,4} .{0,30}model"
        r"|model .{0,80}(not ready|loading|not (yet )?loaded|failed to load|still being loaded)|load\w{0,4} model .{0,30}fail"
        r"|loading model|error loading .{0,20}(weights|checkpoint)",
    ),
    Cause(
        "context_length",
        r"context_?(length|window)|context (length|window|size)|prompt is too long|maximum .{0,20}tokens|input is too long"
        r"|too many (input |prompt )?tokens|string_above_max_length|longer than the maximum|exceeds the (max|model)",
    ),
    Cause(
        "content_filter",
        r"content_?(filter|policy)|contentpolicy|content management policy|responsible_?ai|guardrail|moderation_?blocked"
        r"|\bsafety\b|prohibited_content|blocklist|\bspii\b|recitation",
    ),
    Cause("refusal", r"\brefus(al|ed to answer)\b|model_?refus"),
    Cause(
        "rate_limit",
        r"rate[_ -]?limit|too_?many_?requests|too many requests|throttl|resource_?exhausted|quota|\b429\b",
        frozenset({429}),
    ),
    Cause("timeout", r"time_?out|timed[_ ]?out|deadline", frozenset({408, 504})),
    Cause("cancelled", r"cancell?ed|client ?closed|client_?disconnect|disconnected by client|abort", frozenset({499})),
    Cause(
        "unavailable",
        r"unavailable|overloaded|connect|internal_?server|server_?error|bad_?gateway|connection_?(reset|refused)|\bunreachable",
        frozenset({500, 502, 503, 529}),
    ),
    Cause(
        "invalid_request",
        r"invalid|bad_?request|unprocessable|validation|authenticat|unauthori[sz]ed|permission|forbidden|not_?found"
        r"|unsupported|does not exist|\b40[0134]\b|\b422\b",
        frozenset({400, 401, 403, 404, 405, 413, 415, 422}),
    ),
)

_ROWS: Final = tuple((CAUSES.index(row.name), re.compile(row.pattern), row.statuses) for row in _TABLE)
OTHER: Final = CAUSES.index("other")
TIMEOUT: Final = CAUSES.index("timeout")
CONTENT_FILTER: Final = CAUSES.index("content_filter")
REFUSAL: Final = CAUSES.index("refusal")


def cause_of(said: str, status: int) -> int:
    """Index into `CAUSES` of what an error says and its HTTP status (0: none); `other` where nothing is known of it.

    A text that matches no pattern leaves it to the status.
    """
    return _cause_of(said[:READ_MAX].lower(), status)


@lru_cache(maxsize=_KEPT)
def _cause_of(text: str, status: int) -> int:
    for cause, pattern, _ in _ROWS:
        if pattern.search(text):
            return cause
    for cause, _, statuses in _ROWS:
        if status in statuses:
            return cause
    return OTHER
