"""Words that a page says in its reader's language, for those who know of no page: marked here, and said in English.

Whoever says them in another language hands in what translates: each text is whole, with named holes.
"""

from collections.abc import Callable
from datetime import date
from typing import Any

Say = Callable[..., str]  # a text with named holes, and what is put in
Month = Callable[[date], str]


def N_(text: str) -> str:  # noqa: N802  # gettext's own name, which the extraction looks for
    """Marks a text for the catalogues and leaves it as it is: it is looked up where it is shown."""
    return text


def english(text: str, /, **values: Any) -> str:
    """As it is written in the code."""
    return text.format(**values) if values else text


def english_month(at: date) -> str:
    """`October 2026`."""
    return f"{at:%B %Y}"
