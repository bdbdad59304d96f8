"""The overview of a real database, and commands given from it."""

import re

import pytest
from sqlalchemy import select

from trivet import db
from trivet.command import service
from trivet.command.models import Command, DesiredState
from trivet.kit.clock import utc_now
from trivet.tenant.models import Scenario

DECIDE = {"sre", "product_owner", "admin"}


def token_of(client) -> str:
    return re.search(r'name="csrf_token" value="([^"]+)"', client.get("/").text)[1]


def sentence_of(html: str) -> str:
    return re.search(r'id="sentence">([^<]+)<', html)[1].replace("\N{NO-BREAK SPACE}", " ")


class TestAnEmptyPage:
    def test_it_teaches_the_next_step_with_the_exact_command(self, sign_in):
        html = sign_in("viewer").get("/").text
        assert sentence_of(html) == "No scenario is registered yet, so there is nothing to compare with a card."
        assert "curl -X POST localhost:8000/api/v1/scenarios" in html
        assert "/ofrep/v1/evaluate/flags" in html


class TestAScenario:
    def test_it_stands_with_its_card_before_anything_has_arrived(self, sign_in, scenario):
        html = sign_in("viewer").get("/").text
        assert sentence_of(html) == "The scenario is at level 0 and nothing has arrived from it yet."
        assert "≤ 1.5 s" in html and "≥ 0.8" in html
        assert "quality: no data, latency: no data, cost: no data" in html

    def test_it_says_which_share_of_conversations_is_back_by_way_of_trial(self, sign_in, scenario):
        with db.transaction() as session:
            id_ = session.scalars(select(Scenario.id)).one()
            service.issue(session, kind="degrade", scenario_id=id_, level=2, reason="r", actor="ladder", now=utc_now())
            row = session.get(DesiredState, (id_, 0, 0))
            row.arm_level, row.arm_share = 1, 0.05
        assert "5 % of conversations back at level 1 ·" in sign_in("viewer").get("/").text

    def test_times_are_in_the_readers_zone(self, sign_in, scenario):
        client = sign_in("viewer")
        client.cookies.set("trivet_zone", "Asia/Shanghai")
        assert ", Asia/Shanghai</span>" in client.get("/").text
        client.cookies.set("trivet_zone", "Not/AZone")
        assert ", UTC</span>" in client.get("/").text

    def test_its_series_has_a_point_a_step_and_nothing_for_silence(self, sign_in, scenario):
        series = sign_in("viewer").get(f"/scenarios/{scenario}/series.json?range=15m").json()
        assert len(series["t"]) == len(series["p95_ms"]) == 90
        assert set(series["p95_ms"]) == {None} and set(series["requests_per_s"]) == {0}
        assert (series["limit_ms"], series["limit_words"]) == (1500, "card 1.5 s")

    def test_a_range_that_does_not_exist_is_the_default_one(self, sign_in, scenario):
        client = sign_in("viewer")
        assert 'hx-get="/live"' in client.get("/?range=lots").text
        assert client.get("/scenarios/nothing/series.json").status_code == 404


class TestCommands:
    def give(self, client, scenario, **form):
        form = {"csrf_token": token_of(client), "kind": "degrade", "level": "2", "reason": "the queue grows"} | form
        return client.post(f"/scenarios/{scenario}/command", data=form, headers={"HX-Request": "true"})

    @pytest.mark.parametrize("role", ["admin", "sre", "product_owner", "finance", "viewer"])
    def test_only_those_who_decide_find_buttons_and_may_press_them(self, sign_in, scenario, role):
        client = sign_in(role)
        assert ("act-degrade-support-chat" in client.get("/").text) is (role in DECIDE)
        assert self.give(client, scenario).status_code == (200 if role in DECIDE else 403)

    def test_the_preview_says_what_will_change_in_the_apis_own_words(self, sign_in, scenario):
        html = sign_in("sre").get(f"/scenarios/{scenario}/command?kind=degrade&level=2").text
        assert "goes from level 0 to 2" in html
        assert 'name="level" value="2" checked' in html

    def test_without_scripts_the_panel_is_a_page_of_its_own(self, sign_in, scenario):
        client = sign_in("sre")
        assert "<!doctype html>" in client.get(f"/scenarios/{scenario}/command?kind=degrade").text
        fragment = client.get(f"/scenarios/{scenario}/command?kind=degrade", headers={"HX-Request": "true"}).text
        assert fragment.startswith("{#") is False and "<!doctype html>" not in fragment

    def test_a_command_says_who_why_and_what_came_of_it(self, sign_in, scenario):
        client = sign_in("sre")
        answer = self.give(client, scenario)
        assert (answer.text, answer.headers["hx-trigger"]) == ("", "trivet:commanded")
        html = client.get("/").text
        assert "Sre asked to degrade to level 2: the queue grows." in html
        assert "pill--pending" in html and "level 2 asked for, not yet proven" in html
        with db.transaction() as session:
            command = session.query(Command).one()
        assert (command.actor, command.reason, command.level) == ("sre@example.com", "the queue grows", 2)

    def test_a_command_without_a_reason_comes_back_with_its_field_named(self, sign_in, scenario):
        answer = self.give(sign_in("sre"), scenario, reason="  ")
        assert answer.status_code == 422
        assert 'aria-invalid="true"' in answer.text and "a command needs a reason" in answer.text

    def test_a_roll_back_with_nothing_to_go_back_to_says_so(self, sign_in, scenario):
        client = sign_in("sre")
        assert "act-rollback-support-chat" not in client.get("/").text
        answer = self.give(client, scenario, kind="rollback", level="")
        assert answer.status_code == 409 and "there is none to go back to" in answer.text

    def test_a_limit_of_none_lasts_until_restored(self, sign_in, scenario):
        self.give(sign_in("sre"), scenario, expires_in_s="")
        with db.transaction() as session:
            assert session.query(Command).one().expires_at is None

    def test_a_form_of_another_session_changes_nothing(self, sign_in, scenario):
        client = sign_in("sre")
        assert self.give(client, scenario, csrf_token="stale").status_code == 403
        with db.transaction() as session:
            assert session.query(Command).count() == 0
