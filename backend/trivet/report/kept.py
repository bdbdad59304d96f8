"""Answers that cannot have changed, kept in this process: sums of balances, by the newest posting they hold.

The ledger only grows, and who posts does so alone, so that the newest posting of some hours names what was booked for them.
An answer is kept under that name and is read again only once there is a newer one. It is what the database would say now.
"""

import threading
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import Any

from trivet.db import caches

ROWS_MAX = 120_000  # in all answers together
LARGEST = 20_000  # rows of one that is still kept

Rows = Sequence[Sequence[Any]]


class Kept:
    """The answers used last, as many as `ROWS_MAX` rows. Safe between threads."""

    def __init__(self, rows_max: int = ROWS_MAX, largest: int = LARGEST) -> None:
        self._answers: OrderedDict[Hashable, tuple[Hashable, Rows]] = OrderedDict()
        self._rows, self._rows_max, self._largest = 0, rows_max, largest
        self._lock = threading.Lock()

    def find(self, question: Hashable, marker: Hashable) -> Rows | None:
        """The answer to a question as of a marker; None where it is not kept, or is of another."""
        with self._lock:
            known = self._answers.get(question)
            if known is None or known[0] != marker:
                return None
            self._answers.move_to_end(question)
            return known[1]

    def keep(self, question: Hashable, marker: Hashable, rows: Rows) -> None:
        """Keep an answer in place of an older one; the answers not used for longest make room."""
        if len(rows) > self._largest:
            return
        with self._lock:
            self._drop(question)
            self._answers[question] = marker, rows
            self._rows += len(rows) + 1
            while self._rows > self._rows_max:
                self._drop(next(iter(self._answers)))

    def clear(self) -> None:
        """Forget all of them."""
        with self._lock:
            self._answers.clear()
            self._rows = 0

    def _drop(self, question: Hashable) -> None:
        gone = self._answers.pop(question, None)
        self._rows -= len(gone[1]) + 1 if gone else 0


answers = Kept()
caches.append(answers.clear)
