"""The pages of commands: what was asked for and how far it came, in a sentence, a picture and a table; one command."""

import html
import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from tests.support.commanding import hold, issue, poll, sweep_at

from trivet import db
from trivet.command.models import Command
from trivet.console.control.commands_words import SOLID_LEAST, WIDTH, Told, of_one, sentence, tracks
from trivet.kit.clock import utc_now
from trivet.tenant.models import Tenant

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def token_of(client):
    return re.search(r'name="csrf_token" value="([^"]+)"', client.get("/").text)[1]


class TestTheSentence:
    def test_says_what_was_commanded_last_and_how_far_it_came(self):
        assert sentence(("degrade to level 2", "chat", "the ladder", "effective"), 0, silent=False) == (
            "The newest is degrade to level 2 for chat by the ladder: telemetry proves it."
        )

    def test_says_what_is_not_proven_and_that_nobody_would_hear(self):
        assert sentence(("restore", "chat", "Ole", "pending"), 2, silent=True) == (
            "The newest is restore for chat by Ole: it waits for its proof. 2 commands are not proven yet."
            " No backend has asked in the last minute, so a command would reach nobody yet."
        )
        assert sentence(None, 0, silent=False) == "Nothing was commanded in this time."

    def test_of_one_says_who_does_not_hold_it(self):
        assert of_one("restore", "chat", "Ole", "pending", 1) == (
            "Restore for chat, by Ole: it waits for its proof. 1 backend in sight does not hold it."
        )


class TestThePicture:
    def test_is_hollow_until_a_command_was_observed_and_solid_from_then_on(self):
        given = NOW - timedelta(seconds=30)
        seen = Told(2, "degrade · chat", "observed", given, given + timedelta(seconds=6), None)
        open_ = Told(1, "restore · chat", "pending", given, None, None)
        first, second = tracks([seen, open_], NOW)
        assert first.hollow + first.solid == WIDTH
        assert first.hollow == pytest.approx((WIDTH - SOLID_LEAST) / 10, abs=0.05)
        assert (second.hollow, second.solid) == (WIDTH / 2, 0)
        assert first.says == "degrade · chat: held after 6.0 s, observed"

    def test_ends_in_a_solid_piece_where_a_command_was_held_after_all_however_long_it_took(self):
        given = NOW - timedelta(hours=3)
        (drawn,) = tracks([Told(1, "activate · chat", "effective", given, given + timedelta(minutes=4), None)], NOW)
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


class TestThePages:
    def test_page_file_and_api_list_the_same_and_filters_narrow_all_three(self, scenario, sign_in, make_key):
        now, client = utc_now(), sign_in("sre")
        first, second = issue(now, level=2), issue(now, kind="restore")
        page = client.get("/commands").text
        assert "degrade to level 2" in page and "too slow" in page
        assert "/scenarios/support-chat/command?kind=degrade" in page
        headers = {"Authorization": f"Bearer {make_key(['read'])}"}
        for asked, ids in (("", [second, first]), ("?kind=degrade", [first]), ("?status=expired", [])):
            lines = client.get(f"/commands.csv{asked}").text.splitlines()[1:]
            assert [int(line.split(",")[0]) for line in lines] == ids
            told = client.get(f"/api/v1/commands{asked}", headers=headers).json()["items"]
            assert [each["id"] for each in told] == ids
            shown = re.findall(r'id="command-(\d+)"', client.get(f"/commands{asked}").text)
            assert [int(each) for each in shown] == ids
        assert client.get("/commands?kind=nonsense&cursor=nonsense&range=nonsense").status_code == 200

    def test_one_shows_who_holds_it_and_what_came_after(self, scenario, sign_in):
        now, client = utc_now(), sign_in("sre")
        hold(now, "gw-1")
        first = issue(now, level=2)
        page = client.get(f"/commands/{first}").text
        assert "0 of 1" in page and "Nothing: it is the newest." in page and f"/proofs/{first}" in page
        assert re.search(r"<td>level</td><td[^>]*>0</td><td[^>]*>2</td>", page)
        poll(now, "gw-1", poll(now, "gw-1"))
        sweep_at(now)
        after = issue(now, kind="restore")
        page = client.get(f"/commands/{first}").text
        assert "1 of 1" in page and f'id="command-{after}"' in page
        assert client.get("/commands/99").status_code == 404

    def test_who_may_only_look_finds_no_buttons(self, scenario, sign_in):
        assert "/command?kind=" not in sign_in("viewer").get("/commands").text
