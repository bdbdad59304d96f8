"""Bills over REST: a file as the body or in a form, who may, what comes back, and the command line."""

from decimal import Decimal
from pathlib import Path

import pytest
from tests.support.bills import LIMITS, a_company, as_csv, bring_in, entries, row, the_bill, three_days
from typer.testing import CliRunner

from trivet.bill import api
from trivet.bill.read.table import Limits
from trivet.cli import app

FILES = Path(__file__).parent.parent / "data" / "bills"


@pytest.fixture
def finance(admin):
    return admin


def send(client, headers, data=None, **given):
    body = as_csv(the_bill()) if data is None else data
    return client.post("/api/v1/bills", params=given, content=body, headers=headers | {"Content-Type": "text/csv"})


class TestImport:
    def test_a_file_as_the_body_once(self, client, finance):
        answer = send(client, finance, file_name="november.csv")
        assert answer.status_code == 201
        (bill,) = answer.json()["bills"]
        assert answer.json()["new"] and (bill["total"], bill["file_name"]) == ("8.590000000000", "november.csv")
        assert bill["sentence"].startswith(
            "OpenAI's bill of 1 to 19 November 2026 is 8.59 USD; we measured nothing of it:"
        )
        again = send(client, finance).json()
        assert (again["new"], [b["id"] for b in again["bills"]]) == (False, [bill["id"]])

    def test_a_form_with_tokens_beside_it(self, client, finance):
        kinds = {"file": "cost", "usage": "usage"}
        files = {k: (f"{k}.csv", (FILES / f"anthropic-{kind}.csv").read_bytes()) for k, kind in kinds.items()}
        answer = client.post("/api/v1/bills", files=files, headers=finance)
        assert answer.status_code == 201
        assert answer.json()["bills"][0]["file_name"] == "file.csv"
        lines = client.get(f"/api/v1/bills/{answer.json()['bills'][0]['id']}/lines", headers=finance).json()["items"]
        assert [line["file"] for line in lines] == [0] * 5 + [1] * 4
        none = client.post("/api/v1/bills", files={"other": b"x"}, headers=finance)
        assert none.status_code == 422 and none.json()["errors"][0]["field"] == "file"

    def test_somebody_s_own_columns_are_kept_by_name_and_used_again(self, client, finance):
        columns = {"date": "Day", "model": "Model", "amount": "Cost", "currency": "=USD"}
        made = client.post("/api/v1/bill-formats", json={"name": "mine", "columns": columns}, headers=finance)
        assert made.status_code == 201
        answer = send(client, finance, b"Day,Model,Cost\n2026-11-17,m,1.50\n", format="mine", provider="Solora")
        assert answer.json()["bills"][0]["total"] == "1.500000000000"
        changed = {"name": "mine", "columns": columns | {"date": "Tag"}}
        assert client.post("/api/v1/bill-formats", json=changed, headers=finance).status_code == 409
        listed = client.get("/api/v1/bill-formats", headers=finance).json()
        assert listed["own"] == [{"name": "mine", "columns": columns, "author": "key:test"}]
        assert {f["name"]: f["evidence"] for f in listed["known"]}["focus"] == "sample"

    def test_what_is_asked_wrongly_is_named(self, client, finance, monkeypatch):
        for given, field in (
            ({"format": "nope"}, "format"), ({"zone": "Mars"}, "zone"), ({"currency": "dollars"}, "currency"),
            ({"columns": "[1]", "format": "x"}, "columns"), ({"replaces": str(2**40)}, "replaces"), ({"colour": "red"}, "colour"),
        ):  # fmt: skip
            answer = send(client, finance, **given)
            assert answer.status_code == 422
            assert answer.json()["errors"][0]["field"].endswith(field)
        monkeypatch.setattr(api, "limits", lambda: Limits(100, LIMITS.rows))
        assert "at most 100 bytes" in send(client, finance).json()["detail"]

    def test_an_idempotency_key_does_it_once(self, client, finance):
        keyed = finance | {"Idempotency-Key": "bill-1"}
        first, again = send(client, keyed), send(client, keyed)
        assert again.headers["Idempotency-Replayed"] == "true" and again.json() == first.json()


def test_only_finance_imports_and_posts_and_a_tenant_s_key_sees_no_bills(client, make_key):
    bill = bring_in(as_csv(the_bill()))[0]
    for scopes in (["read"], ["ingest"], ["policy"]):
        headers = {"Authorization": f"Bearer {make_key(scopes)}"}
        assert send(client, headers).status_code == 403
        assert client.post(f"/api/v1/bills/{bill.id}/post", json={}, headers=headers).status_code == 403
        assert client.get(f"/api/v1/bills/{bill.id}", headers=headers).status_code == (200 if "read" in scopes else 403)
    headers = {"Authorization": f"Bearer {make_key(['read'], tenant='acme')}"}
    assert client.get("/api/v1/bills", headers=headers).status_code == 403
    assert send(client, headers).status_code == 403


