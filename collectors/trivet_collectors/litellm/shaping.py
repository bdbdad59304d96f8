"""A request as the policy wants it: model, context, output, tools, features. Pure; the request is changed in place.

What comes in is the body of a call as LiteLLM's proxy hands it on: OpenAI's chat, completions and responses, Anthropic's
messages. A field that a kind of call does not have is not invented.
"""

from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final

from trivet_collectors.litellm.context import shortened
from trivet_collectors.policy.evaluate import FlagValue

Body = MutableMapping[str, Any]
Flags = Mapping[str, FlagValue]

# What belongs to tools, beside the tools themselves.
TOOL_FIELDS: Final = ("tools", "functions", "tool_choice", "function_call", "parallel_tool_calls", "web_search_options")
OUTPUT_FIELDS: Final = ("max_tokens", "max_completion_tokens", "max_output_tokens")
MEDIA_PARTS: Final = {
    "images": ("image_url", "input_image", "image"),
    "audio": ("input_audio", "audio"),
    "files": ("file", "input_file", "document"),
}
# A feature that can be off, and the fields of a request that ask for it. Settings add to these.
FEATURE_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "reasoning": ("reasoning", "reasoning_effort", "thinking"),
    "web_search": ("web_search_options",),
    "audio": ("modalities", "audio"),
    "logprobs": ("logprobs", "top_logprobs"),
}
HIGH_RESOLUTION: Final = "high-resolution"
LEFT_OUT: Final = "[left out for now]"


@dataclass(frozen=True)
class Shapes:
    """What a gateway's owner says: names of routes as the proxy's models, which tools are local, fields of features."""

    routes: Mapping[str, str] = field(default_factory=dict)
    local_tools: tuple[str, ...] = ()  # patterns of names, as a shell has them
    features: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    serves: Callable[[str], bool] = field(default=bool)  # whether the proxy has a model of that name


def shape(body: Body, call_type: str, flags: Flags, shapes: Shapes) -> tuple[str, ...]:
    """Change `body` to what the policy allows; what was changed, in words that go on the span."""
    steps: tuple[tuple[str, Callable[[], bool]], ...] = (
        ("model", lambda: _route(body, str(flags["model.route"]), shapes)),
        ("features", lambda: _without_features(body, str(flags["features.off"]), shapes)),
        ("context", lambda: _shorten(body, int(flags["context.max_turns"]), int(flags["context.max_tokens"]))),
        ("output", lambda: _limit_output(body, call_type, int(flags["output.max_tokens"]))),
        ("tools", lambda: _limit_tools(body, str(flags["tools.mode"]), shapes)),
        ("rerank", lambda: _limit_rerank(body, call_type, int(flags["rerank.depth"]))),
    )
    return tuple(name for name, step in steps if step())


def _route(body: Body, route: str, shapes: Shapes) -> bool:
    model = shapes.routes.get(route, route)
    if not model or body.get("model") == model or not shapes.serves(model):
        return False  # a call to a model that nobody serves would fail: it stays where it was, and the handler says so
    body["model"] = model
    return True


def _conversation(body: Body) -> str | None:
    """The field that holds a list of messages."""
    return next((name for name in ("messages", "input") if _is_messages(body.get(name))), None)


def _is_messages(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)


def _shorten(body: Body, max_turns: int, max_tokens: int) -> bool:
    name = _conversation(body)
    if name is None or not (max_turns or max_tokens):
        return False
    before = body[name]
    body[name] = shortened(before, max_turns, max_tokens)
    return len(body[name]) < len(before)


def _limit_output(body: Body, call_type: str, limit: int) -> bool:
    if not limit or not _generates(body):
        return False
    said = [name for name in OUTPUT_FIELDS if isinstance(body.get(name), int)]
    if not said:
        body["max_output_tokens" if "responses" in call_type else "max_tokens"] = limit
        return True
    more = [name for name in said if body[name] > limit]
    for name in more:
        body[name] = limit
    return bool(more)


