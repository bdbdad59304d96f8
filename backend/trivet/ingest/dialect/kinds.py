"""What a span is: one call to a model, of a kind we can price or not, a retrieval or a tool's call, or nothing of ours."""

from trivet.ingest.dialect.fields import (
    AGENT,
    INPUT,
    OPERATION,
    OUTPUT,
    PROVIDER,
    REQUEST_MODEL,
    RESPONSE_ID,
    RESPONSE_MODEL,
    RETRIEVAL_HIT,
    Said,
)
from trivet.ingest.dialect.operations import OTHER_OPERATIONS, REQUEST_OPERATIONS, RETRIEVAL_OPERATIONS, TOOL_OPERATIONS

REQUEST, UNKNOWN, LOOKUP, NONE = range(4)
_COUNTED = RETRIEVAL_OPERATIONS | TOOL_OPERATIONS


def kind_of(said: Said) -> int:
    """By the operation where it is one we know.

    A span without any is a call where it counts tokens (vLLM) or names what answered, and no agent, whose tokens would be
    the sum of its calls'. An operation of its own is a call, though not one we can price, where it has tokens, a model or
    a provider.
    """
    operation = said[OPERATION]
    if operation in REQUEST_OPERATIONS:
        return REQUEST
    if operation in OTHER_OPERATIONS:
        return _lookup_or_none(said)
    counted = said[INPUT] is not None or said[OUTPUT] is not None
    if operation is None:
        answered = said[PROVIDER] is not None and (said[RESPONSE_MODEL] is not None or said[RESPONSE_ID] is not None)
        return REQUEST if (counted or answered) and said[AGENT] is None else _lookup_or_none(said)
    named = said[PROVIDER] is not None or said[REQUEST_MODEL] is not None or said[RESPONSE_MODEL] is not None
    return UNKNOWN if counted or named else _lookup_or_none(said)


def _lookup_or_none(said: Said) -> int:
    """A span that is no call of a model, but may be a retrieval or a tool's call."""
    if said[OPERATION] in _COUNTED or said[RETRIEVAL_HIT] is not None:
        return LOOKUP
    return NONE
