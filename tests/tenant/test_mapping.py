"""Finance maps many tenants with one file: it is shown first, and taken whole or not at all."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from trivet import db
from trivet.identity.models import Audit
from trivet.kit.errors import Invalid
from trivet.tenant import mapping
from trivet.tenant.models import Tenant, TenantCostCentre


def upload(client, admin, *lines, preview=False, heading="tenant,cost_centre,effective_from"):
    headers = admin | {"Content-Type": "text/csv"}
    body = "\n".join([heading, *lines]).encode()
    return client.post("/api/v1/tenants/mapping", params={"preview": preview}, headers=headers, content=body)


@pytest.fixture
def centres(client, admin):
    for name in ("CC-1", "CC-2"):
        client.post("/api/v1/cost-centres", headers=admin, json={"name": name})


def mapped():
    with db.transaction() as session:
        return session.scalar(select(func.count()).select_from(TenantCostCentre))


@pytest.mark.usefixtures("centres")
class TestUploading:
    def test_each_row_is_mapped_as_one_would_be(self, client, admin):
        answer = upload(
            client, admin, "bolt,CC-2,", "acme,CC-1,2026-11-01", '"Crow, Inc.",CC-1,2026-11-01T08:00:00+01:00'
        )
        assert answer.status_code == 200
        found = [(i["row"], i["tenant"], i["cost_centre"], i["effective_from"]) for i in answer.json()["items"]]
        assert found == [
            (2, "bolt", "CC-2", "1970-01-01T00:00:00Z"),
            (3, "acme", "CC-1", "2026-11-01T00:00:00Z"),
            (4, "Crow, Inc.", "CC-1", "2026-11-01T07:00:00Z"),
        ]
        listed = client.get("/api/v1/tenants", headers=admin).json()["items"]
        assert {item["name"]: item["cost_centre"] for item in listed} == {
            "acme": "CC-1", "bolt": "CC-2", "Crow, Inc.": "CC-1",
        }  # fmt: skip
        with db.transaction() as session:
            assert session.scalar(select(func.count()).where(Audit.action == "tenant.register")) == 3

    def test_a_preview_says_what_would_be_and_changes_nothing(self, client, admin):
        upload(client, admin, "acme,CC-1,2026-10-01")
        shown = upload(client, admin, "acme,CC-2,2026-11-01", "bolt,CC-2,", preview=True).json()
        assert shown["preview"] is True
        assert [(i["tenant"], i["known"], i["before"], i["cost_centre"]) for i in shown["items"]] == [
            ("acme", True, "CC-1", "CC-2"),
            ("bolt", False, None, "CC-2"),
        ]
        assert mapped() == 1
        with db.transaction() as session:
            assert list(session.scalars(select(Tenant.name))) == ["acme"]

    def test_one_bad_row_leaves_all_of_them_out_and_each_is_named(self, client, admin):
        upload(client, admin, "acme,CC-1,2026-11-01")
        refused = upload(client, admin, "bolt,CC-1,", "acme,CC-2,2026-11-01")
        assert refused.status_code == 422
        assert refused.json()["type"] == "urn:trivet:problem:bad-rows"
        (error,) = refused.json()["errors"]
        assert error["field"] == "row 3"
        assert "later effective_from" in error["detail"]
        assert mapped() == 1

    def test_a_cost_centre_that_is_not_there_is_a_typo(self, client, admin):
        refused = upload(client, admin, "acme,CC-1,", "bolt,CC-l,", "crow,CC-9,")
        assert [error["field"] for error in refused.json()["errors"]] == ["row 3", "row 4"]
        assert "There is no cost centre CC-l" in refused.json()["detail"]
        assert mapped() == 0

    def test_the_same_file_twice_changes_nothing_where_it_says_no_time(self, client, admin):
        for _ in range(2):
            assert upload(client, admin, "acme,CC-1", heading="tenant,cost_centre").status_code == 200
        assert mapped() == 1

    def test_it_is_for_finance(self, client, make_key):
        assert upload(client, {"Authorization": f"Bearer {make_key(['read'])}"}, "acme,CC-1,").status_code == 403

    def test_a_file_that_is_not_utf8_is_refused(self, client, admin):
        headers = admin | {"Content-Type": "text/csv"}
        answer = client.post("/api/v1/tenants/mapping", headers=headers, content=b"tenant,cost_centre\n\xff,CC-1")
        assert answer.status_code == 422


class TestReading:
    def test_rows_keep_the_number_an_editor_shows(self):
        rows = mapping.parse("\ufefftenant,cost_centre,effective_from\n\nacme , CC-1,\n")
        assert rows == [mapping.Row(3, "acme", "CC-1", None)]
        assert mapping.parse("tenant,cost_centre,effective_from\na,b,2026-11-01")[0].effective_from == datetime(
            2026, 11, 1, tzinfo=UTC
        )

    @pytest.mark.parametrize(
        ("line", "says"),
        [
            ("acme", "has 1 columns"),
            ("acme,CC-1,,x", "has 4 columns"),
            (",CC-1,", "tenant is a text"),
            ("acme,,", "cost_centre is a text"),
            ("a\0b,CC-1,", "tenant is a text"),
            ("acme,CC-1,2026-11-01T07:30:00Z", "a whole hour"),
            ("acme,CC-1,2026-11-01T07:00:00", "a whole hour"),
            ("acme,CC-1,soon", "a whole hour"),
            ("acme,CC-1,1999-01-01", "a whole hour"),
        ],
    )
    def test_each_wrong_row_is_told(self, line, says):
        with pytest.raises(mapping.BadRows, match=says) as refused:
            mapping.parse(f"tenant,cost_centre,effective_from\nfine,CC-1,\n{line}")
        assert refused.value.errors[0][0] == "row 3"

    def test_a_tenant_twice_from_the_same_time_is_told_with_both_rows(self):
        with pytest.raises(mapping.BadRows, match="Row 4 maps acme again: row 2 does"):
            mapping.parse("tenant,cost_centre\nacme,CC-1\nbolt,CC-1\nacme,CC-2")

    @pytest.mark.parametrize("text", ["", "name,centre\na,b", "tenant,cost_centre\n", "tenant,cost_centre\n,\n"])
    def test_a_file_without_its_heading_or_without_rows_is_refused(self, text):
        with pytest.raises(Invalid):
            mapping.parse(text)

    def test_a_file_has_a_limit(self):
        with pytest.raises(Invalid, match="at most 2,000"):
            mapping.parse("tenant,cost_centre\n" + "a,b\n" * 2_001)
