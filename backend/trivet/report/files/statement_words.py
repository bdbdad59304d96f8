"""The sentences of a statement. Pure. English, unless told in other `Words`: a page has its reader's, a file is signed in one."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from trivet.kit.clock import rfc3339
from trivet.kit.marked import N_, Month, Say, english, english_month
from trivet.kit.money import EXACT, PICO
from trivet.report.files.statement import Section, Statement

MINUS = "\N{MINUS SIGN}"


WHY = {
    "volume": N_("the number of tokens"), "price": N_("prices"), "mix": N_("the mix of models"),
    "efficiency": N_("efficiency"), "idle": N_("idle capacity"), "shared": N_("shared costs"), "bill": N_("bills"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Words:
    """A language: a text with its values put in, and a month."""

    tell: Say = english
    month: Month = english_month

    def of_month(self, month: str) -> str:
        """`2026-10` as `October 2026`."""
        return self.month(datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC))


ENGLISH = Words()


def signed(amount: Decimal) -> str:
    """Every digit of the ledger, a true minus, thousands apart: what somebody signs."""
    return f"{EXACT.quantize(amount, PICO):,f}".replace("-", MINUS)


def rounded(amount: Decimal, currency: str, words: Words = ENGLISH) -> str:
    """`1,234.50 USD`: for a sentence; the exact amount stands in the table."""
    _ = words.tell
    if amount and abs(amount) < Decimal("0.005"):
        return _("less than 0.01 {currency}", currency=currency)
    return f"{EXACT.quantize(amount, Decimal('0.01')):,f} {currency}".replace("-", MINUS)


def per_cent(part: Decimal, whole: Decimal, words: Words = ENGLISH) -> str:
    """`12 %`, of nothing `none`."""
    _ = words.tell
    if not whole:
        return _("none")
    share = EXACT.quantize(EXACT.multiply(EXACT.divide(part, whole), Decimal(100)), Decimal(1))
    if not share and part:
        return _("less than 1 %")
    return f"{share:f} %".replace("-", MINUS)


def month_words(month: str) -> str:
    """`October 2026`."""
    return ENGLISH.of_month(month)


def sentence(statement: Statement, words: Words = ENGLISH) -> str:
    """What is so, and why, for all currencies."""
    _ = words.tell
    if not statement.sections:
        return _("{centre} bore nothing in {month}.", centre=statement.centre, month=words.of_month(statement.month))
    return " ".join(_of_currency(statement, section, words) for section in statement.sections)


def _of_currency(statement: Statement, section: Section, words: Words) -> str:
    _ = words.tell
    said = _(
        "{centre} bore {amount} in {month}", centre=statement.centre, month=words.of_month(statement.month),
        amount=rounded(section.total, section.currency, words),
    )  # fmt: skip
    said = _against(section, said, words)
    if section.adjustments:
        months = ", ".join(words.of_month(month) for month, _amount in section.adjustments)
        adjusted = rounded(section.adjusted, section.currency, words)
        said = _("{said}; {amount} of it adjusts {months}", said=said, amount=adjusted, months=months)
    if section.budget is not None and section.budget:
        used = per_cent(section.total, section.budget, words)
        said = _("{said}; that is {share} of its budget", said=said, share=used)
    return _("{sentence}.", sentence=said)


def beside(section: Section, words: Words = ENGLISH) -> str:
    """What the use is held against."""
    _ = words.tell
    return _("the same days of the month before") if section.running else _("the month before")


def _against(section: Section, said: str, words: Words) -> str:
    """`…, 12 % more than the month before, most of it more tokens`."""
    _ = words.tell
    change = EXACT.subtract(section.use, section.before)
    if section.before <= 0:
        return said
    if not change:
        return _("{said}, as much use as {before}", said=said, before=beside(section, words))
    told = {"said": said, "share": per_cent(abs(change), section.before, words), "before": beside(section, words)}
    if change > 0:
        said = _("{said}, its use {share} more than {before}", **told)
    else:
        said = _("{said}, its use {share} less than {before}", **told)
    same_way = {name: part for name, part in section.why.items() if part * change > 0}
    if same_way:
        name = max(same_way, key=lambda each: abs(same_way[each]))
        said = _("{said}, most of that by {part}", said=said, part=_(WHY.get(name, name)))
    return said


def standing(statement: Statement, words: Words = ENGLISH) -> str:
    """As of when it is told, and whether it can still change."""
    _ = words.tell
    if statement.state == "closed":
        month = words.of_month(statement.month)
        return _(
            "As of the close of {month}: it does not change any more. What comes late adjusts a later month.",
            month=month,
        )
    until = f"{statement.posted_until:%Y-%m-%d %H:%M} UTC"
    return _(
        "Not closed: posted until {until}; later hours are provisional, and all of it can still change.", until=until
    )


def notes(statement: Statement, words: Words = ENGLISH) -> list[str]:
    """What a reader should know before signing."""
    _ = words.tell
    found = []
    for section in statement.sections:
        if section.unattributed_share:
            share = per_cent(section.unattributed_share, Decimal(1), words)
            found.append(
                _(
                    "Of all that was spent in {currency}, {share} has no cost centre and is on nobody's statement.",
                    currency=section.currency,
                    share=share,
                )
            )
        if section.provisional:
            amount = rounded(section.provisional, section.currency, words)
            found.append(_("{amount} is provisional: standard cost of hours not posted yet.", amount=amount))
    found.append(
        _(
            "Tokens are those of the tenant in the month as counted when the month was closed; amounts are the ledger's, "
            "to the last of twelve places."
        )
        if statement.counted.kept
        else _(
            "Tokens are those of the tenant in the month as counted now; amounts are the ledger's, to the last of twelve "
            "places."
        )
    )
    return found


def generated_for(statement: Statement) -> str:
    """The line at the foot: what it is of, so that a page alone says where it belongs."""
    return f"{statement.centre} · {month_words(statement.month)} · {rfc3339(statement.posted_until)}"
