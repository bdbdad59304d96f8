"""Pages of cards: how each stands, one card in sentences, and what its buttons do."""

import csv
import json
import re
import shlex
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import unescape
from urllib.parse import quote

import pytest
from sqlalchemy import select
from tests.support.calls import call, ingest
from tests.support.governed import register, short_card

from trivet import db
from trivet.card import service as cards
from trivet.card.models import CardRevision, CardSchedule, CardTrial
from trivet.command.models import Command
from trivet.compare.service import freeze
from trivet.console.cards import cards_words as words
from trivet.console.cards.cards_strip import draw
from trivet.identity.auth import person as principal
from trivet.kit.clock import rfc3339, utc_now
from trivet.tenant.models import Scenario

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PAT = principal("pat@example.com", "product_owner")


def sentence_of(page):
    said = re.search(r'class="sentence"[^>]*>(.*?)</h1>', page.text, re.DOTALL)[1]
    return unescape(said).replace("\N{NO-BREAK SPACE}", " ")


def token_of(page):
    return re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]


def drafted(*, submitted=True, approved=(), **changes):
    with db.transaction() as session:
        now = utc_now()
        row = cards.draft(session, scenario="chat", body=short_card(**changes), actor=PAT.actor, now=now)
        if submitted:
            cards.submit(session, scenario="chat", number=row.number, actor=PAT.actor, now=now)
        for who in approved:
            cards.approve(session, scenario="chat", number=row.number, side=None, principal=who)
        return row.number


def newest(model):
    with db.transaction() as session:
        return session.scalars(select(model).order_by(model.id.desc())).first()


@pytest.fixture
def chat(database):
    return register("chat")


class TestTheSentenceOfTheList:
    @pytest.mark.parametrize(
        ("known", "says"),
        [
            (words.Known(0), "No scenario has a card yet, so nothing says what may give way."),
            (words.Known(1), "1 scenario has a card."),
            (
                words.Known(3, 1, owed=[("support-chat", 4, "ole")], trials=[("rag", 2, 0.05)], waiting=2),
                (
                    "3 scenarios have a card, 1 has none; a review is owed of revision 4 of Support chat, which ole activated "
                    "by break-glass; revision 2 of Rag is on trial with 5 % of conversations; 2 revisions wait for approval."
                ),
            ),
            (
                words.Known(9, owed=[("a", 1, "x"), ("b", 2, "y")], waiting=1),
                (
                    "9 scenarios have a card; a review is owed of revision 1 of A, which x activated by break-glass and 1 more; "
                    "1 revision waits for approval."
                ),
            ),
        ],
    )
    def test_says_what_is_owed_tried_and_waited_for(self, known, says):
        assert words.sentence(known) == says


class TestTheSentenceOfACard:
    def test_says_what_governs_since_when_and_why(self):
        one = words.One("support-chat", 3, NOW - timedelta(hours=2), "cost", "better.")
        assert words.of_one(one, NOW, UTC) == (
            "Support chat has been governed by revision 3 since 10:00 (better); cost gives way first."
        )

    def test_says_what_is_under_way(self):
        one = words.One(
            "chat", 3, NOW - timedelta(days=2), "", "", trial=(4, 0.2),
            scheduled=(5, NOW + timedelta(days=1)), owed=True, shadow=2,
        )  # fmt: skip
        assert words.of_one(one, NOW, UTC) == (
            "Chat has been governed by revision 3 since 19 Nov 12:00 (no reason was given); 2 of its guards are in shadow; a "
            "review by another person is owed; revision 4 is on trial with 20 % of conversations; "
            "revision 5 is scheduled for 22 Nov 12:00."
        )

    @pytest.mark.parametrize(
        ("product", "operations", "solo", "says"),
        [
            (None, None, False, "nobody yet"),
            ("pat", None, False, "pat for product; operations is missing"),
            ("pat", "ole", False, "pat for product, ole for operations"),
            ("pat", "pat", True, "both by pat, in solo mode"),
        ],
    )
    def test_approvals_are_told_by_side(self, product, operations, solo, says):
        assert words.approvals(product, operations, solo=solo) == says


