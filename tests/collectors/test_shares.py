"""What only some conversations, tiers or tenants get of a state, and when each of them is told to come back."""

from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest

from trivet_collectors.policy.client import PolicyClient
from trivet_collectors.policy.evaluate import evaluate, flag, within
from trivet_collectors.policy.store import Held

NOW = datetime(2026, 11, 21, 7, 5, tzinfo=UTC)
MANY = [f"conversation-{n}" for n in range(4000)]
LIMITED = {"admission": "limit", "admission.limit_rps": 2.0, "admission.retry_after_s": 60}


def asked(scenario: dict[str, Any], **context: Any) -> dict[str, Any]:
    return evaluate({"scenarios": {"chat": scenario}}, {"scenario": "chat", **context}, NOW)


class TestAShareOfConversations:
    def test_holds_about_as_many_as_it_says(self) -> None:
        assert sum(within("salt", one, 0.2) for one in MANY) / len(MANY) == pytest.approx(0.2, abs=0.02)

    def test_that_grows_keeps_whom_it_had_and_one_of_1_has_everybody(self) -> None:
        small, large = ({one for one in MANY if within("salt", one, share)} for share in (0.05, 0.5))
        assert small < large
        assert all(within("salt", one, 1.0) for one in MANY)

    def test_of_an_action_leaves_the_others_without_it(self) -> None:
        level = {"level": 1, "flags": {"tools.mode": "off", "output.max_tokens": 64}, "shares": {"tools.mode": 0.3}}
        said = [asked(level, session=one) for one in MANY]
        assert sum(flags["tools.mode"] == "off" for flags in said) / len(said) == pytest.approx(0.3, abs=0.03)
        assert {flags["output.max_tokens"] for flags in said} == {64}


class TestAnArm:
    ARM: ClassVar[dict[str, Any]] = {"salt": "chat:probe", "share": 0.2, "revision": 1, "level": 0, "flags": {}}
    LEVEL: ClassVar[dict[str, Any]] = {
        "level": 1,
        "revision": 1,
        "flags": LIMITED,
        "audiences": [{"tiers": ["free"], "flags": {"admission": "reject"}}],
        "arms": [ARM],
    }

    def test_gives_its_share_its_own_level_and_nothing_of_the_one_it_stands_in_for(self) -> None:
        said = [asked(self.LEVEL, session=one, tier="free") for one in MANY]
        back = [flags for flags in said if flags["degrade.level"] == 0]
        assert len(back) / len(said) == pytest.approx(0.2, abs=0.02)
        assert {flags["admission"] for flags in back} == {"admit"}
        assert {flags["admission"] for flags in said if flags["degrade.level"] == 1} == {"reject"}

    def test_is_nobodys_who_says_no_conversation(self) -> None:
        assert asked(self.LEVEL)["degrade.level"] == 1


class TestAnAudience:
    LEVEL: ClassVar[dict[str, Any]] = {
        "level": 3,
        "flags": LIMITED,
        "audiences": [
            {"tiers": ["vip"], "tenants": ["acme"], "flags": {"admission": "admit"}},
            {"tiers": ["free"], "flags": {"admission": "reject", "admission.message": "Back in a minute."}},
        ],
    }

    @pytest.mark.parametrize(
        ("context", "admission"),
        [
            ({"tier": "vip"}, "admit"),
            ({"targetingKey": "acme", "tier": "free"}, "admit"),  # the first that one belongs to counts
            ({"tier": "free"}, "reject"),
            ({"tier": "standard"}, "limit"),
            ({}, "limit"),
        ],
    )
    def test_keeps_vips_limits_the_others_and_turns_some_away(self, context: dict[str, str], admission: str) -> None:
        assert asked(self.LEVEL, **context)["admission"] == admission

    def test_hears_what_is_happening_and_when_to_come_back(self) -> None:
        flags = asked(self.LEVEL, tier="free", session="a")
        assert flags["admission.message"] == "Back in a minute."
        assert 45 <= flags["admission.retry_after_s"] <= 75

    def test_of_a_level_that_one_tenant_is_at_counts_too(self) -> None:
        scenario = {"level": 0, "tenants": {"globex": self.LEVEL}}
        assert asked(scenario, targetingKey="globex", tier="vip")["admission"] == "admit"
        assert asked(scenario, targetingKey="globex", tier="free")["admission"] == "reject"


class TestTheTimeToComeBack:
    def told(self, **context: Any) -> int:
        return int(asked({"level": 1, "flags": LIMITED}, **context)["admission.retry_after_s"])

    def test_differs_from_conversation_to_conversation_by_a_quarter_at_most(self) -> None:
        told = {self.told(session=one) for one in MANY}
        assert (min(told), max(told)) == (45, 75)

    def test_is_always_the_same_to_the_same(self) -> None:
        assert self.told(session="a") == self.told(session="a")

    def test_is_as_the_policy_says_where_no_conversation_is_named(self) -> None:
        assert self.told() == 60

    def test_that_is_not_said_stays_unsaid(self) -> None:
        assert asked({"level": 1, "flags": {}}, session="a")["admission.retry_after_s"] == 0


class TestTheClient:
    @pytest.fixture
    def client(self) -> PolicyClient:
        made = PolicyClient("http://127.0.0.1:9", "tvt_none", "gw-1", None)
        made._store.held = Held({"scenarios": {"chat": TestAnArm.LEVEL}}, None)
        return made

    def test_draws_a_conversation_for_each_call_that_names_none(self, client: PolicyClient) -> None:
        said = [client.policy(scenario="chat")["degrade.level"] for _ in range(2000)]
        assert 0.1 < said.count(0) / len(said) < 0.3

    def test_keeps_one_that_is_named_on_its_side(self, client: PolicyClient) -> None:
        assert len({client.policy(scenario="chat", session="a")["degrade.level"] for _ in range(50)}) == 1

    def test_passes_the_tier_on(self, client: PolicyClient) -> None:
        inside = next(one for one in MANY if not within("chat:probe", one, 0.2))
        assert client.policy(scenario="chat", session=inside, tier="free")["admission"] == "reject"
        assert client.policy(scenario="chat", session=inside, tier="gold")["admission"] == "limit"

    def test_says_the_variant_of_the_arm(self) -> None:
        document = {"scenarios": {"chat": TestAnArm.LEVEL}}
        inside = next(one for one in MANY if within("chat:probe", one, 0.2))
        assert flag(document, "admission", {"scenario": "chat", "session": inside}, NOW) == ("admit", "SPLIT", "normal")
