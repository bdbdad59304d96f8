"""What request bodies share: a base, names, instants, amounts. What they refuse, they refuse before any code runs."""

import re
import unicodedata
from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, StringConstraints

from trivet.kit.money import plain_amount

NAME_MAX = 256  # characters kept of a name in a span (`ingest.span.TEXT_LIMIT`): whatever is stored can be asked for
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")  # PostgreSQL stores neither NUL nor half of a surrogate pair
_DATED = re.compile(r"[0-9]{4}-")  # a bare number would be taken as seconds since 1970


class Body(BaseModel):
    """A request body. A field nobody knows is refused: a typo is no missing field."""

    model_config = ConfigDict(extra="forbid")


def is_storable(text: str) -> bool:
    """Whether PostgreSQL can hold a text, or compare with it."""
    return _UNSTORABLE.search(text) is None


def _storable(text: str) -> str:
    if not is_storable(text):
        raise ValueError("a text cannot hold a NUL character")
    return text


def _visible(text: str) -> str:
    if not any(unicodedata.category(character)[0] not in "CZ" for character in text):
        raise ValueError("a name needs something that can be seen")
    return text


def _dated(given: Any) -> Any:
    if isinstance(given, datetime) or (isinstance(given, str) and _DATED.match(given)):
        return given
    raise ValueError("write a time such as 2026-11-21T07:00:00Z")


def _bounded(at: datetime) -> datetime:
    if not EARLIEST <= at < LATEST:
        raise ValueError(f"a time lies from {EARLIEST.year} to before {LATEST.year}")
    return at.astimezone(UTC)


def _bounded_day(day: date) -> date:
    if not EARLIEST.date() <= day < LATEST.date():
        raise ValueError(f"a day lies from {EARLIEST.year} to before {LATEST.year}")
    return day


def _amount(text: str) -> str:
    plain_amount(text)
    return text


Asked = Annotated[str, StringConstraints(max_length=NAME_MAX), AfterValidator(_storable)]
Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=NAME_MAX),
    AfterValidator(_storable),
    AfterValidator(_visible),
]
Words = Annotated[str, StringConstraints(max_length=1000), AfterValidator(_storable)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Instant = Annotated[AwareDatetime, BeforeValidator(_dated), AfterValidator(_bounded)]
Day = Annotated[date, BeforeValidator(_dated), AfterValidator(_bounded_day)]
Amount = Annotated[str, StringConstraints(max_length=40), AfterValidator(_amount)]
