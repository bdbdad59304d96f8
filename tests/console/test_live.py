"""Pages are told when to look: one question a second for all of them, one short word each, and no stream without an end."""

import asyncio
import re

import pytest
from sqlalchemy import text

from trivet import db
from trivet.command import service as commands
from trivet.console.live import events, markers, watch
from trivet.console.live.watch import Listener
from trivet.kit.clock import utc_now
from trivet.settings import get_settings

QUICK_S = 0.02


def token_of(client):
    return re.search(r'name="csrf_token" value="([^"]+)"', client.get("/").text)[1]


def degrade(level=1):
    with db.transaction() as session:
        id_ = session.execute(text("SELECT id FROM scenario")).scalar()
        commands.issue(
            session, kind="degrade", scenario_id=id_, level=level, reason="slow", actor="test", now=utc_now()
        )


class Page:
    """What a browser is to a stream: it takes what is sent and goes when it wants."""

    def __init__(self, listener, told=None):
        assert events._enter(listener.session) is None
        self.sent, self.left = asyncio.Queue(), asyncio.Event()
        self.stream = events.Stream(listener, told)
        self.task = asyncio.create_task(self.stream({}, self._receive, self._send))

    async def _receive(self):
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message):
        await self.sent.put(message.get("body", b"").decode())

    async def looks(self):
        """The next word: its id, and the topics that moved."""
        while True:
            said = await asyncio.wait_for(self.sent.get(), 5)
            if "event:look" in said:
                id_, _, data = said.strip().split("\n")
                return id_.removeprefix("id:"), data.removeprefix("data:").split()

    async def leave(self):
        self.left.set()
        await asyncio.wait_for(self.task, 5)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(watch, "LOOK_S", QUICK_S)
    monkeypatch.setattr(watch, "ALIVE_S", 0.0)


@pytest.fixture
def session_of(sign_in):
    """What a signed-in person's session is known by."""
    return token_of(sign_in("sre"))


class TestMarkers:
    def test_a_command_moves_policy_and_nothing_else(self, scenario):
        with db.transaction() as session:
            before = markers.read(session, markers.TOPICS)
        degrade()
        with db.transaction() as session:
            after = markers.read(session, markers.TOPICS)
        assert {topic for topic in before if before[topic] != after[topic]} == {"policy"}

    def test_only_the_topics_that_somebody_asked_for_are_read(self, database):
        with db.transaction() as session:
            assert set(markers.read(session, {"usage", "nothing of ours"})) == {"usage"}
            assert markers.read(session, ()) == {}


class TestAListener:
    def test_is_told_once_of_what_moved_in_its_topics(self):
        page = Listener(frozenset({"policy", "usage"}), "")
        page.see({"policy": "1", "usage": "1", "drills": "1"})
        page.take()
        page.see({"policy": "2", "usage": "1", "drills": "2"})
        page.see({"policy": "3", "usage": "1", "drills": "3"})
        assert page.take() == ("policy",)
        assert page.take() == ()


class TestAStream:
    def test_says_look_when_a_command_is_given_and_names_the_topic(self, scenario, session_of, quick):
        async def story():
            page = Page(Listener(frozenset({"policy", "breaches"}), session_of))
            assert (await page.looks())[1] == ["policy", "breaches"]
            await asyncio.to_thread(degrade)
            assert (await page.looks())[1] == ["policy"]
            await page.leave()

        asyncio.run(story())

    def test_who_comes_back_with_what_it_was_told_hears_only_of_what_moved_since(self, scenario, session_of, quick):
        async def story():
            page = Page(Listener(frozenset({"policy"}), session_of))
            known, _ = await page.looks()
            await page.leave()
            again = Page(Listener(frozenset({"policy"}), session_of), known)
            await asyncio.to_thread(degrade)
            id_, moved = await again.looks()
            assert id_ != known and moved == ["policy"]
            assert again.sent.empty()
            await again.leave()

        asyncio.run(story())

    def test_twenty_listeners_are_one_question_and_without_any_there_is_none(self, session_of, quick):
        async def story():
            listeners = [Listener(frozenset({"policy"}), session_of) for _ in range(20)]
            here = watch.here()
            for each in listeners:
                here.join(each)
            while here.looks < 3:  # noqa: ASYNC110  # looks are counted and wake nobody
                await asyncio.sleep(QUICK_S)
            assert all(each.known for each in listeners)
            assert len([t for t in asyncio.all_tasks() if t.get_name() == "trivet-console-live"]) == 1
            for each in listeners:
                here.leave(each)
            await asyncio.wait_for(here._task, 5)
            assert here.looks <= 5

        asyncio.run(story())

    def test_ends_when_its_session_has_ended(self, sign_in, quick):
        client = sign_in("sre")
        mine = token_of(client)

        async def story():
            page = Page(Listener(frozenset({"policy"}), mine))
            await page.looks()
            with db.transaction() as session:
                session.execute(text("UPDATE web_session SET expires_at = now() - interval '1 second'"))
            await asyncio.wait_for(page.task, 5)

        asyncio.run(story())

    def test_ends_when_its_life_is_over_and_then_its_place_is_free(self, session_of, quick, monkeypatch):
        monkeypatch.setattr(events, "LIFE_S", 0.05)
        monkeypatch.setattr(events, "HEARTBEAT_S", QUICK_S)

        async def story():
            await asyncio.wait_for(Page(Listener(frozenset({"policy"}), session_of)).task, 5)

        asyncio.run(story())
        assert session_of not in events._open

    def test_past_the_limit_of_a_session_the_next_page_is_refused_by_name_and_told_when_to_ask_again(
        self, sign_in, monkeypatch
    ):
        client = sign_in("sre")
        mine = token_of(client)
        monkeypatch.setitem(events._open, mine, events.PER_SESSION_MAX)
        answer = client.get("/live-events?topics=policy")
        assert answer.status_code == 429
        assert "4 such pages" in answer.text
        assert int(answer.headers["retry-after"]) >= 20

    def test_past_the_limit_of_the_process_it_is_refused_by_name(self, monkeypatch):
        monkeypatch.setenv("TRIVET_LIVE_STREAMS_LIMIT", "0")
        get_settings.cache_clear()

        async def enter():
            return events._enter("somebody")

        assert asyncio.run(enter()) == "too_many_live_streams"
        get_settings.cache_clear()

    def test_who_is_not_signed_in_gets_no_stream(self, client, database):
        answer = client.get("/live-events", headers={"hx-request": "true"}, follow_redirects=False)
        assert answer.status_code == 401
