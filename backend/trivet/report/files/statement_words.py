"""The sentences of a statement. Pure."""

from datetime import UTC, datetime
from decimal import Decimal

from trivet.kit.clock import rfc3339
from trivet.kit.money import EXACT, PICO
from trivet.report.files.statement import Section, Statement

MINUS = "\N{MINUS SIGN}"
WHY = {
    "volume": "the number of tokens", "price": "prices", "mix": "the mix of models", "efficiency": "efficiency",
    "idle": "idle capacity", "shared": "shared costs", "bill": "bills",
}  # fmt: skip


def signed(amount: Decimal) -> str:
    """Every digit of the ledger, a true minus, thousands apart: what somebody signs."""
    return f"{EXACT.quantize(amount, PICO):,f}".replace("-", MINUS)


def rounded(amount: Decimal, currency: str) -> str:
    """`1,234.50 USD`: for a sentence; the exact amount stands in the table."""
    if amount and abs(amount) < Decimal("0.005"):
        return f"less than 0.01 {currency}"
    return f"{EXACT.quantize(amount, Decimal('0.01')):,f} {currency}".replace("-", MINUS)


def per_cent(part: Decimal, whole: Decimal) -> str:
    """`12 %`, of nothing `none`."""
    if not whole:
        return "none"
    share = EXACT.quantize(EXACT.multiply(EXACT.divide(part, whole), Decimal(100)), Decimal(1))
    if not share and part:
        return "less than 1 %"
    return f"{share:f} %".replace("-", MINUS)


def month_words(month: str) -> str:
    """`October 2026`."""
    return f"{datetime.strptime(month, '%Y-%m').replace(tzinfo=UTC):%B %Y}"


def sentence(statement: Statement) -> str:
    """What is so, and why, for all currencies."""
    if not statement.sections:
        return f"{statement.centre} bore nothing in {month_words(statement.month)}."
    return " ".join(_of_currency(statement, section) for section in statement.sections)


def _of_currency(statement: Statement, section: Section) -> str:
    words = f"{statement.centre} bore {rounded(section.total, section.currency)} in {month_words(statement.month)}"
    words += _against(section)
    if section.adjustments:
        months = ", ".join(month_words(month) for month, _ in section.adjustments)
        words += f"; {rounded(section.adjusted, section.currency)} of it adjusts {months}"
    if section.budget is not None and section.budget:
        words += f"; that is {per_cent(section.total, section.budget)} of its budget"
    return words + "."


def beside(section: Section) -> str:
    """What the use is held against."""
    return "the same days of the month before" if section.running else "the month before"


def _against(section: Section) -> str:
    """`, 12 % more than the month before, most of it more tokens`."""
    change = EXACT.subtract(section.use, section.before)
    if section.before <= 0:
        return ""
    if not change:
        return f", as much use as {beside(section)}"
    more = "more" if change > 0 else "less"
    words = f", its use {per_cent(abs(change), section.before)} {more} than {beside(section)}"
    same_way = {name: part for name, part in section.why.items() if part * change > 0}
    if same_way:
        name = max(same_way, key=lambda each: abs(same_way[each]))
        words += f", most of that by {WHY.get(name, name)}"
    return words


def standing(statement: Statement) -> str:
    """As of when it is told, and whether it can still change."""
    if statement.state == "closed":
        return f"As of the close of {month_words(statement.month)}: it does not change any more. What comes late adjusts a later month."
    until = f"{statement.posted_until:%Y-%m-%d %H:%M} UTC"
    return f"Not closed: posted until {until}; later hours are provisional, and all of it can still change."


def notes(statement: Statement) -> list[str]:
    """What a reader should know before signing."""
    found = []
    for section in statement.sections:
        if section.unattributed_share:
            share = per_cent(section.unattributed_share, Decimal(1))
            found.append(
                f"Of all that was spent in {section.currency}, {share} has no cost centre and is on nobody's statement."
            )
        if section.provisional:
            found.append(
                f"{rounded(section.provisional, section.currency)} is provisional: standard cost of hours not posted yet."
            )
    when = "when the month was closed" if statement.counted.kept else "now"
    found.append(
        f"Tokens are those of the tenant in the month as counted {when}; amounts are the ledger's, to the last of twelve places."
    )
    return found


def generated_for(statement: Statement) -> str:
    """The line at the foot: what it is of, so that a page alone says where it belongs."""
    return f"{statement.centre} · {month_words(statement.month)} · {rfc3339(statement.posted_until)}"
