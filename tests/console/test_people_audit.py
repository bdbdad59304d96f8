"""The audit page: each change with what it changed, filters in the address, and a chain that names the row that does not fit."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from sqlalchemy import text
from tests.console.conftest import csrf_token

from trivet import db
from trivet.console.people import audit_read, people_words
from trivet.console.people.people_views import Difference
from trivet.identity import audit
from trivet.identity.chain import Standing

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def record(*subjects, **more):
    with db.transaction() as session:
        for subject in subjects:
            audit.record(session, actor=more.get("actor", "ada"), action="card.change", subject=subject, before=more.get("before"), after=more.get("after"), reason=more.get("reason"))  # fmt: skip


def verify(client, **form):
    return client.post("/audit/verify", data={"csrf_token": csrf_token(), **form})


class TestThePage:
    def test_shows_who_did_what_and_what_was_before(self, sign_in):
        record("card:chat", before={"level": 1, "name": "a"}, after={"level": 2, "name": "a"}, reason="too slow")
        page = sign_in("sre").get("/audit").text
        assert "card:chat" in page and "too slow" in page
        assert "<del><bdi>1</bdi></del> <ins><bdi>2</bdi></ins>" in page

    def test_is_narrowed_by_who_and_what_and_says_the_same_in_its_file(self, sign_in):
        record("card:chat", actor="ada")
        record("card:mail", actor="bob")
        client = sign_in("finance")
        page, file = client.get("/audit?actor=bob").text, client.get("/audit.csv?actor=bob").text
        assert "card:mail" in page and "card:chat" not in page
        assert "card:mail" in file and "card:chat" not in file
        assert "Nothing like that was changed" in client.get("/audit?subject=card:none").text

    def test_has_pages(self, sign_in, monkeypatch):
        monkeypatch.setattr(audit_read, "SHOWN", 2)
        record("card:a", "card:b", "card:c")
        client = sign_in("admin")
        first = client.get("/audit?action=card.change").text
        assert "card:c" in first and "card:a" not in first and "there are older ones" in first
        older = unescape(re.search(r'href="(/audit[^"]*cursor=[^"]+)"', first)[1])
        assert "card:a" in client.get(older).text and "card:c" not in client.get(older).text

    @pytest.mark.parametrize("role", ["product_owner", "viewer"])
    def test_is_for_admin_sre_and_finance(self, sign_in, role):
        assert sign_in(role).get("/audit").status_code == 403

    def test_writes_names_as_names(self, sign_in):
        record('"><img src=x onerror=alert(1)>', after={"<b>": "{{7*7}}"})
        page = sign_in("admin").get("/audit").text
        assert "<img src=x" not in page and "<b>" not in page and "{{7*7}}" in page


class TestTheChain:
    def test_verified_says_how_many_rows_and_since_when(self, sign_in):
        record("card:a", "card:b")
        client = sign_in("admin")
        page = verify(client).text
        assert "All 4 rows are verified, since" in page and "none was changed behind the log&#39;s back" in page

    def test_with_a_row_changed_by_a_superuser_names_that_row(self, sign_in):
        record("card:a", "card:b", "card:c")
        client = sign_in("admin")
        with db.transaction() as session:
            session.execute(text("SET LOCAL session_replication_role = replica"))
            session.execute(text("UPDATE audit SET actor = 'nobody' WHERE subject = 'card:b'"))
        page = verify(client).text
        assert "Row 2 does not fit the chain" in page and "Before it, 1 fit" in page
        assert 'id="row-2" class="audit__broken"' in page
        assert "Row 2 does not fit" in verify(client, again="true").text

    def test_is_verified_by_an_admin(self, sign_in):
        client = sign_in("sre")
        assert verify(client).status_code == 403
        assert "Verify further" not in client.get("/audit").text


class TestWords:
    def test_of_a_chain(self):
        def said(rows, verified, broken=None):
            since = NOON if rows else None
            return people_words.chain(Standing(rows, verified, since, NOON, NOON, None, broken), UTC)

        assert said(0, 0).startswith("Nothing was changed yet")
        assert (
            said(12_000, 10_000)
            == "10,000 of 12,000 rows are verified, since 2026-11-21 12:00; 2,000 are still to be looked at."
        )
        assert said(5, 5) == "All 5 rows are verified, since 2026-11-21 12:00: none was changed behind the log's back."
        assert said(5, 3, 4).startswith("Row 4 does not fit the chain")

    def test_of_a_difference(self):
        found = audit_read.differences(
            {"a": 1, "b": {"c": "x", "d": None}, "e": 1}, {"b": {"c": "y"}, "e": 1, "f": [1]}
        )
        assert found == [
            Difference("a", "1", ""), Difference("b.c", "x", "y"), Difference("f", "", "[1]"),
        ]  # fmt: skip
        assert audit_read.differences(None, None) == []
        assert len(audit_read.differences(None, {"a": "x" * 1000})[0].after) == audit_read.VALUE_LENGTH_MAX + 1

    def test_of_bars(self):
        from trivet.console.address import Times, settle
        from trivet.console.views import Reader

        reader = Reader("A", "a@b.c", "sre", "t", UTC, NOON, "http://x")
        address = settle("/audit", Times(), NOON, UTC, default="24h")
        drawn = audit_read.bars({0: 1, 47: 4}, address, reader)
        assert [(bar.x, bar.height) for bar in drawn] == [("0.000", "25.00"), ("97.917", "100.00")]
        assert "range=between" in drawn[0].url
        assert audit_read.picture(drawn).startswith("Changes over time; the most: 4 changes from")
        assert timedelta(minutes=30) * audit_read.BARS == timedelta(days=1)
