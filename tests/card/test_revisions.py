"""A card's way from draft to active, over the API, by people with roles."""

import pytest
from sqlalchemy import select, update

from trivet import db
from trivet.card import service
from trivet.card.models import Activation
from trivet.identity import service as identity
from trivet.identity.approval import answerable
from trivet.identity.auth import Principal, person
from trivet.identity.models import Audit, WebSession
from trivet.kit.clock import utc_now
from trivet.kit.errors import Conflict, Forbidden, NotFound
from trivet.tenant.models import Scenario

PAT, OLE = person("pat@example.com", "product_owner"), person("ole@example.com", "sre")
FIN, ADA = person("fin@example.com", "finance"), person("ada@example.com", "admin")


@pytest.fixture
def chat(client, admin):
    made = client.post("/api/v1/scenarios", json={"name": "chat", "preset": "rag"}, headers=admin)
    assert made.status_code == 201, made.text
    return "chat"


def card_of(floor=0.85):
    from trivet.card.presets import preset

    body = preset("rag").model_dump(mode="json")
    body["quality"]["floor"] = floor
    body["guards"][-1] |= {"enter": floor, "leave": floor + 0.02}
    return body


def draft(scenario="chat", **more):
    with db.transaction() as session:
        return service.draft(session, scenario=scenario, body=card_of(**more), actor=PAT.actor, now=utc_now()).number


def submit(number, scenario="chat"):
    with db.transaction() as session:
        service.submit(session, scenario=scenario, number=number, actor=PAT.actor, now=utc_now())


def approve(number, principal: Principal, side=None):
    with db.transaction() as session:
        service.approve(session, scenario="chat", number=number, side=side, principal=principal)


def activate(number):
    with db.transaction() as session:
        service.activate(session, scenario="chat", number=number, actor=OLE.actor, reason="better", now=utc_now())


def ready(**more):
    number = draft(**more)
    submit(number)
    approve(number, PAT)
    approve(number, OLE)
    return number


def active():
    with db.transaction() as session:
        (card,) = service.active(session).values()
        return card


class TestAScenariosName:
    @pytest.mark.parametrize("name", [".", "..", "\u200b", "\u2060\u200d", "\u3164", "\u2800\u00ad", "", " ", "a/b"])
    def test_that_nobody_could_see_or_address_is_refused(self, client, admin, name):
        answer = client.post("/api/v1/scenarios", json={"name": name}, headers=admin)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "name"

    @pytest.mark.parametrize("name", ["...", ".well-known", "客服", "a b", "e\u0301"])
    def test_that_can_be_seen_is_taken(self, client, admin, name):
        assert client.post("/api/v1/scenarios", json={"name": name}, headers=admin).status_code == 201


class TestAFieldThatIsMisspelt:
    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("scenarios", {"name": "new", "pre_set": "edge"}),
            ("cards/chat/revisions", {"card": {}, "crad": {}}),
            ("cards/chat/revisions/1/approve", {"side": "product"}),
        ],
    )
    def test_is_refused_by_its_name(self, client, admin, chat, path, body):
        answer = client.post(f"/api/v1/{path}", json=body, headers=admin)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] in body


class TestRegisteringAScenario:
    def test_the_list_has_the_active_card_of_each_scenario_that_has_one(self, client, admin, chat):
        with db.transaction() as session:
            db.named_ids(session, Scenario, ["met-in-a-span"])
        (listed,) = client.get("/api/v1/cards", headers=admin).json()["items"]
        assert (listed["name"], listed["revision"]) == ("chat", 1)
        assert listed["card"] == client.get("/api/v1/cards/chat", headers=admin).json()["card"]

    def test_makes_its_preset_the_active_revision_1(self, client, admin, chat):
        card = client.get("/api/v1/cards/chat", headers=admin).json()
        assert (card["revision"], card["status"], card["previous_revision"]) == (1, "active", None)
        assert card["card"]["latency"]["p95_ms"] == 4000
        (listed,) = client.get("/api/v1/scenarios", headers=admin).json()["items"]
        assert (listed["name"], listed["revision"]) == ("chat", 1)

    def test_twice_is_409_and_changes_nothing(self, client, admin, chat):
        again = client.post("/api/v1/scenarios", json={"name": "chat", "preset": "edge"}, headers=admin)
        assert again.status_code == 409
        assert active().card.latency.p95_ms == 4000

    def test_that_was_met_in_spans_before_registers_it_now(self, client, admin):
        from trivet.tenant.models import Scenario

        with db.transaction() as session:
            db.named_ids(session, Scenario, ["seen-in-spans"])
        made = client.post("/api/v1/scenarios", json={"name": "seen-in-spans"}, headers=admin)
        assert made.status_code == 201
        assert active().scenario == "seen-in-spans"

    @pytest.mark.parametrize("name", ["", " ", "a/b", "a\0b", "x" * 201, "a?b"])
    def test_under_a_name_that_no_address_could_carry_is_422(self, client, admin, name):
        assert client.post("/api/v1/scenarios", json={"name": name}, headers=admin).status_code == 422

    def test_with_a_preset_that_is_not_there_is_422(self, client, admin):
        answer = client.post("/api/v1/scenarios", json={"name": "x", "preset": "fast"}, headers=admin)
        assert answer.status_code == 422 and "real-time-chat" in answer.json()["detail"]

    def test_takes_more_than_a_key_that_reads(self, client, make_key):
        reader = {"Authorization": f"Bearer {make_key(['read'])}"}
        assert client.post("/api/v1/scenarios", json={"name": "x"}, headers=reader).status_code == 403


