"""Who agreed: solo mode, break-glass with a review afterwards, a guard nobody measures, a rollback far back."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select
from tests.support.calls import call, ingest
from tests.support.governed import register, short_card

from trivet import db
from trivet.card.models import Activation, CardRevision
from trivet.identity import service as identity
from trivet.identity.models import Audit
from trivet.kit.clock import utc_now
from trivet.tenant.models import Scenario


@pytest.fixture
def chat(database):
    return register("chat")


@pytest.fixture
def pat(database):
    return key_of("pat")


@pytest.fixture
def ole(database):
    return key_of("ole")


def key_of(name, scopes=("admin",)):
    """A key that a person made: keys of one maker are one person's."""
    with db.transaction() as session:
        made = identity.create_key(session, name=name, scopes=list(scopes), tenant=None, actor=f"{name}@example.com")
        return {"Authorization": f"Bearer {made.secret}"}


def owed_gauge(client):
    """What a Prometheus would read."""
    text = client.get("/metrics").text
    return float(re.search(r"^trivet_card_reviews_owed (\S+)$", text, re.MULTILINE)[1])


def post(client, path, who, status=201, **body):
    answer = client.post(f"/api/v1/{path}", json=body, headers=who)
    assert answer.status_code == status, answer.text
    return answer.json()


def drafted(client, who, **changes):
    return post(client, "cards/chat/revisions", who, card=short_card(**changes))["revision"]


def ready(client, pat, ole, **changes):
    number = drafted(client, pat, **changes)
    at = f"cards/chat/revisions/{number}"
    post(client, f"{at}/submit", pat, 200)
    post(client, f"{at}/approve", pat, 200)
    post(client, f"{at}/approve", ole, 200)
    return number


def activated(client, pat, ole, **changes):
    number = ready(client, pat, ole, **changes)
    post(client, f"cards/chat/revisions/{number}/activate", ole, reason="better")
    return number


def audited(action):
    with db.transaction() as session:
        return [(r.actor, r.reason) for r in session.scalars(select(Audit).where(Audit.action == action))]


class TestATeamOfOne:
    def test_gives_both_approvals_in_solo_mode_and_the_revision_says_so(self, client, admin, chat):
        assert client.get("/api/v1/solo-mode", headers=admin).json()["on"] is False
        number = drafted(client, admin)
        at = f"cards/chat/revisions/{number}"
        post(client, f"{at}/submit", admin, 200)
        post(client, f"{at}/approve", admin, 200)
        refused = post(client, f"{at}/approve", admin, 409)
        assert "solo-mode" in refused["detail"]
        post(client, "solo-mode", admin, 200, on=True, reason="I work alone")
        done = post(client, f"{at}/approve", admin, 200)
        assert done["solo"] and done["approved_product_by"] == done["approved_operations_by"]
        assert audited("card.solo_mode") == [("key:test", "I work alone")]

    def test_is_switched_by_an_admin_with_a_reason_and_once(self, client, admin, chat):
        post(client, "solo-mode", key_of("rita", ["read"]), 403, on=True, reason="x")
        assert post(client, "solo-mode", admin, 422, on=True, reason=" ")["errors"][0]["field"] == "reason"
        post(client, "solo-mode", admin, 200, on=True, reason="alone")
        post(client, "solo-mode", admin, 409, on=True, reason="alone")
        assert post(client, "solo-mode", admin, 200, on=False, reason="Ole joined")["on"] is False

    def test_of_two_is_none_although_the_mode_is_on(self, client, admin, pat, ole, chat):
        post(client, "solo-mode", admin, 200, on=True, reason="alone for now")
        number = ready(client, pat, ole)
        assert client.get(f"/api/v1/cards/chat/revisions/{number}", headers=admin).json()["solo"] is False


