"""The configuration of `trivet-collector drive`: TOML in, drivers with their rules out. An error names the key and the fix."""

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from trivet_collectors.config import Check, ConfigError, address, boolean, number, one_of, secret
from trivet_collectors.drivers import argo, kubernetes, triton, vllm
from trivet_collectors.drivers.cluster import Access, Cluster
from trivet_collectors.drivers.driver import Driver, DriverError, Http, trusting
from trivet_collectors.drivers.rules import Rules, When
from trivet_collectors.policy.evaluate import DEFAULTS

DRIVERS_MAX: Final = 256
RULES_MAX: Final = 64
TIMEOUT_S: Final = 10.0
TOP: Final = frozenset({"endpoint", "api_key", "api_key_file", "state_dir", "drivers"})
COMMON: Final = frozenset({"name", "kind", "backend", "scenario", "tenant", "timeout_s", "normal", "when"})


@dataclass(frozen=True)
class Kind:
    """How a driver of a kind is made, which keys of its own it takes, which of them it needs, and what it can bring about."""

    make: Callable[[Mapping[str, Any], Mapping[str, str]], Driver]
    takes: frozenset[str]
    needs: frozenset[str]
    wants: frozenset[str]


@dataclass(frozen=True)
class Plan:
    """One driver of a configuration: whose policy it follows, and how it is made."""

    name: str
    kind: str
    backend: str
    scenario: str
    tenant: str
    rules: Rules
    make: Callable[[], Driver]


@dataclass(frozen=True)
class Drive:
    """A configuration: where the policy comes from, and what is driven by it."""

    endpoint: str
    api_key: str
    plans: tuple[Plan, ...]
    state_dir: Path | None = None


def load(path: Path, environment: Mapping[str, str] = os.environ) -> Drive:
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    return parse(raw, environment)


def parse(raw: Mapping[str, Any], environment: Mapping[str, str]) -> Drive:
    """A configuration out of parsed TOML. ConfigError names the first key that is wrong."""
    _known(raw, TOP, "")
    endpoint = raw.get("endpoint") or environment.get("TRIVET_ENDPOINT")
    key = raw.get("api_key") or environment.get("TRIVET_API_KEY")
    if raw.get("api_key_file"):
        key = secret(raw["api_key_file"], "api_key_file")
    if not endpoint or not key:
        raise ConfigError("endpoint, api_key_file: missing, write them or set TRIVET_ENDPOINT and TRIVET_API_KEY")
    said = raw.get("drivers")
    if not isinstance(said, list) or not 0 < len(said) <= DRIVERS_MAX:
        raise ConfigError(f"drivers: write [[drivers]], 1 to {DRIVERS_MAX} of them")
    plans = tuple(_plan(each, f"drivers[{n}]", environment) for n, each in enumerate(said))
    names = [plan.name for plan in plans]
    twice = next((name for n, name in enumerate(names) if name in names[:n]), None)
    if twice is not None:
        raise ConfigError(f"drivers: {twice!r} stands there twice, name them apart")
    state = raw.get("state_dir")
    return Drive(str(endpoint), str(key), plans, Path(state) if state else None)


def _plan(said: Mapping[str, Any], where: str, environment: Mapping[str, str]) -> Plan:
    kind = KINDS.get(str(said.get("kind")))
    if kind is None:
        raise ConfigError(f"{where}.kind: must be one of {', '.join(sorted(KINDS))}")
    _known(said, COMMON | kind.takes, f"{where}.")
    for key in ("name", "backend", "scenario", *sorted(kind.needs)):
        if not isinstance(said.get(key), str) or not said[key]:
            raise ConfigError(f"{where}.{key}: missing, it must be a text")
    for key, check in CHECKS.items():
        right = check(said[key]) if key in said else None
        if right:
            raise ConfigError(f"{where}.{key}: must be {right}")
    rules = said.get("when", [])
    if not isinstance(rules, list) or len(rules) > RULES_MAX:
        raise ConfigError(f"{where}.when: write [[drivers.when]], at most {RULES_MAX} of them")
    made = Rules(
        _wanted(said.get("normal", {}), kind, f"{where}.normal"),
        tuple(_when(each, kind, f"{where}.when[{n}]") for n, each in enumerate(rules)),
    )
    return Plan(
        said["name"], said["kind"], said["backend"], said["scenario"], str(said.get("tenant", "")), made,
        lambda: kind.make(said, environment),
    )  # fmt: skip


