"""A finance person's day, from the first look in the morning to the price that changes tomorrow.

What the day is about is one cost centre of its own, `Harbour`: nothing else in the folder adds to its sums.
"""

import csv
import io
import json
import secrets
import time
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from tests.browser.conftest import EMAIL, KEY, PASSWORD
from tests.browser.trivet import Trivet, until

from trivet.kit.clock import rfc3339, utc_now

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
FINANCE = {"email": "mia@example.com", "password": "a ledger that ties", "name": "Mia Lind", "role": "finance"}
CENTRE, TENANTS, MODELS = "Harbour", ("harbour-north", "harbour-south"), ("gpt-4o", "gpt-4o-mini")
SLOW_MS = 30_000
DAY = timedelta(days=1)


def span(tenant: str, model: str, ago_s: int = 0) -> dict[str, Any]:
    end_ns = time.time_ns() - ago_s * 10**9
    said: dict[str, str | int] = {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": model,
        "gen_ai.response.model": model, "gen_ai.usage.input_tokens": 120_000, "gen_ai.usage.output_tokens": 9_000,
        "trivet.tenant": tenant,
    }  # fmt: skip
    return {
        "traceId": secrets.token_hex(16), "spanId": secrets.token_hex(8), "name": f"chat {model}", "kind": 3,
        "startTimeUnixNano": str(end_ns - 900_000_000), "endTimeUnixNano": str(end_ns),
        "attributes": [
            {"key": k, "value": {"stringValue": v} if isinstance(v, str) else {"intValue": str(v)}} for k, v in said.items()
        ],
    }  # fmt: skip


