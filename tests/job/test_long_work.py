"""Long work as jobs: the same answer as when one waits for it, told of while it is made."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.support import books
from tests.support.bills import as_csv, the_bill
from tests.support.governed import register
from tests.support.jobs import do_jobs

from trivet import db
from trivet.bill.models import Bill
from trivet.job import work
from trivet.job.models import Job
from trivet.kit.clock import rfc3339
from trivet.pricing.models import Price

PRICES = Path(__file__).parent.parent / "data" / "prices" / "litellm-1.109.1-cut.json"
DAY = {"from": rfc3339(books.DAY), "to": rfc3339(books.DAY + timedelta(days=2))}
EXPORTS = [
    ("costs.csv", {"group_by": "tenant", "grain": "1h"}),
    ("usage.csv", {"group_by": "tenant,model", "grain": "1d"}),
    ("allocation.focus.csv", {}),
]


@pytest.fixture
def morning(database):
    books.company()
    books.a_morning()
    books.post()


@pytest.fixture
def told(monkeypatch):
    """Every word of how far a job is, as it is told."""
    said = []
    monkeypatch.setattr(work, "TOLD_EVERY_S", 0)
    plain = work.service.advance

    def telling(*given, **words):
        said.append((words["done"], words["total"]))
        return plain(*given, **words)

    monkeypatch.setattr(work.service, "advance", telling)
    return said


def ended(client, admin, answer) -> dict:
    assert answer.status_code == 202
    do_jobs()
    return client.get(f"/api/v1/jobs/{answer.json()['id']}", headers=admin).json()


class TestAFileInTheBackground:
    @pytest.mark.usefixtures("morning")
    @pytest.mark.parametrize(("file", "asked"), EXPORTS)
    def test_it_is_the_file_that_comes_directly(self, client, admin, told, file, asked):
        job = ended(client, admin, client.post(f"/api/v1/exports/{file}", params=DAY | asked, headers=admin))
        assert (job["state"], job["problem"]) == ("done", "")
        assert (0, 2) in told and (1, 2) in told, "day by day"
        direct = client.get(f"/api/v1/exports/{file}", params=DAY | asked, headers=admin)
        assert client.get(job["file"]["url"], headers=admin).content == direct.content
        assert job["file"]["name"] in direct.headers["content-disposition"]

    @pytest.mark.usefixtures("morning")
    def test_one_tenant_gets_its_own_rows(self, client, make_key):
        key = {"Authorization": f"Bearer {make_key(['read'], tenant='acme')}"}
        asked = DAY | {"group_by": "tenant"}
        job = ended(client, key, client.post("/api/v1/exports/costs.csv", params=asked, headers=key))
        lines = client.get(job["file"]["url"], headers=key).text.splitlines()
        assert lines[1:] and all(line.startswith("acme,") for line in lines[1:])

    def test_what_cannot_be_made_is_refused_at_once(self, client, admin):
        for file, asked in (("costs.doc", {}), ("costs.csv", {"group_by": "colour"}), ("statement.pdf", {})):
            assert client.post(f"/api/v1/exports/{file}", params=DAY | asked, headers=admin).status_code == 422

    def test_its_title_says_what_it_is(self, client, admin):
        asked = DAY | {"group_by": "tenant,model", "grain": "1d"}
        title = client.post("/api/v1/exports/costs.xlsx", params=asked, headers=admin).json()["title"]
        assert title == "Costs by tenant, model, a row each day, 2026-11-20 to 2026-11-21, workbook"


class TestImportsInTheBackground:
    def test_a_bill_is_read_once_by_a_worker(self, client, admin, told):
        def send():
            return client.post(
                "/api/v1/bills", params={"later": True, "file_name": "november.csv"}, content=as_csv(the_bill()),
                headers=admin | {"Content-Type": "text/csv"},
            )  # fmt: skip

        first = send()
        assert send().status_code == 409, "the same bytes are on their way"
        job = ended(client, admin, first)
        with db.transaction() as session:
            bill = session.scalars(select(Bill)).one()
        assert (job["title"], job["url"]) == ("Import of the bill november.csv", f"/bills?bill={bill.id}")
        assert job["note"] == f"1 bill, {bill.lines} lines." and told
        assert ended(client, admin, send())["note"].startswith("This file was imported before")

    def test_a_bill_that_cannot_be_read_says_why_and_leaves_nothing(self, client, admin):
        answer = client.post("/api/v1/bills", params={"later": True}, content=b"a,b\n1,2\n", headers=admin)
        job = ended(client, admin, answer)
        assert job["state"] == "failed" and "No format that we know" in job["problem"]

    def test_a_price_list_is_entered_by_a_worker(self, client, admin):
        answer = client.post(
            "/api/v1/prices/import", params={"apply": True, "later": True}, content=PRICES.read_bytes(), headers=admin
        )
        job = ended(client, admin, answer)
        assert job["state"] == "done" and "30" in job["note"]
        with db.transaction() as session:
            assert len(session.scalars(select(Price.id)).all()) == 30


class TestWorkInTheBackground:
    @pytest.mark.usefixtures("morning")
    def test_rollups_are_made_again_hour_by_hour(self, client, admin, told):
        asked = {"from": rfc3339(books.SEVEN), "to": rfc3339(books.NINE)}
        before = client.get("/api/v1/usage", params=asked, headers=admin).json()
        job = ended(client, admin, client.post("/api/v1/rollups/rebuild", json=asked, headers=admin))
        assert (job["note"], told) == ("2 hours.", [(0, 2), (1, 2)])
        assert client.get("/api/v1/usage", params=asked, headers=admin).json() == before

    def test_half_hours_are_refused(self, client, admin):
        asked = {"from": rfc3339(books.clock("07:30")), "to": rfc3339(books.NINE)}
        assert client.post("/api/v1/rollups/rebuild", json=asked, headers=admin).status_code == 422

    def test_guards_are_replayed_scenario_by_scenario(self, client, admin, told):
        register("chat")
        job = ended(client, admin, client.post("/api/v1/guards/replay", headers=admin))
        assert job["state"] == "done" and job["note"].endswith("of 1 scenarios.") and told == [(0, 1)]

    def test_who_may_not_is_refused(self, client, make_key):
        key = {"Authorization": f"Bearer {make_key(['read'])}"}
        for path in ("rollups/rebuild", "guards/replay"):
            assert client.post(f"/api/v1/{path}", json={**DAY}, headers=key).status_code == 403
        with db.transaction() as session:
            assert not session.scalar(select(Job.id))
