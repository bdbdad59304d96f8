"""What somebody on call does beside the night itself: who is told, hours that are kept quiet, a receipt on paper, and a page
that goes on while it is read. All of it is of this file's own: `paper-desk`, `kept-hours`.
"""

import re
import secrets
import time
from io import BytesIO
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from pypdf import PdfReader
from tests.browser.trivet import Trivet

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
EMAIL, PASSWORD = "noor@example.com", "paper and ink"
DESK, TALK = "paper-desk", "talk-on-paper"
CALLS, PAPER_PX = 45, 703  # what A4 leaves between its margins
SLOW_MS = 20_000
MINE = f'scenario="{DESK}"'


def send(trivet: Trivet, calls: int) -> None:
    """Calls of one conversation, a second apart."""
    key = trivet.post("keys", {"name": DESK, "tenant": None, "scopes": ["ingest"]})["key"]
    said = {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.response.model": "gpt-4o-mini",
        "gen_ai.usage.input_tokens": 1200, "gen_ai.usage.output_tokens": 150, "gen_ai.conversation.id": TALK,
        "trivet.tenant": "acme", "trivet.scenario": DESK,
    }  # fmt: skip
    values = [
        {"key": name, "value": {"stringValue": value} if isinstance(value, str) else {"intValue": str(value)}}
        for name, value in said.items()
    ]
    now_ns = time.time_ns()
    spans = [
        {
            "traceId": secrets.token_hex(16), "spanId": secrets.token_hex(8), "name": "chat", "kind": 3, "attributes": values,
            "startTimeUnixNano": str(now_ns - (n + 1) * 10**9), "endTimeUnixNano": str(now_ns - n * 10**9),
        }
        for n in range(calls)
    ]  # fmt: skip
    body = {"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [{"scope": {}, "spans": spans}]}]}
    trivet.http.post("/v1/traces", json=body, headers={"Authorization": f"Bearer {key}"}).raise_for_status()


@pytest.fixture(scope="module")
def on_call(company: Trivet) -> Trivet:
    company.post("users", {"email": EMAIL, "password": PASSWORD, "name": "Noor Aziz", "role": "sre"})
    company.post("channels", {"name": "paper-ops", "kind": "mail", "to": ["ops@example.com"]})
    return company


@pytest.fixture
def noor(page: Page, on_call: Trivet) -> Page:
    """The page of somebody of role sre."""
    form = {"email": EMAIL, "password": PASSWORD}
    assert page.context.request.post("/sign-in", form=form, max_redirects=0).status == 303
    return page


class TestWhoIsTold:
    def test_a_route_says_whom_it_would_have_told_while_it_is_written_is_made_and_deleted(self, noor: Page):
        asked: list[str] = []
        noor.on("request", lambda sent: asked.append(sent.url))
        noor.goto("/alerts")
        noor.get_by_role("link", name="Make a route").click()
        noor.get_by_label("Name").fill("paper")
        noor.get_by_label("Which, one a line").fill("pod=1")
        noor.get_by_role("checkbox", name="paper-ops").check()
        preview = noor.locator("#preview")
        expect(preview).to_contain_text("is no matcher", timeout=SLOW_MS)
        noor.get_by_label("Which, one a line").fill(MINE)
        noor.get_by_label("Says it again after").fill("1 h")
        noor.get_by_label("Says it again after").blur()
        expect(preview).to_contain_text(re.compile("would have told of none|No alert fired"), timeout=SLOW_MS)
        assert [url for url in asked if "csrf_token" in url] == []
        noor.get_by_role("button", name="Make this route").click()
        row = noor.locator("#routes tbody tr", has_text="paper-ops")
        expect(row).to_contain_text("again every 1 h")
        row.get_by_role("link", name="paper").click()
        noor.locator("#ending summary").click()
        expect(noor.locator("#ending")).to_contain_text("it takes none. What it has told of, it tells no end of.")
        noor.locator("#ending").get_by_label("Why").fill("it was only tried")
        noor.get_by_role("button", name="Delete it").click()
        expect(noor.locator("#routes")).to_be_visible()
        expect(row).to_have_count(0)

    def test_hours_are_kept_quiet_and_fit_a_phone(self, noor: Page):
        noor.set_viewport_size({"width": 390, "height": 844})
        noor.goto("/alerts")
        noor.get_by_role("link", name="Plan a maintenance window").click()
        noor.get_by_label("Name").fill("kept-hours")
        noor.get_by_label("Which, one a line").fill(MINE)
        noor.get_by_label("Sunday").check()
        noor.get_by_label("Begins at").fill("22:00")
        noor.get_by_label("Until").fill("02:00")
        noor.get_by_label("Why").fill("reindexing")
        expect(noor.locator("#preview")).to_contain_text("would end before it begins", timeout=SLOW_MS)
        noor.locator("[name=later]").select_option(label="the next day")
        expect(noor.locator("#preview")).to_contain_text("It begins next", timeout=SLOW_MS)
        assert noor.evaluate("document.documentElement.scrollWidth") == 390
        noor.get_by_role("button", name="Plan this window").click()
        row = noor.locator("#quiet tbody tr", has_text="kept-hours")
        expect(row).to_contain_text("Sunday from 22:00 to 02:00 the next day, by the clock of Asia/Shanghai")


class TestOnPaper:
    def test_a_receipt_is_whole_dated_and_added_up_once(self, noor: Page, on_call: Trivet, tmp_path: Path):
        send(on_call, CALLS)
        noor.set_viewport_size({"width": PAPER_PX, "height": 1000})
        noor.emulate_media(media="print", color_scheme="dark")
        noor.goto(f"/interactions/conversation/{TALK}?tenant=acme")
        expect(noor.locator("h1")).to_contain_text(f"This conversation took {CALLS} calls")
        assert noor.evaluate("document.documentElement.scrollWidth") == PAPER_PX
        pages = PdfReader(BytesIO(noor.pdf(format="A4", prefer_css_page_size=True))).pages
        texts = [page.extract_text() for page in pages]
        assert len(texts) == 2 and all("Model Outcome" in text for text in texts)
        whole = "\n".join(texts)
        assert f"{time.strftime('%Y-%m-%d', time.gmtime())}" in texts[0] and "by Noor Aziz from http" in texts[0]
        assert whole.count("Total") == 1 and whole.count("0.000270000000") == CALLS and "1 / 2" in texts[0]
        assert f"{CALLS * 27 / 100_000:.12f}" in texts[1]


SELECT = """heading => {
  const words = heading.firstChild;
  getSelection().setBaseAndExtent(words, 1, words, 4);
  return getSelection().toString();
}"""


def quiet(on_call: Trivet, reason: str) -> None:
    """Something of this file's own is silenced: the page of alerts is told of it."""
    ends_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3_600))
    on_call.post("silences", {"matchers": [MINE], "ends_at": ends_at, "reason": reason})


