"""The page of commands: who holds what and how each learns, in a sentence, a picture and two tables."""

import html
import re
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from tests.support.commanding import hold, issue, poll, sweep_at

from trivet import db
from trivet.command.models import Command
from trivet.console.control.control_words import SOLID_LEAST, WIDTH, Told, sentence, tracks
from trivet.kit.clock import utc_now
from trivet.tenant.models import Tenant

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def token_of(client):
    return re.search(r'name="csrf_token" value="([^"]+)"', client.get("/").text)[1]


class TestTheSentence:
    def test_says_who_is_there_and_how_they_learn(self):
        assert sentence(["listens", "polls", "polls", "silent"], 0, 0) == (
            "3 backends in sight: 1 listens, 2 poll; all hold what they should."
        )

    def test_says_what_is_not_yet_so(self):
        assert sentence(["webhook"], 2, 1) == (
            "1 backend in sight: 1 told by webhook; 1 of them does not hold what they should and 2 commands not yet proven."
        )

    def test_says_when_nobody_would_hear(self):
        assert (
            sentence(["silent"], 1, 1)
            == "No backend has asked in the last minute, so a command would reach nobody yet."
        )


class TestThePicture:
    def test_is_hollow_until_a_command_was_observed_and_solid_from_then_on(self):
        given = NOW - timedelta(seconds=30)
        seen = Told("degrade · chat", "observed", given, given + timedelta(seconds=6), None)
        open_ = Told("restore · chat", "pending", given, None, None)
        (first, second), height = tracks([seen, open_], NOW)
        assert first.hollow + first.solid == WIDTH
        assert first.hollow == (WIDTH - SOLID_LEAST) / 10
        assert (second.hollow, second.solid) == (WIDTH / 2, 0)
        assert first.says == "degrade · chat: held after 6.0 s, observed"
        assert height > second.y

    def test_ends_in_a_solid_piece_where_a_command_was_held_after_all_however_long_it_took(self):
        given = NOW - timedelta(hours=3)
        ((drawn,), _) = tracks([Told("activate · chat", "effective", given, given + timedelta(minutes=4), None)], NOW)
        assert (drawn.hollow, drawn.solid) == (WIDTH - SOLID_LEAST, SOLID_LEAST)
        assert drawn.says == "activate · chat: held after 4 min, effective"


class TestBreakingATenant:
    def test_is_previewed_and_given_on_the_page_and_pressed_twice_is_one_command(self, scenario, sign_in):
        with db.transaction() as session:
            db.named_ids(session, Tenant, ["acme"])
        client = sign_in("sre")
        address = f"/scenarios/{scenario}/command"
        page = client.get(f"{address}?kind=break&tenant=acme").text
        assert "every request of acme in support chat is turned away" in html.unescape(page).lower()
        assert "admission: admit → reject" in page and "Nothing of the last hour" in page
        form = {
            "csrf_token": token_of(client),
            "kind": "break",
            "tenant": "acme",
            "expires_in_s": "900",
            "reason": "runaway",
        }
        given = [client.post(address, data=form, follow_redirects=False) for _ in range(2)]
        assert {answer.headers["location"] for answer in given} == {"/commands#commands"}
        with db.transaction() as session:
            (command,) = session.scalars(select(Command)).all()
        assert (command.kind, command.actor) == ("break", "sre@example.com")
        assert (command.expires_at - command.created_at).total_seconds() == 900

    def test_needs_one_that_is_known(self, scenario, sign_in):
        client = sign_in("sre")
        address = f"/scenarios/{scenario}/command"
        form = {"csrf_token": token_of(client), "kind": "break", "reason": "runaway"}
        for tenant, words in (("", "name it"), ("nobody", "nobody")):
            refused = client.post(address, data=form | {"tenant": tenant})
            assert refused.status_code == 422 and words in refused.text
            assert 'aria-invalid="true"' in refused.text


class TestThePage:
    def test_shows_backends_what_they_hold_and_the_newest_commands(self, scenario, sign_in):
        now, page_of = utc_now(), sign_in("sre")
        hold(now, "gw-1")
        issue(now, level=2)
        page = page_of.get("/commands").text
        assert "gw-1" in page and "support-chat 0 of 1" in page
        assert "degrade to level 2" in page and "too slow" in page
        assert "/scenarios/support-chat/command?kind=degrade" in page
        poll(now, "gw-1", poll(now, "gw-1"))
        sweep_at(now)
        assert "1 of 1" in page_of.get("/commands").text
