"""PostgreSQL itself keeps one tenant's key from another's rows: also where a query forgets to say whose it wants."""

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from tests.support import books
from tests.support.calls import call

from trivet import db, problems
from trivet.ingest.models import Request
from trivet.kit.clock import rfc3339
from trivet.kit.errors import NotFound
from trivet.kit.interval import Interval
from trivet.report.files import ask
from trivet.rollup import read
from trivet.tenant.models import Tenant

WHOLE = Interval(books.SEVEN, books.NINE)
# Tables that name a tenant and carry no policy, each with its reason.
OPEN_TO_ALL = {
    "budget": "terms are cached whole; `budget.reading.visible` chooses, and `tenant_id` 0 concerns everybody",
}
SHARED = "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = 'public'::regnamespace"


@pytest.fixture
def two_tenants(database):
    """Calls of acme and of bolt; their ids."""
    for tenant, tokens in (("acme", 10), ("bolt", 700)):
        books.ingest(call(books.clock("07:30"), tenant=tenant, input_tokens=tokens))
    with db.transaction() as session:
        return dict(session.execute(select(Tenant.name, Tenant.id)).all())


class TestAQueryThatForgets:
    def test_reads_the_rows_of_its_own_tenant_alone(self, two_tenants):
        def whose(session):
            return set(session.scalars(select(Request.tenant_id)))

        with db.transaction() as session:
            assert whose(session) == set(two_tenants.values())
        with db.bound_to(two_tenants["acme"]), db.transaction() as session:
            assert whose(session) == {two_tenants["acme"]}
            assert session.scalars(select(Tenant.name)).all() == ["acme"]

    def test_sums_nothing_of_others(self, two_tenants):
        def tokens(session):
            return sum(usage.input_tokens for usage in read.usage(session, WHOLE, [], {}).values())

        with db.transaction() as session:
            assert tokens(session) == 710
        with db.bound_to(two_tenants["acme"]), db.transaction() as session:
            assert tokens(session) == 10

    def test_finds_nothing_where_no_tenant_is_meant(self, two_tenants):
        with db.bound_to(0), db.transaction() as session:
            assert session.scalars(select(Request.tenant_id)).all() == []

    def test_a_file_may_still_be_read_in_one_moment(self, two_tenants):
        with db.bound_to(two_tenants["acme"]), db.transaction() as session:
            ask.one_moment(session)
            assert session.scalars(select(Tenant.name)).all() == ["acme"]

    def test_what_it_reads_ends_with_its_transaction(self, two_tenants):
        """The connection goes back to the pool as it was."""
        for _ in range(3):
            with db.bound_to(two_tenants["acme"]), db.transaction() as session:
                session.execute(select(Tenant.id))
            with db.transaction() as session:
                assert session.scalar(text("SELECT current_user")) != db.TENANT_ROLE
                assert len(session.scalars(select(Tenant.id)).all()) == 2


