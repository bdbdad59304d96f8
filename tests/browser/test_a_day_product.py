"""A product owner's day: what is so, another limit and what it would have done, a second person's word, and the way back.

It leaves the scenario as it found it: the revision that governed before governs again, at level 0.
"""

import re
import secrets
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.browser.gateway import Gateway
from tests.browser.trivet import Trivet, until

from trivet.kit.clock import rfc3339, utc_now

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
SCENARIO, ZONE = "support-chat", "Asia/Shanghai"
OWNER, SECOND, PASSWORD = "petra@example.com", "sven@example.com", "a long word"
CARD = f"/cards/{SCENARIO}"
SLOW_MS, USUAL_MS = 20_000, 5_000
SLOW_S, AGO_S, CALLS = 2.0, 600, 60  # a slow minute, ten minutes ago


def span(end_ns: int) -> dict[str, Any]:
    """A call that took two seconds."""
    said: dict[str, Any] = {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.usage.input_tokens": 1200, "gen_ai.usage.output_tokens": 150, "trivet.tenant": "acme",
        "trivet.scenario": SCENARIO,
    }  # fmt: skip
    return {
        "traceId": secrets.token_hex(16), "spanId": secrets.token_hex(8), "name": "chat gpt-4o-mini", "kind": 3,
        "startTimeUnixNano": str(end_ns - int(SLOW_S * 1e9)), "endTimeUnixNano": str(end_ns),
        "attributes": [{"key": k, "value": {"stringValue": v} if isinstance(v, str) else {"intValue": str(v)}} for k, v in said.items()],
    }  # fmt: skip


@pytest.fixture(scope="module")
def morning(trivet: Trivet, gateway: Gateway) -> Trivet:
    """Two people, a slow minute that is over, scores, and a budget of the scenario."""
    for email, name, role in ((OWNER, "Petra Lund", "product_owner"), (SECOND, "Sven Berg", "sre")):
        trivet.post("users", {"email": email, "password": PASSWORD, "name": name, "role": role})
    first_ns = time.time_ns() - AGO_S * 10**9
    spans = [span(first_ns + n * 10**9) for n in range(CALLS)]
    body = {"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [{"scope": {}, "spans": spans}]}]}
    trivet.http.post("/v1/traces", json=body).raise_for_status()
    gateway.send()
    now = rfc3339(utc_now())
    score = {"scenario": SCENARIO, "tenant": "acme", "metric": "score", "at": now}
    trivet.post("scores", [score | {"id": f"day/{n}", "value": 0.9 + n / 100} for n in range(5)])
    trivet.post(
        "budgets",
        {"name": "support a day", "scope": "scenario", "subject": SCENARIO, "measure": "money", "currency": "USD",
         "window": "day", "limit": "50"},
    )  # fmt: skip
    return trivet


@pytest.fixture(scope="module", autouse=True)
def patience() -> Iterator[None]:
    """What is expected comes at once on a quiet machine; a busy one is waited for."""
    expect.set_options(timeout=SLOW_MS)
    yield
    expect.set_options(timeout=USUAL_MS)


@pytest.fixture(scope="module")
def enter(browser: Browser, morning: Trivet) -> Iterator[Callable[[str], Page]]:
    """`enter(email)`: a page of theirs, the same one all day; its console has been silent by the evening."""
    pages: dict[str, Page] = {}
    complaints: list[str] = []

    def of(email: str) -> Page:
        if email in pages:
            return pages[email]
        context = browser.new_context(
            base_url=morning.address, viewport={"width": 1280, "height": 900}, timezone_id=ZONE
        )
        form = {"email": email, "password": PASSWORD}
        assert context.request.post("/sign-in", form=form, max_redirects=0).status == 303
        page = pages[email] = context.new_page()
        page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: complaints.append(str(e)))
        return page

    yield of
    for page in pages.values():
        page.context.close()
    assert complaints == []


@pytest.fixture
def owner(enter: Callable[[str], Page]) -> Page:
    return enter(OWNER)


