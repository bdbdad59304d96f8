"""A hold takes room of every budget it falls under, or of none."""

from decimal import Decimal

import pytest
from tests.budget.reserve.support import budget, do, held, hold, one, post, void, windows

from trivet.budget.reserve.refusals import BudgetExceeded

pytestmark = pytest.mark.usefixtures("database")


class TestAHold:
    def test_takes_room_of_every_layer(self) -> None:
        budget("all", "10")
        budget("each tenant", "4", scope="tenant")
        told = one(hold("1.50"))
        assert windows() == [("all", 0, Decimal("1.5")), ("each tenant", 0, Decimal("1.5"))]
        assert [(layer.budget, committed) for layer, committed in told.layers] == [
            ("all", Decimal("1.5")), ("each tenant", Decimal("1.5")),
        ]  # fmt: skip

    def test_that_does_not_fit_one_layer_takes_nothing_of_any(self) -> None:
        budget("all", "10")
        budget("each tenant", "4", scope="tenant")
        one(hold("3"))
        with pytest.raises(BudgetExceeded) as refused:
            one(hold("1.000000000001"))
        assert refused.value.refusal.layer.budget == "each tenant"
        assert refused.value.refusal.remaining == 1
        assert [row[2] for row in windows()] == [3, 3]
        one(hold("1"))
        assert [row[2] for row in windows()] == [4, 4]
