"""The sentence each page opens with."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from trivet.console.sentence import Blamed, Breach, Standing, WayBack, overview, scenario
from trivet.console.tongue import speaking

NOW = datetime(2026, 11, 21, 14, 6, tzinfo=UTC)
ZONE = ZoneInfo("UTC")
SUPPORT = Standing(
    "support-chat", level=2, since=datetime(2026, 11, 21, 14, 2, tzinfo=UTC), cause="P95 passed 1.5 s", wanted_level=2,
    cost_change=-0.12, quality=0.93, quality_floor=0.92, requests=True,
)  # fmt: skip
CODE = Standing("code-assistant", requests=True)
DIGEST = Standing("nightly-digest", requests=True)


def page(*standings, spent="12.3456"):
    return overview(standings, Decimal(spent), "USD", NOW, ZONE)


class TestOneScenario:
    def test_it_says_level_since_when_why_and_what_it_costs_and_keeps(self):
        assert scenario(SUPPORT, NOW, ZONE) == (
            "Support chat has been at level 2 since 14:02 because P95 passed 1.5 s; "
            "it costs 12 % less, quality is 0.93 (floor 0.92)."
        )

    def test_a_step_back_is_said_as_the_way_back(self):
        back = replace(SUPPORT, level=1, wanted_level=1, cause="stepping back from level 2: calm for 31 s")
        assert scenario(back, NOW, ZONE).startswith(
            "Support chat has stepped back to level 1 since 14:02 after being calm for 31 s; it costs 12 % less"
        )
        with speaking("zh"):
            assert scenario(back, NOW, ZONE).startswith("Support chat 在平稳 31 秒之后，自 14:02 起回到 1 级；")

    def test_the_clock_is_the_readers(self):
        assert "since 22:02" in scenario(SUPPORT, NOW, ZoneInfo("Asia/Shanghai"))

    def test_what_is_asked_for_is_not_said_as_a_fact(self):
        assert "; level 3 is asked for and not yet proven" in scenario(replace(SUPPORT, wanted_level=3), NOW, ZONE)

    def test_what_is_not_known_is_not_said(self):
        bare = Standing("support-chat", level=1, since=SUPPORT.since, wanted_level=1)
        assert scenario(bare, NOW, ZONE) == "Support chat has been at level 1 since 14:02."

    def test_a_broken_guard_at_level_0_says_what_is_past_what(self):
        broken = replace(CODE, breaches=(Breach("P95", "1.62 s", "1.5 s"),))
        assert scenario(broken, NOW, ZONE) == "Code assistant is at level 0 and its P95 is 1.62 s, past 1.5 s."

    def test_a_stall_says_what_stands_still(self):
        stalled = replace(CODE, breaches=(Breach("12 in flight and none finished for 45 s", "", "", stalled=True),))
        assert "is at level 0 and has stalled: 12 in flight" in scenario(stalled, NOW, ZONE)

    def test_quality_falls_below_where_latency_and_cost_pass(self):
        low = replace(CODE, quality=0.52, breaches=(Breach("quality", "0.52", "0.65", falls=True),))
        assert scenario(low, NOW, ZONE) == "Code assistant is at level 0 and its quality is 0.52, below 0.65."
        over = replace(CODE, over=("quality", "latency", "cost"))
        assert "below its card's floor in quality and past its card in latency and cost" in scenario(over, NOW, ZONE)

    def test_an_open_breach_is_said_while_too_little_was_measured_since(self):
        kept = replace(CODE, breaches=(Breach("P95", "1.62 s", "1.5 s", kept=True),))
        assert "its P95 was 1.62 s, past 1.5 s, with too little measured since." in scenario(kept, NOW, ZONE)

    def test_a_bad_revision_is_named_with_who_made_it_active(self):
        low = replace(
            CODE, name="support-chat", quality=0.52, quality_floor=0.65,
            breaches=(Breach("quality", "0.52", "0.65", falls=True),),
            blamed=Blamed(3, NOW.replace(minute=2), "Sam Operations"),
        )  # fmt: skip
        assert scenario(low, NOW, ZONE) == (
            "Support chat's quality fell to 0.52 (floor 0.65) after revision 3 became active at 14:02 (Sam Operations)."
        )
        slow = replace(low, quality=None, breaches=(Breach("P95", "3.37 s", "2.4 s"),))
        assert scenario(slow, NOW, ZONE).startswith("Support chat's P95 rose to 3.37 s (limit 2.4 s) after revision 3")

    def test_a_roll_back_says_what_it_went_back_from(self):
        why = "revision 3's quality was 0.52, under its floor of 0.65"
        back = replace(CODE, name="support-chat", back=WayBack(2, NOW.replace(minute=5), why))
        assert page(back, DIGEST).startswith(f"Support chat is back on revision 2 since 14:05; {why}.")
        asked = replace(back, back=replace(back.back, proven=False))
        assert "to go back to revision 2, asked for at 14:05 and not yet proven" in scenario(asked, NOW, ZONE)


class TestTheOverview:
    def test_calm_says_so_and_what_today_has_cost(self):
        assert page(CODE, DIGEST, replace(CODE, name="rag")) == (
            "All three scenarios are at level 0 and within their cards; today has cost $12.35."
        )

    def test_the_worst_scenario_comes_first_and_the_calm_ones_share_a_clause(self):
        said = page(CODE, SUPPORT, DIGEST)
        assert said.startswith("Support chat has been at level 2")
        assert said.endswith("The other two are at level 0 and within their cards.")

    def test_a_second_troubled_scenario_is_named(self):
        assert page(SUPPORT, replace(DIGEST, level=1)).endswith("Nightly digest is at level 1.")

    def test_one_scenario_alone_has_no_others(self):
        assert page(CODE, spent="0.5") == "The scenario is at level 0 and within its card; today has cost $0.5000."

    def test_nothing_yet_is_said_as_nothing_yet(self):
        assert page() == "No scenario is registered yet, so there is nothing to compare with a card."
        assert page(replace(CODE, requests=False)) == "The scenario is at level 0 and nothing has arrived from it yet."

    def test_a_waiting_command_is_trouble_enough_to_mention(self):
        assert page(SUPPORT, replace(CODE, wanted_level=1)).endswith("Code assistant has a command waiting.")

    def test_one_without_a_card_is_not_within_it(self):
        bare = [replace(CODE, name=name, has_card=False) for name in ("rag", "edge")]
        assert page(CODE, DIGEST, *bare).startswith(
            "All four scenarios are at level 0; two are within their cards, two have no card yet; today has cost"
        )
        assert page(SUPPORT, bare[0]).endswith("The other scenario is at level 0; it has no card yet.")

    def test_one_that_no_guard_has_judged_since_a_change_is_not_within_its_card(self):
        young = replace(CODE, judged=False, changed_at=NOW.replace(minute=5))
        assert page(DIGEST, young).startswith(
            "Both scenarios are at level 0; one is within its card, Code assistant is not measured yet since 14:05; "
        )
        assert "Code assistant has too few requests to be judged" in page(DIGEST, replace(young, changed_at=None))
        assert "nothing comes from Code assistant" in page(DIGEST, replace(young, requests=False))
        assert "three are not measured yet" in page(DIGEST, *(replace(young, name=n) for n in "abc"))

    def test_what_is_provisional_of_the_cost_is_said(self):
        said = overview([CODE], Decimal(12), "USD", NOW, ZONE, provisional=Decimal(3))
        assert said.endswith("today has cost $12.00, $3.000 of it provisional.")
        all_of_it = overview([CODE], Decimal(12), "USD", NOW, ZONE, provisional=Decimal(12))
        assert all_of_it.endswith("today has cost $12.00, all of it provisional.")