class TestWhileItIsRead:
    def test_a_refresh_keeps_the_words_that_are_selected(self, noor: Page, on_call: Trivet):
        noor.goto("/alerts")
        noor.evaluate("window.loaded = 'once'")
        assert noor.locator("#routes h2").evaluate(SELECT) == "out"
        quiet(on_call, "while it is read")
        expect(noor.locator("#quiet tbody tr", has_text="while it is read")).to_be_visible(timeout=SLOW_MS)
        assert noor.evaluate("window.loaded + getSelection().toString()") == "onceout"

    def test_so_does_one_of_the_overview(self, noor: Page):
        noor.goto("/")
        pulse = noor.locator("#pulse time")
        before = pulse.text_content() or ""
        heading = noor.locator("#live h2").last
        selected = heading.evaluate(SELECT)
        assert len(selected) == 3
        expect(pulse).not_to_have_text(before, timeout=SLOW_MS)
        assert noor.evaluate("getSelection().toString()") == selected

    def test_it_keeps_what_is_focused_and_written_and_where_one_looks(self, noor: Page, on_call: Trivet):
        noor.set_viewport_size({"width": 1280, "height": 400})
        noor.goto("/alerts")
        noor.locator("#new summary").click()
        reason = noor.locator("#new [name=reason]")
        reason.fill("half a rea")
        reason.press("Shift+ArrowLeft")
        looks_at = "[scrollY, document.activeElement.name, document.activeElement.selectionStart]"
        before = noor.evaluate(looks_at)
        assert before[0] > 0 and before[1:] == ["reason", 9]
        quiet(on_call, "while it is written")
        expect(noor.locator("#quiet tbody tr", has_text="while it is written")).to_have_count(1, timeout=SLOW_MS)
        expect(reason).to_have_value("half a rea")
        assert noor.evaluate(looks_at)[1:] == before[1:]
        # The page keeps its place by what is in sight: a row more above it moves it by that row, not to the top.
        assert noor.evaluate("scrollY") >= before[0]