class TestWhatIsNobodysToRead:
    @pytest.mark.parametrize("table", ["user_account", "web_session", "audit", "channel", "message", "outbox"])
    def test_secrets_and_other_people_are_refused(self, two_tenants, table):
        with pytest.raises(DBAPIError) as refused, db.bound_to(two_tenants["acme"]), db.transaction() as session:
            session.execute(text(f"SELECT * FROM {table}"))
        assert problems.is_withheld(refused.value)

    def test_hashes_of_keys_too_and_keys_of_others(self, two_tenants, make_key):
        make_key(["read"], "acme")
        make_key(["read"], "bolt")
        with db.bound_to(two_tenants["acme"]), db.transaction() as session:
            assert session.scalars(text("SELECT tenant_id FROM api_key")).all() == [two_tenants["acme"]]
        with pytest.raises(DBAPIError, match="permission denied"), db.bound_to(1), db.transaction() as session:
            session.execute(text("SELECT key_hash FROM api_key"))

    def test_nothing_can_be_written(self, two_tenants):
        with pytest.raises(DBAPIError, match="permission denied"), db.bound_to(1), db.transaction() as session:
            session.execute(text("UPDATE tenant SET name = 'x'"))

    def test_a_partition_is_not_read_past_its_parent(self, two_tenants):
        with db.transaction() as session:
            partition = session.scalar(text("SELECT tableoid::regclass::text FROM request LIMIT 1"))
        with pytest.raises(DBAPIError, match="permission denied"), db.bound_to(1), db.transaction() as session:
            session.execute(text(f"SELECT 1 FROM {partition}"))

    def test_the_api_says_so_in_words(self, client, make_key, monkeypatch):
        from trivet.tenant import api

        monkeypatch.setattr(api, "utc_now", _forbidden)
        answer = client.get("/api/v1/cost-centres", headers={"Authorization": f"Bearer {make_key(['read'], 'acme')}"})
        assert (answer.status_code, answer.json()["detail"]) == (403, problems.WITHHELD)


def _forbidden():
    with db.transaction() as session:
        session.execute(text("SELECT * FROM user_account"))


class TestTheRequest:
    def test_of_a_bound_key_reads_under_the_policies_and_a_platform_keys_does_not(
        self, client, two_tenants, make_key, admin
    ):
        def seen(headers):
            asked = {"from": rfc3339(books.SEVEN), "to": rfc3339(books.NINE), "group_by": "tenant"}
            answer = client.get("/api/v1/usage", params=asked, headers=headers)
            return [item["tenant"] for item in answer.json()["items"]]

        assert seen({"Authorization": f"Bearer {make_key(['read'], 'acme')}"}) == ["acme"]
        assert seen(admin) == ["acme", "bolt"]


class TestThePage:
    @pytest.fixture
    def visit(self, client, monkeypatch):
        """`visit("acme", what)`: do something with a page's session, as somebody of that tenant who looks at it."""
        from trivet.console.money import costs
        from trivet.identity import service

        def go(tenant, what):
            def settle(*_):
                with db.transaction() as session:
                    what(session)
                raise NotFound("enough was seen")

            monkeypatch.setattr(costs, "settle", settle)
            email = f"{tenant}@example.com"
            with db.transaction() as session:
                service.create_user(
                    session, email=email, name="N", role="viewer", password="three legs", actor="t", tenant=tenant
                )
            client.cookies.clear()
            client.post("/sign-in", data={"email": email, "password": "three legs"})
            return client.get("/costs").status_code

        return go

    def test_of_a_person_of_one_tenant_reads_under_the_policies(self, visit, two_tenants):
        seen = []
        for tenant in ("acme", None):
            assert visit(tenant, lambda session: seen.append(set(session.scalars(select(Request.tenant_id))))) == 404
        assert seen == [{two_tenants["acme"]}, set(two_tenants.values())]

    def test_changes_nothing_by_being_looked_at(self, visit, two_tenants):
        def change(session):
            with pytest.raises(DBAPIError, match="read-only transaction"):
                session.execute(text("UPDATE tenant SET name = 'x'"))

        assert visit(None, change) == 404


class TestTheTables:
    def test_each_that_names_a_tenant_has_its_policy_or_its_reason(self, database):
        with db.transaction() as session:
            named = session.scalars(text(
                "SELECT table_name FROM information_schema.columns WHERE column_name = 'tenant_id'"
                f" AND table_name IN ({SHARED})"
            ))  # fmt: skip
            granted = set(
                session.scalars(
                    text(
                        f"SELECT relname FROM ({SHARED}) t WHERE has_table_privilege('trivet_tenant', relname::regclass, 'SELECT')"
                    )
                )
            )
            kept = set(session.scalars(text("SELECT tablename FROM pg_policies WHERE policyname = 'own_rows'")))
            assert (set(named) & granted) - kept == set(OPEN_TO_ALL)
