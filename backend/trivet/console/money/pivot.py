"""A table of any two dimensions: the largest rows and columns, one row and one column for all others. Pure; it adds up.

Nothing is added that was not asked for as a sum: the others of a row are its total less what is shown of it, so that every
row, every column and the whole are what the ledger says of them, to the last pico.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from trivet.console.money.costs_asked import TIMES, Asked
from trivet.console.money.costs_words import called
from trivet.console.tongue import N_, _, _n
from trivet.kit.money import EXACT

ROWS_MAX, COLUMNS_MAX = 25, 6
ZERO = Decimal(0)
NOBODY = ""  # the column of what has no place in any other
APART_WORDS = {
    "idle": N_("idle: capacity in which nothing ran"), "headroom": N_("headroom: capacity awake and not filled"),
    "down": N_("down: capacity that could not serve"), "shared": N_("shared cost that no rule splits"),
    "bill_variance": N_("what bills say beyond what was measured"), "hidden": N_("idle that its pool hides"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sums:
    """What was asked for, in one currency: of each row and column over all others, and of the cells that are shown.

    `apart` is what nobody bears, by account and column (`NOBODY` where its kind has no place in the columns).
    """

    rows: Mapping[str, Decimal]
    columns: Mapping[str, Decimal]
    cells: Mapping[tuple[str, str], Decimal]
    apart: Mapping[str, Mapping[str, Decimal]]


@dataclass(frozen=True, slots=True)
class Cell:
    """One amount, where it leads, and its share of the largest cell."""

    amount: Decimal
    share: float
    url: str = ""
    postings_url: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `kind` is payer, more or nobody."""

    name: str
    kind: str
    total: Decimal
    url: str


@dataclass(frozen=True, slots=True)
class Line:
    """One row. `kind` is payer, more or apart."""

    name: str
    kind: str
    cells: tuple[Cell, ...]
    total: Decimal
    url: str
    postings_url: str


@dataclass(frozen=True, slots=True)
class Pivot:
    """All of it; the total of the columns is that of the rows."""

    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    total: Decimal


def largest(sums: Mapping[str, Decimal], dimension: str, most: int) -> list[str]:
    """The names that are shown: the largest, or the newest stretches of time in their order."""
    if dimension in TIMES:
        return sorted(sums)[-most:]
    return sorted(sums, key=lambda name: (-sums[name], name))[:most]


def pivot(asked: Asked, sums: Sums) -> Pivot:
    """Rows with their cells, what nobody bears at the end, and the totals."""
    rows = largest(sums.rows, asked.group, ROWS_MAX)
    columns = largest(sums.columns, asked.across, COLUMNS_MAX)
    lines = [(name, "payer", sums.rows[name], [sums.cells.get((name, c), ZERO) for c in columns]) for name in rows]
    left = sums.rows.keys() - set(rows)
    if left:
        shown = [
            EXACT.subtract(sums.columns[c], total(cells[n] for _, _, _, cells in lines)) for n, c in enumerate(columns)
        ]
        name = _n("{n} earlier", "{n} earlier", len(left)) if asked.group in TIMES else _("{n} more", n=len(left))
        lines.append((name, "more", total(sums.rows[each] for each in left), shown))
    apart = [(account, by) for account, by in sums.apart.items() if any(by.values())]
    lines += [
        (_(APART_WORDS[account]), f"apart:{account}", total(by.values()), [by.get(c, ZERO) for c in columns])
        for account, by in apart
    ]
    nobodys = {_(APART_WORDS[account]): by.get(NOBODY, ZERO) for account, by in apart}
    return _drawn(asked, sums, columns, lines, nobodys)


Raw = tuple[str, str, Decimal, list[Decimal]]


def _drawn(
    asked: Asked, sums: Sums, columns: Sequence[str], lines: Sequence[Raw], nobodys: Mapping[str, Decimal]
) -> Pivot:
    """With the column of all others, and that of nobody, where there is anything in them."""
    left = sums.columns.keys() - set(columns)
    has_nobody = any(nobodys.values())
    scale = max((abs(cell) for _, _, _, cells in lines for cell in cells), default=ZERO)
    drawn = []
    for name, kind, whole, cells in lines:
        beyond = nobodys.get(name, ZERO) if kind.startswith("apart") else ZERO
        every = list(cells)
        if left:
            every.append(EXACT.subtract(EXACT.subtract(whole, total(cells)), beyond))
        if has_nobody:
            every.append(beyond)
        drawn.append(_line(asked, (name, kind, whole, every), columns, scale))
    heads = [Column(called(asked.across, name), "payer", total(line.cells[n].amount for line in drawn), asked.into(name, asked.across))
             for n, name in enumerate(columns)]  # fmt: skip
    for kind, there in (("more", bool(left)), ("nobody", has_nobody)):
        if there:
            more = _n("{n} earlier", "{n} earlier", len(left)) if asked.across in TIMES else _("{n} more", n=len(left))
            name = more if kind == "more" else _("nobody's")
            heads.append(Column(name, kind, total(line.cells[len(heads)].amount for line in drawn), ""))
    return Pivot(tuple(heads), tuple(drawn), total(line.total for line in drawn))


def _line(asked: Asked, raw: Raw, columns: Sequence[str], scale: Decimal) -> Line:
    name, kind, whole, amounts = raw
    payer, account = kind == "payer", kind.removeprefix("apart:")
    cells = []
    for n, amount in enumerate(amounts):
        narrow = payer and n < len(columns)
        cells.append(
            Cell(
                amount, float(abs(amount) / scale) if scale and n < len(columns) else 0.0,
                asked.cell(name, columns[n]) if narrow else "",
                asked.behind(**{asked.group: name, asked.across: columns[n]}) if narrow else "",
            )
        )  # fmt: skip
    postings = asked.behind(**({asked.group: name} if payer else {"account": account})) if kind != "more" else ""
    shown = called(asked.group, name) if payer else name
    return Line(shown, kind.partition(":")[0], tuple(cells), whole, asked.into(name) if payer else "", postings)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """An exact sum."""
    whole = ZERO
    for amount in amounts:
        whole = EXACT.add(whole, amount)
    return whole
