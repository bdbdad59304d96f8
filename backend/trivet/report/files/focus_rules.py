"""Rules for FOCUS files, our own: run on each file before it leaves, and by `trivet focus check` on any file. Pure.

Each rule has an id, a level (`must` or `should`) and a sentence. A row is a mapping of column to text, "" for null.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation

from trivet.kit.money import EXACT
from trivet.report.files.focus_columns import BY_NAME, COLUMNS, COSTS, OWN_BY_NAME, SUBCATEGORIES, VERSIONS, Column

SHOWN_MAX = 20  # findings of a rule that are kept with their words; all are counted
TOLERANCE = Decimal(1).scaleb(-9)  # of a product, relative: foreign files keep fewer digits
Row = Mapping[str, str]

_DECIMAL = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_CURRENCY = re.compile(r"[A-Z]{3}")
_UNIT = re.compile(r"([0-9]+ )?[A-Z][A-Za-z0-9]*(-[A-Z][A-Za-z0-9]*)*( per [A-Z][A-Za-z]*)?")
_PASCAL = re.compile(r"[A-Z][A-Za-z0-9]*")
_NULLS = ("NULL", "null", "None", "N/A", '""')


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule broken: in which data row (from 1; 0 is the header), in words."""

    rule: str
    level: str
    row: int
    column: str
    words: str


@dataclass(slots=True)
class Verdict:
    """What was found in a file. `counts` are by rule, `findings` the first of each."""

    rows: int = 0
    findings: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    musts: int = 0

    def add(self, rule: str, level: str, row: int, column: str, words: str) -> None:
        self.counts[rule] += 1
        self.musts += level == "must"
        if self.counts[rule] <= SHOWN_MAX:
            self.findings.append(Finding(rule, level, row, column, words))

    @property
    def ok(self) -> bool:
        return not self.musts


def version_of(header: Sequence[str]) -> str:
    """The version that a header speaks: 1.2 while it names a ProviderName, 1.3 with columns of allocation beside it."""
    names = set(header)
    if names & {"ProviderName", "PublisherName"}:
        return "1.3" if any(name.startswith("Allocated") for name in names) else "1.2"
    return VERSIONS[-1]


class Checker:
    """Goes through a file once: `row` for each, then `done`."""

    def __init__(self, header: Sequence[str], version: str) -> None:
        self.verdict, self._version = Verdict(), version
        self._known = {n: c for n in header if (c := BY_NAME.get(n) or OWN_BY_NAME.get(n))}
        self._kinds: set[str] = set()
        self._header(header)

    def _header(self, header: Sequence[str]) -> None:
        def must(rule: str, column: str, words: str) -> None:
            self.verdict.add(rule, "must", 0, column, words)

        for name, count in Counter(header).items():
            if count > 1:
                must("column-once", name, "A column stands once.")
        for column in COLUMNS:
            if column.mandatory(self._version) and column.name not in header:
                must("column-mandatory", column.name, f"FOCUS {self._version} needs this column.")
        for name in dict.fromkeys(header):
            known = BY_NAME.get(name)
            if known is None and not name.startswith("x_"):
                must("column-custom", name, "A column that FOCUS does not know begins with x_.")
            if known is not None and known.until < self._version:
                must("column-dropped", name, f"FOCUS {self._version} has this column no more.")
        own = [n for n, name in enumerate(header) if name.startswith("x_")]
        if own and own[0] != len(header) - len(own):
            must("column-custom-last", header[own[0]], "Columns of one's own stand behind all others.")
        named = [name for name in header if not name.startswith("x_")]
        if named != sorted(named):
            self.verdict.add("column-order", "should", 0, "", "Columns stand in the order of the alphabet.")

    def row(self, row: Row) -> None:
        self.verdict.rows += 1
        number, clean = self.verdict.rows, True
        for name, column in self._known.items():
            for rule, level, words in _value(column, row.get(name, ""), self._version):
                clean = clean and level != "must"
                self.verdict.add(rule, level, number, name, words)
        if row.get("x_FileKind"):
            self._kinds.add(row["x_FileKind"])
        if clean:  # rules between columns need values that can be read
            for rule, column_name, holds, words in RULES:
                if not holds(row):
                    self.verdict.add(rule, "must", number, column_name, words)

    def done(self) -> Verdict:
        if not self.verdict.rows:
            self.verdict.add("file-empty", "should", 0, "", "The file has no rows.")
        if len(self._kinds) > 1:
            self.verdict.add("file-one-kind", "must", 0, "x_FileKind", "A file is supply or allocation, never both.")
        return self.verdict


