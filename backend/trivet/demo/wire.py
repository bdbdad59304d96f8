"""What goes over the OpenAI-compatible wire: the request as it is read, the answers as they are written. Pure."""

import json
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from trivet.demo.engine import Served
from trivet.demo.gate import Refusal
from trivet.demo.model import MODELS
from trivet.demo.obey import Asked

MESSAGES_MAX = 1_000
TOKENS_MAX = 1_000_000
OWNER = "trivet-demo"
SAYS_SO = "No model runs here: the timing is simulated and the words mean nothing."
HEADERS = {"x-trivet-simulated": SAYS_SO}
REASONING_SHARES = {"none": 0.0, "minimal": 0.1, "low": 0.2, "medium": 0.4, "high": 0.6}
WORD = "word "


class Message(BaseModel):
    model_config = ConfigDict(extra="allow")

    role: str
    content: Any = None

    def tokens(self) -> int:
        """A word is a token here."""
        return sum(len(text.split()) for text in self._texts())

    def _texts(self) -> list[str]:
        if isinstance(self.content, str):
            return [self.content]
        parts = self.content if isinstance(self.content, list) else []
        return [part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str)]


class StreamOptions(BaseModel):
    include_usage: bool = False


class ChatRequest(BaseModel):
    """The part of `POST /v1/chat/completions` that a simulated model can honour; the rest is let pass."""

    model_config = ConfigDict(extra="allow")

    model: str = Field(max_length=200)
    messages: Annotated[list[Message], Field(min_length=1, max_length=MESSAGES_MAX)]
    max_tokens: Annotated[int, Field(ge=1, le=TOKENS_MAX)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1, le=TOKENS_MAX)] | None = None
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    reasoning_effort: str | None = None

    def asked(self) -> Asked:
        return Asked(
            model=self.model,
            turns=turns(self.messages),
            max_tokens=self.max_completion_tokens or self.max_tokens,
            reasoning_share=REASONING_SHARES.get(self.reasoning_effort or "none", 0.0),
        )


def turns(messages: Sequence[Message]) -> tuple[int, ...]:
    """Tokens by turn, oldest first. A turn begins with the user's word; what comes before the first belongs to it."""
    counted: list[int] = []
    for message in messages:
        if message.role == "user" or not counted:
            counted.append(0)
        counted[-1] += message.tokens()
    return tuple(counted)


def usage(served: Served, output_tokens: int) -> dict[str, Any]:
    """Tokens as OpenAI counts them: cached ones inside the prompt's, reasoning inside the completion's."""
    return {
        "prompt_tokens": served.input_tokens,
        "completion_tokens": output_tokens,
        "total_tokens": served.input_tokens + output_tokens,
        "prompt_tokens_details": {"cached_tokens": served.cache_read_tokens},
        "completion_tokens_details": {"reasoning_tokens": min(served.reasoning_tokens, output_tokens)},
    }


def completion(served: Served, response_id: str, created: int) -> dict[str, Any]:
    visible = served.output_tokens - served.reasoning_tokens
    return {
        "id": response_id,
        "object": "chat.completion",
        "created": created,
        "model": served.model.name,
        "system_fingerprint": "simulated",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": (WORD * visible).rstrip()},
                "finish_reason": served.finish_reason,
            }
        ],
        "usage": usage(served, served.output_tokens),
    }


def chunk(served: Served, response_id: str, created: int, delta: dict[str, Any], finish: str | None = None) -> bytes:
    """One server-sent event of a stream."""
    return event(
        {
            "id": response_id,
            "object": "chat.completion.chunk",
            "created": created,
            "model": served.model.name,
            "system_fingerprint": "simulated",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        }
    )


def usage_chunk(served: Served, response_id: str, created: int) -> bytes:
    """The last event of a stream that asked for `include_usage`: no choices, all of the tokens."""
    return event(
        {
            "id": response_id,
            "object": "chat.completion.chunk",
            "created": created,
            "model": served.model.name,
            "choices": [],
            "usage": usage(served, served.output_tokens),
        }
    )


def event(value: Any) -> bytes:
    return b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def problem(message: str, code: str, kind: str = "invalid_request_error") -> dict[str, Any]:
    """An error as OpenAI's clients read it."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def refused(refusal: Refusal) -> dict[str, Any]:
    return problem(refusal.message, refusal.reason, "rate_limit_exceeded")


def model_list() -> dict[str, Any]:
    data = [{"id": name, "object": "model", "created": 0, "owned_by": OWNER} for name in MODELS]
    return {"object": "list", "data": data, "simulated": SAYS_SO}
