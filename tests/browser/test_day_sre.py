"""A night of somebody on call, in a real browser: what breaks, who carries it, what is done about it and what that did.

What breaks is a scenario of this file's own, `night-desk`; what is degraded and restored is the shared one, which is at
level 0 again in the end.
"""

import re
import secrets
import time

import pytest
from playwright.sync_api import Page, expect
from tests.browser.gateway import Gateway
from tests.browser.trivet import Trivet, until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
EMAIL, PASSWORD = "kay@example.com", "a long night"
DESK, SHARED, TALK = "night-desk", "support-chat", "night-7"
SLOW_MS, CALL_MS, CALLS = 20_000, 9_000, 30
REASON = "the queue grows"


class App:
    """An app that sends its own spans with its own key, each call slower than any card allows."""

    def __init__(self, trivet: Trivet, name: str) -> None:
        made = trivet.post("keys", {"name": name, "tenant": None, "scopes": ["ingest"]})
        self.name, self.id, self._key, self._trivet = name, made["id"], made["key"], trivet

    def send(self, calls: int = 1, scenario: str = DESK) -> None:
        said = {
            "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.response.model": "gpt-4o-mini", "gen_ai.usage.input_tokens": 1200, "gen_ai.usage.output_tokens": 150,
            "gen_ai.conversation.id": TALK, "trivet.tenant": "acme", "trivet.scenario": scenario,
            "trivet.backend": self.name,
        }  # fmt: skip
        values = [
            {"key": key, "value": {"stringValue": value} if isinstance(value, str) else {"intValue": str(value)}}
            for key, value in said.items()
        ]
        trace, end_ns = secrets.token_hex(16), time.time_ns()
        spans = [
            {
                "traceId": trace, "spanId": secrets.token_hex(8), "name": "chat", "kind": 3, "attributes": values,
                "startTimeUnixNano": str(end_ns - CALL_MS * 1_000_000), "endTimeUnixNano": str(end_ns),
            }
            for _ in range(calls)
        ]  # fmt: skip
        body = {"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [{"scope": {}, "spans": spans}]}]}
        sent = self._trivet.http.post("/v1/traces", json=body, headers={"Authorization": f"Bearer {self._key}"})
        sent.raise_for_status()


@pytest.fixture(scope="module")
def on_call(company: Trivet) -> Trivet:
    company.post("users", {"email": EMAIL, "password": PASSWORD, "name": "Kay Lund", "role": "sre"})
    company.post("scenarios", {"name": DESK, "preset": "real-time-chat"})
    return company


@pytest.fixture(scope="module")
def app(on_call: Trivet) -> App:
    return App(on_call, "desk-app")


@pytest.fixture
def kay(page: Page, on_call: Trivet, gateway: Gateway) -> Page:
    """The page of somebody of role sre."""
    form = {"email": EMAIL, "password": PASSWORD}
    assert page.context.request.post("/sign-in", form=form, max_redirects=0).status == 303
    return page


def stays(page: Page) -> None:
    """From here on the page is not loaded anew: `stayed` tells."""
    page.evaluate("window.loaded = 'once'")


def stayed(page: Page) -> bool:
    return bool(page.evaluate("window.loaded === 'once'"))


def command(page: Page, act: str, **choose: str) -> None:
    """From the list of commands: an act, what is said of it before it is done, a reason, one button."""
    page.goto("/commands")
    stays(page)
    page.locator("#command tr", has_text=SHARED).get_by_role("link", name=act).click()
    dialog = page.get_by_role("dialog")
    for words in choose.values():
        dialog.get_by_label(words).check()
    expect(dialog.locator("#preview")).to_contain_text("Support chat")
    dialog.get_by_label("Reason").fill(REASON)
    dialog.locator("#give").click()
    expect(dialog).to_be_hidden()


def newest(page: Page, state: str) -> None:
    """The command on top of the list is in that state, or comes to it before long."""
    expect(page.locator("#commands tbody tr").first.locator(f".pill--{state}")).to_be_visible(timeout=SLOW_MS)


class TestANight:
    def test_a_breach_comes_up_on_the_overview_and_its_page_has_the_numbers(self, kay: Page, on_call: Trivet, app: App):
        kay.goto("/")
        stays(kay)

        def broken():
            app.send(CALLS)
            return on_call.get("breaches", scenario=DESK)["items"]

        first = until(broken)[-1]
        row = kay.locator(f"#breach-{first['id']}")
        expect(row).to_contain_text(DESK, timeout=SLOW_MS)
        assert stayed(kay)
        row.get_by_role("link").first.click()
        expect(kay.locator("h1")).to_contain_text("Night desk has been past its limit of")
        expect(kay.locator(".facts")).to_contain_text("breaks past")
        carried = kay.locator("table", has_text="Of the excess").first
        expect(carried.locator("tbody tr").first).to_contain_text("acme")
        expect(kay.locator("#command")).to_contain_text(re.compile("Degrade to level|No command names this breach"))

    def test_a_search_leads_to_one_request_its_trace_and_the_receipt_of_its_conversation(
        self, kay: Page, on_call: Trivet, app: App
    ):
        app.send(2)
        kay.goto("/requests")
        kay.get_by_label("Scenario").fill(DESK)
        kay.get_by_label("At least, ms").fill("5000")
        kay.get_by_role("button", name="Search").last.click()
        kay.wait_for_url(re.compile("scenario=night-desk"))
        kay.locator("table tbody a").first.click()
        expect(kay.locator("h1")).to_contain_text("acme asked gpt-4o-mini for night-desk")
        expect(kay.locator("table tfoot")).to_contain_text("1,350")
        expect(kay.locator("table tfoot")).to_contain_text("0.000270000000")
        expect(kay.get_by_text("Generation of the policy")).to_be_visible()
        kay.get_by_role("link", name="Its trace").click()
        expect(kay.locator("h1")).to_contain_text("This trace is")
        expect(kay.locator("tbody tr svg").first).to_be_visible()
        kay.goto(f"/interactions?scenario={DESK}")
        kay.get_by_role("link", name=TALK).click()
        expect(kay.locator("h1")).to_contain_text("This conversation took")
        calls = kay.locator(".receipt tbody tr")
        expect(calls.first.locator("data")).to_have_attribute("value", "0.000270000000")
        kay.emulate_media(media="print")
        expect(kay.get_by_role("navigation", name="Places")).to_be_hidden()
        expect(calls.first).to_be_visible()

    def test_a_degrade_is_seen_to_be_held_and_then_proven_without_a_reload(self, kay: Page, gateway: Gateway):
        gateway.serve(False)
        command(kay, "Degrade", level="1 · light", limit="in 15 min")
        newest(kay, "observed")
        gateway.serve(True)
        newest(kay, "effective")
        expect(kay.locator("#commands tbody tr").first).to_contain_text(f"Kay Lund: {REASON}")
        expect(kay.locator("#commands tbody tr").first).to_contain_text("Ends")
        assert stayed(kay)

    def test_the_ladder_shows_where_it_stood_and_each_backend_what_it_holds(self, kay: Page):
        kay.goto(f"/ladder?scenario={SHARED}&range=1h")
        expect(kay.locator("h1")).to_contain_text("level 1")
        expect(kay.locator(".lane", has_text=SHARED).locator("svg")).to_be_visible()
        kay.goto("/backends")
        held = kay.locator("#backends tr", has_text="gateway-1")
        expect(held.locator("[data-label='Highest level']")).to_have_text("1", timeout=SLOW_MS)

    def test_an_alert_is_silenced_and_the_silence_ended(self, kay: Page):
        kay.goto("/alerts")
        alert = kay.locator("#open tbody tr", has_text=DESK).first
        expect(alert).to_be_visible(timeout=SLOW_MS)
        alert.locator("summary").click()
        alert.get_by_role("textbox").fill("it is known")
        alert.get_by_role("button", name="Tell nobody").click()
        silence = kay.locator("#quiet tbody tr", has_text="it is known")
        expect(silence).to_contain_text(DESK)
        silence.get_by_role("button", name="End it").click()
        expect(silence).to_have_count(0)

    def test_a_restore_brings_it_back_and_the_proof_sheet_says_what_the_degrade_did(
        self, kay: Page, trivet: Trivet, gateway: Gateway
    ):
        command(kay, "Restore")
        newest(kay, "effective")
        gateway.serve(False)
        assert next(each for each in trivet.get("ladders")["items"] if each["scenario"] == SHARED)["level"] == 0
        kay.locator("#commands tbody tr", has_text="degrade to level 1").first.get_by_role("link").first.click()
        expect(kay.locator(".facts")).to_contain_text("proven by telemetry")
        kay.get_by_role("link", name="What it did").click()
        expect(kay.locator("h1")).to_contain_text(
            re.compile("Degrade to level 1 for support-chat(: cost per request| is not proven: )")
        )

    def test_an_app_is_connected_and_its_attributes_arrive_while_one_looks(self, kay: Page, on_call: Trivet):
        kay.goto("/connect")
        kay.get_by_role("link", name="OpenTelemetry (Python)").click()
        expect(kay.locator("#configuration")).to_contain_text("OTEL_EXPORTER_OTLP")
        expect(kay.locator("#names")).to_contain_text("An admin makes its key")
        app = App(on_call, "new-app")
        kay.goto(f"/connect?what=otel&backend=new-app&scenario={DESK}&key={app.id}")
        stays(kay)
        expect(kay.locator("#arrives .check--arrived")).to_have_count(0)
        app.send()
        tenant = kay.locator("#arrives tr", has_text="trivet.tenant")
        expect(tenant.locator(".check--arrived")).to_be_visible(timeout=SLOW_MS)
        expect(tenant).to_contain_text("acme")
        assert stayed(kay)
