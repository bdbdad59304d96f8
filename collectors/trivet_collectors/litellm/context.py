"""A shorter conversation: its system messages and its last turns. Pure.

A turn begins with a message of the user's, so that a call of a tool and its result stay together. The last turn is kept
whatever its length: half a question is no question.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Final

Message = Mapping[str, Any]

KEPT_ROLES: Final = frozenset({"system", "developer"})
ASCII_CHARACTERS_PER_TOKEN: Final = 4  # of English; of other scripts about a token a character
MESSAGE_TOKENS: Final = 4  # around each message
MEDIA_TOKENS: Final = 1_000  # a picture or a sound, about


def tokens_of_text(text: str) -> int:
    """About how many tokens: an estimate that costs nothing, where counting takes milliseconds that every call would wait."""
    others = 0 if text.isascii() else sum(character > "\x7f" for character in text)
    return -(-(len(text) - others) // ASCII_CHARACTERS_PER_TOKEN) + others


def tokens_of(message: Message) -> int:
    """About how many tokens a message is, its calls of tools included."""
    content = message.get("content")
    parts = content if isinstance(content, list) else [content]
    calls = message.get("tool_calls")
    return MESSAGE_TOKENS + sum(map(_tokens_of_part, parts)) + (tokens_of_text(json.dumps(calls)) if calls else 0)


def _tokens_of_part(part: Any) -> int:
    if isinstance(part, str):
        return tokens_of_text(part)
    if not isinstance(part, Mapping):
        return 0
    text = part.get("text", part.get("content"))
    if isinstance(text, str):
        return tokens_of_text(text)
    return MEDIA_TOKENS if part.get("type") not in (None, "text") else 0


def shortened(messages: Sequence[Message], max_turns: int, max_tokens: int) -> list[Message]:
    """`messages` with at most `max_turns` turns of about `max_tokens` tokens in all; 0 is no limit. The order stays."""
    turns = _turns(messages)
    kept = turns[-max_turns:] if max_turns else turns
    if max_tokens:
        room = max_tokens - sum(tokens_of(message) for message in messages if _is_kept(message))
        kept = _within(kept, room)
    wanted = {id(message) for message in chain.from_iterable(kept)}
    return [message for message in messages if _is_kept(message) or id(message) in wanted]


def _is_kept(message: Message) -> bool:
    return message.get("role") in KEPT_ROLES


def _turns(messages: Sequence[Message]) -> list[list[Message]]:
    turns: list[list[Message]] = []
    for message in messages:
        if _is_kept(message):
            continue
        if not turns or _asks(message):
            turns.append([])
        turns[-1].append(message)
    return turns


def _asks(message: Message) -> bool:
    """Whether the user speaks: a result of a tool that comes in the user's name, as Anthropic has it, is none."""
    if message.get("role") != "user":
        return False
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    return not any(isinstance(part, Mapping) and part.get("type") == "tool_result" for part in parts)


def _within(turns: list[list[Message]], room: int) -> list[list[Message]]:
    kept = turns[-1:]
    room -= sum(map(tokens_of, chain.from_iterable(kept)))
    for turn in reversed(turns[:-1]):
        room -= sum(map(tokens_of, turn))
        if room < 0:
            break
        kept.insert(0, turn)
    return kept
