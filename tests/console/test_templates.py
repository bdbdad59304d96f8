"""Each template gets exactly its dataclass, and none brings a style or a script that the page's policy would refuse."""

import re
from dataclasses import fields
from functools import cache
from html import unescape as html_unescaped

import pytest
from jinja2 import meta, nodes
from tests.console import sample

from trivet.console import places, render, search, steer_views, views
from trivet.console.alerts import alerts_views, rules_views
from trivet.console.cards import baselines_views, cards_views, editor_views, scores_views
from trivet.console.connect import views as connect_views
from trivet.console.control import control_views
from trivet.console.evidence import breaches_views, drills_views, evidence_views, proofs_views
from trivet.console.fleet import views as fleet_views
from trivet.console.jobs import exports_views, jobs_views
from trivet.console.money import (
    bills_views,
    budgets_views,
    costs_views,
    periods_views,
    prices_views,
    statements_views,
    unit_costs_views,
)
from trivet.console.people import people_views
from trivet.console.requests import receipts_views
from trivet.console.requests import views as request_views
from trivet.console.settings import parts as settings_parts
from trivet.paths import shipped

WEB = shipped("web")
PAGES = {
    "alerts/page.html": alerts_views.AlertsPage,
    "alerts/runbook.html": alerts_views.RunbookPage,
    "alerts/route.html": rules_views.RoutePage,
    "alerts/window.html": rules_views.WindowPage,
    "overview/page.html": views.OverviewPage,
    "overview/own.html": views.OwnPage,
    "overview/command_page.html": steer_views.CommandPanel,
    "interactions/list.html": receipts_views.InteractionsPage,
    "interactions/one.html": receipts_views.ReceiptPage,
    "evidence/breach.html": evidence_views.BreachPage,
    "evidence/proofs.html": proofs_views.ProofsPage,
    "evidence/proof.html": proofs_views.ProofPage,
    "evidence/breaches.html": breaches_views.BreachesPage,
    "evidence/drills.html": drills_views.DrillsPage,
    "evidence/readiness.html": evidence_views.ReadinessPage,
    "search/page.html": search.SearchPage,
    "sign_in/page.html": people_views.SignInPage,
    "sign_in/link.html": people_views.LinkPage,
    "people/yourself.html": people_views.YourselfPage,
    "people/list.html": people_views.PeoplePage,
    "people/one.html": people_views.PersonPage,
    "people/keys.html": people_views.KeysPage,
    "people/revoke.html": people_views.RevokePage,
    "people/audit.html": people_views.AuditPage,
    "budgets/page.html": budgets_views.BudgetsPage,
    "bills/page.html": bills_views.BillsPage,
    "periods/page.html": periods_views.PeriodsPage,
    "periods/centres.html": periods_views.CentresPage,
    "base/error.html": views.ErrorPage,
    "costs/page.html": costs_views.CostsPage,
    "costs/postings.html": costs_views.PostingsPage,
    "costs/requests.html": costs_views.RequestsPage,
    "statements/page.html": statements_views.StatementsPage,
    "unit_costs/page.html": unit_costs_views.UnitCostsPage,
    "unit_costs/why.html": unit_costs_views.WhyPart,
    "prices/list.html": prices_views.PricesPage,
    "exports/page.html": exports_views.ExportsPage,
    "jobs/list.html": jobs_views.JobsPage,
    "jobs/one.html": jobs_views.JobPage,
    "prices/history.html": prices_views.HistoryPage,
    "prices/import.html": prices_views.ImportPage,
    "prices/enter.html": prices_views.EnterPage,
    "connect/page.html": connect_views.ConnectPage,
    "settings/tenants.html": settings_parts.SettingsPage,
    "settings/scenarios.html": settings_parts.SettingsPage,
    "settings/pools.html": settings_parts.SettingsPage,
    "settings/channels.html": settings_parts.SettingsPage,
    "fleet/page.html": fleet_views.FleetPage,
    "requests/list.html": request_views.RequestsPage,
    "requests/one.html": request_views.RequestPage,
    "requests/trace.html": request_views.TracePage,
    "control/commands.html": control_views.CommandsPage,
    "control/command.html": control_views.CommandPage,
    "control/ladder.html": control_views.LadderPage,
    "control/backends.html": control_views.BackendsPage,
    "cards/list.html": cards_views.CardsPage,
    "cards/one.html": cards_views.CardPage,
    "cards/editor.html": editor_views.EditorPage,
    "scores/page.html": scores_views.ScoresPage,
    "baselines/list.html": baselines_views.BaselinesPage,
    "baselines/one.html": baselines_views.BaselinePage,
}


# Pages before anybody is known, and parts that are fetched after their page.
NO_PLACE = {"sign_in/page.html", "sign_in/link.html", "base/error.html", "unit_costs/why.html"}


@pytest.fixture(scope="module")
def env():
    made = render.environment(WEB)
    made.globals["asset"] = lambda name: f"/static/{name}"
    return made


