"""Everything that is wrong with a card that is being written, each by its field, for whoever fills in a form. Pure.

The same checks as `content.parse` and `whole.checked`, which name the first alone. A field is a path such as
`guards.2.leave` or `ladder.0.flags.tools.mode`; what concerns the card as a whole has the field of the part that it names.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from trivet.card.content import Card, Guard, Level
from trivet.card.order import Prices
from trivet.card.whole import complaints

Problem = tuple[str, str]  # the field, and what is wrong with it
PROBLEMS_MAX = 200
_PLAIN = {
    "float_type": "this is not a number", "float_parsing": "this is not a number", "int_type": "this is not a whole number",
    "int_parsing": "this is not a whole number", "int_from_float": "this is not a whole number",
}  # fmt: skip
_NAMED = re.compile(r"^([a-z_]+(?:\.[\w-]+)*)(?: \(|: )")  # `leave (1200) must lie …`, `burn: …`
_QUOTED = re.compile(r"^`([a-z_.]+)`")  # `tools.mode` is one of …
# What complains of a whole part, and the field of it that is meant.
_MEANT = {"a level ": "flags", "an audience without": "flags", "an audience names": "tiers", "shares grow": "shares"}


def found(body: Any, prices: Prices | None = None) -> tuple[Card | None, list[Problem]]:
    """The card where its form is right, and every problem that it has."""
    try:
        card = Card.model_validate_json(json.dumps(body, ensure_ascii=True))
    except ValidationError as bad:
        told = [
            problem for error in bad.errors(include_url=False, include_context=False) for problem in _of(error, body)
        ]
        return None, told[:PROBLEMS_MAX]
    return card, [(_indexed(field, body), words) for field, words in complaints(card, prices or {})]


def guard_of(part: Any) -> Guard | None:
    """One guard by itself, where that much of it is right."""
    found: Guard | None = _part(Guard, part)
    return found


def level_of(part: Any) -> Level | None:
    """One level by itself."""
    found: Level | None = _part(Level, part)
    return found


def _part(model: Any, part: Any) -> Any:
    try:
        return model.model_validate_json(json.dumps(part))
    except ValidationError:
        return None


def _of(error: Mapping[str, Any], body: Any) -> Iterator[Problem]:
    if error["type"] == "too_short" and _at(body, error["loc"]):
        return  # what follows from items that are wrong themselves
    at = ".".join(str(part) for part in error["loc"] if part != "function-after")
    words = _PLAIN.get(error["type"]) or error["msg"].removeprefix("Value error, ")
    if not at:  # the card's own complaints, one after the other
        for each in words.split("; "):
            named = _NAMED.match(each)
            yield (_indexed(named[1], body), each[named.end() :]) if named else ("", each)
        return
    quoted, named = _QUOTED.match(words), _NAMED.match(words)
    part = next((field for begin, field in _MEANT.items() if words.startswith(begin)), "")
    if quoted and at.endswith("flags"):
        part = quoted[1]
    elif quoted:
        part = f"flags.{quoted[1]}"
    elif named and not part and isinstance(_at(body, error["loc"]), Mapping):
        part = named[1]
    yield f"{at}.{part}" if part else at, words


def _indexed(field: str, body: Any) -> str:
    """`guards.p95.leave` by the guard's place in the list: `guards.0.leave`."""
    head, _, rest = field.partition(".")
    guards = body.get("guards") if isinstance(body, Mapping) else None
    if head != "guards" or not isinstance(guards, Sequence):
        return field
    names = [guard.get("name") if isinstance(guard, Mapping) else None for guard in guards]
    name, _, part = rest.partition(".")
    return f"guards.{names.index(name)}.{part}" if name in names else field


def _at(body: Any, path: Sequence[Any]) -> Any:
    for part in path:
        try:
            body = body[part]
        except (KeyError, IndexError, TypeError):
            return None
    return body