class TestARevision:
    def test_goes_from_draft_to_active_by_two_people(self, chat):
        number = ready()
        activate(number)
        card = active()
        assert (card.number, card.previous_number) == (2, 1)
        with db.transaction() as session:
            first = service.revision_named(session, "chat", 1)
            assert (first.status, first.retired_reason) == ("retired", "superseded by revision 2")

    def test_over_the_api_names_the_wrong_field(self, client, admin, chat):
        body = card_of()
        body["ladder"][0]["flags"] = {"tools.mode": "maybe"}
        answer = client.post("/api/v1/cards/chat/revisions", json={"card": body}, headers=admin)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "ladder.0.flags"

    def test_is_listed_newest_first_in_pages(self, client, admin, chat):
        for _ in range(3):
            draft()
        first = client.get("/api/v1/cards/chat/revisions?limit=3", headers=admin).json()
        assert [item["revision"] for item in first["items"]] == [4, 3, 2]
        rest = client.get(f"/api/v1/cards/chat/revisions?cursor={first['next_cursor']}", headers=admin).json()
        assert [item["revision"] for item in rest["items"]] == [1]
        assert rest["next_cursor"] is None

    def test_of_a_scenario_that_is_not_there_is_not_found(self, chat):
        with pytest.raises(NotFound):
            draft("nowhere")

    def test_leaves_an_audit_row_for_each_step(self, chat):
        activate(ready())
        with db.transaction() as session:
            actions = list(session.scalars(select(Audit.action).order_by(Audit.id)))
        assert actions[-4:] == ["card.draft", "card.submit", "card.approve", "card.approve"]


class TestApproval:
    def test_comes_from_two_different_people(self, chat):
        number = draft()
        submit(number)
        approve(number, ADA, "product")
        with pytest.raises(Conflict, match="two different people"):
            approve(number, ADA, "operations")
        with pytest.raises(Conflict, match="still needs the approval of operations"):
            activate(number)
        approve(number, OLE)
        activate(number)

    def test_is_given_for_the_side_that_the_role_can_speak_for(self, chat):
        number = draft()
        submit(number)
        with pytest.raises(Forbidden, match="product_owner"):
            approve(number, OLE, "product")
        with pytest.raises(Forbidden):
            approve(number, FIN)

    def test_of_one_side_is_given_once(self, chat):
        number = draft()
        submit(number)
        approve(number, PAT)
        with pytest.raises(Conflict, match="already"):
            approve(number, person("eve@example.com", "product_owner"))

    def test_of_a_draft_is_refused(self, chat):
        with pytest.raises(Conflict, match="only one that is in review"):
            approve(draft(), PAT)

    def test_does_not_outlast_activation(self, chat):
        number = ready()
        activate(number)
        with pytest.raises(Conflict, match="is active"):
            activate(number)

    def test_of_two_keys_that_one_person_made_is_one_persons(self, client, admin, chat):
        number = draft()
        submit(number)
        with db.transaction() as session:
            made = [key(session, name, by=ADA.actor) for name in ("ada-1", "ada-2")]
        assert consent(client, made[0], number, "product").status_code == 200
        refused = consent(client, made[1], number, "operations")
        assert refused.status_code == 409
        assert "ada@example.com, who answers for key:ada-2 too, approved the other side" in refused.json()["detail"]
        with pytest.raises(Conflict, match="two different people"):
            approve(number, ADA, "operations")

    def test_of_a_person_and_a_key_of_a_key_that_they_made_is_one_persons(self, client, admin, chat):
        number = draft()
        submit(number)
        approve(number, ADA, "product")
        with db.transaction() as session:
            key(session, "ada-1", by=ADA.actor)
            made = key(session, "made-by-it", by="key:ada-1")
        assert consent(client, made, number, "operations").status_code == 409

    def test_of_keys_that_two_people_made_is_two_peoples(self, client, admin, chat):
        number = draft()
        submit(number)
        with db.transaction() as session:
            made = [key(session, "ada-1", by=ADA.actor), key(session, "ole-1", by="ole@example.com")]
        assert consent(client, made[0], number, "product").status_code == 200
        assert consent(client, made[1], number, "operations").json()["approved_operations_by"] == "key:ole-1"
        activate(number)

    def test_of_two_people_goes_through_one_key_with_their_passwords(self, client, admin, chat):
        number = draft()
        submit(number)
        for email, role in (("pat@example.com", "product_owner"), ("ole@example.com", "sre")):
            made = {"email": email, "name": role, "role": role, "password": f"a long word of {role}"}
            assert client.post("/api/v1/users", json=made, headers=admin).status_code == 201
        url = f"/api/v1/cards/chat/revisions/{number}/approve"

        def said(email, password):
            return client.post(url, json={"email": email, "password": password}, headers=admin)

        for email, password in (("pat@example.com", "wrong"), ("pat@example.com", None), (None, "x"), ("a\0b", "x")):
            assert said(email, password).status_code == 403
        assert (
            said("pat@example.com", "a long word of product_owner").json()["approved_product_by"] == "pat@example.com"
        )
        assert said("pat@example.com", "a long word of product_owner").status_code == 409
        assert said("ole@example.com", "a long word of sre").json()["approved_operations_by"] == "ole@example.com"
        activate(number)
        with db.transaction() as session:
            assert session.scalars(select(WebSession)).all() == []

    def test_with_a_password_is_tried_as_seldom_as_a_sign_in(self, client, admin, chat):
        number = draft()
        submit(number)
        made = {"email": "ole@example.com", "name": "Ole", "role": "sre", "password": "a long word"}
        assert client.post("/api/v1/users", json=made, headers=admin).status_code == 201
        url = f"/api/v1/cards/chat/revisions/{number}/approve"

        def said(password):
            return client.post(url, json={"email": "ole@example.com", "password": password}, headers=admin)

        assert [said("wrong").status_code for _ in range(10)] == [403] * 10
        refused = said("a long word")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
        with db.transaction() as session:
            assert service.revision_named(session, "chat", number).approved_operations_by is None

    def test_of_keys_that_made_each_other_ends(self, chat, database):
        with db.transaction() as session:
            key(session, "a", by="key:b")
            key(session, "b", by="key:a")
            assert answerable(session, "key:a") == {"key:a", "key:b"}


