"""Tables of a page as a reader sees them: rows of cells, each with its words and the exact value behind its figure."""

from dataclasses import dataclass, field
from decimal import Decimal
from html.parser import HTMLParser


@dataclass
class Cell:
    words: str = ""
    named: str = ""
    values: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Whose row it is: the name alone where it stands apart from words of ours."""
        return self.named or self.words

    @property
    def value(self) -> Decimal | None:
        """The exact value of its figure; None where it shows none."""
        return Decimal(self.values[0]) if self.values else None


@dataclass
class Table:
    head: list[Cell] = field(default_factory=list)
    rows: list[list[Cell]] = field(default_factory=list)
    foot: list[Cell] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tables: list[Table] = []
        self._part, self._cell = "tbody", Cell()
        self._inside = self._named = False

    def handle_starttag(self, tag, attrs):
        said = dict(attrs)
        if tag == "table":
            self.tables.append(Table())
        elif tag in ("thead", "tbody", "tfoot"):
            self._part = tag
        elif tag == "tr" and self._part == "tbody" and self.tables:
            self.tables[-1].rows.append([])
        elif tag in ("td", "th") and self.tables:
            self._cell, self._inside = Cell(), True
            table = self.tables[-1]
            {"thead": table.head, "tbody": (table.rows or [[]])[-1], "tfoot": table.foot}[self._part].append(self._cell)
        elif tag == "bdi":
            self._named = True
        elif tag == "data" and self._inside:
            self._cell.values.append(said["value"])
        elif tag == "a" and self._inside:
            self._cell.links.append(said["href"])

    def handle_endtag(self, tag):
        self._inside = self._inside and tag not in ("td", "th")
        self._named = self._named and tag != "bdi"

    def handle_data(self, data):
        if self._inside:
            self._cell.words = f"{self._cell.words}{data}".strip()
            self._cell.named += data if self._named else ""


def tables(page: str) -> list[Table]:
    """Every table of a page, in order."""
    reader = _Reader()
    reader.feed(page)
    return reader.tables
