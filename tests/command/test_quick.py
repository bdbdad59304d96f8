"""Answers from memory are those that the database would give, and stop the moment something changes."""

import time

import httpx
import pytest
from sqlalchemy import select, update
from tests.support.commanding import issue, met

from trivet import db
from trivet.command import polls, quick
from trivet.command.models import BackendHolding, BackendPoll
from trivet.fleet import service as fleet
from trivet.kit.clock import utc_now

BULK = "/ofrep/v1/evaluate/flags"


@pytest.fixture
def asking(server, chat, make_key, monkeypatch):
    """`asking(body, path, etag)` -> (answer, whether it came from memory)."""
    given = []
    real = quick.answer
    monkeypatch.setattr(quick, "answer", lambda *args: given.append(real(*args)) or given[-1])
    with httpx.Client(base_url=server, headers={"Authorization": f"Bearer {make_key(['policy'])}"}) as http:

        def ask(context, path=BULK, etag=None):
            given.clear()
            headers = {"If-None-Match": etag} if etag else {}
            answer = http.post(path, json={"context": context}, headers=headers)
            return answer, any(one is not None for one in given)

        yield ask


def from_memory(ask, *args, limit_s=20.0):
    """Ask until memory answers; that answer."""
    deadline = time.monotonic() + limit_s
    while True:
        answer, remembered = ask(*args)
        if remembered:
            return answer
        assert time.monotonic() < deadline, "memory never answered"
        time.sleep(0.01)


class TestAnEvaluation:
    def test_from_memory_says_what_the_database_says(self, asking):
        issue(utc_now(), level=2)
        context = {"targetingKey": "acme", "scenario": "chat", "session": "s"}
        first, _ = asking(context)
        again = from_memory(asking, context)
        assert (again.json(), again.headers["etag"]) == (first.json(), first.headers["etag"])
        one = from_memory(asking, context, f"{BULK}/context.max_turns")
        assert (one.json()["value"], one.json()["reason"]) == (3, "TARGETING_MATCH")

    def test_after_a_command_of_this_process_is_never_the_old_one(self, asking):
        context = {"targetingKey": "acme", "scenario": "chat"}
        for level in (1, 2, 3, 1, 2, 3):
            from_memory(asking, context, f"{BULK}/degrade.level")
            issue(utc_now(), level=level)
            assert asking(context, f"{BULK}/degrade.level")[0].json()["value"] == level


class TestABackendsPoll:
    def test_with_what_it_proved_before_is_answered_from_memory_and_still_counts_as_seen(self, asking):
        met("gw-1")
        etag = asking({"backend": "gw-1"})[0].headers["etag"]
        again = from_memory(asking, {"backend": "gw-1"}, BULK, etag)
        assert again.status_code == 304
        assert again.headers["trivet-valid-until"] > utc_now().isoformat()
        with db.transaction() as session:
            session.execute(update(BackendPoll).values(polled_at=utc_now().replace(year=2020)))
        polls.memory._proven["gw-1"].asked = utc_now().replace(year=2020)  # the seconds have passed
        until(lambda: asking({"backend": "gw-1"}, BULK, etag) and seen().year > 2020)

    def test_that_would_prove_something_new_goes_to_the_database(self, asking):
        met("gw-1")
        etag = asking({"backend": "gw-1"})[0].headers["etag"]
        from_memory(asking, {"backend": "gw-1"}, BULK, etag)
        issue(utc_now())
        new = asking({"backend": "gw-1"}, BULK, etag)[0].headers["etag"]
        assert asking({"backend": "gw-1"}, BULK, new)[0].status_code == 304
        with db.transaction() as session:
            assert session.scalars(select(BackendHolding.observed_generation)).all() == [1]

    def test_after_its_list_of_scenarios_changed_gets_the_new_document(self, asking, client, admin):
        client.post("/api/v1/scenarios", json={"name": "search", "preset": "rag"}, headers=admin)
        met("gw-1")
        etag = asking({"backend": "gw-1"})[0].headers["etag"]
        from_memory(asking, {"backend": "gw-1"}, BULK, etag)
        with db.transaction() as session:
            fleet.register_backend(session, name="gw-1", scenarios=["search"], actor="test", now=utc_now())
        until(lambda: asking({"backend": "gw-1"}, BULK, etag)[0].status_code == 200)


class TestWhatIsNotAnsweredFromMemory:
    @pytest.mark.parametrize(
        ("context", "path", "status"),
        [({"scenario": 7}, BULK, 400), ({}, f"{BULK}/no.such.flag", 404), ({"backend": "new"}, BULK, 200)],
    )
    def test_refusals_and_strangers_go_on_as_before(self, asking, context, path, status):
        from_memory(asking, {"scenario": "chat"})
        answer, remembered = asking(context, path)
        assert (answer.status_code, remembered) == (status, False)


def seen():
    with db.transaction() as session:
        return session.scalars(select(BackendPoll.polled_at)).one()


def until(said, limit_s=20.0):
    deadline = time.monotonic() + limit_s
    while not said():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
