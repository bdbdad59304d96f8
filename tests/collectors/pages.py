"""Recorded metrics pages, and what an engine's reader makes of them."""

import re
from pathlib import Path
from typing import Any

from trivet_collectors.pipeline.histogram import Spread, point
from trivet_collectors.pipeline.reading import Reading
from trivet_collectors.receivers.prometheus_map import engine_of
from trivet_collectors.receivers.prometheus_read import EngineReader
from trivet_collectors.receivers.prometheus_text import Page, parse

PAGES = Path(__file__).parents[1] / "data" / "prometheus"
DETAILS = ("trivet.outcome", "trivet.token.kind", "trivet.health.kind", "trivet.reason", "error.type")


def text_of(name: str) -> str:
    return (PAGES / f"{name}.prom").read_text()


def page(text: str) -> Page:
    return parse(text.encode(), "text/plain; version=0.0.4")


def at_nothing(text: str) -> str:
    """The page with every value at 0: as the process would have told it when it began."""
    return re.sub(r"(?m)^([^#\s].*) \S+$", r"\1 0", text)


def read_twice(before: str, after: str, **fixed: str) -> tuple[str, list[Reading | Spread]]:
    """Whose page it is, and what the second scrape says."""
    engine = engine_of(page(after))
    assert engine is not None
    reader = EngineReader(engine, fixed)
    reader.read(page(before))
    return engine.name, reader.read(page(after))


def told(read: list[Reading | Spread], *dropped: str) -> dict[tuple[str, ...], Any]:
    """Metric and attribute values (sorted by attribute name, without those `dropped`) to what was read: a value, or a
    histogram's count, sum and buckets. Each series once.
    """
    found: dict[tuple[str, ...], Any] = {}
    for one in read:
        key = one.metric.name, *(text for name, text in sorted(one.attributes.items()) if name not in dropped)
        assert key not in found
        if isinstance(one, Spread):
            made = point(one, 0, 1)
            found[key] = made.count, round(made.total, 9), dict(zip([*made.bounds, "more"], made.buckets, strict=False))
        else:
            found[key] = round(one.value, 9)
    return found
