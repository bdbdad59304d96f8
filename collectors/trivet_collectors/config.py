"""The agent's configuration: TOML in, checked values out. An error names the key and says what would be right."""

import difflib
import os
import socket
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, TypeVar

from trivet_collectors import semconv
from trivet_collectors.pipeline.destination import RESOURCE_VARIABLE, Destination, destination, is_address, pairs

RECEIVERS_MAX: Final = 64
ENDPOINT_VARIABLE: Final = "TRIVET_ENDPOINT"
KEY_VARIABLE: Final = "TRIVET_API_KEY"
KEY_FILE_VARIABLE: Final = "TRIVET_API_KEY_FILE"
POOL_VARIABLE: Final = "TRIVET_POOL"
STATE_VARIABLE: Final = "STATE_DIRECTORY"  # systemd's, for StateDirectory=

T = TypeVar("T")
Check = Callable[[Any], str | None]  # what would be right, or None when it is


class ConfigError(ValueError):
    """The configuration cannot be used. The message is one line: the key, what is wrong, what to do."""


def number(least: float, most: float) -> Check:
    def check(value: Any) -> str | None:
        right = isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most
        return None if right else f"a number from {least:g} to {most:g}"

    return check


def whole(least: int, most: int) -> Check:
    def check(value: Any) -> str | None:
        right = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
        return None if right else f"a whole number from {least} to {most}"

    return check


def text(value: Any) -> str | None:
    right = isinstance(value, str) and value.strip() and value.isprintable()
    return None if right else "a text in quotes on one line, not empty"


def address(value: Any) -> str | None:
    right = isinstance(value, str) and is_address(value)
    return None if right else "an address that begins with http:// or https://, without a user"


def one_of(*words: str) -> Check:
    return lambda value: None if value in words else "one of " + ", ".join(words)


def boolean(value: Any) -> str | None:
    return None if isinstance(value, bool) else "true or false"


def setting(default: Any, check: Check) -> Any:
    return field(default=default, metadata={"check": check})


def required(check: Check) -> Any:
    return field(metadata={"check": check})


@dataclass(frozen=True)
class QueueConfig:
    """Where exports wait, and how many: what a day without Trivet takes, by far."""

    dir: str | None = setting(None, text)
    bytes_max: int = setting(256 * 1024 * 1024, whole(64 * 1024, 1 << 40))
    age_max_s: float = setting(86_400.0, number(1, 14 * 86_400))


@dataclass(frozen=True)
class MetricsConfig:
    """The agent's own /metrics. Without a port there is none."""

    port: int | None = setting(None, whole(0, 65_535))
    address: str = setting("127.0.0.1", text)


@dataclass(frozen=True)
class NvmlConfig:
    """The NVIDIA cards of this node."""

    interval_s: float = setting(1.0, number(0.05, 60))
    round_timeout_s: float = setting(5.0, number(0.05, 60))
    processes_max: int = setting(16, whole(0, 256))  # of each card told one by one, the rest together
    proc: str | None = setting(None, text)  # where the host's /proc is mounted, in a container
    pool: str | None = setting(None, text)


@dataclass(frozen=True)
class PrometheusConfig:
    """One /metrics page to scrape. `engine` None: told by the names on the page."""

    url: str = required(address)
    engine: str | None = setting(None, text)
    interval_s: float = setting(10.0, number(0.1, 3_600))
    timeout_s: float = setting(5.0, number(0.1, 60))
    bytes_max: int = setting(16 * 1024 * 1024, whole(1_024, 256 * 1024 * 1024))
    bearer_token_file: str | None = setting(None, text)
    backend: str | None = setting(None, text)
    scenario: str | None = setting(None, text)
    pool: str | None = setting(None, text)
    model: str | None = setting(None, text)