class TestTheStrip:
    def test_is_solid_where_a_revision_governed_and_hollow_where_one_was_tried(self):
        day = timedelta(days=1)
        drawn = draw([(1, NOW - 4 * day), (2, NOW - day)], [(3, NOW - 2 * day, NOW - day)], NOW, UTC)
        assert [(b.x, b.width, b.solid) for b in drawn.bars] == [
            (Decimal(0), Decimal(720), True),
            (Decimal(720), Decimal(240), True),
            (Decimal(480), Decimal(240), False),
        ]
        assert drawn.bars[2].says == "revision 3 was tried from 19 Nov 12:00 to 20 Nov 12:00"

    def test_shows_a_minute_in_a_month_within_the_picture(self):
        drawn = draw([(1, NOW - timedelta(days=30)), (2, NOW - timedelta(seconds=1))], [], NOW, UTC)
        assert drawn.bars[1].width == 3 and drawn.bars[1].x + drawn.bars[1].width <= drawn.width

    def test_of_nothing_is_none(self):
        assert draw([], [], NOW, UTC) is None


class TestProgressOfATrial:
    def test_is_told_against_what_a_verdict_takes(self):
        assert words.progress(312, 1000) == "312 of 1,000 requests"
        assert words.progress(1200, 1000) == "1,200 requests, 1,000 were needed"


class TestThePreviewOfARollback:
    def test_says_what_comes_back_and_what_goes(self):
        said = "Revision 3 is retired with your reason and revision 2 governs at once, for everyone"
        assert words.back_to(3, 2, 1) == f"{said}: 1 field is as it was before."
        assert words.back_to(3, 2, 12) == f"{said}: 12 fields are as they were before."


class TestTheFile:
    def test_has_the_rows_of_the_page(self, sign_in, chat):
        drafted()
        drafted(submitted=False)
        heads, line = csv.reader(sign_in("viewer").get("/cards.csv").text.splitlines())
        row = dict(zip(heads, line, strict=True))
        assert (row["scenario"], row["revision"], row["since"]) == ("chat", "1", "2026-11-21T08:00:00Z")
        assert (row["guards"], row["in_shadow"], row["waiting"], row["on_trial"]) == ("3", "0", "2 3", "")


class TestTheList:
    def test_teaches_how_the_first_card_comes_to_be(self, sign_in):
        page = sign_in("viewer").get("/cards")
        assert sentence_of(page).startswith("No scenario has a card yet")
        assert "/api/v1/scenarios" in page.text

    def test_shows_how_each_card_stands(self, sign_in, chat):
        drafted()
        page = sign_in("viewer").get("/cards")
        assert sentence_of(page) == "1 scenario has a card; 1 revision waits for approval."
        assert 'href="/cards/chat"' in page.text and "revision 2 to be approved" in page.text


class TestSoloModeOnThePage:
    def test_is_switched_by_an_admin_with_a_reason(self, sign_in):
        admin = sign_in("admin")
        data = {"on": "true", "reason": " ", "csrf_token": token_of(admin.get("/cards"))}
        refused = admin.post("/cards", data=data)
        assert refused.status_code == 422 and "Say why" in refused.text
        assert admin.post("/cards", data=data | {"reason": "I work alone"}, follow_redirects=False).status_code == 303
        page = unescape(admin.get("/cards").text)
        assert "by admin@example.com: I work alone." in page and "Switch solo mode off" in page

    def test_is_not_for_others(self, sign_in):
        owner = sign_in("product_owner")
        assert "solo mode" not in owner.get("/cards").text.lower()
        assert owner.post("/cards", data={"on": "true", "reason": "x", "csrf_token": "x"}).status_code == 403