@cache  # what pages share is read once
def used_of_page(env, template):
    """Fields of `page` that a template and everything it extends, includes or imports reads."""
    tree = env.parse((WEB / "templates" / template).read_text())
    found = {
        node.attr
        for node in tree.find_all(nodes.Getattr)
        if isinstance(node.node, nodes.Name) and node.node.name == "page"
    }
    return frozenset(found).union(*(used_of_page(env, other) for other in meta.find_referenced_templates(tree)))


class TestContexts:
    @pytest.mark.parametrize("template", PAGES)
    def test_a_page_gets_exactly_what_its_template_shows(self, env, template):
        assert used_of_page(env, template) == {field.name for field in fields(PAGES[template])}

    def test_a_fragment_needs_no_more_than_its_page(self, env):
        assert used_of_page(env, "overview/live.html") <= used_of_page(env, "overview/page.html")
        assert used_of_page(env, "overview/command.html") <= used_of_page(env, "overview/command_page.html")


class TestPolicy:
    def test_no_template_carries_a_style_or_a_script_of_its_own(self):
        for path in (WEB / "templates").rglob("*.html"):
            text = path.read_text()
            assert not re.search(r"\sstyle=|<style|\son\w+=|hx-on|javascript:|js:", text), path
            assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text)), path

    def test_htmx_triggers_have_no_filter_that_would_need_eval(self):
        for path in (WEB / "templates").rglob("*.html"):
            assert not re.search(r'hx-(trigger|vals|headers)="[^"]*[\[{]', path.read_text()), path


class TestCommands:
    """What an empty page teaches can be pasted: it makes a key and names the address that the browser asked for."""

    def test_a_call_names_this_server_and_makes_its_key(self, env):
        call = env.get_template("_parts/call.html").module.call(sample.reader(), "/pools", '{"name": "h100"}')
        assert html_unescaped(call) == (
            "KEY=$(trivet keys create me --scopes admin)\n"
            """curl -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' """
            """http://127.0.0.1:8170/api/v1/pools -d '{"name": "h100"}'"""
        )

    def test_one_that_only_asks_carries_no_body(self, env):
        call = env.get_template("_parts/call.html").module.call(sample.reader(), "/periods/2026-10")
        assert html_unescaped(call).endswith('Bearer $KEY" http://127.0.0.1:8170/api/v1/periods/2026-10')

    @pytest.mark.parametrize("place", ["bills", "budgets", "costs", "periods", "prices", "statements"])
    def test_no_page_about_money_writes_an_address_of_its_own(self, place):
        for path in (WEB / "templates" / place).glob("*.html"):
            assert "curl " not in path.read_text(), path


class TestPlaces:
    def test_every_page_says_which_place_it_is(self):
        paths = {place.path for section in places.SECTIONS for place in section.places}
        for template in PAGES:
            said = re.search(r'{% set at = "([^"]+)" %}', (WEB / "templates" / template).read_text())
            assert (said is None) == (template in NO_PLACE), template
            assert said is None or said[1] in paths, template


class TestOverview:
    @pytest.fixture
    def html(self, env):
        return env.get_template("overview/page.html").render(page=sample.overview())

    def test_the_triangle_says_its_three_numbers(self, html):
        assert (
            'aria-label="quality 99 % of its allowance, latency 108 % of its allowance (past the line), cost 64 % of its allowance"'
            in html
        )

    def test_a_waiting_command_is_hollow_and_a_proven_one_solid(self, html):
        assert "pill--pending" in html and "pill--effective" in html
        assert "level 2 asked for, not yet proven" in html

    def test_a_revision_not_yet_proven_is_hollow_beside_the_proven_one(self, html):
        assert re.search(r"card revision 2 · generation 6 · core\s*</span>", html)
        assert '<span class="intent small">revision 3, generation 7 asked for, not yet proven</span>' in html

    def test_a_number_past_its_target_that_no_guard_watches_has_a_shape_and_a_word(self, env):
        from dataclasses import replace

        page = sample.overview()
        slow = sample.measure("p95_ttft_ms", "P95 to first token", "latency", 3370, "3.37 s", "≤ 800 ms")
        young = replace(slow, over=True, proven=False)
        scenario = replace(page.scenarios[0], measures=(young,))
        html = env.get_template("overview/page.html").render(page=replace(page, scenarios=(scenario,)))
        assert "verdict--over" in html and "past the card&#39;s target; no guard watches it" in html
        assert '<data value="3370" class="intent"' in html

    def test_every_id_stands_once(self, html):
        ids = re.findall(r'\sid="([^"]+)"', html)
        assert len(ids) == len(set(ids))

    def test_numbers_carry_their_exact_value(self, html):
        assert '<data value="13.654600000000">13.6546</data>' in html

    def test_who_may_only_look_finds_no_buttons(self, env):
        html = env.get_template("overview/page.html").render(page=sample.overview("viewer"))
        assert "/command?kind=" not in html
        assert "/command?kind=degrade" in env.get_template("overview/page.html").render(page=sample.overview("sre"))

    def test_what_people_type_is_text(self, env):
        from dataclasses import replace

        page = sample.overview()
        nasty = replace(page.commands[0], reason="<script>alert(1)</script>")
        html = env.get_template("overview/page.html").render(page=replace(page, commands=(nasty,)))
        assert "<script>alert" not in html and "&lt;script&gt;alert" in html
