"""The console in a real browser, on a real Trivet, with a backend that obeys."""

import re
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect
from tests.browser.gateway import Gateway
from tests.browser.trivet import Trivet, until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
SCENARIO = "support-chat"
SLOW_MS = 20_000
LIVE = re.compile(r"/live(\?|$)")
LONG_REASON = "the queue grows faster than the serving backends take from it, and the night shift is not in yet"


def newest_command(page: Page):
    return page.locator("#commands tbody tr").first


def give(page: Page, button: str, reason: str, **choose: str) -> None:
    """Press a button beside the scenario, fill the panel in, give the command."""
    page.get_by_role("link", name=button).click()
    dialog = page.get_by_role("dialog")
    for words in choose.values():
        dialog.get_by_label(words).check()
    dialog.get_by_label("Reason").fill(reason)
    dialog.locator("#give").click()
    expect(dialog).to_be_hidden()


class TestLooking:
    def test_a_wrong_password_is_told_in_a_sentence_and_focus_waits_at_the_password(
        self, page: Page, trivet: Trivet, allowed: list[str]
    ):
        allowed.append("401 (Unauthorized)")
        page.goto("/sign-in")
        page.get_by_label("Email").fill("robin@example.com")
        page.get_by_label("Password").fill("not this")
        with page.expect_response("**/sign-in") as answered:
            page.get_by_role("button", name="Sign in").click()
        assert answered.value.status == 401
        expect(page.get_by_role("alert")).to_contain_text("do not belong together")
        expect(page.get_by_label("Password")).to_be_focused()

    def test_the_page_shows_the_numbers_that_the_api_gives(self, signed_in: Page, trivet: Trivet, gateway: Gateway):
        gateway.serve(True)
        p95 = until(lambda: trivet.guard("p95-latency")["value"])
        shown = signed_in.locator(f"#measure-{SCENARIO}-p95_latency_ms data")
        expect(shown).to_have_attribute("value", str(p95), timeout=SLOW_MS)
        expect(shown).to_have_text(re.compile(r"^6\d\d ms$"))
        gateway.serve(False)
        start = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        costs = trivet.get("costs", **{"from": start.isoformat(), "to": trivet_end(), "group_by": "tenant"})
        acme = next(i for i in costs["items"] if i["tenant"] == "acme")
        spent = signed_in.locator("#spend-tenant-USD-payer-acme data")
        expect(spent).to_have_attribute("value", acme["amount"], timeout=SLOW_MS)
        assert float(acme["amount"]) > 0

    def test_charts_draw_and_go_on_without_being_built_anew(self, signed_in: Page, trivet: Trivet, gateway: Gateway):
        canvas = signed_in.locator(f"#chart-latency-{SCENARIO} canvas")
        expect(canvas).to_have_count(1)
        canvas.evaluate("node => { node.dataset.mine = 'kept' }")
        first = signed_in.locator("#pulse time").inner_text()
        expect(signed_in.locator("#pulse time")).not_to_have_text(first, timeout=SLOW_MS)
        assert canvas.evaluate("node => node.dataset.mine") == "kept"

    def test_a_refresh_keeps_focus_scroll_and_what_is_open(self, signed_in: Page, gateway: Gateway):
        signed_in.get_by_role("link", name="Degrade").focus()
        signed_in.mouse.wheel(0, 300)
        before = signed_in.locator("#pulse time").inner_text()
        expect(signed_in.locator("#pulse time")).not_to_have_text(before, timeout=SLOW_MS)
        expect(signed_in.get_by_role("link", name="Degrade")).to_be_focused()
        assert signed_in.evaluate("scrollY") > 0
        signed_in.get_by_role("link", name="Degrade").click()
        signed_in.get_by_label("Reason").fill("half a thought")
        before = signed_in.locator("#pulse time").inner_text()
        expect(signed_in.locator("#pulse time")).not_to_have_text(before, timeout=SLOW_MS)
        expect(signed_in.get_by_label("Reason")).to_have_value("half a thought")
        signed_in.keyboard.press("Escape")
        expect(signed_in.get_by_role("dialog")).to_be_hidden()

    def test_a_word_of_a_change_refreshes_the_page_and_one_stream_is_open(
        self, signed_in: Page, trivet: Trivet, gateway: Gateway
    ):
        streams: list[str] = []
        signed_in.on("request", lambda request: streams.append(request.url) if "/live-events" in request.url else None)
        signed_in.reload()
        signed_in.locator("#live").wait_for()
        trivet.post("commands", {"kind": "degrade", "scenario": SCENARIO, "level": 1, "reason": "told by a stream"})
        expect(signed_in.locator("#commands")).to_contain_text("told by a stream", timeout=5_000)
        trivet.post("commands", {"kind": "restore", "scenario": SCENARIO, "reason": "and back"})
        expect(signed_in.locator("#commands")).to_contain_text("and back", timeout=5_000)
        assert len(streams) == 1

    def test_a_slash_searches_and_enter_goes_there(self, signed_in: Page, gateway: Gateway):
        signed_in.keyboard.press("/")
        signed_in.keyboard.type("budg")
        expect(signed_in.locator(".found a").first).to_contain_text("Budgets")
        signed_in.keyboard.press("ArrowDown")
        expect(signed_in.locator(".found a").first).to_be_focused()
        signed_in.keyboard.press("Enter")
        signed_in.wait_for_url("**/budgets")

    def test_another_language_keeps_the_address(self, signed_in: Page, gateway: Gateway):
        signed_in.goto("/?range=1h")
        signed_in.get_by_role("button", name="中文").click()
        signed_in.wait_for_url("**/?range=1h")
        expect(signed_in.locator("html")).to_have_attribute("lang", "zh")
        signed_in.get_by_role("button", name="English").click()
        expect(signed_in.locator("html")).to_have_attribute("lang", "en")

    def test_a_page_that_gets_no_answer_says_that_it_is_old(
        self, signed_in: Page, gateway: Gateway, allowed: list[str]
    ):
        allowed += ["503", "/live"]
        old = signed_in.locator("#old")
        signed_in.route(LIVE, lambda route: route.fulfill(status=503, body="away"))
        expect(old).to_be_visible(timeout=SLOW_MS)
        expect(old).to_contain_text("Trivet has not answered since")
        expect(signed_in.locator("#sentence")).to_be_visible()
        signed_in.unroute(LIVE)
        expect(old).to_be_hidden(timeout=SLOW_MS)

    def test_whoever_is_signed_out_elsewhere_comes_to_the_door(self, signed_in: Page, allowed: list[str]):
        allowed.append("401 (Unauthorized)")
        signed_in.context.clear_cookies(name="trivet_session")
        signed_in.wait_for_url("**/sign-in", timeout=SLOW_MS)

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_on_a_telephone_nothing_runs_off_the_side(self, signed_in: Page, gateway: Gateway, scheme: str):
        signed_in.emulate_media(color_scheme=scheme)
        signed_in.set_viewport_size({"width": 390, "height": 844})
        signed_in.reload()
        signed_in.locator("canvas").first.wait_for()
        assert signed_in.evaluate("document.documentElement.scrollWidth") == 390
        rail = signed_in.get_by_role("navigation", name="Places").bounding_box()
        assert rail and rail["y"] > 700

    def test_on_a_telephone_a_reason_has_the_whole_line(self, signed_in: Page, trivet: Trivet, gateway: Gateway):
        trivet.post("commands", {"kind": "degrade", "scenario": SCENARIO, "level": 1, "reason": LONG_REASON})
        trivet.post("commands", {"kind": "restore", "scenario": SCENARIO, "reason": "it was a drill"})
        signed_in.set_viewport_size({"width": 390, "height": 844})
        why = signed_in.locator("#commands .log__why")
        expect(why.nth(0)).to_contain_text("it was a drill", timeout=SLOW_MS)
        for box in (why.nth(0).bounding_box(), why.nth(1).bounding_box()):
            assert box and box["width"] >= 340 and box["height"] <= 60
        strip = signed_in.locator("#story-strip")
        assert strip.evaluate("node => node.scrollWidth > node.clientWidth")
        assert signed_in.evaluate("document.documentElement.scrollWidth") == 390

    def test_a_flag_says_what_who_and_why_on_hover(self, signed_in: Page, gateway: Gateway):
        chart = signed_in.locator(f"#chart-latency-{SCENARIO}")
        signed_in.wait_for_timeout(500)
        over = chart.locator(".u-over")
        box = over.bounding_box()
        assert box
        tip = chart.locator(".chart__tip")
        for x in range(int(box["width"]) - 2, 0, -6):
            over.hover(position={"x": x, "y": 40})
            if tip.is_visible():
                break
        expect(tip).to_contain_text("key:")
        expect(tip).to_contain_text("it was a drill")

    def test_without_a_breach_the_page_says_what_would_stand_there(self, signed_in: Page, gateway: Gateway):
        expect(signed_in.locator("#breaches")).to_contain_text("No guard has broken.")
        expect(signed_in.locator("#demo")).to_have_count(0)

    def test_times_are_in_the_readers_own_zone(self, signed_in: Page):
        expect(signed_in.locator("#pulse")).to_contain_text("Asia/Shanghai")

    def test_a_question_mark_shows_the_keys(self, signed_in: Page):
        signed_in.keyboard.press("?")
        expect(signed_in.get_by_role("dialog")).to_contain_text("g k")


