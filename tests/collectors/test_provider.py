"""The provider through the real OpenFeature API, over the real client and a real server."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode, ProviderNotReadyError
from openfeature.flag_evaluation import Reason
from openfeature.provider import ProviderStatus
from tests.collectors.ofrep_server import KEY, OfrepServer, Said, document, eventually

from trivet_collectors.policy.client import PolicyClient
from trivet_collectors.policy.evaluate import DEFAULTS
from trivet_collectors.policy.provider import PolicyProvider

CHAT = EvaluationContext(targeting_key="zeta", attributes={"scenario": "support-chat"})
ACME = EvaluationContext(targeting_key="acme", attributes={"scenario": "support-chat"})
DEGRADED = document(
    generation=7,
    level=2,
    flags={"output.max_tokens": 256, "tools.mode": "local", "cache.only": True, "admission.limit_rps": 5},
    tenants={"acme": {"level": 0, "flags": {"admission": "reject"}}},
)


@pytest.fixture
def provider(server: OfrepServer, tmp_path: Path) -> Iterator[PolicyProvider]:
    server.document = DEGRADED
    client = PolicyClient(server.url, KEY, "demo-1", tmp_path / "policy.json", 0.05, stale_after_s=0.3)
    yield PolicyProvider(client)
    server.release.set()
    client.stop()  # before the registry: its own shutdown runs on a thread that nobody waits for
    api.shutdown()
    api.clear_providers()


@pytest.fixture
def flags(provider: PolicyProvider) -> OpenFeatureClient:
    api.set_provider_and_wait(provider, "trivet-tests")
    return api.get_client("trivet-tests")


class TestAnOpenFeatureClient:
    def test_reads_each_type_of_flag(self, flags: OpenFeatureClient) -> None:
        assert flags.get_integer_value("output.max_tokens", 0, CHAT) == 256
        assert flags.get_string_value("tools.mode", "all", CHAT) == "local"
        assert flags.get_boolean_value("cache.only", False, CHAT) is True
        assert flags.get_float_value("admission.limit_rps", 0.0, CHAT) == 5.0
        assert flags.get_object_value("policy", {}, CHAT) == {
            **DEFAULTS,
            "degrade.level": 2,
            "policy.generation": 7,
            "policy.revision": 2,
            "output.max_tokens": 256,
            "tools.mode": "local",
            "cache.only": True,
            "admission.limit_rps": 5.0,
        }

    def test_learns_reason_variant_and_where_the_value_comes_from(self, flags: OpenFeatureClient) -> None:
        details = flags.get_integer_details("degrade.level", 0, CHAT)
        assert (details.value, details.reason, details.variant) == (2, Reason.TARGETING_MATCH, "level-2")
        assert details.flag_metadata == {"generation": 7, "revision": 2, "level": 2, "cause": "test"}

    def test_is_told_about_its_tenant(self, flags: OpenFeatureClient) -> None:
        assert flags.get_string_value("admission", "admit", ACME) == "reject"
        assert flags.get_string_value("admission", "admit", CHAT) == "admit"

    def test_has_the_defaults_for_a_scenario_nobody_described(self, flags: OpenFeatureClient) -> None:
        details = flags.get_integer_details("degrade.level", 3, EvaluationContext(attributes={"scenario": "other"}))
        assert (details.value, details.reason, details.variant) == (0, Reason.UNKNOWN, "normal")

    def test_without_any_context_is_answered_too(self, flags: OpenFeatureClient) -> None:
        assert flags.get_string_value("admission", "reject") == "admit"

    def test_gets_its_own_default_for_a_wrong_type_or_an_unknown_name(self, flags: OpenFeatureClient) -> None:
        wrong: Any = flags.get_integer_details("cache.only", 9, CHAT)
        assert (wrong.value, wrong.error_code) == (9, ErrorCode.TYPE_MISMATCH)
        unknown = flags.get_string_details("no.such.flag", "mine", CHAT)
        assert (unknown.value, unknown.error_code) == ("mine", ErrorCode.FLAG_NOT_FOUND)

    def test_draws_a_conversation_for_each_question_that_names_none(
        self, server: OfrepServer, provider: PolicyProvider
    ) -> None:
        arm = {"salt": "probe", "share": 0.5, "level": 1, "revision": 2, "flags": {}}
        server.document = document(level=2, flags={"admission.retry_after_s": 1000}, arms=[arm])
        api.set_provider_and_wait(provider, "trivet-tests")
        client = api.get_client("trivet-tests")
        asked = [client.get_integer_value("degrade.level", 0, CHAT) for _ in range(200)]
        assert 50 < asked.count(1) < 150  # chance of anything else: less than one in a billion
        named = EvaluationContext("zeta", {"scenario": "support-chat", "session": "c-1"})
        assert len({client.get_integer_value("degrade.level", 0, named) for _ in range(50)}) == 1
        told = {client.get_integer_value("admission.retry_after_s", 0, CHAT) for _ in range(100)} - {0}
        assert len(told) > 10 and all(750 <= each <= 1250 for each in told)

    def test_can_ask_from_an_event_loop(self, flags: OpenFeatureClient) -> None:
        assert asyncio.run(flags.get_integer_value_async("degrade.level", 0, CHAT)) == 2

    def test_causes_no_request_by_asking(self, server: OfrepServer, provider: PolicyProvider) -> None:
        provider._client._poll_interval_s = 60.0
        api.set_provider_and_wait(provider, "trivet-tests")
        eventually(lambda: len(server.requests) == 2)
        client = api.get_client("trivet-tests")
        for _ in range(100):
            client.get_integer_value("degrade.level", 0, CHAT)
        assert len(server.requests) == 2


class TestWithoutTrivet:
    def test_values_keep_coming_marked_stale(self, server: OfrepServer, flags: OpenFeatureClient) -> None:
        server.script.extend([Said(503)] * 1000)
        eventually(lambda: flags.get_integer_details("degrade.level", 0, CHAT).reason == Reason.STALE)
        assert flags.get_integer_value("degrade.level", 0, CHAT) == 2
        eventually(lambda: flags.get_provider_status() == ProviderStatus.STALE)
        server.script.clear()
        eventually(lambda: flags.get_provider_status() == ProviderStatus.READY, within_s=10.0)

    def test_the_fallback_follows_at_the_time_limit(self, server: OfrepServer, provider: PolicyProvider) -> None:
        server.document = document(generation=8, level=2, fallback={"level": 1, "flags": {}})
        server.valid_for = timedelta(seconds=1)
        api.set_provider_and_wait(provider, "trivet-tests")
        client = api.get_client("trivet-tests")
        server.script.extend([Said(503)] * 1000)
        eventually(lambda: client.get_integer_value("degrade.level", 0, CHAT) == 1)

    def test_and_without_any_state_the_callers_default_applies_until_there_is_one(
        self, server: OfrepServer, provider: PolicyProvider
    ) -> None:
        server.script.extend([Said(503)] * 3)
        with pytest.raises(ProviderNotReadyError):
            api.set_provider_and_wait(provider, "trivet-tests")
        client = api.get_client("trivet-tests")
        details = client.get_integer_details("degrade.level", 3, CHAT)
        assert (details.value, details.error_code) == (3, ErrorCode.PROVIDER_NOT_READY)
        eventually(lambda: client.get_integer_value("degrade.level", 3, CHAT) == 2, within_s=10.0)
        assert client.get_provider_status() == ProviderStatus.READY

    def test_a_denied_key_leaves_the_last_state_answering(self, server: OfrepServer, flags: OpenFeatureClient) -> None:
        server.script.append(Said(401))
        eventually(lambda: flags.get_provider_status() == ProviderStatus.ERROR)
        assert flags.get_integer_value("degrade.level", 0, CHAT) == 2