@pytest.fixture
def second(enter: Callable[[str], Page]) -> Page:
    return enter(SECOND)


def governing(trivet: Trivet) -> int:
    """The number of the revision that governs."""
    return int(trivet.get(f"cards/{SCENARIO}")["revision"])


def newest(page: Page) -> str:
    """The row of the revision that was written last, as a selector."""
    return f"#{page.locator('#revisions tbody tr').first.get_attribute('id')}"


class TestADay:
    def test_begins_with_what_is_so_and_a_stretch_of_it_is_looked_at_closer(self, owner: Page, morning: Trivet):
        owner.goto("/")
        expect(owner.locator("#sentence")).to_contain_text("at level 0")
        scenario = owner.locator(f"#scenario-{SCENARIO}")
        expect(scenario.get_by_role("img").first).to_be_visible()
        expect(scenario.locator(".level")).to_contain_text("Level 0")
        expect(scenario.locator(".scenario__today")).to_contain_text("of $50.00 today")
        chart = owner.locator(f"#chart-latency-{SCENARIO} .u-over")
        chart.click()
        owner.wait_for_url(between := re.compile(r"[?&]since=.+&until="))
        owner.goto("/")
        chart.scroll_into_view_if_needed()
        box = chart.bounding_box()
        assert box
        owner.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + 30)
        owner.mouse.down()
        owner.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 30, steps=4)
        owner.mouse.up()
        owner.wait_for_url(between)
        expect(owner.locator("#sentence")).to_be_visible()

    def test_the_card_is_found_by_its_name_and_opened(self, owner: Page):
        owner.goto("/scores")
        owner.keyboard.press("g")
        owner.keyboard.press("t")
        owner.wait_for_url("**/cards")
        owner.keyboard.press("/")
        owner.keyboard.type("support")
        owner.locator(f'.found a[href="{CARD}"]').click()
        owner.wait_for_url(f"**{CARD}")
        expect(owner.locator("#sentence")).to_contain_text("Support chat has been governed by revision")
        owner.get_by_role("link", name="Write the next revision").click()
        owner.wait_for_url("**/edit")

    def test_a_rule_says_what_it_will_do_while_its_number_is_typed(self, owner: Page):
        owner.goto(f"{CARD}/edit")
        rule, limit = owner.locator("#guard-says-0"), owner.locator('[name="guards.0.enter"]')
        expect(rule).to_contain_text("above 1.5 s")
        problem = owner.locator("#p-f-guards-0-enter")
        limit.fill("1400 ms")
        expect(problem).to_have_text("this is not a number")
        expect(limit).to_have_attribute("aria-invalid", "true")
        expect(limit).to_have_value("1400 ms")
        expect(limit).to_be_focused()
        expect(owner.locator("#standing")).to_contain_text("1 thing is to be put right")
        limit.fill("1400")
        expect(rule).to_contain_text("above 1.4 s")
        expect(problem).to_be_empty()
        expect(limit).not_to_have_attribute("aria-invalid", "true")
        expect(owner.locator("#standing")).to_contain_text("guards.p95-latency.enter: 1500 → 1400")

    def test_the_last_seven_days_say_what_it_would_have_done_before_it_is_kept(self, owner: Page, morning: Trivet):
        def simulated() -> bool:
            with owner.expect_response("**/edit/simulation"):
                owner.get_by_role("button", name="Simulate over the last 7 days").click()
            verdict = owner.locator("#simulation h2")
            expect(verdict).to_contain_text("Over 7 days")
            return "it would have degraded" in verdict.inner_text()

        until(simulated)
        row = owner.locator("#simulation tbody tr").filter(has_text="p95-latency").first
        expect(row).to_contain_text("time")
        expect(owner.locator("#simulation svg")).to_have_attribute("aria-label", re.compile("would have degraded"))
        expect(owner.locator('[name="guards.0.enter"]')).to_have_value("1400")
        revisions = morning.get(f"cards/{SCENARIO}/revisions")["items"]
        assert {row["status"] for row in revisions}.isdisjoint({"draft", "in_review"})

    def test_it_is_kept_read_and_submitted_and_the_second_person_s_word_is_seen_at_once(
        self, owner: Page, second: Page, morning: Trivet
    ):
        before = governing(morning)
        owner.get_by_role("button", name="Keep as a draft").click()
        owner.wait_for_url(re.compile(rf"{CARD}#revision-\d+$"))
        made = newest(owner)
        expect(owner.locator("#diff .diff--gone")).to_contain_text(["above 1.5 s"])
        expect(owner.locator("#diff .diff:not(.diff--gone)")).to_contain_text(["above 1.4 s"])
        for button in ("Submit", "Approve for product"):
            owner.locator(made).get_by_role("button", name=button).click()
            expect(owner.locator(made).get_by_role("button", name=button)).to_have_count(0)
        expect(owner.locator(made)).to_contain_text("operations is missing")

        owner.evaluate("document.body.dataset.mine = 'kept'")  # gone with a page that is loaded anew
        second.goto(CARD)
        second.locator(made).get_by_role("button", name="Approve for operations").click()
        expect(owner.locator(made)).to_contain_text(f"{SECOND} for operations")
        activation = second.locator(f"{made.replace('revision', 'activate')}")
        activation.locator("summary").click()
        activation.get_by_label("Reason").fill("chat shall answer sooner")
        activation.get_by_role("button", name="Activate").click()
        expect(second.locator("#sentence")).to_contain_text("chat shall answer sooner")
        expect(owner.locator(made).locator(".pill--effective")).to_be_visible(timeout=SLOW_MS)
        assert owner.evaluate("document.body.dataset.mine") == "kept"
        assert governing(morning) == int(made.rpartition("-")[2]) != before

    def test_scores_are_looked_at_and_the_morning_is_frozen_and_held_against_now(self, owner: Page, morning: Trivet):
        owner.goto(f"/scores?scenario={SCENARIO}&range=24h")
        expect(owner.locator("#sentence")).to_contain_text("scored 0.92 on average of 5 scores")
        owner.get_by_role("link", name="Baselines", exact=True).click()
        owner.wait_for_url(re.compile(r"/baselines(\?|$)"))
        now = datetime.now(ZoneInfo(ZONE))
        form = owner.locator("#freeze")
        if not form.get_attribute("open") and not form.get_by_label("Name").is_visible():
            form.locator("summary").click()
        form.get_by_label("Scenario").select_option(SCENARIO)
        form.get_by_label("Name").fill("before 1.4 s")
        form.get_by_label("From").fill(f"{now - timedelta(seconds=AGO_S + 120):%Y-%m-%dT%H:%M}")
        form.get_by_label("To", exact=False).last.fill(f"{now - timedelta(seconds=AGO_S - 180):%Y-%m-%dT%H:%M}")
        form.get_by_label("Reason").fill("P95 goes to 1.4 s")
        form.get_by_role("button", name="Freeze").click()
        owner.wait_for_url(re.compile(r"/baselines/\d+$"))
        latency = owner.get_by_role("row").filter(has_text="P95 latency").first
        expect(latency.locator("data").first).to_have_attribute("value", re.compile(r"^(19|20)\d\d"))
        expect(owner.locator("svg.compared")).to_be_visible()

    def test_ends_with_the_old_card_again_and_the_reason_in_its_history(self, owner: Page, morning: Trivet):
        number = governing(morning)
        owner.goto(CARD)
        back = owner.locator("#rollback")
        back.locator("summary").click()
        expect(back).to_contain_text(f"Revision {number} is retired with your reason")
        back.get_by_label("Reason").fill("the shop complains of short answers")
        back.get_by_role("button", name="Roll back").click()
        expect(owner.locator("#sentence")).to_contain_text("the shop complains of short answers")
        expect(owner.locator(f"#revision-{number}")).to_contain_text("the shop complains of short answers")
        assert governing(morning) == number - 1 or governing(morning) == 1
        assert morning.get("commands")["items"][0]["kind"] == "rollback"
