"""End users whom spans name: counters and no dimension, of each tenant only so many."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import text
from tests.support.books import price
from tests.support.calls import call, ingest
from tests.support.spans import request_in

from trivet import db
from trivet.ingest.request.identity import end_user_of
from trivet.ingest.store import users
from trivet.settings import get_settings

NOW = datetime(2026, 11, 21, 8, 7, tzinfo=UTC)
CALL = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"}


def rows(query):
    with db.transaction() as session:
        return [tuple(row) for row in session.execute(text(query))]


def counted():
    """(user, requests, tokens, unpriced, cost) of what ingest left, summed."""
    return rows("""
        SELECT coalesce(u.name, ''), sum(requests), sum(tokens), sum(unpriced), sum(cost)
        FROM spend_delta d LEFT JOIN end_user u ON u.id = d.end_user_id GROUP BY 1 ORDER BY 1
    """)


class TestWhoIsNamed:
    @pytest.mark.parametrize(
        "key", ["trivet.end_user", "enduser.id", "user.id", "langfuse.user.id", "gen_ai.user", "llm.user"]
    )
    def test_by_any_of_the_names_it_goes_by(self, key):
        assert request_in(CALL | {key: "anna"}).end_user == "anna"

    def test_our_own_name_counts_before_others_and_most_spans_name_nobody(self):
        assert request_in(CALL | {"user.id": "b", "trivet.end_user": "a"}).end_user == "a"
        assert request_in(CALL).end_user == ""

    def test_names_its_tenant_too_only_where_nothing_else_does(self):
        fact = request_in(CALL | {"enduser.id": "anna", "trivet.tenant": "acme"})
        assert fact.end_user == "anna"

    def test_is_kept_as_settings_say(self):
        assert end_user_of("anna", "named", b"key") == "anna"
        assert end_user_of("anna", "off", b"key") == ""
        hashed = end_user_of("anna", "hashed", b"key")
        assert len(hashed) == 32 and hashed == end_user_of("anna", "hashed", b"key")
        assert hashed not in (end_user_of("anna", "hashed", b"other"), end_user_of("ann", "hashed", b"key"))
        assert end_user_of("anna", "hashed", b"") == ""  # a bare hash of a name could be guessed


@pytest.mark.usefixtures("database")
class TestWhatIsCounted:
    def test_is_one_row_of_each_user_quarter_and_key_in_the_transaction_of_the_requests(self):
        price("openai", "gpt-4o", input="2.50", output="10")
        ingest(
            call(NOW, input_tokens=400_000, end_user="anna"),
            call(NOW, input_tokens=400_000, output_tokens=1, end_user="anna"),
            call(NOW, input_tokens=400_000),
            now=NOW,
        )
        assert counted() == [("", 1, 400_000, 0, 1), ("anna", 2, 800_001, 0, Decimal("2.00001"))]
        assert rows("SELECT DISTINCT quarter FROM spend_delta") == [(NOW.replace(minute=0),)]
        assert rows("SELECT count(*) FROM spend_delta") == [(2,)]
        assert rows("SELECT count(end_user_id), count(*) FROM request") == [(2, 3)]

    def test_of_a_call_that_is_told_twice_is_taken_back(self):
        price("openai", "gpt-4o", input="2.50", output="10")
        outer = call(NOW, input_tokens=400_000, trace_id=b"t" * 16, response_id="r", end_user="anna")
        inner = call(
            NOW, input_tokens=400_000, trace_id=b"t" * 16, response_id="r", end_user="anna", parent_id=outer.span_id
        )
        ingest(outer, now=NOW)
        ingest(inner, now=NOW)
        assert counted() == [("anna", 1, 400_000, 0, 1)]

    def test_of_one_name_is_each_tenants_own(self):
        ingest(call(NOW, end_user="anna"), call(NOW, end_user="anna", tenant="bolt"), now=NOW)
        assert len(rows("SELECT id FROM end_user WHERE name = 'anna'")) == 2


@pytest.mark.usefixtures("database")
class TestTooMany:
    def test_are_their_tenants_user_overflow_and_are_counted(self, monkeypatch):
        monkeypatch.setenv("TRIVET_END_USERS_PER_TENANT_LIMIT", "3")
        get_settings.cache_clear()
        for start in (0, 4):  # the first batch meets the limit, the next finds it
            ingest(*(call(NOW, end_user=f"u{n}", input_tokens=1) for n in range(start, start + 4)), now=NOW)
        ingest(call(NOW, end_user="u0", input_tokens=1), call(NOW, end_user="first", tenant="bolt"), now=NOW)
        found = {user: tokens for user, _, tokens, _, _ in counted()}
        assert found == {"u0": 2, "u1": 1, "u2": 1, "overflow": 5, "first": 0}
        assert rows("SELECT reason, items FROM denial") == [("overflow_end_user", 5)]
        db.forget_rows()  # another process
        ingest(call(NOW, end_user="u1", input_tokens=1), call(NOW, end_user="u9", input_tokens=1), now=NOW)
        found = {user: tokens for user, _, tokens, _, _ in counted()}
        assert (found["u1"], found["overflow"]) == (2, 6)

    def test_a_users_id_is_remembered_only_once_it_is_committed(self, monkeypatch):
        def fails(*_):
            raise RuntimeError("the database went away")

        monkeypatch.setattr(users, "_read", fails)
        with pytest.raises(RuntimeError):
            ingest(call(NOW, end_user="anna"), now=NOW)
        monkeypatch.undo()
        ingest(call(NOW, end_user="anna", input_tokens=7), now=NOW)
        assert [row[:3] for row in counted()] == [("anna", 1, 7)]
