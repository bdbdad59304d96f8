"""The same command asked for again changes nothing while it holds; a preview says how backends would learn of it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update
from tests.support.commanding import hold, issue
from tests.support.governed import short_card

from trivet import db
from trivet.card import service as cards
from trivet.command.learning import sentence, way
from trivet.command.models import Command
from trivet.command.standing import AGAIN_S
from trivet.identity.auth import person
from trivet.identity.models import Audit
from trivet.kit.clock import utc_now

DEGRADE = {"kind": "degrade", "scenario": "chat", "level": 2, "reason": "slow"}


def approved(number):
    """Revision `number` of chat, ready to be activated."""
    pat, ole = person("pat@example.com", "product_owner"), person("ole@example.com", "sre")
    with db.transaction() as session:
        made = cards.draft(session, scenario="chat", body=short_card(), actor=pat.actor, now=utc_now()).number
        cards.submit(session, scenario="chat", number=made, actor=pat.actor, now=utc_now())
        for who in (pat, ole):
            cards.approve(session, scenario="chat", number=made, side=None, principal=who)
    assert made == number


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

    def test_with_its_time_limit_is_the_same_for_a_minute_as_one_is_whose_answer_was_lost(self, give):
        first = give(expires_in_s=900)
        assert give(expires_in_s=900).json() == first.json()
        with db.transaction() as session:
            session.execute(update(Command).values(created_at=Command.created_at - timedelta(seconds=AGAIN_S + 1)))
            session.execute(update(Command).values(expires_at=Command.created_at + timedelta(seconds=900)))
        assert give(expires_in_s=900).status_code == 201, "later it means: from now on"

    def test_of_a_rollback_goes_no_further_back_within_a_minute(self, chat, client, admin, give):
        for number in (2, 3):
            approved(number)
            issue(utc_now(), "activate", revision=number)
        back = {"kind": "rollback", "level": None}
        assert [give(**back).status_code for _ in range(3)] == [201, 200, 200]
        card = client.post("/api/v1/cards/chat/rollback", json={"reason": "slow"}, headers=admin)
        assert card.json()["revision"] == 2
        with db.transaction() as session:
            assert cards.active(session, [chat])[chat].number == 2

    def test_needs_a_reason_all_the_same(self, give):
        give()
        assert give(reason=" ").status_code == 422


class TestAPreview:
    def test_says_how_each_backend_would_learn_and_what_it_touches(self, chat, client, admin):
        hold(utc_now(), "gw-1")
        said = client.post("/api/v1/commands/preview", json=DEGRADE, headers=admin).json()
        assert said["learn"] == {"gw-1": "polls"}
        assert said["overrides"] == []
        assert said["last_hour"] == {"requests": 0, "share_of_requests": 0.0, "cost": []}


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
