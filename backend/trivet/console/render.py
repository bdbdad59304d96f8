"""Jinja2 for the console: filters from `format`, built assets by name, nothing undefined passes."""

import json
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from trivet.console import format as say
from trivet.console import places, tongue, triangle
from trivet.console.rows import SCOPE_WORDS, WINDOW_WORDS
from trivet.console.views import LEVEL_WORDS
from trivet.kit.money import plain

ASSETS_URL = "/static/"


def environment(web: Path) -> Environment:
    """Templates under `web/templates`, assets as `web/static/dist/manifest.json` names them."""
    env = Environment(
        loader=FileSystemLoader(web / "templates"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.globals |= {
        "asset": asset_finder(web / "static" / "dist" / "manifest.json"),
        "LEVEL_WORDS": LEVEL_WORDS,
        "WINDOW_WORDS": WINDOW_WORDS,
        "SCOPE_WORDS": SCOPE_WORDS,
        "LANGUAGES": tongue.LANGUAGES,
        "language": tongue.language,
        "section_of": places.section_of,
        "_": tongue._,
        "_n": tongue._n,
    }
    env.filters |= FILTERS
    return env


def asset_finder(manifest: Path) -> Callable[[str], str]:
    """A function from a source name (`main.js`) to its built address; says how to build when nothing is built."""

    @lru_cache
    def built() -> dict[str, str]:
        if not manifest.is_file():
            raise FileNotFoundError(f"{manifest} is missing: run `make env`, which builds the web assets.")
        names: dict[str, str] = json.loads(manifest.read_text())
        return names

    return lambda name: ASSETS_URL + built()[name]


def _utc(at: Any) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _unbroken(text: str) -> str:
    """Keep a number and its unit on one line."""
    return re.sub(r"(?<=\d) (?=%|m?s\b|min\b|h\b|d\b)", "\N{NO-BREAK SPACE}", text)


def _bar(part: Any, whole: Any, width: int = 100) -> str:
    """Length of a bar out of `width`, two places."""
    return f"{float(part) / float(whole) * width:.2f}" if whole else "0"


FILTERS: dict[str, Callable[..., Any]] = {
    "amount": say.amount,
    "exact": plain,
    "watched": say.watched,
    "with_currency": say.with_currency,
    "duration": say.duration,
    "share": say.share,
    "rate": say.rate,
    "count": say.count,
    "clock": say.clock,
    "day_clock": say.day_clock,
    "day": say.day,
    "elapsed": say.elapsed,
    "title_of": say.title,
    "percent": triangle.percent,
    "points": triangle.svg_points,
    "utc": _utc,
    "bar": _bar,
    "unbroken": _unbroken,
}
