"""Finance months: UTC months written `2026-10`. Pure."""

import re
from datetime import UTC, datetime

from trivet.kit.errors import Invalid
from trivet.kit.interval import Interval

_MONTH = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])")


def parsed(text: str) -> str:
    """The month, if it is written as one; `Invalid` otherwise."""
    if not _MONTH.fullmatch(text):
        raise Invalid("Write a month as 2026-10.", field="month")
    return text


def bounds(month: str) -> Interval:
    """`2026-10` -> [1 October, 1 November)."""
    return Interval(_first(month), _first(following(month)))


def following(month: str) -> str:
    """The month after: `2026-12` -> `2027-01`."""
    year, number = map(int, month.split("-"))
    return f"{year + number // 12:04d}-{number % 12 + 1:02d}"


def booking(month: str, shut: str) -> tuple[str, str]:
    """Where a posting of a month's hour is booked, and the closed month it adjusts ("" where it is none).

    `shut` is the last closed month, "" where there is none: everything up to it is closed.
    """
    return (following(shut), month) if month <= shut else (month, "")


def _first(month: str) -> datetime:
    year, number = map(int, month.split("-"))
    return datetime(year, number, 1, tzinfo=UTC)
