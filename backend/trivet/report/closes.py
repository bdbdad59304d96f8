"""Reports as of the close of a month."""

import re

from sqlalchemy.orm import Session

from trivet.kit.errors import Conflict, Invalid
from trivet.ledger import periods

_MONTH = re.compile(r"20\d\d-(0[1-9]|1[0-2])")


class NotClosed(Conflict):
    """The month as of whose close a report is asked for is not closed: its figures may still change."""


def is_month(text: str) -> bool:
    """Whether it is written as a month is: 2026-10."""
    return _MONTH.fullmatch(text) is not None


def check(session: Session, month: str) -> None:
    """`Invalid` for what is no month, `NotClosed` for one that is not closed."""
    if not is_month(month):
        raise Invalid("`as_of` is a closed month, such as 2026-10.", field="as_of")
    if periods.state(session, month) != periods.CLOSED:
        raise NotClosed(
            f"{month} is not closed, so there is no report as of its close: leave `as_of` out.", field="as_of"
        )