@dataclass(frozen=True)
class Config:
    """One agent: where it sends, where it keeps what waits, and what it reads."""

    endpoint: str | None = setting(None, address)
    api_key: str | None = setting(None, text)
    api_key_file: str | None = setting(None, text)
    host: str | None = setting(None, text)
    pool: str | None = setting(None, text)
    send_interval_s: float = setting(10.0, number(0.05, 300))
    queue: QueueConfig = QueueConfig()
    metrics: MetricsConfig = MetricsConfig()
    nvml: tuple[NvmlConfig, ...] = ()
    prometheus: tuple[PrometheusConfig, ...] = ()

    def destination(self, environment: Mapping[str, str] = os.environ) -> Destination:
        """Where exports go. What the file does not say comes from TRIVET_* and OTEL_EXPORTER_OTLP_*."""
        try:
            endpoint = self.endpoint or environment.get(ENDPOINT_VARIABLE)
            return destination(endpoint, self.key(environment), environment)
        except ValueError as error:
            raise ConfigError(str(error)) from error

    def key(self, environment: Mapping[str, str] = os.environ) -> str | None:
        """The API key, from the file it is kept in, the configuration or the environment."""
        if self.api_key_file:
            return secret(self.api_key_file, "api_key_file")
        if self.api_key or environment.get(KEY_VARIABLE):
            return self.api_key or environment[KEY_VARIABLE]
        file = environment.get(KEY_FILE_VARIABLE)
        return secret(file, KEY_FILE_VARIABLE) if file else None

    def resource(self, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
        """What is said of every point: who reads, where, and for which pool."""
        said = pairs(environment.get(RESOURCE_VARIABLE, ""))
        said |= {"service.name": "trivet-collector", semconv.HOST_NAME: self.host or socket.gethostname()}
        pool = self.pool or environment.get(POOL_VARIABLE)
        return {**said, semconv.TRIVET_POOL: pool} if pool else said

    def queue_directory(self, environment: Mapping[str, str] = os.environ) -> Path | None:
        """Where exports wait; None, in memory, when neither the file nor systemd names a place."""
        if self.queue.dir:
            return Path(self.queue.dir)
        state = environment.get(STATE_VARIABLE, "").split(":")[0]
        return Path(state) / "queue" if state else None


def load(path: Path) -> Config:
    """The configuration in a file. ConfigError when it cannot be read or used."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    try:
        return parse(raw)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def parse(raw: Mapping[str, Any]) -> Config:
    """A configuration out of parsed TOML. ConfigError names the first key that is wrong."""
    receivers = raw.get("receivers", {})
    if not isinstance(receivers, dict):
        raise ConfigError("receivers: write [[receivers.nvml]] or [[receivers.prometheus]]")
    _known(receivers, ("nvml", "prometheus"), "receivers.")
    top = {key: value for key, value in raw.items() if key != "receivers"}
    _known(top, [f.name for f in fields(Config) if f.name not in ("nvml", "prometheus")], "", also=("receivers",))
    config = Config(
        **_values(Config, {k: v for k, v in top.items() if k not in ("queue", "metrics")}, ""),
        queue=_table(QueueConfig, top.get("queue", {}), "queue"),
        metrics=_table(MetricsConfig, top.get("metrics", {}), "metrics"),
        nvml=_tables(NvmlConfig, receivers.get("nvml", []), "receivers.nvml"),
        prometheus=_tables(PrometheusConfig, receivers.get("prometheus", []), "receivers.prometheus"),
    )
    if config.api_key and config.api_key_file:
        raise ConfigError("api_key and api_key_file: give one of them")
    if len(config.nvml) > 1:
        raise ConfigError("receivers.nvml[1]: one reads every card of the node, remove the others")
    urls = [target.url for target in config.prometheus]
    twice = next((n for n, url in enumerate(urls) if url in urls[:n]), None)
    if twice is not None:
        raise ConfigError(
            f"receivers.prometheus[{twice}].url: {urls[twice]!r} stands there twice, and would count twice"
        )
    count = len(config.nvml) + len(config.prometheus)
    if not 0 < count <= RECEIVERS_MAX:
        raise ConfigError(
            f"receivers: {count} given, 1 to {RECEIVERS_MAX} can be: add [[receivers.nvml]] or [[receivers.prometheus]]"
        )
    return config


def secret(path: str, key: str) -> str:
    """The first line of a file that holds a key. ConfigError when there is none."""
    try:
        lines = Path(path).read_text(encoding="utf-8").split()
    except (OSError, ValueError) as error:
        raise ConfigError(f"{key}: {path}: {getattr(error, 'strerror', None) or error}") from error
    if not lines:
        raise ConfigError(f"{key}: {path} is empty: write the key into it")
    return lines[0]


def _tables(cls: type[T], raw: Any, where: str) -> tuple[T, ...]:
    if not isinstance(raw, list):
        raise ConfigError(f"{where}: write [[{where}]], with two brackets: there may be several")
    return tuple(_table(cls, table, f"{where}[{n}]") for n, table in enumerate(raw))


def _table(cls: type[T], raw: Any, where: str) -> T:
    if not isinstance(raw, dict):
        raise ConfigError(f"{where}: write a table, [{where}]")
    return cls(**_values(cls, raw, f"{where}."))


def _values(cls: type[Any], raw: Mapping[str, Any], where: str) -> dict[str, Any]:
    checks = {f.name: f.metadata["check"] for f in fields(cls) if "check" in f.metadata}
    _known(raw, checks, where)
    needed = [f.name for f in fields(cls) if "check" in f.metadata and f.default is field().default]
    for name in needed:
        if name not in raw:
            raise ConfigError(f"{where}{name}: missing, it must be {checks[name](None)}")
    for name, value in raw.items():
        right = checks[name](value)
        if right is not None:
            told = (
                "it" if name == "api_key" or "@" in str(value) else repr(value)
            )  # no secret on a terminal or in a log
            raise ConfigError(f"{where}{name}: {told} must be {right}")
    return dict(raw)


def _known(raw: Mapping[str, Any], names: Any, where: str, also: tuple[str, ...] = ()) -> None:
    allowed = [*names, *also]
    for key in raw:
        if key not in allowed:
            near = difflib.get_close_matches(key, allowed, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(allowed))}"
            raise ConfigError(f"{where}{key}: unknown key, {hint}")
