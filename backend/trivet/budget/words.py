"""What is said of budgets to people: in mails, reasons and on the page. Pure."""

from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from zoneinfo import ZoneInfo

from trivet.budget.book import Standing
from trivet.budget.lines import FULL
from trivet.kit.money import EXACT

WINDOW_WORDS = {"day": "day", "week": "week", "month": "month", "interaction": "interaction", "request": "request"}
_CENT = Decimal("0.01")


def amount(value: Decimal, standing: Standing) -> str:
    """`400.00 USD`, `1,200 tokens`: never rounded to nothing, never with an exponent."""
    if standing.measure != "money":
        return f"{value.quantize(Decimal(1)):,} {standing.measure}"
    rounded = EXACT.quantize(value, _CENT)
    if rounded == value or abs(value) >= 1:
        return f"{rounded:,} {standing.currency}"
    return f"{format(value.normalize(), 'f')} {standing.currency}"


def percent(spent: Decimal, limit: Decimal) -> int:
    """Whole percent, never rounded up to a line that was not reached."""
    return int(EXACT.divide(EXACT.multiply(spent, Decimal(100)), limit)) if limit else 0


def exact_percent(spent: Decimal, limit: Decimal) -> Decimal:
    """Percent with two places, half even."""
    share = EXACT.divide(EXACT.multiply(spent, Decimal(100)), limit) if limit else Decimal(0)
    return share.quantize(_CENT, ROUND_HALF_EVEN)


def date(at: datetime, zone: ZoneInfo) -> str:
    """`2026-11-21`, or with its time where it is not midnight; in the owner's zone."""
    local = at.astimezone(zone)
    return f"{local:%Y-%m-%d}" if (local.hour, local.minute) == (0, 0) else f"{local:%Y-%m-%d %H:%M}"


def period(standing: Standing, starts_at: datetime) -> str:
    """`the month from 2026-11-01 (Europe/Berlin)`."""
    if standing.window == "interaction":
        return "one interaction"
    return f"the {WINDOW_WORDS[standing.window]} from {date(starts_at, standing.zone)} ({standing.zone.key})"


def reason(standing: Standing, whose: str, spent: Decimal, limit: Decimal, starts_at: datetime) -> str:
    """Why something is done: `search: tenant acme spent 50.12 USD of 50.00 USD (100 %) in the day from …`."""
    of = f"{amount(spent, standing)} of {amount(limit, standing)} ({percent(spent, limit)} %)"
    return f"Budget {standing.name}: {whose} spent {of} in {period(standing, starts_at)}"


def subject(standing: Standing, whose: str, line: int, spent: Decimal, limit: Decimal) -> str:
    """Subject of the mail about a line."""
    return (
        f"Budget {standing.name}: {whose} is past {line} %: {amount(spent, standing)} of {amount(limit, standing)}"
    )  # fmt: skip


def consequence(standing: Standing, line: int, ends_at: datetime) -> str:
    """What a line does, in a sentence."""
    terms = standing.terms
    if not terms.hard or line < FULL:
        return "Nothing was changed: this line only tells." if not terms.hard else _still_to_come(standing, ends_at)
    return f"{doing(standing)} {until(standing, ends_at)}."


def _still_to_come(standing: Standing, ends_at: datetime) -> str:
    what = doing(standing)
    return f"Nothing was changed yet. At {FULL} %: {what[0].lower()}{what[1:]} {until(standing, ends_at)}."


def doing(standing: Standing) -> str:
    """What the hard line does."""
    terms = standing.terms
    if terms.action == "break":
        return "Calls are cut off"
    if terms.action == "degrade":
        return f"Calls run at level {terms.level}"
    return "Reservations beyond the limit are refused"


def until(standing: Standing, ends_at: datetime) -> str:
    """How long."""
    if standing.terms.way_back == "manual":
        return "until somebody restores them" if standing.terms.action != "refuse" else "until the next window"
    return f"until {date(ends_at, standing.zone)} ({standing.zone.key})"


def text(standing: Standing, why: str, lines: tuple[int, ...], ends_at: datetime, *, at_least: bool) -> str:
    """Body of the mail about lines crossed in the same moment, rising: the highest counts."""
    *lower, line = lines
    passed = f" ({', '.join(f'{other} %' for other in lower)} passed in the same moment)" if lower else ""
    unsure = (
        "\nThe figure is at least this: some requests have no price, or a currency has no rate.\n" if at_least else ""
    )
    return f"{why}.\nLine: {line} %{passed}.\n{consequence(standing, line, ends_at)}\n{unsure}"


def over_subject(standing: Standing, over: Decimal) -> str:
    """`a request came to 2.10 USD, over 1.00 USD`."""
    article = "an" if standing.scope == "interaction" else "a"
    return f"{article} {standing.scope} came to {amount(over, standing)}, over {amount(standing.terms.limit, standing)}"