def _generates(body: Body) -> bool:
    return "messages" in body or "prompt" in body or _conversation(body) is not None


def _limit_tools(body: Body, mode: str, shapes: Shapes) -> bool:
    if mode == "all" or not any(body.get(name) for name in TOOL_FIELDS):
        return False
    kept = {n: [t for t in body.get(n) or () if _is_local(t, shapes)] for n in ("tools", "functions")}
    if mode == "local" and any(kept.values()):
        return _keep_tools(body, kept)
    if _has_called(body):  # providers refuse a conversation with calls of tools that are nowhere declared
        changed = body.get("tool_choice") != "none"
        body["tool_choice"] = "none"
        return changed
    return _drop(body, TOOL_FIELDS)


def _keep_tools(body: Body, kept: Mapping[str, list[Any]]) -> bool:
    changed = _drop(body, ("web_search_options",))
    for name, tools in kept.items():
        if name in body and len(tools) < len(body[name]):
            body[name] = tools
            changed = True
    choice = body.get("tool_choice")
    names = {_name_of(tool) for tools in kept.values() for tool in tools}
    if isinstance(choice, dict) and _name_of(choice) not in names:
        body["tool_choice"] = "auto"
    return changed


def _is_local(tool: Any, shapes: Shapes) -> bool:
    return any(fnmatchcase(_name_of(tool), pattern) for pattern in shapes.local_tools)


def _name_of(tool: Any) -> str:
    """A tool's name, as each of the dialects has it; hosted tools have a type alone."""
    if not isinstance(tool, Mapping):
        return ""
    function = tool.get("function")
    named = function.get("name") if isinstance(function, Mapping) else tool.get("name")
    return str(named or tool.get("type") or "")


def _has_called(body: Body) -> bool:
    name = _conversation(body)
    return any(
        message.get("role") in ("tool", "function")
        or message.get("tool_calls")
        or message.get("type") == "function_call"
        for message in (body[name] if name else ())
    )


def _without_features(body: Body, off: str, shapes: Shapes) -> bool:
    changed = False
    for feature in filter(None, (name.strip() for name in off.split(","))):
        fields = (*FEATURE_FIELDS.get(feature, ()), *shapes.features.get(feature, ()))
        changed |= _drop(body, fields)
        changed |= _drop_parts(body, MEDIA_PARTS.get(feature, ()))
        changed |= feature == HIGH_RESOLUTION and _at_low_resolution(body)
    return changed


def _at_low_resolution(body: Body) -> bool:
    pictures = [part["image_url"] for part in _parts(body) if isinstance(part.get("image_url"), dict)]
    fine = [picture for picture in pictures if picture.get("detail") != "low"]
    for picture in fine:
        picture["detail"] = "low"
    return bool(fine)


def _parts(body: Body) -> list[dict[str, Any]]:
    name = _conversation(body)
    contents = [message.get("content") for message in (body[name] if name else ())]
    return [part for content in contents if isinstance(content, list) for part in content if isinstance(part, dict)]


def _drop_parts(body: Body, kinds: tuple[str, ...]) -> bool:
    name, changed = _conversation(body), False
    for message in body[name] if name and kinds else ():
        content = message.get("content")
        if isinstance(content, list) and any(_is_part(part, kinds) for part in content):
            kept = [part for part in content if not _is_part(part, kinds)]
            message["content"] = kept or LEFT_OUT
            changed = True
    return changed


def _is_part(part: Any, kinds: tuple[str, ...]) -> bool:
    return isinstance(part, Mapping) and part.get("type") in kinds


def _limit_rerank(body: Body, call_type: str, depth: int) -> bool:
    if not depth or "rerank" not in call_type:
        return False
    asked = body.get("top_n")
    if isinstance(asked, int) and asked <= depth:
        return False
    body["top_n"] = depth
    return True


def _drop(body: Body, names: tuple[str, ...]) -> bool:
    found = [name for name in names if name in body]
    for name in found:
        del body[name]
    return bool(found)
