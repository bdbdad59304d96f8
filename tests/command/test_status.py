"""What is proven of a command by what backends were seen to hold."""

from datetime import UTC, datetime

import pytest

from trivet.command.status import Seen, find

AT = datetime(2026, 11, 21, tzinfo=UTC)


def seen(observed=-1, effective=-1, name="gw-1"):
    return Seen(name, observed, AT if observed >= 0 else None, effective, AT if effective >= 0 else None)


@pytest.mark.parametrize(
    ("before", "backends", "after"),
    [
        ("pending", [], "pending"),
        ("pending", [seen()], "pending"),
        ("pending", [seen(observed=6)], "pending"),
        ("pending", [seen(observed=7)], "observed"),
        ("pending", [seen(observed=9)], "observed"),  # a later generation holds it too
        ("pending", [seen(observed=7), seen(observed=6, name="gw-2")], "pending"),
        ("pending", [seen(effective=7)], "effective"),
        ("pending", [seen(effective=7), seen(observed=7, name="gw-2")], "effective"),
        ("pending", [seen(effective=7), seen(observed=6, name="gw-2")], "pending"),  # one does not hold it
        ("observed", [seen(observed=7, effective=6)], "observed"),
        ("observed", [seen(observed=7, effective=7)], "effective"),
        ("observed", [], "observed"),  # what was proven stays proven
        ("observed", [seen(observed=3)], "observed"),
        ("effective", [seen(observed=3)], "effective"),
    ],
)
def test_generation_7_is(before, backends, after):
    found = find(before, 7, backends)
    assert found.status == after
    assert found.outcome.endswith((".", "it."))


def test_many_backends_are_named_up_to_five():
    backends = [seen(name=f"gw-{n}") for n in range(8)]
    assert find("pending", 7, backends).outcome == (
        "Waiting for gw-0, gw-1, gw-2, gw-3, gw-4 and 3 more: 0 of 8 hold it."
    )
