"""Whatever is lost, repeated, late or restarted: once a backend can ask again, it obeys the newest document."""

import random
from datetime import timedelta

import pytest
from tests.support.commanding import issue, met

from trivet import db
from trivet.command import polls
from trivet.kit.clock import utc_now
from trivet.kit.errors import TrivetError
from trivet_collectors.policy.evaluate import evaluate
from trivet_collectors.policy.poller import Poller
from trivet_collectors.policy.store import Store
from trivet_collectors.policy.transport import Changed, Failed, Unchanged

STEPS = 25
CONTEXT = {"scenario": "chat", "targetingKey": "acme", "session": "s"}


class Line:
    """The way between a backend and Trivet at a given instant: it loses answers, and delivers old ones again."""

    def __init__(self, chance):
        self.chance, self.now, self.old, self.good = chance, utc_now(), [], False

    def ask(self, etag):
        with db.transaction() as session:
            found = polls.answer(session, "gw-1", [etag] if etag else [], self.now)
        until = found.document(self.now)["valid_until"]
        said = Unchanged(until) if found.unchanged else Changed(found.document(self.now), found.etag)
        self.old.append(said)
        fate = 1.0 if self.good else self.chance.random()
        if fate < 0.25:
            return Failed("lost on the way")
        # Late: what was said to an earlier poll comes now. A 304 to another ETag is no answer to this one.
        late = [one for one in self.old if isinstance(one, Changed)]
        return self.chance.choice(late) if fate < 0.45 and late else said

    def close(self):
        pass


@pytest.mark.parametrize("seed", range(6))
def test_a_backend_ends_where_the_newest_document_is(chat, tmp_path, seed):
    chance = random.Random(seed)
    met("gw-1")
    line, path = Line(chance), tmp_path / "policy.json"
    poller, store = fresh(line, path)
    for _ in range(STEPS):
        line.now += timedelta(seconds=chance.choice([0, 1, 30, 600]))
        match chance.choice(["command", "command", "poll", "poll", "poll", "restart"]):
            case "command":
                command(chance, line.now)
            case "poll":
                poller.poll_once()
            case "restart":
                poller, store = fresh(line, path)
    line.good = True
    poller.poll_once()
    poller.poll_once()
    with db.transaction() as session:
        newest = polls.everything(session, "gw-1").document(line.now)
    held = store.held.document
    assert evaluate(held, CONTEXT, line.now) == evaluate(newest, CONTEXT, line.now)
    assert held["scenarios"] == newest["scenarios"]
    assert isinstance(poller.poll_once(), Unchanged)


def test_ten_minutes_without_trivet_end_in_what_the_card_names_and_the_newest_word_after(chat, tmp_path):
    met("gw-1")
    line = Line(random.Random(0))
    line.good = True
    poller, store = fresh(line, tmp_path / "policy.json")
    issue(line.now, level=2)
    poller.poll_once()
    _, store = fresh(line, tmp_path / "policy.json")  # it restarts while Trivet is away
    away = line.now + timedelta(minutes=10)
    before, after = away - timedelta(seconds=1), away
    assert evaluate(store.held.document, CONTEXT, before, stale=True)["degrade.level"] == 2
    assert evaluate(store.held.document, CONTEXT, after, stale=True)["degrade.level"] == 1, "the card's fallback"
    issue(after, level=3)
    line.now = after
    poller, store = fresh(line, tmp_path / "policy.json")
    poller.poll_once()
    assert evaluate(store.held.document, CONTEXT, after)["degrade.level"] == 3


def fresh(line, path):
    """The backend's process starts: it has what is on disk."""
    store = Store(path, endpoint="http://trivet", backend="gw-1")
    store.load()
    return Poller(line, store), store


def command(chance, now):
    kind = chance.choice(["degrade", "degrade", "restore"])
    more = {"level": chance.randint(1, 3), "expires_in_s": chance.choice([None, 45])} if kind == "degrade" else {}
    try:
        issue(now, kind, **more)
    except TrivetError as refused:
        raise AssertionError(f"refused: {refused.detail}") from refused
