"""The exact configuration of one thing that runs, for one server: texts with their holes filled. Pure but for the texts."""

import json
import re
import shlex
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

from trivet.console.connect.kinds import Kind
from trivet.paths import shipped

NO_KEY = "tvt_…"
_HOLE = re.compile(r"@(sh|json):([a-z_]+)@")


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be connected. `endpoint` is this server's address as it was asked for; `key` empty: none made yet."""

    endpoint: str
    backend: str
    scenario: str
    tenant: str = ""
    pool: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """One file, or the commands for a terminal."""

    name: str
    text: str


def files(kind: Kind, wish: Wish) -> tuple[Text, ...]:
    """The configuration, ready to be copied."""
    said = _said(wish)
    return tuple(Text(name, _filled(_text(source), said)) for name, source in kind.files)


def _said(wish: Wish) -> dict[str, str]:
    key = wish.key or NO_KEY
    resource = {
        "trivet.backend": wish.backend, "trivet.scenario": wish.scenario, "trivet.tenant": wish.tenant,
        "trivet.pool": wish.pool,
    }  # fmt: skip
    return {
        "endpoint": wish.endpoint,
        "traces": f"{wish.endpoint}/v1/traces",
        "key": key,
        "authorization": "Authorization=Bearer " + key,
        "backend": wish.backend,
        "scenario": wish.scenario,
        "scenario_header": f"X-Trivet-Scenario: {wish.scenario}",
        "pool": wish.pool,
        "resource": ",".join(f"{name}={quote(value)}" for name, value in resource.items() if value),
    }


def _filled(text: str, said: dict[str, str]) -> str:
    """A line whose hole has nothing to hold is left out."""

    def fill(hole: re.Match[str]) -> str:
        how, name = hole.groups()
        return shlex.quote(said[name]) if how == "sh" else json.dumps(said[name], ensure_ascii=False)

    kept = (line for line in text.splitlines() if all(said[name] for _, name in _HOLE.findall(line)))
    return "\n".join(_HOLE.sub(fill, line) for line in kept)


@lru_cache
def _text(name: str) -> str:
    return (shipped("web") / "templates" / "connect" / "texts" / name).read_text()