class TestACard:
    def test_is_told_in_plain_sentences_with_its_history(self, sign_in, chat):
        drafted(criticality="experimental")
        page = sign_in("viewer").get("/cards/chat")
        assert sentence_of(page).startswith("Chat has been governed by revision 1 since")
        text = unescape(page.text).replace("\N{NO-BREAK SPACE}", " ")
        assert "When P95 latency over 20 s is above 1 s, the ladder climbs towards level 1" in text
        assert "From revision 1 to 2, 1 field changed." in text and "criticality: core → experimental" in text
        assert "no longer:" in text and "then quality and latency; the scenario is experimental." in text
        assert "Where revision 2 stands" in text and "approved for operations" in text

    def test_shows_what_the_last_day_used_and_a_baseline_over_it(self, sign_in, chat):
        now = utc_now()
        ingest(*(call(now - timedelta(seconds=30 + s), seconds=1.5) for s in range(40)), now=now)
        page = sign_in("viewer").get("/cards/chat")
        assert "P95 1.5" in page.text and "glyph__baseline" not in page.text
        with db.transaction() as session:
            freeze(
                session,
                scenario="chat",
                name="calm",
                start=now - timedelta(minutes=2),
                end=now,
                reason="t",
                actor="t",
                now=now,
            )
        again = sign_in("sre").get("/cards/chat").text
        assert 'class="glyph__baseline"' in again and "the baseline calm" in again

    def test_is_told_in_chinese_too(self, sign_in, chat):
        page = sign_in("viewer").get("/cards/chat", headers={"Accept-Language": "zh"})
        text = unescape(page.text).replace("\N{NO-BREAK SPACE}", " ")
        assert "当 20 s 内的P95 延迟高于 1 s 时，阶梯逐级升向 1 级" in text

    def test_offers_nothing_to_do_to_who_may_only_look(self, sign_in, chat):
        drafted()
        viewer = sign_in("viewer")
        page = viewer.get("/cards/chat")
        assert 'name="act"' not in page.text
        data = {"act": "submit", "revision": 2, "csrf_token": "x"}
        assert viewer.post("/cards/chat", data=data).status_code == 403

    def test_of_a_name_that_came_with_a_call_teaches_no_command_of_its_own(self, sign_in):
        name = "a'; reboot; '\"<b>"
        with db.transaction() as session:
            db.named_ids(session, Scenario, [name])
        page = sign_in("viewer").get(f"/cards/{quote(name, safe='')}")
        taught = unescape(re.search(r"curl .*", page.text)[0])
        body = shlex.split(taught.partition("</")[0])[-1]
        assert json.loads(body)["name"] == name and "<b>" not in page.text

    def test_that_is_not_there_is_404(self, sign_in):
        assert sign_in("viewer").get("/cards/nobody").status_code == 404


