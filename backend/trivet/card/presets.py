"""The cards a scenario can start from, one file each in `alerts/presets/`, and the catalogue of guards they use."""

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from trivet.card.content import Card, parse
from trivet.kit.errors import Invalid
from trivet.paths import shipped

DEFAULT = "real-time-chat"


@dataclass(frozen=True, slots=True)
class GuardKind:
    """What a guard can watch: one file in `alerts/guards/`, one runbook in `alerts/runbooks/`."""

    metric: str
    title: str
    meaning: str
    unit: str
    worse: str  # "higher" or "lower"
    runbook: str


@lru_cache
def presets() -> MappingProxyType[str, Card]:
    """Every preset by name, checked as any card is."""
    files = sorted((shipped("alerts") / "presets").glob("*.toml"))
    return MappingProxyType({file.stem: parse(tomllib.loads(file.read_text("utf-8"))) for file in files})


def preset(name: str | None) -> Card:
    """The named preset, or the default one."""
    known = presets()
    card = known.get(name or DEFAULT)
    if card is None:
        raise Invalid(f"There is no preset {name!r}; there are {', '.join(known)}.", field="preset")
    return card


@lru_cache
def catalogue() -> MappingProxyType[str, GuardKind]:
    """What can be guarded, by metric."""
    return MappingProxyType({kind.metric: kind for kind in map(_kind, _guard_files())})


def _guard_files() -> list[dict[str, Any]]:
    return [tomllib.loads(file.read_text("utf-8")) for file in sorted((shipped("alerts") / "guards").glob("*.toml"))]


def _kind(said: dict[str, Any]) -> GuardKind:
    return GuardKind(**said, runbook=f"alerts/runbooks/{said['metric']}.md")
