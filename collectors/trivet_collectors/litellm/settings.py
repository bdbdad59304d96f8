"""What the callback is told: the environment says where Trivet is, a TOML file how requests are shaped."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Literal

from trivet_collectors.config import ConfigError, address, boolean, number, one_of, secret, setting, text
from trivet_collectors.litellm.shaping import Shapes

FILE_VARIABLE: Final = "TRIVET_LITELLM_CONFIG"


@dataclass(frozen=True)
class Settings:
    """`backend` is the name under which this proxy is registered. `reserve`: budgets are held before each call.

    `unreachable` says what becomes of a call whose budget nobody can be asked about, before any budget has said it;
    `reserve_timeout_s` how long one call waits to learn that nobody can.
    """

    endpoint: str = setting("", address)
    api_key: str = setting("", text)
    backend: str = setting("litellm", text)
    state_path: str | None = setting(None, text)
    poll_interval_s: float = setting(1.0, number(0.1, 60))
    tenant: str = setting("", text)
    scenario: str = setting("", text)
    trust_caller: bool = setting(False, boolean)
    reserve: bool = setting(False, boolean)
    reserve_timeout_s: float = setting(0.5, number(0.05, 60))
    unreachable: Literal["open", "closed"] = setting("open", one_of("open", "closed"))
    shapes: Shapes = field(default_factory=Shapes)


def settings_of(environment: Mapping[str, str] = os.environ) -> Settings:
    """From `TRIVET_*` and the file that `TRIVET_LITELLM_CONFIG` names. ConfigError, a line that names the key and the fix."""
    said = _file(environment.get(FILE_VARIABLE))
    for key in ("endpoint", "api_key", "backend", "state_path"):
        if environment.get(f"TRIVET_{key.upper()}"):
            said.setdefault(key, environment[f"TRIVET_{key.upper()}"])
    if "api_key" not in said and environment.get("TRIVET_API_KEY_FILE"):
        said["api_key"] = secret(environment["TRIVET_API_KEY_FILE"], "TRIVET_API_KEY_FILE")
    for key in ("endpoint", "api_key"):
        if not said.get(key):
            raise ConfigError(f"{key}: missing, set TRIVET_{key.upper()} or write it into the file of {FILE_VARIABLE}")
    shapes = _shapes(said)
    checks = {f.name: f.metadata["check"] for f in fields(Settings) if "check" in f.metadata}
    for key, value in said.items():
        if key not in checks:
            known = [*checks, "routes", "features", "local_tools"]
            raise ConfigError(f"{key}: unknown key, there are {', '.join(sorted(known))}")
        right = checks[key](value)
        if right is not None:
            raise ConfigError(f"{key}: must be {right}")  # the value is not said: it may be a key
    return Settings(**said, shapes=shapes)


def _file(path: str | None) -> dict[str, Any]:
    if not path:
        return {}
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{FILE_VARIABLE}: {path}: {error}") from error


def _shapes(said: dict[str, Any]) -> Shapes:
    routes, features = said.pop("routes", {}), said.pop("features", {})
    local = said.pop("local_tools", [])
    if not isinstance(routes, dict) or not all(isinstance(model, str) for model in routes.values()):
        raise ConfigError('routes: must be a table of route = "model of the proxy"')
    if not isinstance(features, dict) or not all(_texts(names) for names in features.values()):
        raise ConfigError('features: must be a table of feature = ["field of the request"]')
    if not _texts(local):
        raise ConfigError('local_tools: must be a list of names or patterns, ["calculator", "site_*"]')
    return Shapes(routes, tuple(local), {name: tuple(names) for name, names in features.items()})


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)
