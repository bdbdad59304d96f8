"""Tries a configuration: each source once, and the address it would send to. One line for each."""

import gzip
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from trivet_collectors.config import Config, ConfigError
from trivet_collectors.pipeline.deliver import hinted
from trivet_collectors.receivers.prometheus import PrometheusSource
from trivet_collectors.receivers.source import Source, SourceError
from trivet_collectors.setup import sources

_EMPTY: Final = gzip.compress(b"", mtime=0)  # an export of nothing


@dataclass(frozen=True)
class Line:
    text: str
    well: bool


def check(config: Config, environment: Mapping[str, str]) -> Iterator[Line]:
    """What came of each. Nothing is sent that Trivet would keep."""
    yield _address(config, environment)
    yield _queue(config, environment)
    try:
        read = sources(config)
    except ConfigError as error:
        yield Line(str(error), well=False)
        return
    for source in read:
        yield _tried(source)


def _address(config: Config, environment: Mapping[str, str]) -> Line:
    try:
        destination = config.destination(environment)
    except ConfigError as error:
        return Line(f"endpoint: {error}", well=False)
    answer = destination.post(_EMPTY)
    if 200 <= answer.status < 300:
        return Line(f"endpoint {destination.url}: takes metrics with this key", well=True)
    return Line(f"endpoint {destination.url}: {hinted(answer)}", well=False)


def _queue(config: Config, environment: Mapping[str, str]) -> Line:
    """Nothing is made: who checks is often another user than who runs."""
    directory = config.queue_directory(environment)
    if directory is None:
        return Line("queue: in memory, gone with the agent: name queue.dir to keep it", well=True)
    there = next(path for path in (directory, *directory.absolute().parents) if path.exists())
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        return Line(f"queue {directory}: {there} is no directory that this user may write", well=False)
    return Line(f"queue {directory}: can be written", well=True)


def _tried(source: Source) -> Line:
    try:
        source.open()
        count = len(source.read())
    except SourceError as error:
        return Line(f"{source.name}: {error}", well=False)
    finally:
        source.close()
    engine = f"{source.engine}, " if isinstance(source, PrometheusSource) else ""
    return Line(f"{source.name}: {engine}{count} readings", well=True)