def key(session, name, by):
    made = identity.create_key(session, name=name, scopes=["admin"], tenant=None, actor=by)
    return {"Authorization": f"Bearer {made.secret}"}


def consent(client, headers, number, side):
    url = f"/api/v1/cards/chat/revisions/{number}/approve"
    return client.post(url, json={"for": side}, headers=headers)


class TestAKeptCardThatCannotBeRead:
    def test_takes_no_other_scenarios_card_away(self, client, admin, chat, caplog):
        client.post("/api/v1/scenarios", json={"name": "search", "preset": "rag"}, headers=admin)
        spoil("chat")
        for _ in range(3):
            with db.transaction() as session:
                assert [card.scenario for card in service.active(session).values()] == ["search"]
        (said,) = [r.getMessage() for r in caplog.records if "cannot be read" in r.getMessage()]
        assert said.startswith("The card of revision 1 cannot be read and governs nothing: rollback.within_s: ")

    def test_gives_way_to_the_next_revision(self, client, admin, chat):
        number = ready(floor=0.9)
        spoil("chat")
        url = f"/api/v1/cards/chat/revisions/{number}/activate"
        assert client.post(url, json={"reason": "readable"}, headers=admin).status_code == 201
        assert (active().number, active().card.quality.floor) == (2, 0.9)


def spoil(scenario):
    """What an earlier version kept and this one refuses."""
    with db.transaction() as session:
        revision = service.revision_named(session, scenario, 1)
        revision.body = revision.body | {"rollback": {"automatic": True, "within_s": 10**20}}
    db.forget_rows()


class TestRollback:
    def rollback(self):
        with db.transaction() as session:
            (id_,) = service.active(session)
            return service.rollback(session, scenario_id=id_, actor="ladder", reason="floor broke", now=utc_now())

    def test_goes_back_to_the_revision_before_and_retires_the_bad_one(self, chat):
        activate(ready(floor=0.9))
        assert self.rollback() == (2, 1)
        card = active()
        assert (card.number, card.card.quality.floor, card.previous_number) == (1, 0.85, None)
        with db.transaction() as session:
            bad = service.revision_named(session, "chat", 2)
            assert (bad.status, bad.retired_reason) == ("retired", "rolled back by ladder: floor broke")
            last = session.scalars(select(Activation).order_by(Activation.id.desc())).first()
            assert (last.number, last.rolled_back_from) == (1, 2)

    def test_of_the_first_revision_is_refused(self, chat):
        with pytest.raises(Conflict, match="none to go back to"):
            self.rollback()

    def test_does_not_come_back_to_the_bad_one(self, chat):
        activate(ready())
        self.rollback()
        activate(ready())
        assert self.rollback() == (3, 1)

    def test_history_cannot_be_rewritten(self, chat):
        from sqlalchemy.exc import IntegrityError

        with pytest.raises(IntegrityError, match="only grows"), db.transaction() as session:
            session.execute(update(Activation).values(number=9))
