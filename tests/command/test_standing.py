"""The same command asked for again changes nothing while it holds; a preview says how backends would learn of it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from tests.support.commanding import hold

from trivet import db
from trivet.command.learning import sentence, way
from trivet.command.models import Command
from trivet.identity.models import Audit
from trivet.kit.clock import utc_now

DEGRADE = {"kind": "degrade", "scenario": "chat", "level": 2, "reason": "slow"}


@pytest.fixture
def give(chat, client, admin):
    return lambda **more: client.post("/api/v1/commands", json=DEGRADE | more, headers=admin)


class TestTheSameCommandAgain:
    def test_is_answered_with_the_one_that_stands(self, give):
        first, again = give(), give(reason="still slow")
        assert (first.status_code, again.status_code) == (201, 200)
        assert again.json() == first.json()

    def test_by_fifty_at_once_is_one_command_and_one_line_of_audit(self, give):
        with ThreadPoolExecutor(8) as pool:
            ids = {answer.json()["id"] for answer in pool.map(lambda _: give(), range(50))}
        assert len(ids) == 1
        with db.transaction() as session:
            assert session.scalar(select(func.count()).select_from(Command)) == 1
            entries = select(func.count()).where(Audit.action == "command.degrade")
            assert session.scalar(entries) == 1

    @pytest.mark.parametrize(
        "more", [{"level": 1}, {"expires_in_s": 60}, {"message": "busy"}, {"kind": "restore", "level": None}]
    )
    def test_is_a_new_one_where_anything_differs(self, give, more):
        give()
        assert give(**more).status_code == 201

    def test_is_a_new_one_where_another_came_between(self, give):
        give()
        give(level=1)
        assert give().json()["generation"] == 3

    def test_needs_a_reason_all_the_same(self, give):
        give()
        assert give(reason=" ").status_code == 422


class TestAPreview:
    def test_says_how_each_backend_would_learn_and_what_it_touches(self, chat, client, admin):
        hold(utc_now(), "gw-1")
        said = client.post("/api/v1/commands/preview", json=DEGRADE, headers=admin).json()
        assert said["learn"] == {"gw-1": "polls"}
        assert said["overrides"] == []
        assert said["last_hour"] == {"requests": 0, "share_of_requests": 0.0}


class TestHowABackendLearns:
    def test_by_what_was_seen_of_it(self):
        now = utc_now()
        ago = {"polled_at": now - timedelta(seconds=3), "listening_at": None, "told": False, "seen_s": 60}
        assert way(now, **ago) == "polls"
        assert way(now, **ago | {"listening_at": now - timedelta(seconds=30)}) == "listens"
        assert way(now, **ago | {"listening_at": now - timedelta(seconds=90)}) == "polls"
        assert way(now, **ago | {"told": True}) == "webhook"
        assert way(now, **ago | {"polled_at": now - timedelta(seconds=61)}) == "silent"

    def test_in_one_sentence(self):
        ways = {"b": "polls", "a": "listens", "c": "polls", "d": "webhook"}
        assert sentence(ways) == "a at once; d by a signed message; b, c at its next poll"