def _when(said: Mapping[str, Any], kind: Kind, where: str) -> When:
    _known(said, {"level", "flag", "equals", "do"}, f"{where}.")
    level, flag = said.get("level"), said.get("flag")
    if level is None and flag is None:
        raise ConfigError(f"{where}: give a `level`, or a `flag` and what it `equals`")
    if level is not None and (type(level) is not int or not 0 < level <= 9):
        raise ConfigError(f"{where}.level: must be a whole number from 1 to 9")
    if flag is not None and flag not in DEFAULTS:
        raise ConfigError(f"{where}.flag: there is no flag {flag!r}, there are {', '.join(sorted(DEFAULTS))}")
    if flag is not None and type(said.get("equals")) is not type(DEFAULTS[flag]):
        raise ConfigError(f"{where}.equals: must be a {type(DEFAULTS[flag]).__name__}, as {flag} is")
    return When(_wanted(said.get("do"), kind, f"{where}.do"), level, flag, said.get("equals"))


def _wanted(said: Any, kind: Kind, where: str) -> Mapping[str, Any]:
    if not isinstance(said, dict):
        raise ConfigError(f"{where}: must be a table of {', '.join(sorted(kind.wants))}")
    _known(said, kind.wants, f"{where}.")
    return said


def _known(said: Mapping[str, Any], names: Any, where: str) -> None:
    strange = next((key for key in said if key not in names), None)
    if strange is not None:
        raise ConfigError(f"{where}{strange}: unknown key, there are {', '.join(sorted(names))}")


def _http(said: Mapping[str, Any]) -> Http:
    key = secret(said["api_key_file"], "api_key_file") if said.get("api_key_file") else ""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        return Http(said["url"], headers, timeout_s=_timeout(said), verify=trusting(said.get("ca_file")))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{said['name']}: ca_file: {error}") from error


def _cluster(said: Mapping[str, Any], environment: Mapping[str, str]) -> Cluster:
    try:
        return Cluster(Access.of(said, environment), timeout_s=_timeout(said))
    except (OSError, DriverError) as error:
        raise ConfigError(f"{said['name']}: {error}") from error


def _timeout(said: Mapping[str, Any]) -> float:
    return float(said.get("timeout_s", TIMEOUT_S))


CHECKS: Final[Mapping[str, Check]] = {
    "url": address,
    "timeout_s": number(0.1, 600),
    "mode": one_of("wait", "abort", "keep"),
    "unload_dependents": boolean,
}
_SERVER: Final = frozenset({"url", "api_key_file", "ca_file"})
_CLUSTER: Final = frozenset({"url", "token_file", "ca_file", "namespace", "object"})
KINDS: Final[Mapping[str, Kind]] = {
    "vllm": Kind(
        lambda said, _: vllm.Vllm(_http(said), mode=said.get("mode", "wait")),
        _SERVER | {"mode"}, frozenset({"url"}), vllm.KEYS,
    ),
    "triton": Kind(
        lambda said, _: triton.Triton(_http(said), unload_dependents=bool(said.get("unload_dependents"))),
        _SERVER | {"unload_dependents"}, frozenset({"url"}), triton.KEYS,
    ),
    "kubernetes": Kind(
        lambda said, env: kubernetes.Deployment(_cluster(said, env), said["namespace"], said["object"]),
        _CLUSTER, frozenset({"namespace", "object"}), kubernetes.KEYS,
    ),
    "argo": Kind(
        lambda said, env: argo.Rollout(_cluster(said, env), said["namespace"], said["object"]),
        _CLUSTER, frozenset({"namespace", "object"}), argo.KEYS,
    ),
}  # fmt: skip
