"""What changed between two cards, field by field, in words. Pure.

Parts of a list are known by their names (guards, levels, stop-loss lines), so that one moved or put between is not all
that follows it changed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MISSING = object()
# By which of its fields a part of a list is known.
KEYS = {"guards": "name", "ladder": "level", "cost.stop_loss": "guard"}


@dataclass(frozen=True, slots=True)
class Change:
    """One field. `before` or `after` None where the field was not there, or said null."""

    field: str
    before: Any
    after: Any
    words: str


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Between two cards as JSON values, in the order of the first, then what is new."""
    return list(_differ("", before, after))


def _differ(field: str, before: Any, after: Any) -> Iterator[Change]:
    if _same(before, after):
        return
    key = KEYS.get(field)
    if key and isinstance(before, Sequence) and isinstance(after, Sequence):
        yield from _maps(field, {str(p[key]): p for p in before}, {str(p[key]): p for p in after})
    elif isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _maps(field, before, after)
    else:
        yield _change(field, before, after)


def _maps(field: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for name in [*before, *(n for n in after if n not in before)]:
        inner = f"{field}.{name}" if field else name
        yield from _differ(inner, before.get(name, MISSING), after.get(name, MISSING))


def _same(before: Any, after: Any) -> bool:
    """1 and 1.0 are one number; True is none."""
    return isinstance(before, bool) == isinstance(after, bool) and before == after


def _change(field: str, before: Any, after: Any) -> Change:
    if before is MISSING:
        words = f"{field}: new, {said(after)}"
    elif after is MISSING:
        words = f"{field}: gone, was {said(before)}"
    else:
        words = f"{field}: {said(before)} → {said(after)}"
    return Change(field, None if before is MISSING else before, None if after is MISSING else after, words)


def said(value: Any) -> str:
    """A value as a sentence can hold it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}" if value != int(value) or abs(value) >= 1e15 else f"{value:.0f}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {said(part)}" for name, part in value.items() if part is not None) or "nothing"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "; ".join(map(said, value)) or "nothing"
    return str(value) or "nothing"
