"""A statement as PDF: a sentence, a picture, tables. The same statement is the same bytes."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, BinaryIO

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer, Table

from trivet.kit.money import EXACT
from trivet.report.files import statement_words as words
from trivet.report.files.fonts import ASIAN, BOLD, LATIN, markup
from trivet.report.files.statement import Day, Section, Statement

INK, QUIET, LINE, ACCENT = HexColor("#1c2430"), HexColor("#5b6675"), HexColor("#c9d0d9"), HexColor("#2f5fd0")
LINES_MAX = 200
STRONG = ("Use of the month", "Total")
BARS_HEIGHT = 32 * mm
TITLE = ParagraphStyle("title", fontName=BOLD, fontSize=16, leading=20, textColor=INK)
SAID = ParagraphStyle("said", fontName=LATIN, fontSize=10.5, leading=15, textColor=INK)
HEAD = ParagraphStyle("head", fontName=BOLD, fontSize=9.5, leading=13, textColor=INK, spaceBefore=8, spaceAfter=2)
CELL = ParagraphStyle("cell", fontName=LATIN, fontSize=7.5, leading=9.5, textColor=INK)
SMALL = ParagraphStyle("small", parent=CELL, textColor=QUIET)
FIGURE = ParagraphStyle("figure", parent=CELL, alignment=2)
RULES = [
    ("LINEBELOW", (0, 0), (-1, 0), 0.6, INK), ("LINEBELOW", (0, 1), (-1, -1), 0.25, LINE),
    ("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (-1, -1), 0), ("RIGHTPADDING", (0, 0), (-1, -1), 6),
    ("TOPPADDING", (0, 0), (-1, -1), 2), ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
]  # fmt: skip


class Bars(Flowable):  # type: ignore[misc]  # the library has no types
    """A month's days as bars from zero: solid what is posted, hollow what is provisional."""

    def __init__(self, days: Sequence[Day], currency: str, width: float) -> None:
        super().__init__()
        self.width, self.height = width, BARS_HEIGHT + 10
        self._days, self._currency = days, currency

    def draw(self) -> None:
        canvas = self.canv
        tallest = max((day.amount for day in self._days), default=Decimal(0))
        lowest = min((day.amount for day in self._days), default=Decimal(0))
        span = max(tallest, Decimal(0)) - min(lowest, Decimal(0)) or Decimal(1)
        step = self.width / max(len(self._days), 1)
        zero = 10 + _points(-min(lowest, Decimal(0)), span)
        canvas.setStrokeColor(LINE)
        canvas.line(0, zero, self.width, zero)
        for n, day in enumerate(self._days):
            posted = EXACT.subtract(day.amount, day.provisional)
            canvas.setFillColor(ACCENT)
            canvas.setStrokeColor(ACCENT)
            base = zero + _points(posted, span)
            if posted:
                canvas.rect(n * step + 1, zero, step - 2, _points(posted, span), stroke=0, fill=1)
            if day.provisional:
                canvas.rect(n * step + 1, base, step - 2, _points(day.provisional, span), stroke=1, fill=0)
            if n % 5 == 0:
                canvas.setFillColor(QUIET)
                canvas.setFont(LATIN, 6.5)
                canvas.drawString(n * step + 1, 1, str(day.start.day))
        canvas.setFillColor(QUIET)
        canvas.setFont(LATIN, 6.5)
        canvas.drawRightString(
            self.width, self.height - 6, f"{words.rounded(tallest, self._currency)} on the dearest day"
        )


def _points(amount: Decimal, span: Decimal) -> float:
    """Height of an amount, in points: a place in a picture, not money."""
    return float(EXACT.multiply(EXACT.divide(amount, span), Decimal(str(BARS_HEIGHT - 12))))


def write(statement: Statement, out: BinaryIO) -> int:
    """Print a statement; how many lines it has."""
    for font, _ in ASIAN:
        pdfmetrics.registerFont(UnicodeCIDFont(font))
    made = SimpleDocTemplate(
        out, pagesize=A4, leftMargin=18 * mm, rightMargin=18 * mm, topMargin=16 * mm, bottomMargin=18 * mm,
        title=f"Statement {statement.month}", author="Trivet", subject="Statement of costs", invariant=1,
    )  # fmt: skip
    foot = _foot(words.generated_for(statement))
    made.build(_story(statement, made.width), onFirstPage=foot, onLaterPages=foot)
    return sum(len(section.lines) for section in statement.sections)


