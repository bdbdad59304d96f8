"""Which alerts are meant: `severity="page"`, `scenario!="batch"`, `tenant=~"acme|globex"`, `guard!~"p9.*"`. Pure.

As in Prometheus: a label that is not there is empty, an expression fits the whole value. Expressions run in RE2, the engine
that Prometheus and Alertmanager use too: its time grows with the text and never beyond, so nobody can write one that hangs.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from trivet.kit.errors import Invalid

MATCHERS_MAX = 20
MATCHER_LENGTH_MAX = 500
VALUE_MAX = 1_000  # characters of a label that an expression looks at
NAMES = (
    "alertname",
    "kind",
    "scenario",
    "guard",
    "metric",
    "tenant",
    "backend",
    "channel",
    "budget",
    "subject",
    "severity",
    "shadow",
    "drill",
)
RESERVED = ("drill", "shadow")  # an alert that has one goes only where a matcher names it
_MATCHER = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]{0,63})\s*(=~|!~|!=|=)\s*"((?:[^"\\\n]|\\.)*)"\s*')
# A hundred of these take a second to read, for each value anew.
_UNICODE = re.compile(r"(?<!\\)(?:\\\\)*\\[pP]")


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one label."""

    name: str
    sign: str
    value: str

    def fits(self, labels: Mapping[str, str]) -> bool:
        given = labels.get(self.name, "")
        found = _searched(self.value, given[:VALUE_MAX]) if self.sign.endswith("~") else given == self.value
        return found is not self.sign.startswith("!")


def parse(text: str, *, field: str = "matchers") -> Matcher:
    """A matcher out of its text; `Invalid` for what is none, and for a label that no alert has."""
    found = _MATCHER.fullmatch(text) if len(text) <= MATCHER_LENGTH_MAX else None
    if found is None:
        raise Invalid(f'{text[:80]!r} is no matcher: write one such as severity="page" or tenant=~"a|b".', field=field)
    name, sign, quoted = found.groups()
    value = re.sub(r'\\(["\\])', r"\1", quoted)
    if name not in NAMES:
        raise Invalid(f"No alert has a label {name!r}: there are {', '.join(NAMES)}.", field=field)
    if sign.endswith("~"):
        _compiles(value, field)
    return Matcher(name, sign, value)


@lru_cache(10_000)
def known(text: str) -> Matcher:
    """One that was checked when it was written."""
    return parse(text)


def all_fit(texts: Iterable[str], labels: Mapping[str, str]) -> bool:
    """Whether every matcher fits."""
    return all(known(text).fits(labels) for text in texts)


def named(texts: Iterable[str]) -> set[str]:
    """Labels that these matchers speak of."""
    return {known(text).name for text in texts}


def checked(texts: Sequence[str], *, field: str = "matchers", least: int = 0) -> list[str]:
    """The same texts where each is a matcher and there are neither too few nor too many; `Invalid` otherwise."""
    if not least <= len(texts) <= MATCHERS_MAX:
        why = "Without one it would mean every alert there is" if least and not texts else f"These are {len(texts)}"
        raise Invalid(f"{why}: name {least} to {MATCHERS_MAX} matchers.", field=field)
    for text in texts:
        parse(text, field=field)
    return [text.strip() for text in texts]


def _compiles(pattern: str, field: str) -> None:
    if _UNICODE.search(pattern):
        raise Invalid(
            rf"{pattern[:80]!r} asks for a class of Unicode (`\p`), which takes long to read: write the characters.",
            field=field,
        )
    try:
        _search(pattern, "")
    except ValueError as bad:
        raise Invalid(f"{pattern[:80]!r} is no regular expression: {str(bad)[:120]}", field=field) from bad


@lru_cache(20_000)
def _searched(pattern: str, text: str) -> bool:
    return _search(pattern, text)


def _search(pattern: str, text: str) -> bool:
    import pyarrow as pa  # it brings RE2; loaded by whom it serves
    import pyarrow.compute as pc

    return bool(pc.match_substring_regex(pa.scalar(text), pattern=rf"\A(?:{pattern})\z").as_py())
