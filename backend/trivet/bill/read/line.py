"""One row of a file into the charges it tells. Pure: a row and its format in, values out."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from trivet.bill.read import value
from trivet.bill.read.formats import CONSTANT, Finder, Format, kinds, plain
from trivet.bill.read.value import BadCellError
from trivet.kit.errors import Invalid
from trivet.kit.money import EXACT

MULTIPLES = {"": 1, "k": 1_000, "m": 1_000_000, "b": 1_000_000_000}
_COUNTED = re.compile(
    r"(?i)^\s*(?P<count>[0-9]+)?\s*(?P<multiple>[kmb])?\s*(?:units? of )?(?:input |output )?tokens?\s*$"
)
DAY = timedelta(days=1)
DAYS_MAX = 1_100  # of one charge: three years of a commitment; a wrong year would keep months from closing
CORRECTION = "correction"


@dataclass(frozen=True, slots=True)
class Charge:
    """One charge. `tokens` None: it counts none, or does not say how many. `days` it is of, from `day` on."""

    number: int
    day: date
    amount: Decimal
    currency: str
    part: int = 0
    file: int = 0
    days: int = 1
    provider: str = ""
    model: str = ""
    kind: str = ""
    quantity: Decimal | None = None
    unit: str = ""
    tokens: Decimal | None = None
    places: int = 12
    effective: Decimal | None = None
    category: str = "usage"
    correction: bool = False
    covered: bool = False
    service: str = ""
    sku: str = ""
    region: str = ""
    invoice_id: str = ""
    period: tuple[date, date] | None = None
    wanted: bool = True


class Reader:
    """Rows of one file, whose header is known."""

    def __init__(self, of: Format, header: Sequence[str], zone: ZoneInfo, services: str, currency: str) -> None:
        self.format, self.zone = of, zone
        self._currency = currency or of.currency
        self._services = re.compile("|".join(map(re.escape, services.split("|"))), re.IGNORECASE) if services else None
        self._where = re.compile(of.kind_where, re.IGNORECASE)
        self._header = list(header)
        self._at: dict[str, int] = {}
        for index, name in enumerate(header):
            self._at.setdefault(plain(name), index)
        self._columns = {key: found for key in of.columns if (found := self._first(of.columns[key])) is not None}
        named = [plain(name) for name in header]
        twice = next((header[index] for index in self._columns.values() if named.count(named[index]) > 1), "")
        if twice:
            raise Invalid(f"The file has the column {twice} twice: leave one of them out.", field="file")

    def charges(self, number: int, cells: Sequence[str]) -> list[Charge]:
        """What the row charges: one charge as a rule, none where it tells that there was nothing."""
        if len(cells) != len(self._header):
            raise BadCellError(f"has {len(cells)} cells and the header {len(self._header)}")
        if self.format.tokens_only:
            return self._counts(number, cells)
        if self.format.blank_amount_is_nothing and not self._get(cells, "amount"):
            return []
        charge = self._charge(number, cells)
        credit = self._credit(cells)
        return [charge, replace(charge, part=1, **credit)] if credit else [charge]  # type: ignore[arg-type]  # its own fields

    def _charge(self, number: int, cells: Sequence[str]) -> Charge:
        start = value.day(self._need(cells, "start"), self.zone, self.format.date_pattern)
        amount, places = value.amount(self._need(cells, "amount"), grouped=self.format.thousands)
        category, correction = self._category(cells, amount)
        told = self._get(cells, "effective")
        kind = self._kind(cells) if category == "usage" else ""
        quantity, unit, tokens = self._quantity(cells, kind)
        return Charge(
            number=number,
            day=start,
            days=self._days(cells, start),
            amount=amount,
            places=places,
            currency=value.currency(self._get(cells, "currency") or self._currency),
            provider=self._said(cells, self.format.provider_from) or self.format.provider,
            model=self._found(cells, self.format.model),
            kind=kind,
            quantity=quantity,
            unit=unit,
            tokens=tokens,
            effective=value.amount(told)[0] if told else None,
            category=category,
            correction=correction,
            covered=self._covered(cells),
            service=value.text(self._get(cells, "service")),
            sku=value.text(self._get(cells, "sku")),
            region=value.text(self._get(cells, "region")),
            invoice_id=value.text(self._get(cells, "invoice")),
            period=self._period(cells),
            wanted=self._wanted(cells),
        )

    def _counts(self, number: int, cells: Sequence[str]) -> list[Charge]:
        """Tokens without amounts, a charge of nothing for each kind that has any."""
        counted = {kind: self._sum(cells, names) for kind, names in self.format.tokens.items()}
        if not any(counted.values()):
            return []
        start = value.day(self._need(cells, "start"), self.zone, self.format.date_pattern)
        of_row = Charge(
            number, start, Decimal(0), "", file=1, days=self._days(cells, start),
            model=self._found(cells, self.format.model), unit="Tokens",
        )  # fmt: skip
        return [
            replace(of_row, part=part, kind=kind, quantity=tokens, tokens=tokens)
            for part, (kind, tokens) in enumerate(counted.items())
            if tokens
        ]

    def _sum(self, cells: Sequence[str], names: Sequence[str]) -> Decimal:
        found = [self._cell(cells, name) for name in names]
        return sum((value.number(text) for text in found if text), Decimal(0))

    def _credit(self, cells: Sequence[str]) -> Mapping[str, object]:
        """A credit that stands in a column of its own, or several as a JSON list of amounts."""
        told = self._get(cells, "credit")
        if not told or told == "[]":
            return {}
        amounts = _listed(told) if told.startswith("[") else [told]
        total = sum((value.amount(each)[0] for each in amounts), Decimal(0))
        cleared = {"kind": "", "tokens": None, "quantity": None, "unit": "", "effective": None}
        return {"amount": total, "category": "credit", **cleared} if total else {}

    def _category(self, cells: Sequence[str], amount: Decimal) -> tuple[str, bool]:
        correction = self._get(cells, "class").lower() == CORRECTION
        told = self._get(cells, "category")
        if not told:
            return ("credit" if amount < 0 else "usage"), correction
        found = self.format.category_of.get(plain(told))
        if found is None:
            known = ", ".join(sorted(self.format.category_of))
            raise BadCellError(f"is of the category {told!r}, which is none of {known}")
        return found, correction

    def _days(self, cells: Sequence[str], start: date) -> int:
        last, end = self._get(cells, "end_day"), self._get(cells, "end")
        if not (last or end):
            return 1
        until = value.day(last or end, self.zone, self.format.date_pattern)
        if until < start:
            raise BadCellError(f"ends on {until}, before it starts on {start}")
        days = (until - start).days + 1 if last else max((until - start).days, 1)
        if days > DAYS_MAX:
            raise BadCellError(f"covers {days} days, from {start} to {until}; a charge covers {DAYS_MAX} at most")
        return days

    def _period(self, cells: Sequence[str]) -> tuple[date, date] | None:
        start, end = self._get(cells, "period_start"), self._get(cells, "period_end")
        last = self._get(cells, "period_end_day")
        if not start or not (end or last):
            return None
        pattern = self.format.date_pattern
        first = value.day(start, UTC_ZONE, pattern)
        until = value.day(end, UTC_ZONE, pattern) if end else value.day(last, UTC_ZONE, pattern) + DAY
        return (first, until) if first < until else None

    def _kind(self, cells: Sequence[str]) -> str:
        for finder in self.format.kind:
            told = self._find(cells, finder)
            if told and self._where.search(told):
                found = next((kind for kind, pattern in kinds() if pattern.search(told)), None)
                if found is not None:
                    return found
        return ""

    def _quantity(self, cells: Sequence[str], kind: str) -> tuple[Decimal | None, str, Decimal | None]:
        """Quantity, its unit, and how many tokens that is. The first quantity that counts tokens, else the first."""
        first: tuple[Decimal | None, str, Decimal | None] | None = None
        for column, unit_column in self.format.quantities.items():
            told = self._cell(cells, column)
            if not told:
                continue
            quantity = value.number(told, grouped=self.format.thousands)
            unit = unit_column[1:] if unit_column.startswith(CONSTANT) else self._cell(cells, unit_column)
            each = (quantity, value.text(unit), tokens_of(quantity, unit) if kind else None)
            if each[2] is not None:
                return each
            first = first or each
        return first or (None, "", None)

    def _covered(self, cells: Sequence[str]) -> bool:
        return any(plain(self._cell(cells, column)) in words for column, words in self.format.covered.items())

    def _wanted(self, cells: Sequence[str]) -> bool:
        if self._services is None:
            return True
        return any(self._services.search(self._cell(cells, column)) for column in self.format.services_from)

    def _found(self, cells: Sequence[str], finders: Sequence[Finder]) -> str:
        return next((value.text(told) for finder in finders if (told := self._find(cells, finder))), "")

    def _find(self, cells: Sequence[str], finder: Finder) -> str:
        if not finder.column:
            return finder.lead
        told = self._cell(cells, finder.column)
        if told and finder.key:
            told = _of_json(told, finder.key)
        if told and finder.pattern:
            match = finder.pattern.search(told[: value.TEXT_MAX])  # patterns take the square of a text's length
            told = next((part for part in match.groupdict().values() if part), "") if match else ""
        return finder.lead + told if told else ""

    def _said(self, cells: Sequence[str], names: Sequence[str]) -> str:
        return next((value.text(told) for name in names if (told := self._cell(cells, name))), "")

    def _need(self, cells: Sequence[str], meaning: str) -> str:
        told = self._get(cells, meaning)
        if not told:
            raise BadCellError(f"has nothing in {self._header[self._columns[meaning]]}")
        return told

    def _get(self, cells: Sequence[str], meaning: str) -> str:
        index = self._columns.get(meaning)
        return self._clean(cells[index]) if index is not None else ""

    def _cell(self, cells: Sequence[str], column: str) -> str:
        index = self._at.get(column)
        return self._clean(cells[index]) if index is not None else ""

    def _clean(self, cell: str) -> str:
        told = cell.strip()
        return "" if told in self.format.nothing else told

    def _first(self, names: Sequence[str]) -> int | None:
        return next((self._at[name] for name in names if name in self._at), None)


UTC_ZONE = ZoneInfo("UTC")


def tokens_of(quantity: Decimal, unit: str) -> Decimal | None:
    """How many tokens a quantity is: `2` of `1000000 Tokens`, `3` of `1K tokens`; None for other units."""
    match = _COUNTED.match(unit)
    if not match:
        return None
    size = int(match["count"] or 1) * MULTIPLES[(match["multiple"] or "").lower()]
    return EXACT.multiply(quantity, Decimal(size))


def _of_json(told: str, key: str) -> str:
    try:
        found = json.loads(told)
    except (ValueError, RecursionError):
        return ""
    inner = found.get(key) if isinstance(found, dict) else None
    return inner if isinstance(inner, str) else ""


def _listed(told: str) -> list[str]:
    try:
        found = json.loads(told, parse_float=str, parse_int=str)
    except (ValueError, RecursionError) as bad:
        raise BadCellError("has credits that are no JSON list of amounts") from bad
    return [str(each["amount"] if isinstance(each, dict) and "amount" in each else each) for each in found]