class TestTheButtons:
    @pytest.fixture(autouse=True)
    def _tokens(self):
        self.tokens = {}  # of each session: its pages all carry the same

    def press(self, client, act, revision, **said):
        session = tuple(client.cookies.items())
        token = self.tokens.get(session) or token_of(client.get("/cards/chat"))
        self.tokens[session] = token
        data = {"act": act, "revision": revision, "csrf_token": token} | said
        return client.post("/cards/chat", data=data, follow_redirects=False)

    def test_lead_from_draft_to_active(self, sign_in, chat):
        drafted(submitted=False)
        sre = sign_in("sre")
        assert self.press(sre, "submit", 2).status_code == 303
        assert self.press(sre, "approve_operations", 2).status_code == 303
        refused = self.press(sre, "approve_product", 2)
        assert refused.status_code == 403 and "product_owner or admin" in unescape(refused.text)
        with db.transaction() as session:
            cards.approve(session, scenario="chat", number=2, side="product", principal=PAT)
        assert self.press(sre, "activate", 2, reason="agreed").status_code == 303
        found = newest(Command)
        assert (found.kind, found.actor, found.reason) == ("activate", "sre@example.com", "agreed")

    def test_try_schedule_and_call_off(self, sign_in, chat):
        drafted(approved=(PAT, principal("ole@example.com", "sre")))
        sre = sign_in("sre")
        assert self.press(sre, "try", 2, reason="carefully").status_code == 303
        assert "revision 2 is on trial with 5 %" in sentence_of(sre.get("/cards/chat"))
        assert self.press(sre, "end", 2, reason="enough").status_code == 303
        assert newest(CardTrial).state == "stopped"
        assert "tried: Ended by sre@example.com: enough" in sre.get("/cards/chat").text
        when = f"{utc_now() + timedelta(days=1):%Y-%m-%dT%H:%M}"
        assert self.press(sre, "schedule", 2, reason="at night", at=when).status_code == 303
        assert self.press(sre, "cancel", 2, reason="no").status_code == 303
        assert newest(CardSchedule).state == "cancelled"
        assert "called off" in sre.get("/cards/chat").text

    def test_schedules_are_listed_by_the_api_with_what_came_of_them(self, client, admin, chat):
        drafted(approved=(PAT, principal("ole@example.com", "sre")))
        at = rfc3339(utc_now() + timedelta(days=1))
        path = "/api/v1/cards/chat/revisions/2/schedule"
        assert client.post(path, headers=admin, json={"at": at, "reason": "at night"}).status_code == 201
        assert client.post(f"{path}/cancel", headers=admin, json={"reason": "no"}).status_code == 200
        items = client.get("/api/v1/cards/chat/schedules", headers=admin).json()["items"]
        assert [(one["revision"], one["state"]) for one in items] == [(2, "cancelled")]

    def test_break_the_glass_and_another_person_reviews(self, sign_in, client, chat):
        drafted(submitted=False)
        sre = sign_in("sre")
        assert self.press(sre, "glass", 2, reason="down").status_code == 303
        page = sre.get("/cards/chat")
        assert "a review by another person is owed" in sentence_of(page)
        assert 'value="review"' not in page.text
        owner = sign_in("product_owner")
        assert self.press(owner, "review", 2, reason="right").status_code == 303
        assert newest(CardRevision).reviewed_by == "product_owner@example.com"

    def test_roll_back_and_say_why_not_at_the_form(self, sign_in, chat):
        drafted(approved=(PAT, principal("ole@example.com", "sre")))
        sre = sign_in("sre")
        self.press(sre, "activate", 2, reason="better")
        refused = self.press(sre, "rollback", 1, reason=" ")
        assert refused.status_code == 422 and "Say why" in refused.text
        assert self.press(sre, "rollback", 1, reason="worse").status_code == 303
        again = self.press(sre, "rollback", 2, reason="perhaps not")
        assert again.status_code == 409 and "was itself rolled back" in again.text and "perhaps not" in again.text

    def test_draft_what_the_data_propose_and_take_it_out_of_shadow(self, sign_in, chat):
        sre = sign_in("sre")
        refused = self.press(sre, "propose", 0)
        assert refused.status_code == 409 and "0 requests in 7 days" in refused.text
        assert 'value="out_of_shadow"' not in refused.text
        now = utc_now()
        ingest(*(call(now - timedelta(seconds=180 * n), seconds=0.4) for n in range(1, 1300)), now=now)
        assert self.press(sre, "propose", 0).headers["location"] == "/cards/chat#revision-2"
        assert self.press(sre, "glass", 2, reason="to watch").status_code == 303
        assert 'value="out_of_shadow"' in sre.get("/cards/chat").text
        assert self.press(sre, "out_of_shadow", 0).headers["location"] == "/cards/chat#revision-3"
        assert not any(guard["shadow"] for guard in newest(CardRevision).body["guards"])

    def test_carry_the_sessions_own_token(self, sign_in, chat):
        drafted(submitted=False)
        answer = sign_in("sre").post("/cards/chat", data={"act": "submit", "revision": 2, "csrf_token": "other"})
        assert answer.status_code == 403 and newest(CardRevision).status == "draft"

    def test_say_what_is_wrong(self, sign_in, chat):
        drafted()
        sre = sign_in("sre")
        for said, says in (
            ({"act": "explode"}, "no such button"),
            ({"act": "schedule", "reason": "x", "at": "soon"}, "Name the day and the time"),
            ({"act": "activate", "reason": "x"}, "still needs the approval of product and operations"),
        ):
            answer = self.press(sre, revision=2, **said)
            assert answer.status_code in (409, 422) and says in answer.text