@pytest.fixture(scope="module")
def morning(company: Trivet) -> Trivet:
    """Two tenants of one cost centre have each called two models, and what they cost is known. A call of another one is
    hours old, so that something is posted.
    """
    company.post("users", FINANCE)
    for tenant in TENANTS:
        company.post("tenants", {"name": tenant, "cost_centre": CENTRE})
    spans = [span(tenant, model) for tenant in TENANTS for model in MODELS]
    company.post("tenants", {"name": "pier", "cost_centre": "Pier"})
    spans.append(span("pier", MODELS[0], ago_s=7_200))
    body = {"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [{"scope": {}, "spans": spans}]}]}
    sent = company.http.post(f"{company.address}/v1/traces", json=body, headers={"Authorization": f"Bearer {KEY}"})
    assert sent.is_success, sent.text
    until(lambda: len(of_harbour(company, "tenant,model")) == 4)
    return company


def of_harbour(trivet: Trivet, by: str) -> list[dict[str, Any]]:
    """Rows of the API on this month's costs of the cost centre."""
    now = utc_now()
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    end = now.replace(second=now.second // 10 * 10, microsecond=0) + timedelta(seconds=10)
    asked = {"from": rfc3339(month), "to": rfc3339(end), "group_by": by, "cost_centre": CENTRE}
    return trivet.get("costs", **asked)["items"]


def total(rows: list[dict[str, Any]]) -> Decimal:
    return sum((Decimal(row["amount"]) for row in rows), Decimal(0))


def exact(where: Locator) -> Decimal:
    """The exact amount behind what is shown."""
    return Decimal(where.locator("data").get_attribute("value") or "")


def downloaded(page: Page, link: Locator) -> list[dict[str, str]]:
    """The rows of a CSV behind a link."""
    with page.expect_download() as got:
        link.click()
    return list(csv.DictReader(io.StringIO(got.value.path().read_text("utf-8-sig"))))


@pytest.fixture
def desk(page: Page, morning: Trivet) -> Page:
    """Hers, signed in."""
    said = {"email": FINANCE["email"], "password": FINANCE["password"]}
    assert page.context.request.post("/sign-in", form=said, max_redirects=0).status == 303
    return page


class TestTheDayOfAFinancePerson:
    def test_in_the_morning_she_signs_in_and_sees_what_today_costs(self, page: Page, morning: Trivet):
        page.goto("/sign-in")
        page.get_by_label("Email").fill(FINANCE["email"])
        page.get_by_label("Password").fill(FINANCE["password"])
        page.get_by_role("button", name="Sign in").click()
        for row in of_harbour(morning, "tenant"):
            spent = page.locator(f"#spend-tenant-USD-payer-{row['tenant']} data")
            expect(spent).to_have_attribute("value", row["amount"], timeout=SLOW_MS)
        expect(page.get_by_role("link", name="Degrade")).to_have_count(0)

    def test_costs_by_tenant_and_model_narrowed_by_a_click_are_those_of_the_api_and_of_the_file(
        self, desk: Page, morning: Trivet
    ):
        # The page ends with the last whole ten seconds, so the newest call is on it a moment later.
        shown = lambda: desk.goto(f"/costs?cost_centre={CENTRE}&group=tenant") and desk.locator("tfoot data").count()  # noqa: E731  # asked again and again
        until(lambda: shown() and exact(desk.locator("tfoot td").last) == total(of_harbour(morning, "tenant")))
        desk.locator("summary", has_text="Across").click()
        desk.get_by_role("link", name="Model", exact=True).click()
        pivot = desk.locator(".pivot")
        whole = exact(pivot.locator("tfoot td").last)
        assert whole == total(of_harbour(morning, "tenant,model")) > 0
        assert whole == sum(exact(cell) for cell in pivot.locator("tbody td.pivot__cell").all())
        rows = downloaded(desk, desk.locator(".controls").get_by_role("link", name="CSV"))
        assert {(row["tenant"], row["model"]) for row in rows} == {(t, m) for t in TENANTS for m in MODELS}
        assert sum(Decimal(row["amount"]) for row in rows) == whole

        cell = pivot.locator("tbody tr", has_text=TENANTS[0]).locator("td.pivot__cell").first
        one = exact(cell)
        cell.locator("a:has(data)").click()
        expect(desk.locator("#sentence")).to_contain_text(TENANTS[0])
        assert exact(desk.locator("tfoot td").last) == one < whole

    def test_a_budget_is_made_by_its_form_and_stands_in_the_api(self, desk: Page, morning: Trivet):
        desk.goto("/budgets")
        desk.locator("#new > summary").click()
        form = desk.locator("#new")
        form.locator("[name=name]").fill("the harbour's month")
        form.locator("[name=scope]").select_option("cost_centre")
        form.locator("[name=subject]").fill(CENTRE)
        form.locator("[name=limit]").fill("40")
        form.locator("[name=reason]").fill("agreed with the port")
        expect(form.locator("#preview")).to_contain_text("40 USD", timeout=SLOW_MS)
        form.get_by_role("button", name="Set this budget").click()
        expect(desk.locator('[id="budget-the harbour\'s month"]')).to_contain_text("40.00", timeout=SLOW_MS)
        found = next(each for each in morning.get("budgets")["items"] if each["name"] == "the harbour's month")
        assert (found["terms"]["limit"]["amount"], found["terms"]["limit"]["unit"]) == ("40.000000000000", "USD")

    def test_a_bill_is_imported_held_against_what_was_measured_and_posted(self, desk: Page, morning: Trivet):
        desk.goto("/bills")
        if (fold := desk.locator("#import:not([open]) > summary")).count():
            fold.click()
        desk.get_by_label("Bill", exact=True).set_input_files(
            {"name": "quay.csv", "mimeType": "text/csv", "buffer": the_bill()}
        )
        desk.get_by_role("button", name="Import and compare").click()
        expect(desk.locator("#sentence")).to_contain_text("3.50 USD; we measured nothing of it", timeout=SLOW_MS)
        causes = desk.locator("#difference tbody tr")
        assert sum(exact(cause) for cause in causes.all()) == Decimal("3.5")
        desk.get_by_role("button", name="Post the bill").click()
        expect(desk.locator("#difference .pill")).to_contain_text("posted", timeout=SLOW_MS)
        bill = next(each for each in morning.get("bills")["items"] if each["provider"] == "quay-ai")
        assert bill["state"] == "posted"

    def test_a_file_is_made_in_the_background_while_its_progress_is_looked_at(self, desk: Page, morning: Trivet):
        desk.goto("/exports")
        form = desk.locator("#ask form")
        form.locator("[name=by]").select_option("tenant")
        form.locator("[name=cost_centre]").fill(CENTRE)
        form.get_by_role("button", name="Make the file").click()
        desk.wait_for_url("**/jobs/*")
        link = desk.get_by_role("link", name="Download")
        expect(link).to_be_visible(timeout=SLOW_MS)
        expect(desk.locator(".progress--done")).to_be_visible()
        rows = downloaded(desk, link)
        assert sum(Decimal(row["amount"]) for row in rows if row["amount"]) == total(of_harbour(morning, "tenant"))

    def test_a_month_that_cannot_be_closed_yet_says_what_stands_in_the_way_and_what_to_do(
        self, desk: Page, morning: Trivet
    ):
        month = utc_now().strftime("%Y-%m")
        desk.goto(f"/periods?month={month}")
        expect(desk.get_by_role("columnheader", name="What stands in the way")).to_be_visible()
        expect(desk.locator("#chosen")).to_contain_text("is not over: it ends on 1 ")
        expect(desk.locator("main")).to_contain_text("Closing takes two people")
        expect(desk.get_by_role("button", name="Ask to close")).to_have_count(0)
        assert morning.get(f"periods/{month}")["state"] == "open"

    def test_prices_of_a_list_are_shown_entered_and_changed_on_a_day_to_come(self, desk: Page, morning: Trivet):
        desk.goto("/prices/import")
        desk.locator("input[type=file]").set_input_files(
            {"name": "prices.json", "mimeType": "application/json", "buffer": the_prices()}
        )
        desk.get_by_role("button", name="Show what it would change").first.click()
        expect(desk.locator("main")).to_contain_text("tide-1")
        desk.get_by_role("button", name="Enter these prices").click()
        desk.wait_for_url("**/prices")
        desk.goto("/prices?q=tide-1")
        desk.locator("#held").get_by_role("link", name="tide-1").click()
        desk.get_by_role("link", name="Enter the next price").click()
        expect(desk.get_by_label("Input", exact=True)).to_have_value("2")
        morrow = utc_now() + DAY
        desk.get_by_label("From the day").fill(f"{morrow:%Y-%m-%d}")
        desk.get_by_label("Output", exact=True).fill("12")
        desk.get_by_label("Input", exact=True).fill("3")
        expect(desk.locator("#preview")).to_contain_text(
            "tide-1 of openai costs $3.00 instead of $2.00", timeout=SLOW_MS
        )
        desk.get_by_role("button", name="Enter this price").press("Enter")
        desk.wait_for_url("**/prices/one?**")
        expect(desk.locator("main tbody tr").first).to_contain_text("to come")
        expect(desk.locator("main tbody tr").first).to_contain_text(FINANCE["email"])
        desk.goto("/prices?q=tide-1")
        held = desk.locator("tr", has=desk.get_by_role("link", name="tide-1")).locator("td.price").first
        expect(held).to_have_text("2")
        desk.get_by_label("On the day").fill(f"{morrow + DAY:%Y-%m-%d}")
        desk.get_by_role("button", name="Find").click()
        expect(held).to_have_text("3")

    def test_a_month_is_closed_by_a_second_person_and_not_by_who_asked(
        self, desk: Page, browser: Browser, morning: Trivet
    ):
        """The month before the last one, in which nothing else of this folder lies."""
        last = utc_now().replace(day=1) - DAY
        month = f"{last.replace(day=1) - DAY:%Y-%m}"
        until(lambda: not morning.get(f"periods/{month}")["obstacles"])  # hours are posted every 30 s
        desk.goto(f"/periods?month={month}")
        desk.get_by_label("Reason").fill("All bills are in.")
        desk.get_by_role("button", name="Ask to close").click()
        expect(desk.locator("#chosen")).to_contain_text("You asked for it")
        expect(desk.locator(f"form[action='/periods/{month}/close']")).to_have_count(0)
        other = browser.new_context(base_url=morning.address)
        assert (
            other.request.post("/sign-in", form={"email": EMAIL, "password": PASSWORD}, max_redirects=0).status == 303
        )
        second = other.new_page()
        second.goto(f"/periods?month={month}")
        expect(second.locator("#chosen .form__preview").first).to_contain_text("and stays closed")
        second.locator(f"form[action='/periods/{month}/close'] button").click()
        expect(second.locator("#chosen .pill")).to_contain_text("closed")
        expect(second.locator("#chosen")).to_contain_text("Its balances have the hash")
        other.close()
        told = morning.get(f"periods/{month}")
        assert (told["state"], told["requested_by"], told["closed_by"]) == ("closed", FINANCE["email"], EMAIL)


def the_bill() -> bytes:
    """Of a provider that nobody called here, as FOCUS."""
    day = utc_now().replace(hour=0, minute=0, second=0, microsecond=0) - 3 * DAY
    start, end = f"{day:%Y-%m-%dT%H:%M:%SZ}", f"{day + DAY:%Y-%m-%dT%H:%M:%SZ}"
    heads = (
        "BilledCost,BillingCurrency,ChargePeriodStart,ChargePeriodEnd,ChargeCategory,ChargeDescription,ProviderName,"
        "ServiceName,InvoiceId,BillingPeriodStart,BillingPeriodEnd"
    )
    rows = [f"{cost},USD,{start},{end},Usage,Support,quay-ai,Model API,Q-1,{start},{end}" for cost in ("3.00", "0.50")]
    return "\n".join((heads, *rows, "")).encode()


def the_prices() -> bytes:
    """One model, as LiteLLM's price file writes it: two dollars a million in, eight out."""
    one = {
        "litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 2e-06, "output_cost_per_token": 8e-06,
    }  # fmt: skip
    return json.dumps({"tide-1": one}).encode()
