"""The page of drills: a plan, one run with a reason, one that comes back, and what proved each step."""

from html import unescape

import pytest
from tests.support import commanding
from tests.support.governed import only

from trivet import db
from trivet.console.evidence.drills_words import plan, sentence, step, step_state
from trivet.evidence.models import DrillSchedule
from trivet.identity.models import WebSession
from trivet.kit.clock import utc_now


class TestTheWords:
    @pytest.mark.parametrize(
        ("drills", "scenarios", "said"),
        [
            ([], 0, "There is no scenario with a ladder yet, so there is nothing to drill."),
            ([], 2, "No ladder was drilled in this time; one counts only once it has been run on purpose."),
            ([("failed", "chat"), ("passed", "rag")], 2, "The newest drill, of chat, is failed. 1 of 2 shown passed."),
        ],
    )
    def test_the_sentence_says_how_they_went(self, drills, scenarios, said):
        assert sentence(drills, scenarios) == said

    def test_the_plan_says_what_is_done_to_whom(self):
        assert plan("chat", 3).startswith("The drill backend in sight is commanded through levels 1 to 3 and back")
        assert plan("chat", 0) == "chat has no ladder to drill."

    def test_a_step_says_its_level_and_how_it_stands(self):
        assert step("raise", 2) == "raise, level 2" and step("side_effects", 0) == "side effects"
        assert step_state(None) == ("pending", "under way") and step_state(ok=False) == ("expired", "failed")


class TestThePage:
    @pytest.fixture
    def form(self, sign_in, scenario):
        self.browser = sign_in("sre")
        with db.transaction() as session:
            return {"scenario": scenario, "reason": "readiness", "csrf_token": only(session, WebSession).csrf_token}

    def test_an_empty_page_teaches_how_to_start_a_backend(self, form):
        assert "trivet drill-backend --name drill-1" in unescape(self.browser.get("/drills").text)

    def test_the_plan_is_of_the_scenario_that_is_chosen(self, form):
        page = unescape(self.browser.get("/drills?scenario=rag").text)
        assert 'id="plan" aria-live="polite">rag has no ladder to drill.' in page
        assert 'hx-include="#drill [name=scenario]" hx-select="#plan"' in page

    def test_a_drill_is_begun_and_aborted_and_its_steps_are_in_the_file(self, form):
        refused = self.browser.post("/drills", data=form, follow_redirects=False)
        assert refused.status_code == 409 and "No backend drill-1 is in sight" in unescape(refused.text)
        commanding.hold(utc_now(), "drill-1")
        assert self.browser.post("/drills", data=form, follow_redirects=False).status_code == 303
        assert "Abort, and bring it back" in self.browser.get("/drills").text
        assert self.browser.post("/drills/1/abort", data=form, follow_redirects=False).status_code == 303
        assert "restoring" in self.browser.get("/drills").text
        assert self.browser.get("/drills.csv").text.splitlines()[0].startswith("drill_id,scenario,backend,state")

    def test_one_that_comes_back_is_made_and_ended_and_a_refusal_stands_at_its_field(self, form):
        often = form | {"backend": "drill-1", "every_days": "30", "at": "04:30"}
        for wrong in ({"at": "noon"}, {"every_days": "400"}, {"backend": "gw-1"}):
            refused = self.browser.post("/drills", data=often | wrong, follow_redirects=False)
            assert refused.status_code == 422 and "field__problem" in refused.text
        assert self.browser.post("/drills", data=often, follow_redirects=False).status_code == 303
        assert "every 30 days" in self.browser.get("/drills").text
        assert self.browser.post("/drills/schedules/1/end", data=form, follow_redirects=False).status_code == 303
        with db.transaction() as session:
            assert only(session, DrillSchedule).ended_at is not None

    def test_who_may_only_look_neither_finds_nor_sends_the_form(self, scenario, sign_in):
        browser = sign_in("finance")
        assert "Drill it" not in browser.get("/drills").text
        refused = browser.post("/drills", data={"scenario": scenario, "reason": "x", "csrf_token": "x"})
        assert refused.status_code == 403
