"""What an address of a page asks: a stretch of time, filters, and the addresses of what lies beside it. Pure.

All state of a page is in its address, so that it can be sent to somebody. Addresses are typed by people: what cannot be
understood is what the page shows by itself, never an error.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from pydantic import BaseModel, Field

from trivet.console.tongue import N_, _
from trivet.kit.body import EARLIEST, LATEST
from trivet.kit.body import Asked as Text
from trivet.kit.clock import floor
from trivet.kit.errors import Invalid
from trivet.kit.interval import Interval
from trivet.kit.page import Kind, from_cursor

TEN_S = 10
HOME_FILE: Final = "/overview"  # what is at `/` has a name as a file
LONGEST: Final = timedelta(days=400)
STRETCHES: Final[Mapping[str, timedelta]] = {
    "15m": timedelta(minutes=15), "1h": timedelta(hours=1), "6h": timedelta(hours=6), "24h": timedelta(days=1),
    "7d": timedelta(days=7), "30d": timedelta(days=30), "90d": timedelta(days=90),
}  # fmt: skip
WORDS: Final[Mapping[str, str]] = {
    "15m": N_("15 min"), "1h": N_("1 h"), "6h": N_("6 h"), "24h": N_("24 h"), "7d": N_("7 days"),
    "30d": N_("30 days"), "90d": N_("90 days"), "between": N_("Between"),
}  # fmt: skip
Name = Annotated[Text, Field()]


class Times(BaseModel):
    """The part of an address that every page has. `since` and `until`: a day or an instant, in the reader's zone."""

    range: Annotated[str, Field(max_length=20)] = ""
    since: Annotated[str, Field(max_length=40)] = ""
    until: Annotated[str, Field(max_length=40)] = ""


@dataclass(frozen=True, slots=True)
class Link:
    """One choice, and where it leads."""

    words: str
    url: str
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Address:
    """An address, settled at an instant. `said` is what it says, and every address made from it keeps the rest."""

    path: str
    said: Mapping[str, str]
    interval: Interval
    range: str  # a key of STRETCHES, or `between`
    running: bool  # its end is now

    def url(self, path: str | None = None, **changed: str) -> str:
        """The address with some of it changed; what is empty is left out."""
        said = {name: value for name, value in ({**self.said, **changed}).items() if value}
        return f"{path or self.path}?{urlencode(said)}" if said else path or self.path

    def ranges(self, keys: Sequence[str]) -> tuple[Link, ...]:
        """The stretches of time a page offers, as links."""
        return tuple(
            Link(WORDS[key], self.url(range=key, since="", until="", cursor=""), key == self.range) for key in keys
        )

    def choices(self, name: str, words: Mapping[str, str], chosen: str) -> tuple[Link, ...]:
        """One filter as links: all, then each of `words` by its key. What is not among them is all."""
        each = (Link(_(said), self.url(**{name: key, "cursor": ""}), key == chosen) for key, said in words.items())
        return (Link(_("All"), self.url(**{name: "", "cursor": ""}), chosen not in words), *each)

    @property
    def csv(self) -> str:
        """Where the same comes as CSV."""
        stem = HOME_FILE if self.path == "/" else self.path
        return self.url(f"{stem}.csv", cursor="")


def settle(path: str, asked: Times, now: datetime, zone: tzinfo, default: str = "24h") -> Address:
    """What an address asks at an instant. The running end is a whole ten seconds, so that equal questions are equal."""
    said = {
        name: str(value) for name, value in asked.model_dump(exclude_defaults=True, exclude_none=True).items() if value
    }
    between = _between(asked, now, zone)
    if between is not None:
        return Address(path, {**said, "range": "between"}, between, "between", running=between.end >= now)
    key = asked.range if asked.range in STRETCHES else default
    kept = {name: value for name, value in said.items() if name not in {"since", "until", "range"}}
    end = floor(now, TEN_S) + timedelta(seconds=TEN_S)
    chosen = kept | ({"range": key} if key != default else {})
    return Address(path, chosen, Interval(end - STRETCHES[key], end), key, running=True)


def _between(asked: Times, now: datetime, zone: tzinfo) -> Interval | None:
    since = instant(asked.since, zone)
    until = instant(asked.until, zone, last=True) if asked.until else now
    if since is None or until is None or not EARLIEST <= since < until < LATEST:
        return None
    return Interval(max(since, until - LONGEST), until)


def instant(text: str, zone: tzinfo, *, last: bool = False) -> datetime | None:
    """`2026-11-21`, `2026-11-21T14:02` or with a zone; `last`: a day stands for its end. None where it is no time."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    if last and len(text) == len("2026-11-21"):
        found = datetime.combine(found.date() + timedelta(days=1), time())
    return found if found.tzinfo else found.replace(tzinfo=zone)


def key_after(cursor: str, *kinds: Kind) -> list[Any]:
    """The key that a table goes on after; empty, which is the beginning, for a cursor that is none of ours."""
    try:
        return from_cursor(cursor, *kinds) if cursor else []
    except Invalid:
        return []


def number_after(cursor: str, kind: Kind = int) -> int | None:
    """The same of a key that is a number; None from the beginning."""
    return next(iter(key_after(cursor, kind)), None)


def name_after(cursor: str) -> str:
    """The same of a key that is a name; "" from the beginning."""
    return next(iter(key_after(cursor, str)), "")
