"""Settings of the platform: each page lists, searches, makes a file, and changes only through the API's own service."""

import csv
import io
import re

import pytest
from tests.support import books
from tests.support.calls import call, ingest

from trivet import db
from trivet.kit.clock import utc_now
from trivet.tenant.models import Tenant

NASTY = '"><img src=x onerror=alert(1)>'


def words(page):
    return re.search(r'class="sentence"[^>]*>(.*?)</h1>', page.text, re.DOTALL)[1].replace("\N{NO-BREAK SPACE}", " ")


@pytest.fixture
def act(sign_in):
    """`act(role)` -> post(path, **form): signed in, with the form's own token; follows to the page."""

    def enter(role):
        browser = sign_in(role)
        token = re.search(r'name="csrf_token" value="([^"]+)"', browser.get("/").text)[1]
        return browser, lambda path, **form: browser.post(path, data={"csrf_token": token, **form})

    return enter


def rows(page):
    return list(csv.DictReader(io.StringIO(page.text)))


class TestTenants:
    def test_are_registered_and_charged_by_date(self, act, client, admin):
        browser, post = act("finance")
        client.post("/api/v1/cost-centres", json={"name": "CC-7"}, headers=admin)
        ingest(call(utc_now(), tenant=NASTY), now=utc_now())
        assert words(browser.get("/tenants")) == "1 tenant; 1 charged to nobody, so their cost shows as unattributed."
        page = post("/tenants", name="acme", cost_centre="CC-7")
        assert "CC-7" in page.text and "acme" in page.text
        listed = {row["tenant"].lstrip("'"): row["cost_centre"] for row in rows(browser.get("/tenants.csv"))}
        assert listed == {"acme": "CC-7", NASTY: ""} and "<img src" not in browser.get("/tenants").text
        entry = client.get("/api/v1/audit", headers=admin).json()["items"][0]
        assert (entry["action"], entry["actor"]) == ("tenant.register", "finance@example.com")

    def test_that_are_many_are_found_and_paged(self, act):
        browser, _ = act("viewer")
        with db.transaction() as session:
            db.named_ids(session, Tenant, [f"t{n:03}" for n in range(120)])
        first = browser.get("/tenants").text
        older = re.search(r'href="(/tenants\?cursor=[^"]+)"', first)[1]
        assert "t049" in first and "t050" not in first and "t050" in browser.get(older).text
        assert re.findall(r"<bdi>(t\d+)</bdi>", browser.get("/tenants?q=07").text) == [
            "t007",
            *(f"t07{n}" for n in range(10)),
            "t107",
        ]

    def test_a_refusal_is_said_in_its_own_words_and_keeps_what_was_typed(self, act):
        _, post = act("finance")
        page = post("/tenants", name="acme", effective_from="2026-11-21T07:30")
        assert page.status_code == 422 or "whole hour" in page.text
        page = post("/tenants", name="acme", cost_centre="none-of-this")
        assert page.status_code == 404 and 'value="acme"' in page.text

    def test_are_changed_by_finance_and_admin_alone(self, act):
        browser, post = act("sre")
        assert "Register a tenant" not in browser.get("/tenants").text
        assert post("/tenants", name="acme").status_code == 403


class TestScenarios:
    def test_known_by_their_spans_only_are_offered_to_register(self, act, client, admin):
        browser, post = act("product_owner")
        ingest(call(utc_now(), scenario="rag"), now=utc_now())
        page = browser.get("/scenarios-served")
        assert words(page) == "1 scenario; 1 known by their spans only, without a card, guards or a ladder."
        assert "/scenarios-served?new=rag#register" in page.text
        assert post("/scenarios-served", name="rag", preset="rag", criticality="auxiliary").status_code == 200
        item = client.get("/api/v1/scenarios", headers=admin).json()["items"][0]
        assert item["name"] == "rag" and words(browser.get("/scenarios-served")) == "1 scenario, each with a card."
        assert post("/scenarios-served", name="rag", preset="rag").status_code == 409
        assert "name" in post("/scenarios-served", name="a/b").text

    def test_a_backend_is_told_what_it_serves(self, act, scenario):
        browser, post = act("sre")
        post("/scenarios-served/backend", name="gateway-1", scenarios="support-chat\nother")
        assert [(row["scenario"], row["backends"]) for row in rows(browser.get("/scenarios-served.csv"))] == [
            ("other", "gateway-1"), ("support-chat", "gateway-1"),
        ]  # fmt: skip
        assert act("viewer")[1]("/scenarios-served/backend", name="gateway-1").status_code == 403


