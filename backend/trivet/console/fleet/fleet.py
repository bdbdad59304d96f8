"""The page of GPUs and its file."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from pydantic import Field
from starlette.responses import StreamingResponse

from trivet import db
from trivet.console import gpus
from trivet.console.address import Address, Link, Name, Times, settle
from trivet.console.door import Looking
from trivet.console.files import csv_answer
from trivet.console.fleet import read as reading
from trivet.console.fleet import words
from trivet.console.fleet.heat import Card, groups
from trivet.console.fleet.multiples import multiples
from trivet.console.fleet.views import FleetPage
from trivet.console.pages import show
from trivet.console.views import GpuRow, Reader
from trivet.report.files.table import Column
from trivet_collectors import semconv as sc

router = APIRouter()
RANGES: Final = ("1h", "24h", "7d")
SHOWN, FILE_PAGE = 50, 500
OFFSET_MAX = 100_000
COLUMNS: Final = (
    Column("card"), Column("model"), Column("host"), Column("pool"), Column("part_of"), Column("last_seen_at"),
    Column("mean_utilization", "number"), Column("utilization", "number"), Column("memory_bytes", "number"),
    Column("memory_limit_bytes", "number"), Column("power_w", "number"), Column("held_back_by"), Column("xid"), Column("ecc_errors"),
)  # fmt: skip
READINGS: Final = (sc.HW_GPU_UTILIZATION, sc.HW_GPU_MEMORY_USAGE, sc.HW_GPU_MEMORY_LIMIT, sc.HW_POWER)


class Asked(Times):
    """Of one pool, and from which row of the table on."""

    pool: Name = ""
    cursor: Annotated[str, Field(max_length=12)] = ""


@router.get("/gpus")
def page(looking: Looking, asked: Annotated[Asked, Query()]) -> HTMLResponse:
    """Every card as a cell; utilisation beside what shows capacity; the cards as rows."""
    address = settle("/gpus", asked, looking.now, looking.zone, "1h")
    start = _start(asked.cursor)
    with db.transaction() as session:
        facts = reading.read(session, address.interval, asked.pool, looking.now)
        some = facts.cards[start : start + SHOWN]
        told = reading.told(session, some, looking.now)
    return show("fleet/page.html", _page(looking, address, facts, _rows(told, some, looking.now), start + SHOWN))


@router.get("/gpus.csv")
def file(looking: Looking, asked: Annotated[Asked, Query()]) -> StreamingResponse:
    """Every card that has a cell."""
    address = settle("/gpus", asked, looking.now, looking.zone, "1h")
    with db.transaction() as session:
        facts = reading.read(session, address.interval, asked.pool, looking.now)

    def rows() -> Iterator[Sequence[Any]]:
        for start in range(0, len(facts.cards), FILE_PAGE):
            some = facts.cards[start : start + FILE_PAGE]
            used = {card.id: card.used for card in some}
            with db.transaction() as session:
                told = reading.told(session, some, looking.now)
            yield from (_values(each, used[each["id"]]) for each in told)

    return csv_answer("gpus", COLUMNS, rows())


def _page(looking: Reader, address: Address, facts: reading.Facts, rows: tuple[GpuRow, ...], after: int) -> FleetPage:
    drawn = groups(facts.cards, looking.now)
    every = sorted({card.pool for card in facts.cards} | {name for each in facts.series.values() for name in each})
    named = [name for name in every if name]
    return FleetPage(
        reader=looking,
        sentence=words.sentence(drawn),
        address=address,
        ranges=address.ranges(RANGES),
        pools=tuple(Link(name, address.url(pool="" if name == address.said.get("pool") else name, cursor=""), name == address.said.get("pool")) for name in named),
        groups=drawn,
        left_out=facts.left_out,
        multiples=multiples(facts.series, named + [name for name in every if not name], facts.over, facts.grain_s, looking.zone),
        rows=rows,
        older_url=address.url(cursor=str(after)) if after < len(facts.cards) else "",
    )  # fmt: skip


def _rows(told: Sequence[dict[str, Any]], some: Sequence[Card], now: datetime) -> tuple[GpuRow, ...]:
    seen = {card.id: card.seen_at for card in some}
    return tuple(gpus.row(said, seen[said["id"]], now) for said in told)


def _start(cursor: str) -> int:
    return min(int(cursor), OFFSET_MAX) if cursor.isascii() and cursor.isdigit() else 0


def _values(said: dict[str, Any], used: float | None) -> Sequence[Any]:
    readings = [said["readings"].get(metric.name) for metric in READINGS]
    day = said["last_day"]
    return (
        said["uuid"], said["model"], said["host"], said["pool"] or "", said["parent"] or "", said["last_seen_at"] or "", used,
        *(each["value"] if each else None for each in readings), ", ".join(said["throttled_by"]), _counts(day["xid"]),
        _counts(day["ecc_errors"]),
    )  # fmt: skip


def _counts(by_kind: dict[str, int]) -> str:
    return ", ".join(f"{kind}={count}" for kind, count in by_kind.items())
