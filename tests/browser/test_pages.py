"""Each page once: nobody with a screen reader or a keyboard trips over it, its console is silent, and nothing sticks out."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from tests.browser.conftest import EMAIL, PASSWORD
from tests.browser.gateway import Gateway
from tests.browser.trivet import Trivet

from trivet.console.places import SECTIONS

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
AXE = (Path(__file__).parents[2] / "web/node_modules/axe-core/axe.min.js").read_text()
PLACES = [place.path for section in SECTIONS for place in section.places]
FURTHER = ["/cards/support-chat", "/cards/support-chat/edit", "/scenarios/support-chat/command?kind=degrade"]
BAD = ("serious", "critical")
# Other widths, themes and languages.
LOOKS = {
    "narrow": {"viewport": {"width": 390, "height": 844}},
    "dark": {"color_scheme": "dark"},
    "chinese": {"locale": "zh-CN"},
}
LOOKED_AT = ["/", "/costs", "/cards/support-chat"]


def trips(page: Page) -> list[str]:
    """What axe finds of serious trouble, with where it is."""
    page.evaluate(AXE)
    found = page.evaluate("async () => (await axe.run(document, {resultTypes: ['violations']})).violations")
    return [f"{f['id']}: {f['nodes'][0]['html'][:160]}" for f in found if f["impact"] in BAD]


def sticks_out(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@pytest.fixture
def opened(browser: Browser, trivet: Trivet, gateway: Gateway) -> Iterator[Callable[..., tuple[Page, list[str]]]]:
    """`opened(color_scheme="dark")` -> a page of somebody signed in, and what its console complains of."""
    made = []

    def open_(**options):
        context = browser.new_context(
            base_url=trivet.address, **({"viewport": {"width": 1280, "height": 900}} | options)
        )
        made.append(context)
        context.request.post("/sign-in", form={"email": EMAIL, "password": PASSWORD}, max_redirects=0)
        page, complaints = context.new_page(), []
        page.on(
            "console", lambda m: complaints.append(f"{page.url}: {m.text}") if m.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda e: complaints.append(f"{page.url}: {e}"))
        return page, complaints

    yield open_
    for context in made:
        context.close()


class TestEveryPage:
    def test_is_whole_silent_and_within_its_window(self, opened):
        page, complaints = opened()
        wrong = {}
        for path in PLACES + FURTHER:
            page.goto(path)
            if (found := trips(page)) or (over := sticks_out(page)):
                wrong[path] = found or f"{over} px too wide"
        assert wrong == {}
        assert complaints == []

    def test_on_a_telephone_nothing_sticks_out_of_any(self, opened):
        page, complaints = opened(**LOOKS["narrow"])
        wide = {}
        for path in PLACES + FURTHER:
            page.goto(path)
            if over := sticks_out(page):
                wide[path] = over
        assert wide == {}
        assert complaints == []


class TestOtherLooks:
    @pytest.mark.parametrize("look", LOOKS)
    def test_nobody_trips_over_them(self, opened, look):
        page, complaints = opened(**LOOKS[look])
        for path in LOOKED_AT:
            page.goto(path)
            assert (path, trips(page), sticks_out(page)) == (path, [], 0)
        assert complaints == []
