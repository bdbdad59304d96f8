"""Each page once: nobody with a screen reader or a keyboard trips over it, its console is silent, and nothing sticks out."""

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page
from tests.browser.conftest import EMAIL, PASSWORD
from tests.browser.gateway import Gateway
from tests.browser.trivet import Trivet, until

from trivet.console.places import SECTIONS

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
AXE = (Path(__file__).parents[2] / "web/node_modules/axe-core/axe.min.js").read_text()
PLACES = [place.path for section in SECTIONS for place in section.places]
FURTHER = [
    "/cards/support-chat", "/cards/support-chat/edit", "/scenarios/support-chat/command?kind=degrade", "/alerts/route",
    "/alerts/maintenance", "/prices/new",
]  # fmt: skip
BAD = ("serious", "critical")
# Other widths, themes and languages.
LOOKS = {
    "narrow": {"viewport": {"width": 390, "height": 844}},
    "dark": {"color_scheme": "dark"},
    "chinese": {"locale": "zh-CN"},
}
NASTY = ('"><img src=x onerror=alert(1)>', "a hx-get=/x b", "{{7*7}}", "\N{RIGHT-TO-LEFT OVERRIDE}gnp.exe")
PICTURES = [
    "/", "/costs?group=tenant", "/costs?group=scenario", "/unit-costs", "/budgets", "/prices", "/requests",
    "/interactions", "/gpus", "/ladder", "/breaches", "/commands", "/audit",
]  # fmt: skip
DESK = {"width": 1280, "height": 900}
LOOKED_AT = ["/", "/costs", "/cards/support-chat"]


def trips(page: Page) -> list[str]:
    """What axe finds of serious trouble, with where it is."""
    page.evaluate(AXE)
    found = page.evaluate("async () => (await axe.run(document, {resultTypes: ['violations']})).violations")
    return [f"{f['id']}: {node['html'][:200]}" for f in found if f["impact"] in BAD for node in f["nodes"][:5]]


def sticks_out(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def too_wide(page: Page) -> list[str]:
    """The same in words, with the width; nothing where it fits."""
    over = sticks_out(page)
    return [f"{over} px too wide at {page.viewport_size}"] if over else []


@pytest.fixture
def opened(browser: Browser, trivet: Trivet, gateway: Gateway) -> Iterator[Callable[..., tuple[Page, list[str]]]]:
    """`opened(color_scheme="dark")` -> a page of somebody signed in, and what its console complains of."""
    made = []

    def open_(**options):
        context = browser.new_context(base_url=trivet.address, **({"viewport": DESK} | options))
        made.append(context)
        context.request.post("/sign-in", form={"email": EMAIL, "password": PASSWORD}, max_redirects=0)
        page, complaints = context.new_page(), []
        page.on(
            "console",
            lambda m: (
                complaints.append(f"{page.url}: {m.text} {m.location['url']}")
                if m.type in ("error", "warning")
                else None
            ),
        )
        page.on("pageerror", lambda e: complaints.append(f"{page.url}: {e}"))
        return page, complaints

    yield open_
    for context in made:
        context.close()


class TestEveryPage:
    def test_is_whole_silent_and_within_its_window_also_on_a_telephone(self, opened):
        page, complaints = opened()
        wrong = {}
        for path in PLACES + FURTHER:
            page.set_viewport_size(DESK)
            page.goto(path)
            found = trips(page) + too_wide(page)
            page.set_viewport_size(LOOKS["narrow"]["viewport"])
            if found := found + too_wide(page):
                wrong[path] = found
        assert wrong == {}
        assert complaints == []


class TestTheLineOfPlaces:
    def test_shows_where_one_is_though_it_is_longer_than_a_telephone(self, opened):
        page, _ = opened(**LOOKS["narrow"])
        page.goto("/audit")  # the last of eleven
        here = page.locator(".places [aria-current]").bounding_box()
        assert here is not None
        assert here["x"] >= 0
        assert here["x"] + here["width"] <= LOOKS["narrow"]["viewport"]["width"]


class TestOtherLooks:
    @pytest.mark.parametrize("look", LOOKS)
    def test_nobody_trips_over_them(self, opened, look):
        page, complaints = opened(**LOOKS[look])
        for path in LOOKED_AT:
            page.goto(path)
            assert (path, trips(page), sticks_out(page)) == (path, [], 0)
        assert complaints == []


@pytest.fixture
def hostile(gateway: Gateway, trivet: Trivet) -> None:
    """Whatever is drawn or searched is named by somebody hostile, and serves."""
    begins = "2026-11-01T00:00:00Z"
    for name in reversed(NASTY):  # the first is the newest, so it is on every page of a list
        trivet.post("tenants", {"name": name, "cost_centre": name})
        trivet.post("backends", {"name": name, "scenarios": ["support-chat"]})
        trivet.post("pools", {"name": name, "gpu_type": name, "gpus": 1, "price_per_gpu_hour": "1", "currency": "USD",
                              "purchase": "on_demand", "effective_from": begins})  # fmt: skip
        trivet.post("prices", {"model": name, "provider": "openai", "effective_from": begins, "currency": "USD",
                               "per_million": {"input": "1", "output": "1"}})  # fmt: skip
        trivet.post("budgets", {"name": name, "scope": "tenant", "subject": name, "measure": "money",
                                "currency": "USD", "window": "month", "limit": "1"})  # fmt: skip
        gateway.send(trivet__tenant=name, trivet__scenario=name, trivet__backend=name, trivet__pool=name,
                     gen_ai__request__model=name, gen_ai__response__model=name, gen_ai__conversation__id=name)  # fmt: skip


class TestNames:
    def test_run_nothing_and_fetch_nothing_in_pictures_and_in_the_search(self, opened, hostile):
        page, complaints = opened()
        asked, said = [], []
        page.on("request", lambda request: asked.append(urlsplit(request.url).path))
        page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))

        def named(path: str) -> bool:
            page.goto(path)
            return "onerror=alert(1)" in page.locator("main").inner_text()

        until(lambda: named("/requests"))
        until(lambda: named("/costs?group=tenant"), 120)
        for path in PICTURES:
            page.goto(path)
            assert page.locator("img").count() == 0, path
        page.keyboard.press("/")
        page.keyboard.type(NASTY[0][:6])
        page.locator("#found").get_by_text(NASTY[0]).first.wait_for()
        assert said == []
        assert {path for path in asked if path.endswith("/x")} == set()
        assert complaints == []
