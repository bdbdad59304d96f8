"""The overview of a real database, and commands given from it."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import event, select
from tests.console.test_queries import usage

from trivet import db
from trivet.card import service as cards
from trivet.command import service
from trivet.command.models import Command, DesiredState
from trivet.kit.clock import floor, utc_now
from trivet.tenant.models import Scenario, Tenant

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

    def test_the_preview_is_said_in_the_readers_language(self, sign_in, scenario):
        address = f"/scenarios/{scenario}/command?kind=degrade&level=2"
        html = sign_in("sre").get(address, headers={"Accept-Language": "zh"}).text
        assert (
            "将从 0 级降级到 2 级" in html and "过去一小时内没有任何请求会受影响。" in html and "由应用自定 → " in html
        )
        assert "as the app wishes" not in html and "it touches" not in html

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


class TestManyScenarios:
    @pytest.fixture
    def many(self, database):
        with db.transaction() as session:
            for i in range(8):
                name = f"feature-{i}"
                cards.register(session, name=name, preset_name=None, criticality="core", actor="test", now=utc_now())
            session.add(Scenario(name='"><img src=x>'))
            id_ = session.scalar(select(Scenario.id).where(Scenario.name == "feature-5"))
            service.issue(session, kind="degrade", scenario_id=id_, level=1, reason="r", actor="ladder", now=utc_now())

    def test_the_troubled_one_stands_open_and_the_calm_ones_in_one_line_each(self, sign_in, many):
        html = sign_in("viewer").get("/").text
        assert 'id="scenario-feature-5"' in html and 'id="scenario-feature-1"' not in html
        assert html.count('id="brief-') == 8
        assert '"><img src=x>' not in html

    def test_the_address_opens_one_and_filters(self, sign_in, many):
        client = sign_in("viewer")
        assert 'id="scenario-feature-1"' in client.get("/?open=feature-1").text
        assert client.get("/?q=TURE-2").text.count("Feature 2") >= 1
        trouble = client.get("/?trouble=1").text
        assert 'id="scenario-feature-5"' in trouble and 'id="brief-' not in trouble
        assert "No scenario is left by these filters." in client.get("/?criticality=experimental&q=zz").text

    def test_the_file_has_all_of_them(self, sign_in, many):
        answer = sign_in("viewer").get("/overview.csv")
        lines = answer.text.splitlines()
        assert lines[0].startswith("scenario,criticality,level,level_wanted") and len(lines) == 10
        assert any(line.startswith("feature-5,core,0,1,") for line in lines)

    def test_more_scenarios_are_not_more_statements(self, sign_in, many):
        client, counts = sign_in("viewer"), []
        seen = lambda *_: counts.append(1)  # noqa: E731  # a listener is any callable
        event.listen(db.engine(), "after_cursor_execute", seen)
        try:
            client.get("/")
            before, now = len(counts), utc_now()
            with db.transaction() as session:
                for i in range(8, 14):
                    cards.register(
                        session, name=f"feature-{i}", preset_name=None, criticality="core", actor="test", now=now
                    )
            counts.clear()
            client.get("/")
        finally:
            event.remove(db.engine(), "after_cursor_execute", seen)
        assert len(counts) <= before


class TestSomebodyOfOneTenant:
    def test_sees_their_own_scenarios_and_no_command_and_nobody_else(self, sign_in, scenario):
        with db.transaction() as session:
            ours = db.named_ids(session, Tenant, ["acme", "umbrella"])
            id_ = session.scalars(select(Scenario.id)).one()
            at = floor(utc_now(), 10) - timedelta(seconds=10)
            session.add_all([
                usage(at, tenant_id=ours["acme"], scenario_id=id_, requests=7),
                usage(at, tenant_id=ours["umbrella"], scenario_id=id_, requests=90),
            ])  # fmt: skip
            service.issue(session, kind="degrade", scenario_id=id_, level=1, reason="secret", actor="t", now=utc_now())
        client = sign_in("viewer", tenant="acme")
        html = client.get("/").text
        assert sentence_of(html).startswith("acme sent 7 requests to 1 scenario")
        assert "secret" not in html and "umbrella" not in html
        assert client.get("/overview.csv").text.splitlines()[1].startswith("support-chat,7,0")
        assert client.get("/live").status_code == 200
        assert client.get(f"/scenarios/{scenario}/series.json").status_code == 403
