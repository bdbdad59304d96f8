"""A card as YAML, for people who keep cards in git: one order of keys, so that a changed number is a changed line. Pure.

Read as YAML 1.2 means it (`off` is a text, `1:30` no number), with limits, and with neither aliases, tags nor repeated keys.
"""

import re
from typing import Any

import yaml

from trivet.card.content import Card
from trivet.card.terms import Part
from trivet.kit.errors import Invalid, TooLarge

FORMAT = 1
BYTES_MAX = 256 * 1024
DEPTH_MAX = 20
LINE_ENDS = frozenset("\x85\u2028\u2029")
_WIDTH = 120


def dump(card: Card, scenario: str) -> str:
    """YAML that `load` reads back to the same card. What is null where null is the default is left out."""
    body = {"trivet_card": FORMAT, "scenario": scenario} | _plain(card)
    return yaml.dump(body, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH, default_flow_style=False)


def load(text: str) -> tuple[str, dict[str, Any]]:
    """(scenario, card as JSON values), not checked yet; `Invalid` with the line for what is no such file."""
    if len(text.encode(errors="replace")) > BYTES_MAX:
        raise TooLarge(f"A card has at most {BYTES_MAX // 1024} KiB.")
    try:
        body = yaml.load(text, Loader=_Loader)  # noqa: S506  # a subclass of SafeLoader, stricter than it
    except yaml.YAMLError as bad:
        raise Invalid(f"This is no card in YAML: {_where(bad)}", field="yaml") from bad
    except RecursionError as bad:
        raise Invalid("This is no card in YAML: it is nested too deeply.", field="yaml") from bad
    if not isinstance(body, dict) or type(n := body.get("trivet_card")) is not int or n != FORMAT:
        raise Invalid(f"A card begins with `trivet_card: {FORMAT}`.", field="trivet_card")
    scenario = body.get("scenario")
    if not isinstance(scenario, str) or not scenario:
        raise Invalid("Name the scenario: `scenario: support-chat`.", field="scenario")
    return scenario, {name: part for name, part in body.items() if name not in ("trivet_card", "scenario")}


def _plain(value: Any) -> Any:
    """Models in the order of their fields, mappings by name, whole floats as whole numbers."""
    if isinstance(value, Part):
        fields = type(value).model_fields
        said = {name: getattr(value, name) for name in fields}
        return {n: _plain(v) for n, v in said.items() if v is not None or fields[n].default is not None}
    if isinstance(value, dict):
        return {name: _plain(value[name]) for name in sorted(value)}
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return int(value)
    return value


def _where(bad: yaml.YAMLError) -> str:
    mark = getattr(bad, "problem_mark", None)
    problem = getattr(bad, "problem", None) or str(bad).splitlines()[0]
    return f"line {mark.line + 1}: {problem}" if mark else str(problem)


class _Dumper(yaml.SafeDumper):
    """Lists under their key are indented, and nothing is written as an alias."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  # the library's own signature
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002  # the library's own
        super().increase_indent(flow, False)


class _Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2's idea of numbers and truths, without aliases, tags and repeated keys, and not for ever."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise _refusal("aliases are not read", self.peek_event())  # type: ignore[no-untyped-call]  # the stubs leave it open
        if getattr(self.peek_event(), "tag", None):  # type: ignore[no-untyped-call]  # the stubs leave it open
            raise _refusal("tags (`!!…`) are not read", self.peek_event())  # type: ignore[no-untyped-call]  # as above
        self.depth += 1
        if self.depth > DEPTH_MAX:
            raise _refusal("nested too deeply", self.peek_event())  # type: ignore[no-untyped-call]  # the stubs leave it open
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _refusal("a key is one word", key)
            if key.value in seen:
                raise _refusal(f"`{key.value}` is there twice", key)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    """PyYAML writes Unicode's own line ends as they are and reads them back as spaces: within quotes they are escaped."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if LINE_ENDS.intersection(text) else None)


_Dumper.add_representer(str, _text)


def _refusal(words: str, at: Any) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, words, at.start_mark)


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("int", r"^[-+]?[0-9]{1,40}$", "-+0123456789"),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", "-+0123456789."),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))


def _integer(_: _Loader, node: yaml.ScalarNode) -> int:
    return int(node.value)


def _number(_: _Loader, node: yaml.ScalarNode) -> float:
    return float(node.value)


_Loader.add_constructor("tag:yaml.org,2002:int", _integer)
_Loader.add_constructor("tag:yaml.org,2002:float", _number)
