"""Search: a name, a number or an id leads to where it is, for whoever may see it, as text and nothing else."""

import pytest
from sqlalchemy import text

from trivet import db
from trivet.command import service as commands
from trivet.console import places, search
from trivet.console.tongue import speaking
from trivet.kit.clock import utc_now
from trivet.tenant.models import Scenario, Tenant

TRACE = "0af7651916cd43dd8448eb211c80319c"


class TestPages:
    def names(self, asked, role="sre", *, scoped=False):
        return [hit.url for hit in search.pages(places.shown(role, scoped=scoped), asked)]

    def test_are_found_by_part_of_their_name_in_the_readers_language_and_in_english(self):
        assert self.names("budg") == ["/budgets"]
        with speaking("zh"):
            assert self.names("预算") == ["/budgets"] == self.names("budg")

    def test_only_those_that_are_open_to_the_reader(self):
        assert self.names("people") == [] and self.names("people", "admin") == ["/people"]
        assert self.names("commands", scoped=True) == []


class TestFinding:
    @pytest.fixture
    def client(self, sign_in, scenario):
        with db.transaction() as session:
            session.add_all(
                [Tenant(name="support-co"), Tenant(name="acme <b>&"), Scenario(name="a_b"), Scenario(name="axb")]
            )
            id_ = session.execute(text("SELECT id FROM scenario WHERE name = 'support-chat'")).scalar()
            commands.issue(session, kind="degrade", scenario_id=id_, level=1, reason="r", actor="t", now=utc_now())
        return sign_in("sre")

    def found(self, client, asked):
        return client.get("/search", params={"q": asked}, headers={"HX-Request": "true"}).text

    def test_a_name_leads_to_the_scenario_its_card_and_the_tenant(self, client):
        html = self.found(client, "supp")
        assert 'href="/cards/support-chat"' in html
        assert 'href="/?open=support-chat&amp;q=support-chat"' in html
        assert 'href="/costs?tenant=support-co"' in html

    def test_a_wildcard_is_a_letter_like_any_other(self, client):
        assert "axb" not in self.found(client, "a_b") and "a_b" in self.found(client, "a_b")

    def test_a_name_is_text(self, client):
        html = self.found(client, "<b>")
        assert "acme &lt;b&gt;&amp;" in html and "<b>&" not in html

    def test_a_number_leads_to_a_command_that_exists(self, client):
        with db.transaction() as session:
            id_ = session.execute(text("SELECT max(id) FROM command")).scalar()
        assert f'href="/commands/{id_}"' in self.found(client, f"#{id_}")
        assert "/commands/" not in self.found(client, str(id_ + 1000))

    def test_the_id_of_a_trace_and_of_a_request_lead_there(self, client):
        assert f'href="/requests/trace/{TRACE}"' in self.found(client, TRACE.upper())
        assert f'href="/requests/{TRACE}-00f067aa0ba902b7"' in self.found(client, f"{TRACE}-00f067aa0ba902b7")

    def test_without_scripts_it_is_a_page_and_nothing_found_is_said(self, client):
        page = client.get("/search?q=zzzz").text
        assert "<!doctype html>" in page and "Nothing has this name or number." in page
        assert client.get("/search").status_code == 200
        assert client.get("/search", params={"q": "x" * 300}).status_code == 422