class TestDeciding:
    def test_choosing_another_level_changes_what_the_preview_says(self, signed_in: Page, gateway: Gateway):
        signed_in.get_by_role("link", name="Degrade").click()
        preview = signed_in.locator("#preview")
        expect(preview).to_contain_text("goes from level 0 to 1")
        signed_in.get_by_label("3 · heavy").check()
        expect(preview).to_contain_text("goes from level 0 to 3")
        signed_in.get_by_role("button", name="Leave it as it is").click()
        expect(signed_in.get_by_role("dialog")).to_be_hidden()

    def test_degrade_is_seen_observed_and_then_effective_and_restored(
        self, signed_in: Page, trivet: Trivet, gateway: Gateway
    ):
        gateway.serve(False)
        give(signed_in, "Degrade", "the queue grows", level="1 · light")
        row = newest_command(signed_in)
        expect(row).to_contain_text("Degrade to level 1")
        expect(row).to_contain_text("the queue grows")
        expect(row.locator(".pill--observed")).to_be_visible(timeout=SLOW_MS)
        expect(signed_in.locator(f"#scenario-{SCENARIO}")).to_contain_text("level 1 asked for, not yet proven")
        assert trivet.get("commands")["items"][0]["status"] == "observed"
        assert gateway.policy.policy(scenario=SCENARIO)["degrade.level"] == 1
        gateway.serve(True)
        expect(row.locator(".pill--effective")).to_be_visible(timeout=SLOW_MS)
        expect(signed_in.locator(f"#scenario-{SCENARIO} .level")).to_contain_text("Level 1 · light")
        expect(signed_in.locator("#sentence")).to_contain_text("asked for it (the queue grows)")
        give(signed_in, "Restore", "it is calm again")
        expect(newest_command(signed_in).locator(".pill--effective")).to_be_visible(timeout=SLOW_MS)
        expect(signed_in.locator(f"#scenario-{SCENARIO} .level")).to_contain_text("Level 0 · normal")

    def test_a_new_revision_is_rolled_back(self, signed_in: Page, trivet: Trivet, gateway: Gateway):
        expect(signed_in.get_by_role("link", name="Roll back")).to_have_count(0)
        activate_another(trivet)
        gateway.serve(True)
        expect(signed_in.get_by_role("link", name="Roll back")).to_be_visible(timeout=SLOW_MS)
        give(signed_in, "Roll back", "answers got worse")
        row = newest_command(signed_in)
        expect(row).to_contain_text("Roll back to revision 1")
        expect(row.locator(".pill--observed, .pill--effective")).to_be_visible(timeout=SLOW_MS)
        expect(signed_in.locator(f"#scenario-{SCENARIO}")).to_contain_text("card revision 1")
        assert trivet.get("commands")["items"][0]["reason"] == "answers got worse"


def trivet_end() -> str:
    """The end of the running ten seconds and the next."""
    now = datetime.now(UTC)
    return datetime.fromtimestamp(int(now.timestamp()) // 10 * 10 + 20, UTC).isoformat()


def activate_another(trivet: Trivet) -> None:
    """The next revision, agreed by two people, governs."""
    kim = {"email": "kim@example.com", "password": "a long word"}
    trivet.post("users", kim | {"name": "Kim Berg", "role": "sre"})
    body = trivet.get(f"cards/{SCENARIO}")["card"] | {"gives_way": ["quality", "cost", "latency"]}
    made = trivet.post(f"cards/{SCENARIO}/revisions", {"card": body})["revision"]
    draft = f"cards/{SCENARIO}/revisions/{made}"
    trivet.post(f"{draft}/submit")
    trivet.post(f"{draft}/approve", {"for": "product"})
    trivet.post(f"{draft}/approve", {"for": "operations"} | kim)
    trivet.post(f"{draft}/activate", {"reason": "try it"})
