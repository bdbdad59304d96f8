"""On what terms a command is proven, and the proof out of real rows over the API."""

from dataclasses import replace

import pytest
from tests.support.calls import call, ingest
from tests.support.commanding import issue
from tests.support.governed import at, register

from trivet import db
from trivet.command.models import Command
from trivet.evidence import proof_read
from trivet.evidence.proof_terms import BEFORE_SHORT, NOT_HELD, NOTHING_BEFORE, PARTLY, TOO_SHORT, Change, terms
from trivet.kit.interval import Interval

DEGRADE = Change(2, "degrade", 2, 1, None, at(1_000), at(1_003), None)
FIRST = Change(1, "degrade", 1, 1, None, at(700), at(701), at(1_000))
LATER = at(9_000)


class TestTerms:
    def test_each_side_is_whole_buckets_of_one_level(self):
        found = terms(DEGRADE, [FIRST], at(1_333), None, LATER)
        assert (found.before, found.after) == (Interval(at(710), at(1_000)), Interval(at(1_010), at(1_330)))
        assert (found.level_before, found.level_after, found.grain_s, found.running) == (1, 2, 10, False)

    def test_before_is_a_quarter_of_an_hour_and_after_half_of_one_at_most(self):
        found = terms(replace(DEGRADE, at=at(1_200), held_at=at(1_200)), [], None, None, LATER)
        assert (found.before.seconds, found.after.seconds, found.grain_s) == (900, 1_800, 60)

    def test_what_answers_a_breach_is_held_against_the_breach_and_not_the_calm_before(self):
        assert terms(DEGRADE, [], None, at(900), LATER).before == Interval(at(900), at(1_000))
        assert terms(DEGRADE, [], None, at(900), LATER).since_breach
        just_begun = terms(DEGRADE, [], at(1_333), at(980), LATER)
        assert just_begun.before.seconds > 800 and not just_begun.since_breach

    def test_a_step_on_a_quick_climb_is_passed_over_for_what_stood_before_it(self):
        base = Change(0, "activate", None, 1, None, at(0), at(1), at(980))
        climb = replace(FIRST, at=at(980), held_at=at(981))
        found = terms(DEGRADE, [base, climb], at(1_200), None, LATER)
        assert (found.level_before, found.level_after, found.before.end) == (0, 2, at(980))

    def test_it_grows_until_the_next_command_or_the_end_of_its_time(self):
        assert terms(DEGRADE, [], None, None, at(1_200)).running
        assert not terms(DEGRADE, [], at(1_100), None, at(1_200)).running

    @pytest.mark.parametrize(
        ("change", "earlier", "until", "why"),
        [
            (replace(DEGRADE, share=0.1), [], None, PARTLY),
            (replace(DEGRADE, held_at=None), [], None, NOT_HELD),
            (replace(DEGRADE, kind="rollback", level=None), [], None, NOTHING_BEFORE),
            (DEGRADE, [], at(1_030), TOO_SHORT),
            (DEGRADE, [replace(FIRST, kind="activate", level=None, at=at(980), held_at=at(981))], None, BEFORE_SHORT),
        ],
    )
    def test_where_there_are_none_the_reason_is_said(self, change, earlier, until, why):
        assert terms(change, earlier, until, None, LATER).missing == why

    def test_a_share_of_conversations_moves_no_level(self):
        probe = replace(FIRST, kind="restore", level=0, share=0.1)
        assert terms(DEGRADE, [FIRST, probe], None, None, LATER).level_before == 1

    def test_a_rollback_keeps_the_level_and_changes_the_revision(self):
        back = Change(2, "rollback", None, 1, None, at(1_000), at(1_003), None)
        found = terms(back, [replace(FIRST, revision=2)], None, None, LATER)
        assert (found.level_before, found.level_after, found.revision_before, found.revision_after) == (1, 1, 2, 1)


class TestOutOfRows:
    @pytest.fixture
    def degraded(self, database):
        """Acme's calls cost 30 before and 10 under level 1; one that still ran at level 0 then is counted nowhere."""
        register("chat")
        id_ = issue(at(600))
        with db.transaction() as session:
            session.get(Command, id_).effective_at = at(602)
        priced = {"output_tokens": 100, "revision": 1}
        before = [call(at(s), seconds=2, model="gpt-4o", **priced) for s in range(480, 600, 2)]
        after = [call(at(s), seconds=1, model="gpt-4o-mini", level=1, **priced) for s in range(610, 730, 2)]
        ingest(*before, *after, call(at(650), seconds=60, **priced), now=at(730))
        return id_

    def test_a_command_is_proven_by_what_ran_under_it(self, degraded):
        with db.transaction() as session:
            found = proof_read.of(session, degraded, at(730))
        by_name = {each.measure: each for each in found.effects}
        p50 = by_name["p50_latency_ms"]
        assert (p50.n_before, p50.n_after, p50.verdict) == (60, 60, "fell")
        assert p50.difference == pytest.approx(-1_000, rel=0.02)
        assert by_name["p95_latency_ms"].verdict == "not_enough" and by_name["quality"].verdict == "not_enough"
        assert found.terms.running and found.fixed == 1

    def test_the_api_tells_it(self, degraded, client, make_key):
        headers = {"Authorization": f"Bearer {make_key(['read'])}"}
        answer = client.get(f"/api/v1/commands/{degraded}/proof", headers=headers).json()
        assert answer["before"] == {
            "start": "2026-11-21T07:55:00Z",
            "end": "2026-11-21T08:10:00Z",
            "level": 0,
            "revision": 1,
        }
        assert {each["measure"] for each in answer["effects"]} >= {"quality", "p95_latency_ms", "cost_per_request"}
        assert client.get("/api/v1/commands/99/proof", headers=headers).status_code == 404
