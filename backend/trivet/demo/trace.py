"""A recorded trace as calls to make: when, how long, for whom. Pure but for opening the file."""

import csv
import gzip
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count, islice
from pathlib import Path
from typing import TextIO

CUT = Path(__file__).with_name("data") / "azure_llm_2023_conv_cut.csv"
COLUMNS = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
TURNS_MAX = 8  # of one conversation, before its caller starts another
_MICROSECONDS = len("2023-11-16 18:15:46.680590")  # the trace has 100 ns digits, which datetime does not take


class TraceError(ValueError):
    """The file is not such a trace; the message names the line."""


@dataclass(frozen=True)
class Arrival:
    """One row: seconds since the first row, and tokens as recorded."""

    at_s: float
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True)
class Share:
    """A tenant or scenario and how much of the calls is its own, in parts of the whole."""

    name: str
    parts: int
    model: str = ""  # what this scenario's calls ask for
    stream: bool = True
    reasoning_effort: str = ""


@dataclass(frozen=True)
class Mix:
    """On whom a trace that names nobody is mapped. The same seed maps the same row on the same names."""

    tenants: tuple[Share, ...]
    scenarios: tuple[Share, ...]
    seed: int = 1
    conversations: int = 40  # at once, for each tenant and scenario
    run: str = ""  # goes before every conversation, so that two replays do not share theirs


@dataclass(frozen=True)
class Call:
    """One call to make. `turn` counts from 1 within the conversation."""

    at_s: float
    input_tokens: int
    output_tokens: int
    tenant: str
    scenario: str
    conversation: str
    turn: int
    model: str
    stream: bool
    reasoning_effort: str = ""


def read(path: Path, limit: int | None = None) -> list[Arrival]:
    """The rows of a CSV (or `.gz`) with `COLUMNS`, at most `limit`. Raises TraceError."""
    with _opened(path) as file:
        return list(islice(_arrivals(file, path.name), limit))


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            yield file
    else:
        with path.open(encoding="utf-8", newline="") as file:
            yield file


def _arrivals(lines: Iterable[str], name: str) -> Iterator[Arrival]:
    rows = csv.DictReader(lines)
    if rows.fieldnames is None or not set(COLUMNS) <= set(rows.fieldnames):
        raise TraceError(f"{name}: the first line must name the columns {', '.join(COLUMNS)}")
    first: datetime | None = None
    for number, row in enumerate(rows, start=2):
        try:
            at = datetime.fromisoformat(row["TIMESTAMP"][:_MICROSECONDS])
            tokens = int(row["ContextTokens"]), int(row["GeneratedTokens"])
        except (TypeError, ValueError) as error:
            raise TraceError(f"{name}, line {number}: {error}") from None
        first = first or at
        yield Arrival((at - first).total_seconds(), *tokens)


def calls(arrivals: Iterable[Arrival], mix: Mix) -> Iterator[Call]:
    """Each arrival as a call of somebody. The trace's times and token counts stay as they are."""
    turns: dict[str, int] = {}
    for index, arrival in enumerate(arrivals):
        tenant = _pick(mix.tenants, _draw(mix.seed, "tenant", index))
        scenario = _pick(mix.scenarios, _draw(mix.seed, "scenario", index))
        lane = f"{tenant.name}-{scenario.name}-{_draw(mix.seed, 'conversation', index) % mix.conversations}"
        turn = turns[lane] = turns.get(lane, 0) + 1
        round_, place = divmod(turn - 1, TURNS_MAX)
        yield Call(
            arrival.at_s,
            arrival.input_tokens,
            arrival.output_tokens,
            tenant=tenant.name,
            scenario=scenario.name,
            conversation=f"{mix.run}{lane}-{round_}",
            turn=place + 1,
            model=scenario.model,
            stream=scenario.stream,
            reasoning_effort=scenario.reasoning_effort,
        )


def endless(arrivals: Sequence[Arrival], mix: Mix) -> Iterator[Call]:
    """The trace again and again, each round with conversations of its own, one second between two rounds."""
    span_s = arrivals[-1].at_s + 1.0
    for round_ in count():
        begin_s = round_ * span_s
        for call in calls(arrivals, replace(mix, run=f"{mix.run}{round_}-")):
            yield replace(call, at_s=begin_s + call.at_s)


def _draw(seed: int, what: str, index: int) -> int:
    digest = hashlib.blake2b(f"{seed}/{what}/{index}".encode(), digest_size=8).digest()
    return int.from_bytes(digest)


def _pick(shares: Sequence[Share], draw: int) -> Share:
    rest = draw % sum(share.parts for share in shares)
    for share in shares:
        rest -= share.parts
        if rest < 0:
            return share
    raise AssertionError("parts are positive")