class TestBreakGlass:
    def test_activates_a_draft_at_once_and_owes_a_review(self, client, pat, ole, chat):
        number = drafted(client, pat)
        post(client, f"cards/chat/revisions/{number}/break-glass", pat, reason="the provider is down")
        card = client.get("/api/v1/cards/chat", headers=pat).json()
        assert (card["revision"], card["break_glass"]["by"], card["approved_product_by"]) == (number, "key:pat", None)
        owed = client.get("/api/v1/owed-reviews", headers=pat).json()
        assert [(o["scenario"], o["revision"], o["reason"]) for o in owed["items"]] == [
            ("chat", number, "the provider is down")
        ]
        assert owed["broken_in_30_days"] == 1
        assert audited("card.break_glass") == [("key:pat", "the provider is down")]

    def test_is_reviewed_by_somebody_else(self, client, pat, ole, chat):
        number = drafted(client, pat)
        post(client, f"cards/chat/revisions/{number}/break-glass", pat, reason="down")
        at = f"cards/chat/revisions/{number}/review"
        assert "another person" in post(client, at, pat, 409, reason="I was right")["detail"]
        assert owed_gauge(client) == 1
        done = post(client, at, ole, 200, reason="right, and the limit can stay")
        assert owed_gauge(client) == 0
        assert done["break_glass"]["reviewed_by"] == "key:ole"
        assert client.get("/api/v1/owed-reviews", headers=pat).json()["items"] == []
        assert client.get("/api/v1/owed-reviews", headers=pat).json()["broken_in_30_days"] == 1
        post(client, at, ole, 409, reason="again")

    def test_takes_a_reason_and_is_not_for_what_governs(self, client, pat, chat):
        number = drafted(client, pat)
        assert (
            post(client, f"cards/chat/revisions/{number}/break-glass", pat, 422, reason="")["errors"][0]["field"]
            == "reason"
        )
        post(client, "cards/chat/revisions/1/break-glass", pat, 409, reason="x")
        assert client.get("/api/v1/cards/chat", headers=pat).json()["revision"] == 1

    def test_no_review_is_owed_of_what_two_people_approved(self, client, pat, ole, chat):
        number = activated(client, pat, ole)
        post(client, f"cards/chat/revisions/{number}/review", ole, 409, reason="x")


class TestARollback:
    def test_goes_to_any_revision_that_governed(self, client, pat, ole, chat):
        for _ in range(3):
            activated(client, pat, ole)
        done = post(client, "cards/chat/rollback", ole, to=2, reason="4 and 3 are slow")
        assert done["revision"] == 2
        card = client.get("/api/v1/cards/chat", headers=pat).json()
        assert (card["revision"], card["previous_revision"]) == (2, 1)

    def test_goes_to_the_previous_one_where_none_is_named(self, client, pat, ole, chat):
        activated(client, pat, ole)
        activated(client, pat, ole)
        assert post(client, "cards/chat/rollback", ole, reason="slow")["revision"] == 2

    def test_to_one_that_was_rolled_back_itself_is_never_silent(self, client, pat, ole, chat):
        activated(client, pat, ole)
        post(client, "cards/chat/rollback", ole, reason="2 is slow")
        refused = post(client, "cards/chat/rollback", ole, 409, to=2, reason="perhaps not")
        assert refused["type"].endswith("rolled-back-before") and "2 is slow" in refused["detail"]
        post(client, "cards/chat/rollback", ole, to=2, reason="it was the network", although_rolled_back=True)
        with db.transaction() as session:
            newest = session.scalars(select(Activation).order_by(Activation.id.desc())).first()
        assert newest.reason == "it was the network (to revision 2, although it was rolled back before)"

    def test_is_previewed_to_the_revision_that_is_named(self, client, pat, ole, chat):
        for flags in ({"tools.mode": "local"}, {}):
            activated(client, pat, ole, flags=flags)
        said = {"kind": "rollback", "scenario": "chat"}
        before = post(client, "commands/preview", ole, 200, **said)
        assert before["revision"] == {"from": 3, "to": 2} and before["flags"]["tools.mode"]["to"] == "local"
        far = post(client, "commands/preview", ole, 200, **said, to=1)
        assert far["revision"] == {"from": 3, "to": 1} and far["flags"] == {}
        assert far["sentence"].startswith("Chat goes back from revision 3 to revision 1,")
        post(client, "cards/chat/rollback", ole, to=1, reason="3 is slow")
        post(client, "commands/preview", ole, 409, **said, to=3)
        post(client, "commands/preview", ole, 200, **said, to=3, although_rolled_back=True)
        refused = post(client, "commands/preview", ole, 422, kind="restore", scenario="chat", to=2)
        assert refused["errors"][0]["field"] == "to"

    def test_to_what_never_governed_or_does_now_is_refused(self, client, pat, chat):
        drafted(client, pat)
        for to, says in ((1, "governs chat already"), (2, "never governed"), (9, "never governed")):
            assert says in post(client, "cards/chat/rollback", pat, 409, to=to, reason="x")["detail"]


class TestAGuardThatNobodyMeasures:
    def test_is_refused_when_submitted_once_enough_came(self, client, pat, chat):
        number = drafted(client, pat)
        now = utc_now()
        ingest(*(call(now, seconds=0.1) for _ in range(1000)), now=now)
        refused = post(client, f"cards/chat/revisions/{number}/submit", pat, 422)
        assert refused["errors"][0]["field"] == "guards.floor.metric"
        assert "no score came of 1,000 requests in 7 days" in refused["detail"]
        warned = post(client, "cards/chat/check", pat, 200, card=short_card())
        assert warned["ok"] and warned["warnings"][0].startswith("guards.floor: no score came")

    def test_may_begin_in_shadow(self, client, pat, chat):
        card = short_card()
        card["guards"] = [guard | {"shadow": True} for guard in card["guards"]]
        number = drafted(client, pat, guards=card["guards"])
        now = utc_now()
        ingest(*(call(now, seconds=0.1) for _ in range(1000)), now=now)
        post(client, f"cards/chat/revisions/{number}/submit", pat, 200)


