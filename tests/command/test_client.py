"""The real policy client against the real app: what it holds is observed, what it reports is effective."""

import time

import pytest
from tests.support.calls import call, ingest
from tests.support.commanding import met

from trivet import db
from trivet.command import service, sweep
from trivet.command.models import Command
from trivet.kit.clock import utc_now
from trivet_collectors.policy.client import PolicyClient, attributes_of


@pytest.fixture
def gateway(server, chat, make_key, tmp_path):
    """A client that polls ten times a second and keeps its state on disk."""
    met("gw-1")
    made = PolicyClient(server, make_key(["policy"]), "gw-1", tmp_path / "policy.json", poll_interval_s=0.1)
    made.start(wait_s=10)
    assert made.status().problem is None
    yield made
    made.stop()


def issue(kind="degrade", **more):
    with db.transaction() as session:
        return service.issue(
            session, kind=kind, scenario_id=1, reason="a test", actor="ole@example.com", now=utc_now(), **more
        )


def status(id_):
    with db.transaction() as session:
        sweep.fold_seen(session)
    with db.transaction() as session:
        sweep.judge(session, utc_now(), 60)
    with db.transaction() as session:
        return session.get(Command, id_).status


def until(said, limit_s=40.0):
    deadline = time.monotonic() + limit_s
    while not said():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def serve(gateway, tenant="acme"):
    """One call, under the policy that holds, and its span."""
    policy = gateway.policy(tenant=tenant, scenario="chat")
    said = attributes_of(policy)
    now = utc_now()
    ingest(
        call(
            now, tenant=tenant, scenario="chat", backend="gw-1", generation=said["trivet.policy.generation"],
            revision=said["trivet.policy.revision"], level=said["trivet.degrade.level"],
        ),
        now=now,
    )  # fmt: skip
    return policy


class TestABackendThatListens:
    def test_learns_of_each_command_long_before_its_next_poll_and_proves_it(self, server, chat, make_key):
        met("gw-1")
        listening = PolicyClient(server, make_key(["policy"]), "gw-1", None, poll_interval_s=300.0)
        listening.start(wait_s=10)
        until(lambda: listening.status().listening)
        for given in (issue(level=2), issue("restore"), issue(level=1)):
            until(lambda n=given.generation: listening.policy(scenario="chat")["policy.generation"] >= n)
        until(lambda: status(given.id) == "observed")
        listening.stop()


class TestTheLoop:
    def test_a_command_is_pending_then_observed_by_the_poll_then_effective_by_telemetry(self, gateway):
        given = issue(level=2)
        assert given.status == "pending"
        until(lambda: status(given.id) == "observed")
        assert gateway.policy(scenario="chat")["degrade.level"] == 2
        assert serve(gateway)["context.max_turns"] == 3
        assert status(given.id) == "effective"

    def test_two_commands_between_polls_leave_the_backend_with_the_newest_only(self, gateway):
        first, second = issue(level=1), issue(level=3)
        until(lambda: gateway.policy(scenario="chat")["policy.generation"] == 2)
        assert gateway.policy(scenario="chat")["degrade.level"] == 3
        until(lambda: status(second.id) == "observed")
        assert status(first.id) == "superseded"

    def test_a_tenant_cut_off_is_cut_off_alone(self, gateway):
        serve(gateway, "acme")
        with db.transaction() as session:
            tenant = service.tenant_id_of(session, "acme")
        issue("break", tenant_id=tenant, message="Paused.")
        until(lambda: gateway.policy(tenant="acme", scenario="chat")["admission"] == "reject")
        assert gateway.policy(tenant="acme", scenario="chat")["admission.message"] == "Paused."
        assert gateway.policy(tenant="bolt", scenario="chat")["admission"] == "admit"

    def test_a_restarted_backend_holds_what_it_held_and_proves_it_at_once(self, gateway, server, make_key, tmp_path):
        given = issue(level=1)
        until(lambda: status(given.id) == "observed")
        gateway.stop()
        again = PolicyClient(server, make_key(["policy"]), "gw-1", tmp_path / "policy.json", poll_interval_s=0.1)
        again.start(wait_s=10)
        try:
            assert again.policy(scenario="chat")["degrade.level"] == 1
            assert not again.stale
        finally:
            again.stop()


class TestAnyOpenFeatureClient:
    def test_reads_the_flags_through_the_sdk(self, gateway):
        from openfeature import api
        from openfeature.evaluation_context import EvaluationContext

        from trivet_collectors.policy.provider import PolicyProvider

        issue(level=2)
        until(lambda: gateway.policy(scenario="chat")["degrade.level"] == 2)
        api.set_provider_and_wait(PolicyProvider(gateway), "trivet-test")
        try:
            context = EvaluationContext("acme", {"scenario": "chat"})
            details = api.get_client("trivet-test").get_integer_details("context.max_turns", 99, context)
            assert (details.value, details.variant, details.reason) == (3, "level-2", "TARGETING_MATCH")
        finally:
            api.clear_providers()
