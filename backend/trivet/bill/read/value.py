"""Cells of a bill into amounts, days and texts. Pure; a cell that cannot be read says why (`BadCellError`).

Amounts are read from their text, never by way of a float. The places they were written with are kept: a provider that
rounds its lines to cents may be off by half a cent a line.
"""

import re
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal

from trivet.kit.body import is_storable
from trivet.kit.money import EXACT, PICO, PLACES_MAX, WHOLE_DIGITS_MAX

TEXT_MAX = 256
NUMBER_CHARACTERS_MAX = 80
SMALLEST_EXPONENT = -40
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,5})?")
_GROUPED = re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+(?:Z|[+-][0-9]{2}:?[0-9]{2}|\+00)?")
_EPOCH = re.compile(r"[0-9]{9,10}(?:\.0)?")
FIRST, LAST = date(2000, 1, 1), date(2100, 1, 1)


class BadCellError(Exception):
    """A cell that cannot be read. Its text says what is wrong with it and how it should be."""


def number(text: str, *, grouped: bool = False) -> Decimal:
    """A decimal as written: `1.50`, `-2`, `1.2E-7`. Thousands only where the format is known to write them."""
    given = text.strip()
    if len(given) > NUMBER_CHARACTERS_MAX:
        raise BadCellError(f"a number has at most {NUMBER_CHARACTERS_MAX} characters")
    if _GROUPED.fullmatch(given):
        if not grouped:
            raise BadCellError(f"{_shown(given)} has thousands separators, which could as well be decimal points")
        given = given.replace(",", "")
    if not _NUMBER.fullmatch(given):
        raise BadCellError(f"{_shown(given)} is no plain number such as 1234.50 or 1.2E-7")
    found = Decimal(given)
    if not found:
        return Decimal(0)
    if found.adjusted() >= WHOLE_DIGITS_MAX:
        raise BadCellError(f"{_shown(given)} has more than {WHOLE_DIGITS_MAX} digits before the point")
    if found.adjusted() < SMALLEST_EXPONENT:
        raise BadCellError(f"{_shown(given)} is smaller than any price")
    return found


def amount(text: str, *, grouped: bool = False) -> tuple[Decimal, int]:
    """An amount in whole picos, rounded half even, and with how many places it was written (2 at least)."""
    found = number(text, grouped=grouped)
    exponent = found.as_tuple().exponent
    places = max(-exponent, 2) if isinstance(exponent, int) else 2
    return EXACT.quantize(found, PICO), min(places, PLACES_MAX)


def day(text: str, zone: tzinfo, pattern: str = "") -> date:
    """The calendar day in the bill's zone of a date, of an instant, or of seconds since 1970. Without an offset: UTC."""
    found = _date_of(text.strip(), zone, pattern)
    if not FIRST <= found < LAST:
        raise BadCellError(f"{_shown(text)} is not a day from {FIRST.year} to before {LAST.year}")
    return found


def _date_of(given: str, zone: tzinfo, pattern: str) -> date:
    try:
        if pattern and (found := _by_pattern(given, pattern)):
            return found
        if _DAY.fullmatch(given):
            return date.fromisoformat(given)
        if _EPOCH.fullmatch(given):
            return datetime.fromtimestamp(int(given.partition(".")[0]), UTC).astimezone(zone).date()
        if not _INSTANT.fullmatch(given.removesuffix(" UTC")):
            raise BadCellError(_no_date(given))
        at = datetime.fromisoformat(given.removesuffix(" UTC"))
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(zone).date()
    except (ValueError, OverflowError) as bad:
        raise BadCellError(_no_date(given)) from bad


def _no_date(given: str) -> str:
    return f"{_shown(given)} is no date such as 2026-10-31 or 2026-10-31T07:00:00Z"


def _by_pattern(given: str, pattern: str) -> date | None:
    try:
        return datetime.strptime(given, pattern).date()
    except ValueError:
        return None


def text(given: str) -> str:
    """A text that the database can hold, of a bounded length."""
    found = given.strip()
    if not is_storable(found):
        raise BadCellError("a text cannot hold a NUL character")
    if len(found) > TEXT_MAX:
        raise BadCellError(f"a text has at most {TEXT_MAX} characters, this one has {len(found)}")
    return found


def currency(given: str) -> str:
    """An ISO 4217 code, in capitals."""
    code = given.strip().upper()
    if not re.fullmatch(r"[A-Z]{3}", code):
        raise BadCellError(f"{_shown(given)} is no currency code such as USD")
    return code


def _shown(given: str) -> str:
    return repr(given if len(given) <= 40 else given[:40] + "…")
