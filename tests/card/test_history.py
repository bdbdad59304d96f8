import pytest

from trivet.card.history import standing


@pytest.mark.parametrize(
    ("activations", "active", "previous"),
    [
        ([], None, None),
        ([(1, None)], 1, None),
        ([(1, None), (2, None)], 2, 1),
        ([(1, None), (2, None), (1, 2)], 1, None),
        ([(1, None), (2, None), (3, None), (2, 3)], 2, 1),
        ([(1, None), (2, None), (3, None), (2, 3), (1, 2)], 1, None),
        ([(1, None), (2, None), (1, 2), (3, None)], 3, 1),  # 2 was bad: 3 goes back to 1
        ([(5, None), (4, 6)], 4, None),  # the history before is cut off
    ],
)
def test_a_rollback_never_leads_to_a_revision_that_was_rolled_back(activations, active, previous):
    assert standing(activations) == (active, previous)
