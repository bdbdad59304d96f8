"""The formats a bill may have, out of `formats.toml` or as somebody described their own CSV. Pure."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from re import Pattern
from typing import Any

from trivet.kit.errors import Invalid

_FILE = Path(__file__).with_name("formats.toml")
OWN_NEEDS = ("date", "model", "amount", "currency")
OWN_MAY = ("kind", "tokens", "category", "invoice", "service", "end")
CONSTANT = "="  # before a value in place of a column's name: the same for every row


@dataclass(frozen=True, slots=True)
class Finder:
    """Where a text may stand: a column, perhaps a key of the JSON in it, perhaps a part of it by a named group."""

    column: str
    key: str = ""
    pattern: Pattern[str] | None = None
    lead: str = ""


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of file. Columns are by what they mean, each with the names it may have; all but those in `needs` `plain`."""

    name: str
    title: str
    based_on: str
    evidence: str
    needs: tuple[tuple[str, ...], ...]
    columns: Mapping[str, tuple[str, ...]]
    provider: str = ""
    provider_from: tuple[str, ...] = ()
    currency: str = ""
    zone: str = "UTC"
    nothing: frozenset[str] = frozenset({""})
    blank_amount_is_nothing: bool = False
    thousands: bool = False
    date_pattern: str = ""
    quantities: Mapping[str, str] = field(default_factory=dict)
    category_of: Mapping[str, str] = field(default_factory=dict)
    covered: Mapping[str, frozenset[str]] = field(default_factory=dict)
    services: str = ""
    services_from: tuple[str, ...] = ()
    model: tuple[Finder, ...] = ()
    kind: tuple[Finder, ...] = ()
    kind_where: str = ""
    tokens: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tokens_only: bool = False


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider as we call it, as bills call it, and as its calls do."""

    name: str
    names: frozenset[str]
    measured_as: tuple[str, ...]


def plain(name: str) -> str:
    """A header without case and signs: `lineItem/UsageType` and `line_item_usage_type` are one."""
    return "".join(c for c in name.lower() if c.isalnum())


@lru_cache
def formats() -> dict[str, Format]:
    """Every format that is known by name, in the order in which headers are tried."""
    read = _read()
    return {name: _format(name, each) for name, each in read.items() if isinstance(each, dict) and "needs" in each}


@lru_cache
def providers() -> dict[str, Provider]:
    """Providers by our name."""
    found = _read()["providers"]
    return {name: Provider(name, frozenset(each["names"]), tuple(each["measured_as"])) for name, each in found.items()}


@lru_cache
def kinds() -> tuple[tuple[str, Pattern[str]], ...]:
    """Which kind of token a text tells, the first that is found."""
    return tuple((kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in _read()["kinds"])


def provider_of(name: str) -> Provider:
    """A provider by what a bill, a span or a person calls it; one that nobody knows goes by its own name."""
    said = name.strip()
    for each in providers().values():
        if said.lower() in {each.name, *each.names, *each.measured_as}:
            return each
    return Provider(said, frozenset(), (said,))


def own(name: str, columns: Mapping[str, str]) -> Format:
    """A format from the columns a person names: `{"date": "Day", "amount": "Total", "currency": "=EUR", …}`."""
    unknown = sorted(set(columns) - {*OWN_NEEDS, *OWN_MAY})
    missing = [each for each in OWN_NEEDS if not columns.get(each)]
    if unknown or missing:
        told = f"{', '.join(missing)} is missing" if missing else f"{', '.join(unknown)} is not known"
        raise Invalid(
            f"Name the columns that hold {', '.join(OWN_NEEDS)}, and if there are any {', '.join(OWN_MAY)}; "
            f"{told}. A value that is the same in each row stands after =, such as =USD.",
            field="columns",
        )
    named = {key: value for key, value in columns.items() if value and not value.startswith(CONSTANT)}
    fixed = {key: value[1:] for key, value in columns.items() if value.startswith(CONSTANT)}
    if set(fixed) - {"currency", "model"}:
        raise Invalid("Only the currency and the model can be the same in each row.", field="columns")
    by_meaning = {"date": "start", "end": "end"}
    return Format(
        name=name,
        title=f"columns as {name} names them",
        based_on="a person's own description",
        evidence="documented",
        needs=tuple((value,) for value in named.values()),
        columns={by_meaning.get(key, key): (plain(value),) for key, value in named.items()},
        currency=fixed.get("currency", ""),
        quantities={plain(named["tokens"]): "=Tokens"} if "tokens" in named else {},
        category_of={plain(each): each for each in ("usage", "purchase", "tax", "credit", "adjustment")},
        model=(Finder(plain(named["model"])),) if "model" in named else (Finder("", lead=fixed["model"]),),
        kind=(Finder(plain(named["kind"])),) if "kind" in named else (),
    )


def detect(header: Sequence[str]) -> Format | None:
    """The first format whose needed columns are all there."""
    there = {plain(name) for name in header}
    return next((f for f in formats().values() if all(there & set(map(plain, names)) for names in f.needs)), None)


def missing(of: Format, header: Sequence[str]) -> list[str]:
    """Needed columns that a header has not."""
    there = {plain(name) for name in header}
    return [" or ".join(names) for names in of.needs if not there & set(map(plain, names))]


@lru_cache
def _read() -> dict[str, Any]:
    return tomllib.loads(_FILE.read_text(encoding="utf-8"))


def _format(name: str, raw: Mapping[str, Any]) -> Format:
    given = dict(raw)
    by_column: dict[str, Any] = {
        **{key: _plain(given.pop(key, ())) for key in ("provider_from", "services_from")},
        "columns": {key: _plain(names) for key, names in given.pop("columns").items()},
        "tokens": {key: _plain(names) for key, names in given.pop("tokens", {}).items()},
        "covered": {plain(key): frozenset(map(plain, values)) for key, values in given.pop("covered", {}).items()},
        "quantities": {plain(key): _unit(unit) for key, unit in given.pop("quantities", {}).items()},
    }
    words = given.pop("category_of", {})
    return Format(
        name=name,
        needs=tuple(tuple(each.split("|")) for each in given.pop("needs")),
        nothing=frozenset(given.pop("nothing", [""])),
        category_of={plain(word): category for category, found in words.items() for word in found},
        model=tuple(map(_finder, given.pop("model", ()))),
        kind=tuple(map(_finder, given.pop("kind", ()))),
        **by_column,
        **given,
    )


def _plain(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(map(plain, names))


def _unit(unit: str) -> str:
    return unit if unit.startswith(CONSTANT) else plain(unit)


def _finder(raw: Mapping[str, str]) -> Finder:
    pattern = re.compile(raw["pattern"]) if "pattern" in raw else None
    return Finder(plain(raw["column"]), raw.get("key", ""), pattern, raw.get("lead", ""))