def _foot(text: str) -> Any:
    def draw(canvas: Any, _: Any) -> None:
        canvas.saveState()
        paragraph = Paragraph(markup(text), SMALL)
        paragraph.wrapOn(canvas, A4[0] - 60 * mm, 10 * mm)
        paragraph.drawOn(canvas, 18 * mm + 6, 9 * mm)
        canvas.setFont(LATIN, 7.5)
        canvas.setFillColor(QUIET)
        canvas.drawRightString(A4[0] - 18 * mm, 9.5 * mm, f"Page {canvas.getPageNumber()}")
        canvas.restoreState()

    return draw


def _story(statement: Statement, width: float) -> list[Flowable]:
    heading = f"{statement.centre}: {words.month_words(statement.month)}"
    story: list[Flowable] = [
        Paragraph(markup(heading, bold=True), TITLE),
        Spacer(1, 4),
        *(Paragraph(_long(sentence), SAID) for sentence in [words.sentence(statement)]),
        Spacer(1, 3),
        Paragraph(_long(words.standing(statement)), SMALL),
    ]
    for section in statement.sections:
        story += _section(section, width)
    story += [Paragraph("Notes", HEAD), *(Paragraph(_long(note), SMALL) for note in words.notes(statement))]
    return story


def _section(section: Section, width: float) -> list[Flowable]:
    code = section.currency
    story: list[Flowable] = [
        Paragraph(f"Use by day, {code}", HEAD),
        Bars(section.days, code, width),
        Paragraph(f"Booked in this month, {code}", HEAD),
        _table(["", "Amount"], _booked(section), [0.7, 0.3], width),
    ]
    if section.why and section.before:
        rows = [
            [words.WHY.get(name, name).capitalize(), words.signed(part)] for name, part in section.why.items() if part
        ]
        if rows:
            change = words.signed(EXACT.subtract(section.use, section.before))
            title = f"Why use moved by {change} against {words.beside(section)}, {code}"
            story += [Paragraph(_long(title, bold=True), HEAD), _table(["", "Part"], rows, [0.7, 0.3], width)]
    story.append(Paragraph(f"By tenant and model, {code}", HEAD))
    shown = section.lines[:LINES_MAX]
    rows = [
        [line.centre, line.tenant, line.model, words.signed(line.amount), f"{line.tokens:,}", _unit(line.per_million)]
        for line in shown
    ]
    if rest := section.lines[LINES_MAX:]:
        total, tokens = Decimal(0), 0
        for line in rest:
            total, tokens = EXACT.add(total, line.amount), tokens + line.tokens
        rows.append(["", f"{len(rest)} more, in the CSV file", "", words.signed(total), f"{tokens:,}", ""])
    head = ["Cost centre", "Tenant", "Model", "Amount", "Tokens", "Per million"]
    story.append(_table(head, rows, [0.15, 0.17, 0.17, 0.2, 0.13, 0.18], width, figures=3))
    return story


def _booked(section: Section) -> list[list[str]]:
    """From the kinds of cost down to the total."""
    rows = [
        [f"{kind} ({words.per_cent(amount, section.use)} of use)", words.signed(amount)]
        for kind, amount in section.kinds
    ]
    rows.append(["Use of the month", words.signed(section.use)])
    rows += [[f"Adjusts {words.month_words(month)}", words.signed(amount)] for month, amount in section.adjustments]
    rows.append(["Total", words.signed(section.total)])
    rows.append([f"Use of {words.beside(section)}", words.signed(section.before)])
    if section.budget is not None:
        rows.append(["Budget of the month", words.signed(section.budget)])
    return rows


def _unit(amount: Decimal | None) -> str:
    return "–" if amount is None else words.signed(amount)


def _table(head: list[str], rows: list[list[str]], widths: list[float], width: float, figures: int = 1) -> Table:
    """Names left, figures right; the header stands on each page."""
    cells = [[Paragraph(markup(text, bold=True), FIGURE if n >= figures else CELL) for n, text in enumerate(head)]]
    cells += [
        [
            Paragraph(markup(text.replace(words.MINUS, "–"), bold=row[0] in STRONG), FIGURE if n >= figures else CELL)
            for n, text in enumerate(row)
        ]
        for row in rows
    ]
    return Table(cells, colWidths=[width * share for share in widths], repeatRows=1, style=RULES, hAlign="LEFT")


def _long(text: str, bold: bool = False) -> str:
    """A sentence, however long: it wraps."""
    parts = text.replace(words.MINUS, "–").split(" ")
    return " ".join(markup(part, bold) for part in parts if part)