def check(header: Sequence[str], rows: Iterable[Row], version: str | None = None) -> Verdict:
    """All rules over a whole file."""
    checker = Checker(header, version or version_of(header))
    for row in rows:
        checker.row(row)
    return checker.done()


def _value(column: Column, value: str, version: str) -> Iterable[tuple[str, str, str]]:
    """What is wrong with one value: (rule, level, words)."""
    if value in _NULLS:
        yield "null-empty", "must", f"A null is an empty field, not {value!r}."
        return
    if not value:
        if not column.nullable and (column.level != "M" or column.mandatory(version)):
            yield "not-null", "must", "This column is never null."
        return
    if column.allowed and value not in column.allowed:
        yield "allowed-value", "must", f"{value[:60]!r} is none of {', '.join(column.allowed)}."
    rule, holds, words = FORMATS.get(column.kind, _ANY)
    if not holds(value):
        yield rule, "must", f"{value[:60]!r}: {words}"
    elif column.kind == "decimal" and "." not in value:
        yield "decimal-point", "should", "A decimal has its point, so that no reader takes it for a whole number."


def _is_time(value: str) -> bool:
    if not _TIME.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_json(value: str) -> bool:
    try:
        return isinstance(json.loads(value), dict)
    except (ValueError, RecursionError):
        return False


_ANY = ("any", lambda _: True, "")
FORMATS: Mapping[str, tuple[str, Callable[[str], bool], str]] = {
    "decimal": (
        "decimal-format", lambda v: bool(_DECIMAL.fullmatch(v)),
        "a decimal has digits, one point and no sign of thousands or currency.",
    ),
    "time": ("time-format", _is_time, "a time is UTC, such as 2026-11-01T00:00:00Z."),
    "currency": ("currency-format", lambda v: bool(_CURRENCY.fullmatch(v)), "a currency is three letters of ISO 4217."),
    "unit": (
        "unit-format", lambda v: bool(_UNIT.fullmatch(v)),
        "a unit is capitalised, compound ones with a hyphen: Tokens, 1000000 Tokens, GPU-Hours.",
    ),
    "json": ("json-format", _is_json, "this is a JSON object."),
}  # fmt: skip


def number(row: Row, name: str) -> Decimal | None:
    """A decimal of a row; None for null."""
    value = row.get(name, "")
    try:
        return Decimal(value) if value else None
    except InvalidOperation:
        return None


def _same(a: Decimal, b: Decimal) -> bool:
    return abs(EXACT.subtract(a, b)) <= EXACT.multiply(TOLERANCE, max(Decimal(1), abs(a), abs(b)))


def _product(cost: str, price: str) -> Callable[[Row], bool]:
    def holds(row: Row) -> bool:
        of = (number(row, cost), number(row, price), number(row, "PricingQuantity"))
        if row.get("ChargeClass") == "Correction" or any(each is None for each in of):
            return True
        total, unit, quantity = of
        return _same(total or Decimal(0), EXACT.multiply(unit or Decimal(0), quantity or Decimal(0)))

    return holds


def _together(*names: str) -> Callable[[Row], bool]:
    def holds(row: Row) -> bool:
        return len({bool(row[name]) for name in names if name in row}) < 2

    return holds


def _needs(name: str, other: str) -> Callable[[Row], bool]:
    return lambda row: not row.get(name) or bool(row.get(other))


def _period(start: str, end: str) -> Callable[[Row], bool]:
    return lambda row: not (row.get(start) and row.get(end)) or row[start] < row[end]


def _quantity(row: Row) -> bool:
    category, correction = row.get("ChargeCategory"), row.get("ChargeClass") == "Correction"
    if category == "Tax":
        return not row.get("PricingQuantity")
    return category not in ("Usage", "Purchase") or correction or bool(row.get("PricingQuantity"))


def _subcategory(row: Row) -> bool:
    allowed, given = SUBCATEGORIES.get(row.get("ServiceCategory", "")), row.get("ServiceSubcategory")
    return allowed is None or not given or given in allowed


def _tags(row: Row) -> bool:
    tags = json.loads(row.get("Tags") or "{}")
    return all(isinstance(value, str) or value is True for value in tags.values())


