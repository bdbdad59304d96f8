"""Field types that request bodies share: names, instants, amounts. What they refuse, they refuse before any code runs."""

from datetime import UTC
from decimal import Decimal, InvalidOperation
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, StringConstraints

PLACES_MAX = 12
AMOUNT_LIMIT = Decimal(10) ** 15


def _clean(text: str) -> str:
    if "\0" in text:
        raise ValueError("a name cannot hold a NUL character")
    return text


def _amount(text: str) -> str:
    try:
        amount = Decimal(text)
    except InvalidOperation as bad:
        raise ValueError('write a decimal string, such as "2.50"') from bad
    exponent = amount.as_tuple().exponent
    if not amount.is_finite() or not 0 <= amount < AMOUNT_LIMIT:
        raise ValueError("an amount is 0 or more and below 10^15")
    if isinstance(exponent, int) and exponent < -PLACES_MAX:
        raise ValueError(f"an amount has at most {PLACES_MAX} decimal places")
    return text


Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_clean)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Instant = Annotated[AwareDatetime, AfterValidator(lambda at: at.astimezone(UTC))]
Amount = Annotated[str, StringConstraints(max_length=40), AfterValidator(_amount)]
