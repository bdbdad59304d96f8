"""The pages of proofs: a verdict in a sentence with its interval, the sheet, and page = API = file."""

from datetime import timedelta

import pytest
from tests.support.calls import call, ingest
from tests.support.commanding import issue

from trivet import db
from trivet.command.models import Command
from trivet.console.evidence.proofs_words import row, sentence
from trivet.evidence.chance import Band
from trivet.evidence.proof import Effect
from trivet.evidence.proof_read import Proof
from trivet.evidence.proof_terms import NOT_HELD, Terms
from trivet.kit.clock import floor, utc_now

ENOUGH = (200, 180, 20, 18, 30, 1.0)


def proof(*effects, missing=""):
    return Proof(7, Terms(0, 2, 1, 1, missing=missing), "USD", 2, effects)


def effect(measure, leg, sides, bounds, change=None):
    before, after = sides
    return Effect(measure, leg, *ENOUGH, before, after, after - before, *bounds, change)


COST = effect("cost_per_request", "cost", (0.01, 0.0069), (-0.0035, -0.0027), Band(-0.31, -0.35, -0.27))
SLOW = effect("p95_latency_ms", "latency", (2_400.0, 1_500.0), (-1_100.0, -700.0))
QUALITY = effect("quality", "quality", (0.94, 0.92), (-0.05, 0.01))
ERRORS = effect("error_rate", "quality", (0.01, 0.01), (-0.01, 0.01))
UNKNOWN = Effect("quality", "quality", 12, 3, 2, 1, 30)


class TestTheSentence:
    def test_says_what_moved_by_how_much_with_the_interval_and_what_cannot_be_told_apart(self):
        assert sentence("degrade to level 2", "chat", proof(QUALITY, ERRORS, SLOW, COST)) == (
            "Degrade to level 2 for chat: cost per request fell by 31 % (27 % to 35 %);"
            " P95 latency fell by 900 ms (700 ms to 1.10 s);"
            " quality is not told apart from before (−0.050 to +0.010)."
        )

    def test_says_why_where_there_is_none(self):
        assert sentence("restore", "chat", proof(missing=NOT_HELD)) == (
            "Restore for chat is not proven: no backend was seen to hold it yet."
        )
        few = [
            Effect(name, "cost", 1, 1, 1, 1, 30)
            for name in ("quality", "error_rate", "p95_latency_ms", "cost_per_request")
        ]
        assert sentence("restore", "chat", proof(*few)) == (
            "Restore for chat: too little was measured on one side or both to tell."
        )

    def test_errors_are_said_where_they_moved(self):
        worse = effect("error_rate", "quality", (0.01, 0.09), (0.05, 0.11))
        assert sentence("break", "chat", proof(QUALITY, worse, SLOW, COST)).endswith(
            "error rate rose by 8.0 % (5.0 % to 11 %)."
        )


class TestARow:
    def test_is_exact_and_says_what_it_rests_on(self):
        told = row(SLOW, "USD")
        assert (told.before, told.after, told.difference) == ("2.40 s", "1.50 s", "−900 ms")
        assert (told.interval, told.exact, told.said) == ("−1.10 s to −700 ms", "-900.0", "fell")
        assert told.rests == "200 before, 180 after"

    def test_says_what_is_needed_where_it_is_not_enough(self):
        told = row(UNKNOWN, "USD")
        assert told.rests == "12 before and 3 after; 30 in 5 buckets are needed on either side"
        assert (told.before, told.interval, told.said) == ("–", "", "not enough")


class TestThePages:
    @pytest.fixture
    def degraded(self, scenario, database):
        now = floor(utc_now(), 10)
        id_ = issue(now - timedelta(minutes=4))
        with db.transaction() as session:
            session.get(Command, id_).effective_at = now - timedelta(minutes=4)
        plain = {"scenario": scenario, "revision": 1}
        before = [call(now - timedelta(minutes=4, seconds=s), seconds=2, **plain) for s in range(1, 120)]
        after = [call(now - timedelta(seconds=s), seconds=1, level=1, **plain) for s in range(30, 150)]
        ingest(*before, *after, now=now)
        return id_

    def test_the_sheet_shows_both_sides_and_the_file_and_the_api_have_its_numbers(self, degraded, sign_in, make_key):
        client = sign_in("sre")
        listed = client.get("/proofs").text
        assert f"/proofs/{degraded}" in listed and "1 of the 1 newest commands can be told" in listed
        page = client.get(f"/proofs/{degraded}").text
        assert "level 0, card revision 1" in page and "level 1, card revision 1" in page and "glyph__before" in page
        headers = {"Authorization": f"Bearer {make_key(['read'])}"}
        told = client.get(f"/api/v1/commands/{degraded}/proof", headers=headers).json()["effects"]
        p50 = next(each for each in told if each["measure"] == "p50_latency_ms")
        assert p50["verdict"] == "fell" and f'<data value="{p50["difference"]}">' in page
        for address in (f"/proofs/{degraded}.csv", "/proofs.csv"):
            lines = [line.split(",") for line in client.get(address).text.splitlines()]
            line = next(dict(zip(lines[0], each, strict=True)) for each in lines if each[5] == "p50_latency_ms")
            assert (float(line["difference"]), float(line["low"])) == (p50["difference"], p50["low"])

    def test_one_that_nobody_holds_says_so_and_one_that_never_was_is_not_found(self, scenario, sign_in):
        client, id_ = sign_in("viewer"), issue(utc_now())
        assert "no backend was seen to hold it yet" in client.get(f"/proofs/{id_}").text
        assert client.get("/proofs/999").status_code == 404 and client.get("/proofs/999.csv").status_code == 404
        assert "none was given" in client.get("/proofs?scenario=nobody").text
