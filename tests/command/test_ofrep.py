"""The wire: what a poll gets, what its ETag proves, and what is refused in the protocol's own words."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, text, update
from tests.support.commanding import met
from tests.support.governed import revise

from trivet import db
from trivet.command import policy, service
from trivet.command.models import BackendHolding, BackendPoll
from trivet.fleet.models import Backend
from trivet.ingest.models import Denial
from trivet.kit.clock import utc_now
from trivet.tenant.models import Tenant
from trivet_collectors.policy.document import checked
from trivet_collectors.policy.evaluate import DEFAULTS

BULK = "/ofrep/v1/evaluate/flags"


@pytest.fixture
def policy_key(make_key):
    return {"Authorization": f"Bearer {make_key(['policy'])}"}


@pytest.fixture
def poll(client, policy_key):
    def ask(etag=None, backend="gw-1"):
        headers = policy_key | ({"If-None-Match": etag} if etag else {})
        return client.post(BULK, json={"context": {"backend": backend}}, headers=headers)

    return ask


def degrade(scenario_id, level=1, **more):
    with db.transaction() as session:
        return service.issue(
            session,
            kind="degrade",
            scenario_id=scenario_id,
            level=level,
            reason="a test",
            actor="ana",
            now=utc_now(),
            **more,
        )


def document(answer):
    assert answer.status_code == 200, answer.text
    (flag,) = answer.json()["flags"]
    assert (flag["key"], flag["reason"], flag["variant"]) == ("policy", "STATIC", "policy")
    return flag["value"]


def holding(scenario_id):
    with db.transaction() as session:
        return session.scalar(select(BackendHolding).where(BackendHolding.scenario_id == scenario_id))


class TestABackendsPoll:
    def test_gets_its_whole_document_in_the_agreed_shape(self, chat, poll):
        found = document(poll())
        assert checked(found, "gw-1") == found
        assert found["backend"] == "gw-1"
        assert found["scenarios"]["chat"] == {
            "generation": 0,
            "revision": 1,
            "level": 0,
            "flags": {},
            "cause": "",
            "until": None,
            "then": {"level": 0, "flags": {}},
            "fallback": {
                "level": 1,
                "flags": {"features.off": "images,charts", "tools.mode": "local", "output.max_tokens": 512},
            },
            "arms": [],
            "tenants": {},
        }

    def test_with_the_etag_of_what_holds_is_304_and_extends_the_time_limit(self, chat, poll):
        first = poll()
        again = poll(first.headers["etag"])
        assert again.status_code == 304 and not again.content
        limit = datetime.fromisoformat(again.headers["trivet-valid-until"])
        assert limit >= datetime.fromisoformat(document(first)["valid_until"])

    def test_after_a_command_gets_the_new_generation_under_a_new_etag(self, chat, poll):
        before = poll().headers["etag"]
        degrade(chat, level=2)
        after = poll(before)
        found = document(after)["scenarios"]["chat"]
        assert (found["generation"], found["level"], found["cause"]) == (1, 2, "a test")
        assert found["flags"]["context.max_turns"] == 3
        assert after.headers["etag"] != before

    def test_proves_by_its_etag_what_it_holds_and_not_what_it_was_sent(self, chat, poll):
        degrade(chat)
        sent = poll()
        assert holding(chat) is None
        poll(sent.headers["etag"])
        assert holding(chat).observed_generation == 1

    def test_with_an_older_etag_proves_the_older_generation(self, chat, poll):
        degrade(chat, 1)
        old = poll().headers["etag"]
        degrade(chat, 2)
        assert poll(old).status_code == 200
        assert holding(chat).observed_generation == 1

    def test_with_an_etag_that_nobody_served_proves_nothing(self, chat, poll):
        assert poll('"made-up"').status_code == 200
        assert holding(chat) is None

    def test_with_an_etag_worked_out_from_another_backends_document_proves_nothing_until_it_was_served(
        self, chat, poll
    ):
        degrade(chat)
        others = document(poll(backend="gw-2"))["scenarios"]
        forged = policy.identity("gw-1", policy.digest(others))
        first = poll(forged)
        assert first.status_code == 200 and first.headers["etag"] == forged
        assert document(first)["scenarios"] == others
        assert holding(chat) is None
        assert poll(forged).status_code == 304
        assert holding(chat).observed_generation == 1

    def test_with_an_if_none_match_beyond_any_of_ours_is_answered_as_without(self, chat, poll, client, policy_key):
        etag = poll().headers["etag"]
        assert poll(f'{etag}, "{"x" * 1000}"').status_code == 200
        body, headers = {"context": {"targetingKey": "acme"}}, policy_key | {"If-None-Match": "x" * 5000}
        assert client.post(BULK, json=body, headers=headers).status_code == 200

    def test_of_a_backend_never_met_is_kept_under_its_name(self, chat, poll):
        poll(backend="who-is-this")
        with db.transaction() as session:
            found = session.scalar(select(Backend).where(Backend.name == "who-is-this"))
            assert found is not None and found.registered_at is None
            assert session.get(BackendPoll, found.id) is not None

    def test_repeated_writes_nothing_for_a_few_seconds(self, chat, poll):
        etag = poll().headers["etag"]
        poll(etag)
        with db.transaction() as session:
            before = session.scalar(select(BackendPoll.polled_at))
        for _ in range(5):
            assert poll(etag).status_code == 304
        with db.transaction() as session:
            assert session.scalar(select(BackendPoll.polled_at)) == before

    def test_without_an_etag_however_often_writes_no_more(self, chat, poll):
        def writers():
            with db.transaction() as session:
                served = "SELECT xmin::text FROM policy_served UNION ALL SELECT xmin::text FROM backend_poll"
                return session.scalars(text(served)).all()

        poll()
        before = writers()
        for _ in range(5):
            assert poll().status_code == 200
        assert writers() == before

    def test_names_only_the_scenarios_that_the_backend_serves(self, chat, client, admin, poll):
        client.post("/api/v1/scenarios", json={"name": "search", "preset": "rag"}, headers=admin)
        assert set(document(poll())["scenarios"]) == {"chat", "search"}
        with db.transaction() as session:
            session.scalars(select(Backend)).one().scenario_ids = [chat]
        assert set(document(poll())["scenarios"]) == {"chat"}

    def test_sees_a_scenario_registered_a_moment_ago(self, chat, client, admin, poll):
        etag = poll().headers["etag"]
        client.post("/api/v1/scenarios", json={"name": "new", "preset": "edge"}, headers=admin)
        assert set(document(poll(etag))["scenarios"]) == {"chat", "new"}

    def test_fifty_at_once_agree(self, chat, poll):
        degrade(chat)
        with ThreadPoolExecutor(50) as pool:
            tags = {answer.headers["etag"] for answer in pool.map(lambda _: poll(), range(50))}
        assert len(tags) == 1


class TestATenantThatWasCutOff:
    def test_is_rejected_with_a_message_and_others_are_not(self, chat, poll, client, policy_key):
        with db.transaction() as session:
            session.add(Tenant(name="acme"))
            session.flush()
            service.issue(
                session, kind="break", scenario_id=chat, tenant_id=service.tenant_id_of(session, "acme"),
                reason="floods us", message="Paused until 12:00.", actor="ana", now=utc_now(),
            )  # fmt: skip
        override = document(poll())["scenarios"]["chat"]["tenants"]["acme"]
        assert override["flags"]["admission"] == "reject"
        assert override["flags"]["admission.message"] == "Paused until 12:00."

        def admission(tenant):
            body = {"context": {"targetingKey": tenant, "scenario": "chat"}}
            return client.post(f"{BULK}/admission", json=body, headers=policy_key).json()["value"]

        assert (admission("acme"), admission("bolt")) == ("reject", "admit")


class TestAKeyBoundToATenant:
    def test_decides_the_tenant_and_never_gets_the_document_of_all(self, chat, client, make_key):
        bound = {"Authorization": f"Bearer {make_key(['policy'], tenant='acme')}"}
        with db.transaction() as session:
            service.issue(
                session, kind="break", scenario_id=chat, tenant_id=service.tenant_id_of(session, "acme"),
                reason="floods us", actor="ana", now=utc_now(),
            )  # fmt: skip
        for context in ({"backend": "gw-1"}, {"targetingKey": "bolt"}, {}):
            body = {"context": context | {"scenario": "chat"}}
            flags = {f["key"]: f for f in client.post(BULK, json=body, headers=bound).json()["flags"]}
            assert flags["admission"]["value"] == "reject"
            assert "scenarios" not in flags["policy"]["value"]
            assert client.post(f"{BULK}/admission", json=body, headers=bound).json()["value"] == "reject"

    @pytest.mark.parametrize(("kind", "level"), [("break", None), ("degrade", 1)])
    def test_is_told_the_kind_of_cause_and_not_what_operators_wrote(
        self, chat, client, make_key, policy_key, *, kind, level
    ):
        bound = {"Authorization": f"Bearer {make_key(['policy'], tenant='acme')}"}
        with db.transaction() as session:
            service.issue(
                session, kind=kind, scenario_id=chat, tenant_id=service.tenant_id_of(session, "acme"), level=level,
                reason="their invoice is overdue", actor="ana", now=utc_now(),
            )  # fmt: skip
        body = {"context": {"targetingKey": "acme", "scenario": "chat"}}
        assert {f["metadata"]["cause"] for f in client.post(BULK, json=body, headers=bound).json()["flags"]} == {kind}
        assert client.post(f"{BULK}/admission", json=body, headers=bound).json()["metadata"]["cause"] == kind
        seen = client.post(f"{BULK}/admission", json=body, headers=policy_key).json()["metadata"]["cause"]
        assert seen == "their invoice is overdue"

    def test_is_told_of_a_restore_no_more_than_that(self, chat, client, make_key):
        bound = {"Authorization": f"Bearer {make_key(['policy'], tenant='acme')}"}
        assert self.cause(client, bound) == ""
        degrade(chat)
        assert self.cause(client, bound) == "degrade"
        with db.transaction() as session:
            service.issue(
                session, kind="restore", scenario_id=chat, reason="the vendor paid", actor="ana", now=utc_now()
            )
        assert self.cause(client, bound) == "restore"

    def cause(self, client, bound):
        body = {"context": {"scenario": "chat"}}
        return client.post(f"{BULK}/admission", json=body, headers=bound).json()["metadata"]["cause"]


class TestTheCause:
    def give(self, scenario_id, kind, reason, **more):
        with db.transaction() as session:
            if kind == "rollback":
                revise(session, scenario_id, 2, utc_now())
            service.issue(
                session, kind=kind, scenario_id=scenario_id, reason=reason, actor="ana", now=utc_now(), **more
            )

    def told(self, poll, backend="gw-1"):
        found = document(poll(backend=backend))["scenarios"]["chat"]
        return found["generation"], found["cause"]

    def test_after_a_rollback_is_the_rollbacks_and_not_that_of_the_level_before(self, chat, poll):
        self.give(chat, "degrade", "too slow", level=1)
        self.give(chat, "restore", "calm for 12 s")
        assert self.told(poll) == (2, "calm for 12 s")
        self.give(chat, "rollback", "quality 0.5 under 0.65")
        assert self.told(poll) == (3, "quality 0.5 under 0.65")

    def test_of_a_level_set_since_the_rollback_is_the_levels(self, chat, poll):
        self.give(chat, "rollback", "quality 0.5 under 0.65")
        assert self.told(poll) == (1, "quality 0.5 under 0.65")
        self.give(chat, "degrade", "too slow", level=1)
        assert self.told(poll) == (2, "too slow")

    def test_of_another_scopes_command_is_not_this_ones(self, chat, poll):
        self.give(chat, "degrade", "too slow", level=1)
        met("gw-2")
        with db.transaction() as session:
            other = session.scalar(select(Backend.id).where(Backend.name == "gw-2"))
        self.give(chat, "degrade", "its disk is full", level=2, backend_id=other)
        assert self.told(poll) == (2, "too slow")
        assert self.told(poll, "gw-2") == (2, "its disk is full")
        self.give(chat, "rollback", "quality 0.5 under 0.65")
        assert {self.told(poll), self.told(poll, "gw-2")} == {(3, "quality 0.5 under 0.65")}

    def test_is_told_to_a_tenant_by_its_kind(self, chat, client, make_key):
        self.give(chat, "rollback", "the vendor paid")
        bound = {"Authorization": f"Bearer {make_key(['policy'], tenant='acme')}"}
        answer = client.post(f"{BULK}/admission", json={"context": {"scenario": "chat"}}, headers=bound)
        assert answer.json()["metadata"]["cause"] == "rollback"


class TestAnyOpenFeatureClient:
    def test_gets_every_flag_with_value_reason_and_variant(self, chat, client, policy_key):
        degrade(chat, 2)
        body = {"context": {"targetingKey": "acme", "scenario": "chat", "backend": "gw-1"}}
        answer = client.post(BULK, json=body, headers=policy_key)
        flags = {flag["key"]: flag for flag in answer.json()["flags"]}
        assert set(flags) == {*DEFAULTS, "policy"}
        assert flags["degrade.level"]["value"] == 2
        assert flags["model.route"]["value"] == "small"
        assert flags["policy"]["value"]["policy.generation"] == 1
        assert {(f["reason"], f["variant"]) for f in flags.values()} == {("TARGETING_MATCH", "level-2")}
        again = client.post(BULK, json=body, headers=policy_key | {"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304

    def test_asks_for_one_flag(self, chat, client, policy_key):
        body = {"context": {"targetingKey": "acme", "scenario": "chat"}}
        answer = client.post(f"{BULK}/admission.limit_rps", json=body, headers=policy_key)
        assert answer.status_code == 200
        assert answer.json() == {
            "key": "admission.limit_rps", "value": 0.0, "reason": "STATIC", "variant": "normal",
            "metadata": {"generation": 0, "revision": 1, "level": 0, "cause": ""},
        }  # fmt: skip
        assert "0.0" in answer.text  # an OpenFeature client refuses 0 where it asked for a float

    @pytest.mark.parametrize("body", ["{}", '{"context": {}}', ""])
    def test_without_a_context_has_the_defaults(self, chat, client, policy_key, body):
        answer = client.post(f"{BULK}/degrade.level", content=body, headers=policy_key)
        assert (answer.json()["value"], answer.json()["reason"]) == (0, "UNKNOWN")

    def test_in_a_scenario_nobody_knows_has_level_0(self, chat, client, policy_key):
        body = {"context": {"targetingKey": "acme", "scenario": "unheard-of"}}
        assert client.post(f"{BULK}/degrade.level", json=body, headers=policy_key).json()["value"] == 0


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ("{not json", "PARSE_ERROR"),
            ("[" * 50_000, "PARSE_ERROR"),
            ('"' + "x" * 70_000 + '"', "PARSE_ERROR"),
            ("[]", "INVALID_CONTEXT"),
            ('{"context": 7}', "INVALID_CONTEXT"),
            ('{"context": {"backend": 7}}', "INVALID_CONTEXT"),
            ('{"context": {"backend": "\\ud800"}}', "INVALID_CONTEXT"),
            ('{"context": {"backend": "a\\u0000b"}}', "INVALID_CONTEXT"),
            ('{"context": {"targetingKey": "' + "x" * 201 + '"}}', "INVALID_CONTEXT"),
        ],
    )
    def test_a_malformed_question_is_400_with_code_and_details(self, client, policy_key, poll, body, code):
        bulk = client.post(BULK, content=body, headers=policy_key)
        one = client.post(f"{BULK}/admission", content=body, headers=policy_key)
        assert (bulk.status_code, one.status_code) == (400, 400)
        assert (bulk.json()["errorCode"], one.json()["errorCode"]) == (code, code)
        assert bulk.json()["errorDetails"] and one.json()["key"] == "admission"
        assert poll().status_code == 200

    def test_an_unknown_flag_is_404(self, chat, client, policy_key):
        answer = client.post(f"{BULK}/no.such.flag", json={"context": {}}, headers=policy_key)
        assert answer.status_code == 404
        assert (answer.json()["key"], answer.json()["errorCode"]) == ("no.such.flag", "FLAG_NOT_FOUND")

    def test_an_unknown_key_is_401_and_one_without_the_scope_403(self, chat, client, make_key):
        body = {"context": {"backend": "gw-1"}}
        assert client.post(BULK, json=body, headers={"Authorization": "Bearer tvt_no"}).status_code == 401
        reader = {"Authorization": f"Bearer {make_key(['read'])}"}
        assert client.post(BULK, json=body, headers=reader).status_code == 403

    def test_a_backend_too_many_is_refused_by_name_and_counted(self, chat, poll, monkeypatch):
        monkeypatch.setattr("trivet.command.polls.BACKENDS_MAX", 1)
        assert poll(backend="gw-1").status_code == 200
        refused = poll(backend="gw-2")
        assert (refused.status_code, refused.json()["errorCode"]) == (409, "GENERAL")
        assert poll(backend="gw-1").status_code == 200
        with db.transaction() as session:
            assert session.execute(select(Denial.reason, Denial.items)).all() == [("too_many_backends", 1)]

    def test_more_new_backends_in_a_minute_than_a_fleet_brings_are_refused_and_counted(self, chat, poll, monkeypatch):
        monkeypatch.setattr("trivet.command.polls.NEW_BACKENDS_MAX", 2)
        assert [poll(backend=f"gw-{n}").status_code for n in range(2)] == [200, 200]
        refused = poll(backend="gw-2")
        assert (refused.status_code, refused.json()["errorCode"]) == (429, "GENERAL")
        assert int(refused.headers["retry-after"]) == 60
        assert poll(backend="gw-1").status_code == 200
        met("gw-2")
        assert poll(backend="gw-2").status_code == 200
        with db.transaction() as session:
            session.execute(update(Backend).values(created_at=utc_now() - timedelta(seconds=61)))
        assert poll(backend="gw-3").status_code == 200
        with db.transaction() as session:
            assert session.execute(select(Denial.reason, Denial.items)).all() == [("too_many_new_backends", 1)]

    def test_with_the_database_away_is_503_and_says_when_to_ask_again(self, chat, client, policy_key, monkeypatch):
        answer = client.post(BULK, json={"context": {"backend": "gw-1"}}, headers=policy_key)
        assert answer.status_code == 200
        with monkeypatch.context() as patch:
            away = db.make_engine("postgresql://nobody@127.0.0.1:9/nothing")
            patch.setattr(db, "engine", lambda: away)
            answer = client.post(BULK, json={"context": {"backend": "gw-1"}}, headers=policy_key)
        assert answer.status_code == 503 and int(answer.headers["retry-after"]) > 0
        assert client.post(BULK, json={"context": {"backend": "gw-1"}}, headers=policy_key).status_code == 200
