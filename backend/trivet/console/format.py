"""Numbers as the page says them. Money is Decimal throughout; every minus is a true minus (U+2212).

What is watched has four significant digits, what is signed its full precision; a column keeps to one number of places.
"""

from collections.abc import Iterable
from datetime import date, datetime, tzinfo
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

from trivet.console.tongue import N_, _, language

MINUS = "\N{MINUS SIGN}"
DASH = "\N{EN DASH}"
NARROW = "\N{NARROW NO-BREAK SPACE}"
SIGNED_PLACES = 12
WATCHED_DIGITS = 4
SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "CNY": "CN¥", "JPY": "JP¥"}


def watched_places(amounts: Iterable[Decimal]) -> int:
    """Places that show the largest of some amounts with four significant digits; at least two, at most twelve."""
    largest = max((abs(a) for a in amounts), default=Decimal(0))
    if largest == 0:
        return 2
    return min(max(WATCHED_DIGITS - 1 - largest.adjusted(), 2), SIGNED_PLACES)


def amount(value: Decimal, places: int) -> str:
    """`1,234.50`; what is smaller than half a unit of the last place, but not nothing, says so: `< 0.01`."""
    step = Decimal(1).scaleb(-places)
    rounded = value.quantize(step, rounding=ROUND_HALF_EVEN)
    if rounded == 0 and value != 0:
        return f"<{NARROW}{step:f}" if value > 0 else f">{NARROW}{MINUS}{step:f}"
    return _signed(f"{rounded:,f}")


def watched(value: Decimal, currency: str) -> str:
    """`$0.003184`: one amount on its own, four significant digits."""
    return with_currency(amount(value, watched_places([value])), currency)


def signed(value: Decimal) -> str:
    """`1,234.567800000000`: full precision, for what somebody signs."""
    return amount(value, SIGNED_PLACES)


def with_currency(text: str, currency: str) -> str:
    """Put a currency's symbol, or its code, before an amount: `−$1.20`, `CHF 1.20`."""
    symbol = SYMBOLS.get(currency, f"{currency}{NARROW}")
    lead = next((mark for mark in (MINUS, f"<{NARROW}", f">{NARROW}{MINUS}") if text.startswith(mark)), "")
    return f"{lead}{symbol}{text.removeprefix(lead)}"


def duration(ms: float | None) -> str:
    """`842 ms`, `1.62 s`, `75.0 s`: three significant digits, which is what a 1 % histogram knows."""
    if ms is None:
        return DASH
    if ms < 999.5:
        return f"{_digits(ms, 3)} ms"
    return f"{_digits(ms / 1000, 3)} s"


def limit(ms: float) -> str:
    """A duration somebody wrote down: `1.5 s`, `200 ms`, without digits that were not written."""
    return f"{ms:g} ms" if ms < 1000 else f"{ms / 1000:g} s"


def share(value: float | None) -> str:
    """`0.82 %` of a fraction: two significant digits below ten per cent, whole above."""
    if value is None:
        return DASH
    per_cent = value * 100
    if per_cent != 0 and abs(per_cent) < 9.95:
        return _signed(f"{_digits(per_cent, 2)} %")
    return _signed(f"{per_cent:.0f} %")


def score(value: float | None) -> str:
    """A quality score with two places, cut and not rounded: what is under its floor must not look as if it were on it."""
    if value is None:
        return DASH
    return _signed(f"{Decimal(repr(round(float(value), 9))).quantize(Decimal('0.01'), rounding=ROUND_FLOOR):f}")


def floor(value: float) -> str:
    """A floor of scores as it was written, with two places at least: `0.80`, `0.925`."""
    exact = Decimal(repr(float(value))).normalize()
    places = max(2, -int(exact.as_tuple().exponent))
    return _signed(f"{exact.quantize(Decimal(1).scaleb(-places)):f}")


def rate(per_s: float | None) -> str:
    """`12.4/s`."""
    return DASH if per_s is None else f"{_digits(per_s, 3)}/s"


def count(value: int | None) -> str:
    """`12,345`."""
    return DASH if value is None else _signed(f"{value:,d}")


def change(fraction: float) -> str:
    """`12 % less`, `8 % more`, `the same`."""
    whole = round(abs(fraction) * 100)
    if whole == 0:
        return _("the same")
    return _("{n} % less", n=whole) if fraction < 0 else _("{n} % more", n=whole)


def clock(at: datetime, zone: tzinfo, *, seconds: bool = False) -> str:
    """`14:02` in the reader's zone."""
    return at.astimezone(zone).strftime("%H:%M:%S" if seconds else "%H:%M")


def day_clock(at: datetime, now: datetime, zone: tzinfo, *, seconds: bool = False) -> str:
    """`14:02` today, `20 Nov 14:02` on another day of the reader's calendar."""
    there, here = at.astimezone(zone), now.astimezone(zone)
    told = clock(at, zone, seconds=seconds)
    return told if there.date() == here.date() else f"{day(there.date())} {told}"


def month(at: date) -> str:
    """`November`; in Chinese `11 月`."""
    return f"{at.month} 月" if language() == "zh" else f"{at:%B}"


def month_year(at: date) -> str:
    """`November 2026`; in Chinese `2026 年 11 月`."""
    return f"{at.year} 年 {at.month} 月" if language() == "zh" else f"{at:%B %Y}"


def day(at: date) -> str:
    """`20 Nov`; in Chinese `11 月 20 日`."""
    return f"{at.month} 月 {at.day} 日" if language() == "zh" else f"{at.day} {at:%b}"


def elapsed(seconds: float) -> str:
    """`12 s`, `4 min`, `3 h`, `2 d`: how long ago, coarse on purpose."""
    for size, words in ((86_400, N_("{n} d")), (3_600, N_("{n} h")), (60, N_("{n} min"))):
        if seconds >= size:
            return _(words, n=int(seconds // size))
    return _("{n} s", n=max(int(seconds), 0))


def title(name: str) -> str:
    """A name somebody gave as words that open a sentence: `support-chat` becomes `Support chat`."""
    spoken = name.replace("-", " ").replace("_", " ").strip() or name
    return spoken[:1].upper() + spoken[1:]


def _digits(value: float, digits: int) -> str:
    """`value` with so many significant digits, never in exponent form, integer digits whole."""
    if value == 0:
        return "0"
    exact = Decimal(repr(float(value)))
    places = max(digits - 1 - exact.adjusted(), 0)
    rounded = exact.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)
    if rounded.adjusted() > exact.adjusted() and places:  # 9.996 became 10.00: one place less
        rounded = rounded.quantize(Decimal(1).scaleb(1 - places))
    return f"{rounded:,f}"


def _signed(text: str) -> str:
    return text.replace("-", MINUS)
