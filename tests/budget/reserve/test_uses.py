"""What spans used of the reservations they name commits with their requests, and is taken back with them."""

from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from tests.budget.reserve.support import NOON, budget, dollar_tokens, hold, one, refresh, spend, windows
from tests.support.calls import call, ingest

from trivet import db
from trivet.ingest.models import ReservationUse
from trivet.ingest.request.fact import REJECTED
from trivet.ingest.store import persist

ID = str(UUID(int=7))


def uses():
    """(reservation, amount, tokens, requests) in the order they came."""
    of = ReservationUse
    with db.transaction() as session:
        rows = session.execute(select(of.reservation_id, of.amount, of.tokens, of.requests).order_by(of.id))
        return [tuple(row) for row in rows]


@pytest.mark.usefixtures("database")
class TestWhatSpansUsed:
    def test_is_one_row_for_each_reservation_and_transaction(self) -> None:
        dollar_tokens()
        other = str(uuid4())
        told = {"provider": "house", "model": "dollar"}
        ingest(
            call(NOON, input_tokens=2, reservation=ID, **told), call(NOON, input_tokens=3, reservation=ID, **told),
            call(NOON, input_tokens=4, reservation=other, **told), call(NOON, input_tokens=5, **told), now=NOON,
        )  # fmt: skip
        assert sorted(uses()) == sorted([(UUID(ID), 5, 5, 2), (UUID(other), 4, 4, 1)])

    def test_told_again_is_counted_once(self) -> None:
        dollar_tokens()
        told = spend(2, ID)
        ingest(told, now=NOON)
        assert uses() == [(UUID(ID), 2, 2, 1)]

    def test_without_a_price_is_tokens_and_no_money(self) -> None:
        ingest(call(NOON, provider="nobody", model="nobody-knows", input_tokens=3, reservation=ID), now=NOON)
        assert uses() == [(UUID(ID), 0, 3, 1)]

    def test_of_what_admission_rejected_is_no_request(self) -> None:
        ingest(call(NOON, outcome=REJECTED, reservation=ID), now=NOON)
        assert uses() == [(UUID(ID), 0, 0, 0)]

    @pytest.mark.parametrize("named", ["ours-12", "x" * 36, ID.upper() + "0", ""])
    def test_that_names_no_id_of_ours_is_nobodys(self, named) -> None:
        ingest(call(NOON, input_tokens=1, reservation=named), now=NOON)
        assert uses() == []

    def test_is_taken_back_where_a_span_turns_out_to_repeat_another_ones_call(self) -> None:
        """A client's span came first; the engine's, inside it, tells the same call better and is billed instead."""
        budget()
        dollar_tokens()
        held = one(hold("9"))
        trace, outer = b"t" * 16, b"o" * 8
        told = {
            "trace_id": trace, "provider": "house", "model": "dollar", "response_id": "r1", "reservation": str(held.id),
        }  # fmt: skip
        ingest(call(NOON, span=outer, seconds=3, input_tokens=2, **told), now=NOON)
        refresh()
        assert windows() == [("all", 2, 7)]
        ingest(call(NOON, span=b"i" * 8, parent_id=outer, seconds=1, input_tokens=3, **told), now=NOON)
        persist.settle_received()
        assert sum(row[1] for row in uses()) == 1  # 3 more, and 2 taken back
        refresh()
        assert windows() == [("all", Decimal(3), Decimal(6))]
