"""The pages about money in a real browser: by keyboard, without scripts, on a telephone, and by people who may only look."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from tests.browser.conftest import EMAIL, PASSWORD
from tests.browser.trivet import Trivet

from trivet.kit.clock import utc_now

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
VIEWER, VIEWERS_PASSWORD = "lou@example.com", "a long word"
SLOW_MS = 20_000
PLACES = ("costs", "statements", "budgets", "unit-costs", "bills", "periods", "prices")
FORMS = "main form[method=post]"


@pytest.fixture(scope="module")
def company(company: Trivet) -> Trivet:
    """And a tenant without a cost centre, and somebody who may only look."""
    company.post("tenants", {"name": "walk-in", "cost_centre": None})
    company.post("users", {"email": VIEWER, "password": VIEWERS_PASSWORD, "name": "Lou Winter", "role": "viewer"})
    return company


@pytest.fixture
def enter(browser: Browser, company: Trivet) -> Iterator[Callable[..., Page]]:
    """`enter(email, password, scripts=False)`: a page of somebody who is signed in."""
    made: list[BrowserContext] = []

    def sign_in(email: str = EMAIL, password: str = PASSWORD, *, scripts: bool = True) -> Page:
        context = browser.new_context(base_url=company.address, java_script_enabled=scripts)
        made.append(context)
        page = context.new_page()
        page.goto("/sign-in")
        page.get_by_label("Email").fill(email)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Sign in").click()
        page.locator("#sentence").wait_for()
        return page

    yield sign_in
    for context in made:
        context.close()


def the_bill() -> bytes:
    """Of a day on which Trivet was not there yet, as FOCUS: two dollars that nobody measured."""
    day = utc_now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=2)
    start, end = f"{day:%Y-%m-%dT%H:%M:%SZ}", f"{day + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"
    heads = (
        "BilledCost,BillingCurrency,ChargePeriodStart,ChargePeriodEnd,ChargeCategory,ChargeDescription,ProviderName,"
        "ServiceName,InvoiceId,BillingPeriodStart,BillingPeriodEnd"
    )
    row = f"2.00,USD,{start},{end},Usage,Support plan,openai,Model API,INV-1,{start},{end}"
    return f"{heads}\n{row}\n".encode()


class TestPlaces:
    def test_each_is_reached_by_the_keyboard_and_marked_in_both_places(self, company: Trivet, signed_in: Page):
        signed_in.goto("/costs")
        for place in PLACES[1:]:
            link = signed_in.locator("nav.places").locator(f'a[href="/{place}"]')
            link.focus()
            signed_in.keyboard.press("Enter")
            signed_in.wait_for_url(f"**/{place}")
            current = signed_in.locator("a[aria-current=page]")
            expect(current).to_have_text([re.compile("Costs"), re.compile(place.replace("-", " "), re.IGNORECASE)])

    def test_they_stand_in_the_same_spot_above_every_sentence(self, company: Trivet, signed_in: Page):
        spots = set()
        for place in PLACES:
            signed_in.goto(f"/{place}")
            nav = signed_in.locator("nav.places").bounding_box()
            sentence = signed_in.locator("h1").bounding_box()
            assert nav and sentence and sentence["y"] - (nav["y"] + nav["height"]) >= 12
            spots.add((nav["x"], nav["y"], sentence["y"]))
        assert len(spots) == 1

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_on_a_telephone_nothing_runs_off_the_side(self, company: Trivet, signed_in: Page, scheme: str):
        signed_in.emulate_media(color_scheme=scheme)
        signed_in.set_viewport_size({"width": 390, "height": 844})
        for place in (*PLACES, "prices/import", "prices/new"):
            signed_in.goto(f"/{place}")
            signed_in.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true })")
            assert signed_in.evaluate("document.documentElement.scrollWidth") == 390, place


class TestForms:
    def test_a_budget_is_set_by_the_keyboard_and_says_first_what_it_will_do(self, company: Trivet, signed_in: Page):
        signed_in.goto("/budgets")
        fold = signed_in.locator("#new > summary")
        expect(signed_in.locator("#new [name=limit]")).to_be_hidden()
        fold.focus()
        signed_in.keyboard.press("Enter")
        signed_in.locator("#new [name=name]").fill("acme a day")
        signed_in.locator("#new [name=subject]").fill("acme")
        signed_in.locator("#new [name=window]").select_option("day")
        signed_in.locator("#new [name=limit]").fill("50")
        signed_in.keyboard.press("Tab")
        expect(signed_in.locator("#preview")).to_contain_text("50 USD", timeout=SLOW_MS)
        signed_in.get_by_role("button", name="Set this budget").press("Enter")
        row = signed_in.locator('[id="budget-acme a day"]')
        expect(row).to_contain_text("50.00")
        expect(fold).to_be_visible()
        expect(signed_in.locator("#new [name=limit]")).to_be_hidden()

    def test_a_budget_that_cannot_be_comes_back_open_with_its_reason(
        self, company: Trivet, signed_in: Page, allowed: list[str]
    ):
        allowed.append("422")
        signed_in.goto("/budgets")
        signed_in.locator("#new > summary").click()
        signed_in.locator("#new [name=name]").fill("broken")
        signed_in.locator("#new [name=limit]").fill("a lot")
        signed_in.get_by_role("button", name="Set this budget").click()
        expect(signed_in.locator("#new .field__problem")).to_be_visible()
        expect(signed_in.locator("#new [name=limit]")).to_have_value("a lot")

    def test_without_scripts_a_tenant_is_mapped_and_a_statement_is_taken_along(self, enter: Callable[..., Page]):
        page = enter(scripts=False)
        page.goto("/cost-centres")
        page.get_by_text("A new cost centre").click()
        page.locator("#new").get_by_label("Name").fill("CC-8")
        page.get_by_role("button", name="Make this cost centre").click()
        page.get_by_label("Cost centre of walk-in").select_option("CC-8")
        page.get_by_role("button", name="Map walk-in").click()
        expect(page.locator("#unmapped")).to_contain_text("Every tenant that was ever met is charged to a cost centre.")
        page.goto("/statements?cost_centre=CC-8")
        for words, start in (("PDF", b"%PDF"), ("Workbook", b"PK")):
            with page.expect_download() as got:
                page.get_by_role("link", name=words).click()
            assert got.value.path().read_bytes().startswith(start)

    def test_without_scripts_a_bill_is_imported_compared_and_posted(self, enter: Callable[..., Page]):
        page = enter(scripts=False)
        page.goto("/bills")
        bill = {"name": "before.csv", "mimeType": "text/csv", "buffer": the_bill()}
        if (fold := page.locator("#import:not([open]) > summary")).count():  # open where there is no bill yet
            fold.click()
        page.get_by_label("Bill", exact=True).set_input_files(bill)
        page.get_by_role("button", name="Import and compare").click()
        expect(page.locator("h1")).to_contain_text("2.00 USD; we measured nothing of it")
        expect(page.locator("#difference .bar__provisional")).to_have_count(1)
        page.get_by_role("button", name="Post the bill").click()
        expect(page.locator("#difference .pill")).to_have_text(re.compile("posted"))
        expect(page.locator("#difference .bar__posted")).to_have_count(1)
        expect(page.locator("#difference .bar__provisional")).to_have_count(0)


class TestOnlyLooking:
    def test_who_may_not_book_is_offered_nothing_to_book_with(self, enter: Callable[..., Page]):
        page = enter(VIEWER, VIEWERS_PASSWORD)
        for place in (*PLACES, "prices/import"):
            assert page.goto(f"/{place}").ok
            expect(page.locator(FORMS)).to_have_count(0)
            expect(page.locator("main details form[method=post], main [href='/prices/import']")).to_have_count(0)