class TestPools:
    def test_a_dated_row_is_added_and_the_one_that_holds_is_told_from_those_to_come(self, act, client, admin):
        browser, post = act("finance")
        post("/pools", name="h200", gpu_type="H200", gpus="8", price="3.5", currency="USD", effective_from="2026-06-01")
        post(
            "/pools", name="h200", gpu_type="H200", gpus="16", price="3.1", currency="USD", effective_from="2099-01-01"
        )
        page = post("/pools", name="b200", gpu_type="B200", gpus="4", currency="EUR", purchase="reserved", total="12000", months="12",
                    effective_from="2026-06-01T07:00")  # fmt: skip
        assert page.status_code == 200
        found = [
            (row["pool"], row["state"], row["gpus"], row["price_per_gpu_hour"])
            for row in rows(browser.get("/pools.csv"))
        ]
        assert found == [
            ("b200", "holds", "4", ""), ("h200", "to come", "16", "3.100000000000"), ("h200", "holds", "8", "3.500000000000"),
        ]  # fmt: skip
        assert "2 pools; 12 GPUs are paid for, 0 heard of." in words(browser.get("/pools"))
        assert "12000 over 12 months" in browser.get("/pools").text
        assert client.get("/api/v1/audit", headers=admin).json()["items"][0]["action"] == "pool.term"

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"gpus": "-1"}, "whole number"), ({"price": "many"}, "Write an amount"), ({"effective_from": "soon"}, "Write a day"),
            ({"purchase": "stolen"}, "`purchase` is one of"), ({"gpu_type": ""}, "kind of GPU"), ({"currency": "dollars"}, "dollars"),
            ({"price": "1e999"}, "Write an amount"),
        ],
    )  # fmt: skip
    def test_what_is_no_term_is_refused_at_its_field(self, act, given, said):
        _, post = act("sre")
        page = post("/pools", **({"name": "p", "gpu_type": "L4", "gpus": "1", "price": "1", "currency": "USD"} | given))
        assert page.status_code == 422 and said in page.text and 'id="term" open' in page.text


class TestChannels:
    def test_an_address_is_sealed_and_its_secret_told_once(self, act, client, admin, monkeypatch):
        monkeypatch.setenv("TRIVET_OUTWARD_HOSTS", '["127.0.0.1"]')
        from trivet.settings import get_settings

        get_settings.cache_clear()
        browser, post = act("sre")
        assert words(browser.get("/channels")) == "There is no channel, so no alert reaches anybody."
        page = post("/channels", name="pager", kind="webhook", url="http://127.0.0.1:9/hook/s3cr3tt0ken")
        assert page.status_code == 200, page.text
        assert re.search(r'command-line">(whsec_[^<]+)<', page.text) and "s3cr3tt0ken" not in page.text
        again = browser.get("/channels").text
        assert "whsec_" not in again and "http://127.0.0.1:9/…" in again
        post("/channels/test", name="pager")
        post("/channels/remove", name="pager")
        actions = [item["action"] for item in client.get("/api/v1/audit", headers=admin).json()["items"][:3]]
        assert actions == ["channel.delete", "channel.test", "channel.create"]

    def test_who_may_not_see_them_does_not(self, act):
        browser, post = act("finance")
        assert browser.get("/channels").status_code == 403 and post("/channels/test", name="x").status_code == 403

    def test_one_that_cannot_be_is_refused_in_the_form(self, act):
        _, post = act("admin")
        page = post("/channels", name="x", kind="pigeon")
        assert page.status_code == 422 and "webhook" in page.text and 'id="new" open' in page.text


class TestCostCentres:
    def test_the_file_has_who_is_charged_to_what(self, act):
        books.tenants(acme="CC-7")
        browser, _ = act("finance")
        assert [(row["cost_centre"], row["tenant"]) for row in rows(browser.get("/cost-centres.csv"))] == [
            ("CC-7", "acme")
        ]