class TestRead:
    def test_a_bill_says_its_differences_and_its_lines_by_their_state(self, client, finance):
        a_company()
        three_days()
        bill = bring_in(as_csv(the_bill()))[0]
        found = client.get(f"/api/v1/bills/{bill.id}", headers=finance).json()
        assert [found[k] for k in ("total", "measured", "difference")] == [
            "8.590000000000",
            "9.400000000000",
            "-0.810000000000",
        ]
        assert found["unknown_names"] == [{"name": "mystery", "amount": "0.330000000000"}]
        assert sum(Decimal(c["amount"]) for c in found["causes"]) == Decimal(found["difference"])
        (day,) = [d for d in found["differences"] if d["day"] == "2026-11-17" and d["model"] == "gpt-4o"]
        assert day == {
            "day": "2026-11-17", "model": "gpt-4o", "billed": "4.000000000000", "measured": "3.500000000000",
            "difference": "0.500000000000", "billed_tokens": "1300000", "measured_tokens": 1_100_000,
            "causes": [{"cause": "volume", "kind": "cache_write", "amount": "0.500000000000"}],
        }  # fmt: skip
        counted = {}
        for state in ("matched", "unknown", "unnamed"):
            items, cursor = [], ""
            while cursor is not None:
                query = f"state={state}&limit=4&cursor={cursor}" if cursor else f"state={state}&limit=4"
                page = client.get(f"/api/v1/bills/{bill.id}/lines?{query}", headers=finance).json()
                items, cursor = items + page["items"], page["next_cursor"]
            counted[state] = [item["number"] for item in items]
        assert counted == {"matched": list(range(2, 11)), "unknown": [11], "unnamed": [12, 13]}

    def test_pages_go_on_where_the_last_ended(self, client, finance):
        bring_in(as_csv([row(17, "1"), row(17, "2", BillingCurrency="EUR")]))
        first = client.get("/api/v1/bills?limit=1", headers=finance).json()
        second = client.get(f"/api/v1/bills?limit=1&cursor={first['next_cursor']}", headers=finance).json()
        assert [first["items"][0]["currency"], second["items"][0]["currency"]] == ["EUR", "USD"]
        assert second["next_cursor"] is None
        for bill_id in ("999", str(2**40), "-1"):
            for path in ("", "/lines"):
                assert client.get(f"/api/v1/bills/{bill_id}{path}", headers=finance).status_code == 404
            assert client.post(f"/api/v1/bills/{bill_id}/post", json={}, headers=finance).status_code == 404


def test_posting_answers_the_bill_and_a_name_is_told_and_listed(client, finance):
    a_company()
    three_days()
    bill = bring_in(as_csv(the_bill()))[0]
    answer = client.post(f"/api/v1/bills/{bill.id}/post", json={"spread": "use"}, headers=finance)
    assert (answer.status_code, answer.json()["state"], answer.json()["spread"]) == (200, "posted", "use")
    assert answer.json()["posted_by"] == "key:test"
    told = {"provider": "OpenAI", "name": "mystery", "model": "gpt-4o"}
    answer = client.post("/api/v1/bill-aliases", json=told, headers=finance)
    assert answer.status_code == 201
    assert (answer.json()["provider"], answer.json()["rule"]) == ("openai", None)
    listed = client.get("/api/v1/bill-aliases?provider=openai", headers=finance).json()["items"]
    assert {a["name"]: a["model"] for a in listed} == {
        "gpt-4o-2024-08-06": "gpt-4o", "gpt-4o-mini": "gpt-4o-mini", "house-secret-1": "house-secret-1", "mystery": "gpt-4o",
    }  # fmt: skip
    assert client.post("/api/v1/bill-aliases", json=told | {"pool": "p"}, headers=finance).status_code == 422


class TestCommand:
    def run(self, *arguments):
        return CliRunner().invoke(app, ["bill", "import", *map(str, arguments)])

    def test_it_imports_and_says_what_came_of_it(self, database, tmp_path):
        path = tmp_path / "november.csv"
        path.write_bytes(as_csv(the_bill()))
        done = self.run(path)
        assert done.exit_code == 0, done.output
        assert "OpenAI's bill of 1 to 19 November 2026 is 8.59 USD" in done.output
        assert self.run(path).output.startswith("imported before: ")

    def test_it_posts_where_asked(self, database, tmp_path):
        path = tmp_path / "november.csv"
        path.write_bytes(as_csv(the_bill()))
        assert "posted" in self.run(path, "--post").output
        assert entries(kind="bill")

    def test_it_says_why_not_and_ends_with_1(self, database, tmp_path):
        path = tmp_path / "what.csv"
        path.write_bytes(b"a,b\n1,2\n")
        done = self.run(path)
        assert done.exit_code == 1 and "No format that we know" in done.output