class TestTheCriticalityOfAScenario:
    def test_is_what_its_card_says(self, client, pat, ole, chat):
        activated(client, pat, ole, criticality="experimental")
        with db.transaction() as session:
            assert session.scalars(select(Scenario.criticality)).one() == "experimental"

    def test_of_a_registered_one_is_in_its_card(self, client, admin):
        post(client, "scenarios", admin, name="batch", preset="offline-batch", criticality="auxiliary")
        assert client.get("/api/v1/cards/batch", headers=admin).json()["card"]["criticality"] == "auxiliary"


class TestADraftFromTheData:
    def test_has_thresholds_and_all_guards_in_shadow_and_another_takes_them_out(self, client, pat, ole, chat):
        now = utc_now()
        ingest(*(call(now - timedelta(seconds=30 * n), seconds=0.4) for n in range(1, 1500)), now=now)
        found = client.get("/api/v1/cards/chat/proposal?days=1", headers=pat).json()
        assert 1400 <= found["requests"] < 1500 and found["stretches"] in (72, 73, 74)
        assert found["stretch_s"] == 600  # two calls a minute show too little in a minute
        assert {t["metric"]: t["enter"] for t in found["thresholds"]}["p95_latency_ms"] == 500.0  # 0.4 s and a quarter
        number = post(client, "cards/chat/proposal", pat, days=1)["revision"]
        assert all(g["shadow"] for g in revision(number).body["guards"])
        post(client, f"cards/chat/revisions/{number}/break-glass", pat, reason="to watch")
        number = post(client, "cards/chat/out-of-shadow", pat)["revision"]
        assert not any(g["shadow"] for g in revision(number).body["guards"])

    def test_of_too_little_is_refused_by_name(self, client, pat, chat):
        answer = client.get("/api/v1/cards/chat/proposal", headers=pat)
        assert answer.status_code == 409 and answer.json()["type"].endswith("too-little-data")

    def test_out_of_shadow_is_none_where_nothing_is_in_it(self, client, pat, chat):
        post(client, "cards/chat/out-of-shadow", pat, 409)


def revision(number):
    with db.transaction() as session:
        return session.scalars(select(CardRevision).where(CardRevision.number == number)).one()


class TestTheDifference:
    def test_of_any_two_revisions_is_told_in_words(self, client, pat, chat):
        card = short_card()
        card["guards"][0]["enter"] = 900
        number = drafted(client, pat, guards=card["guards"])
        found = client.get(f"/api/v1/cards/chat/diff?from=1&to={number}", headers=pat).json()
        assert [c["words"] for c in found["changes"]] == ["guards.p95.enter: 1000 → 900"]
        assert client.get("/api/v1/cards/chat/diff?from=1&to=9", headers=pat).status_code == 404

    def test_a_revision_is_told_in_sentences(self, client, pat, chat):
        found = client.get("/api/v1/cards/chat/revisions/1/sentences", headers=pat).json()
        assert found["parts"][1]["sentences"][0].startswith("When P95 latency over 20 s is above 1 s,")


class TestYaml:
    def test_goes_out_and_comes_in_as_no_change(self, client, pat, chat):
        text = client.get("/api/v1/cards/chat/yaml", headers=pat)
        assert text.headers["content-type"] == "application/yaml" and "scenario: chat" in text.text
        same = send(client, pat, text.text)
        assert (same["changed"], same["revision"]) == (False, 1)

    def test_that_differs_becomes_a_draft_once(self, client, pat, chat):
        text = client.get("/api/v1/cards/chat/yaml", headers=pat).text.replace("enter: 1000", "enter: 900")
        made = send(client, pat, text)
        assert (made["changed"], made["revision"], made["changes"]) == (True, 2, ["guards.p95.enter: 1000 → 900"])
        assert send(client, pat, text) == made | {"changed": False}
        exported = client.get("/api/v1/cards/chat/yaml?revision=2", headers=pat).text
        assert exported == text

    def test_of_another_scenario_or_of_nothing_is_refused_by_field(self, client, pat, chat):
        text = client.get("/api/v1/cards/chat/yaml", headers=pat).text.replace("scenario: chat", "scenario: other")
        assert send(client, pat, text, 422)["errors"][0]["field"] == "scenario"
        assert send(client, pat, b"\xff\xfe", 422)["errors"][0]["field"] == "yaml"


def send(client, who, text, status=200):
    answer = client.post("/api/v1/cards/chat/yaml", content=text, headers=who | {"Content-Type": "application/yaml"})
    assert answer.status_code == status, answer.text
    return answer.json()
