"""The table of breaches, from real rows."""

from datetime import UTC, datetime, timedelta

import pytest

from trivet import db
from trivet.command import service as commands
from trivet.console import breaches, queries
from trivet.console.tongue import speaking
from trivet.guard.models import Breach
from trivet.guard.service import ANOTHER_REVISION
from trivet.kit.clock import utc_now

AT = datetime(2026, 11, 21, 14, 2, 7, tzinfo=UTC)
BASE = {"revision": 1, "value": 1620.0, "worst_value": 1710.0, "threshold": 1500.0, "sample": 214}


@pytest.fixture
def scenario_id(scenario) -> int:
    with db.transaction() as session:
        found = queries.scenario_id(session, scenario)
    assert found is not None
    return found


def broke(scenario_id: int, **of) -> int:
    row = BASE | {"guard": "p95-latency", "reason": "P95 1.62 s over 1.5 s", "opened_at": AT} | of
    with db.transaction() as session:
        made = Breach(scenario_id=scenario_id, **row)
        session.add(made)
        session.flush()
        return made.id


def table() -> tuple[breaches.BreachRow, ...]:
    with db.transaction() as session:
        return breaches.rows(session, queries.load(session, utc_now(), 60))


class TestTheTable:
    def test_numbers_stand_in_the_measures_own_unit(self, scenario_id):
        broke(scenario_id)
        row = table()[0]
        assert (row.scenario, row.guard, row.worst, row.threshold) == ("support-chat", "P95 latency", "1.71 s", "1.5 s")
        assert (row.ended_at, row.end, row.command) == (None, "", None)

    def test_why_is_said_in_the_readers_language(self, scenario_id):
        broke(scenario_id, closed_at=AT + timedelta(minutes=1), closed_reason="P95 1.1 s, back within 1.2 s")
        with speaking("zh"):
            row = table()[0]
        assert (row.reason, row.end) == ("P95 1.62 s，高于 1.5 s", "恢复正常：P95 1.1 s，已回到 1.2 s 以内")

    def test_an_open_one_stands_before_newer_ones_that_are_over(self, scenario_id):
        first = broke(scenario_id)
        later = broke(scenario_id, guard="errors", closed_at=AT + timedelta(minutes=1), closed_reason="back within 1 %")
        assert [row.id for row in table()] == [first, later]

    def test_it_names_the_first_command_that_it_caused(self, scenario_id):
        because = broke(scenario_id)
        with db.transaction() as session:
            for level in (1, 2):
                commands.issue(
                    session, kind="degrade", scenario_id=scenario_id, level=level, reason="P95 1.62 s over 1.5 s",
                    actor="ladder", breach_id=because, now=utc_now(),
                )  # fmt: skip
        assert table()[0].command == "Degrade to level 1"

    def test_a_guard_that_the_card_has_no_more_keeps_its_bare_numbers(self, scenario_id):
        broke(scenario_id, guard="of-old", worst_value=0.4707, threshold=0.65)
        assert (table()[0].worst, table()[0].threshold) == ("0.4707", "0.65")

    def test_a_stall_has_no_number(self, scenario_id):
        broke(scenario_id, value=None, worst_value=None, reason="12 in flight and none finished")
        assert table()[0].worst == "–"

    def test_one_that_another_revision_ended_is_not_called_whole(self, scenario_id):
        broke(scenario_id, closed_at=AT + timedelta(minutes=1), closed_reason=ANOTHER_REVISION)
        assert table()[0].end == "is judged afresh: another revision governs now"


class TestThePage:
    def test_an_open_breach_is_named_as_open(self, sign_in, scenario_id):
        broke(scenario_id)
        html = sign_in("viewer").get("/").text
        assert '<span class="breach__open">open</span>' in html and "no command yet" in html

    def test_no_breach_teaches_what_would_stand_there(self, sign_in, scenario):
        assert "No guard has broken." in sign_in("viewer").get("/").text
