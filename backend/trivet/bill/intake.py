"""A file into charges: its format found or told, each row read, bad rows refused by number. Holds one chunk at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import IO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from trivet.bill.read import formats, table
from trivet.bill.read.formats import Format
from trivet.bill.read.line import Charge, Reader
from trivet.bill.read.table import Limits, Row
from trivet.bill.read.value import BadCellError, currency
from trivet.kit.errors import Invalid
from trivet.kit.money import EXACT

BAD_SHOWN = 20
BAD_MAX = 1_000
EVERYTHING = "*"


@dataclass(frozen=True, slots=True)
class Asked:
    """How to read a file; empty is as the file and its format say."""

    format: str = ""
    provider: str = ""
    zone: str = ""
    currency: str = ""
    services: str = ""
    skip_bad: bool = False


@dataclass(slots=True)
class Tally:
    """What was left out, and why."""

    rows: int = 0
    bad: int = 0
    shown: list[str] = field(default_factory=list)
    other_lines: int = 0
    other: dict[str, Decimal] = field(default_factory=dict)

    def refuse(self, number: int, why: str) -> None:
        self.bad += 1
        if len(self.shown) < BAD_SHOWN:
            self.shown.append(f"line {number} {why}")

    def leave(self, charge: Charge) -> None:
        self.other_lines += 1
        self.other[charge.currency] = EXACT.add(self.other.get(charge.currency, Decimal(0)), charge.amount)


class Intake:
    """The charges of one file. Read `format` and `tally` once they have all been taken."""

    def __init__(self, file: IO[bytes], asked: Asked, own: Format | None, limits: Limits) -> None:
        self.tally = Tally()
        self._asked = asked
        self._rows = table.open_table(file, limits).rows
        self.format, header, own_currency = self._header(own)
        self.zone = _zone(asked.zone or self.format.zone)
        services = "" if asked.services == EVERYTHING else asked.services or self.format.services
        self._reader = Reader(self.format, header, self.zone, services, _currency(asked.currency) or own_currency)

    def charges(self) -> Iterator[Charge]:
        """Those that are wanted. Raises `Invalid` at the end where rows are bad, unless they are to be skipped."""
        tally = self.tally
        for number, cells in self._rows:
            tally.rows += 1
            try:
                found = self._reader.charges(number, cells)
            except BadCellError as bad:
                tally.refuse(number, str(bad))
                if tally.bad > BAD_MAX:
                    break
                continue
            for charge in found:
                if charge.wanted:
                    yield charge
                else:
                    tally.leave(charge)
        if tally.bad and (not self._asked.skip_bad or tally.bad > BAD_MAX):
            raise Invalid(self._told(), field="file")

    def _told(self) -> str:
        more = "more than " if self.tally.bad > BAD_MAX else ""
        rest = f"; and {self.tally.bad - len(self.tally.shown)} more" if self.tally.bad > len(self.tally.shown) else ""
        advice = "" if self.tally.bad > BAD_MAX else " Put them right, or leave them out with skip_bad."
        rows = "row" if self.tally.bad == 1 else "rows"
        return f"{more}{self.tally.bad} {rows} cannot be read, so nothing was imported: {'; '.join(self.tally.shown)}{rest}.{advice}"

    def _header(self, own: Format | None) -> tuple[Format, Sequence[str], str]:
        """The format, its header, and the currency that a line before the header names."""
        wanted = own or _named(self._asked.format)
        seen: list[Row] = []
        told = ""
        for number, cells in self._rows:
            found = wanted if wanted and not formats.missing(wanted, cells) else formats.detect(cells)
            if found is not None and (wanted is None or found is wanted):
                return found, cells, told
            if len(cells) >= 2 and formats.plain(cells[0]) == "currency" and len(cells[1].strip()) == 3:
                told = cells[1].strip().upper()
            seen.append((number, cells))
            if len(seen) >= table.HEADER_ROWS_MAX:
                break
        raise Invalid(_unknown(wanted, seen), field="format")


def _named(name: str) -> Format | None:
    if not name:
        return None
    found = formats.formats().get(name)
    if found is None:
        raise Invalid(
            f"There is no format {name!r}: {', '.join(formats.formats())}, or one of your own by its columns.",
            field="format",
        )
    return found


def _unknown(wanted: Format | None, seen: Sequence[Row]) -> str:
    widest = max((cells for _, cells in seen), key=len, default=[])
    shown = ", ".join(cell.strip()[:40] for cell in widest[:12]) + (" …" if len(widest) > 12 else "")
    if wanted:
        return f"The format {wanted.name} needs {'; '.join(formats.missing(wanted, widest))}. The file has: {shown}."
    return (
        f"No format that we know has this header: {shown}. Known are {', '.join(formats.formats())}; for any other CSV "
        f"name the columns that hold {', '.join(formats.OWN_NEEDS)}."
    )


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as bad:
        raise Invalid(f"There is no time zone {name[:40]!r}: write UTC or America/Los_Angeles.", field="zone") from bad


def _currency(given: str) -> str:
    if not given:
        return ""
    try:
        return currency(given)
    except BadCellError as bad:
        raise Invalid(f"The currency {bad}.", field="currency") from bad