def _details(row: Row) -> bool:
    keys = json.loads(row.get("SkuPriceDetails") or "{}")
    return all(key.startswith("x_") or _PASCAL.fullmatch(key) for key in keys)


def _no_cost(name: str, *when: tuple[str, str]) -> Callable[[Row], bool]:
    def holds(row: Row) -> bool:
        return any(row.get(column, "") != value for column, value in when) or not number(row, name)

    return holds


def _committed_purchase(row: Row) -> bool:
    return (
        row.get("ChargeCategory") != "Purchase"
        or not row.get("CommitmentDiscountId")
        or not number(row, "EffectiveCost")
    )


def _correction(row: Row) -> bool:
    """Ours: a correction is of use before the period it is billed in, and whatever is of such use is one."""
    if not row.get("x_FileKind"):
        return True
    return (row.get("ChargeClass") == "Correction") == (row["ChargePeriodStart"] < row["BillingPeriodStart"])


# (id, the column it is told of, whether it holds for a row, in words)
RULES: Sequence[tuple[str, str, Callable[[Row], bool], str]] = (
    ("charge-period", "ChargePeriodEnd", _period("ChargePeriodStart", "ChargePeriodEnd"), "A period ends after it starts."),
    ("billing-period", "BillingPeriodEnd", _period("BillingPeriodStart", "BillingPeriodEnd"), "A period ends after it starts."),
    ("list-cost", "ListCost", _product("ListCost", "ListUnitPrice"), "ListCost is ListUnitPrice times PricingQuantity."),
    ("contracted-cost", "ContractedCost", _product("ContractedCost", "ContractedUnitPrice"), "ContractedCost is ContractedUnitPrice times PricingQuantity."),
    ("pricing-quantity", "PricingQuantity", _quantity, "Usage and purchases have a PricingQuantity unless they correct; taxes have none."),
    ("pricing-unit", "PricingUnit", _together("PricingQuantity", "PricingUnit"), "A quantity has its unit, and a unit its quantity."),
    ("consumed-unit", "ConsumedUnit", _together("ConsumedQuantity", "ConsumedUnit"), "A quantity has its unit, and a unit its quantity."),
    ("sku-of-price", "SkuId", _needs("SkuPriceId", "SkuId"), "A SkuPriceId needs its SkuId."),
    ("resource-of-name", "ResourceId", _needs("ResourceName", "ResourceId"), "A ResourceName needs its ResourceId."),
    ("sub-account", "SubAccountId", _needs("SubAccountName", "SubAccountId"), "A SubAccountName needs its SubAccountId."),
    ("region", "RegionId", _needs("RegionName", "RegionId"), "A RegionName needs its RegionId."),
    ("subcategory", "ServiceSubcategory", _subcategory, "The subcategory is one of its ServiceCategory."),
    ("tags", "Tags", _tags, "Tags are texts by key, or true."),
    ("price-details", "SkuPriceDetails", _details, "Keys are PascalCase, or begin with x_."),
    ("commitment-status", "CommitmentDiscountStatus", _needs("CommitmentDiscountStatus", "CommitmentDiscountId"), "A status is of a commitment."),
    ("commitment-category", "CommitmentDiscountCategory", _together("CommitmentDiscountId", "CommitmentDiscountCategory"), "A commitment has its category."),
    ("commitment-unit", "CommitmentDiscountUnit", _together("CommitmentDiscountQuantity", "CommitmentDiscountUnit"), "A quantity has its unit, and a unit its quantity."),
    ("commitment-unused", "ConsumedQuantity", _no_cost("ConsumedQuantity", ("CommitmentDiscountStatus", "Unused")), "What was not used has no ConsumedQuantity."),
    ("commitment-purchase", "EffectiveCost", _committed_purchase, "The purchase of a commitment has no EffectiveCost: its use has."),
    ("commitment-used", "BilledCost", _no_cost("BilledCost", ("ChargeCategory", "Usage"), ("CommitmentDiscountStatus", "Used"), ("x_FileKind", "supply")), "What a commitment covers is billed with its purchase."),
    ("allocation-not-billed", "BilledCost", _no_cost("BilledCost", ("x_FileKind", "allocation"), ("InvoiceId", "")), "An allocation bills nothing unless it was invoiced."),
    ("correction", "ChargeClass", _correction, "A Correction is billed in a later period than that of its use, and nothing else is."),
)  # fmt: skip
assert set(COSTS) <= BY_NAME.keys()
