"""The checklist: each line by hand, then out of rows and over REST."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.support import commanding
from tests.support.governed import at, register, short_card

from trivet import db
from trivet.card.content import parse
from trivet.console import tongue
from trivet.evidence import readiness
from trivet.evidence.drill_plan import FACTS
from trivet.evidence.readiness import Baseline, Drilled, Facts, Heard, Written
from trivet.guard.models import Regression
from trivet.kit.clock import utc_now

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


def card(top_guard=True):
    body = short_card()
    if top_guard:
        body["guards"][1]["raises_to"] = 3
    return parse(body)


def drilled(days_ago=1, ladder="now", levels=(1, 2, 3), **facts):
    return Drilled(
        7,
        ladder,
        levels,
        NOW - timedelta(days=days_ago),
        dict.fromkeys(FACTS, True) | facts,
        "what it said",
    )


def facts(**changes):
    """A scenario that is ready in every line."""
    whole = {
        "name": "chat", "card": card(), "written": Written(3, False, ("ole", "mika"), False, False), "ladder": "now",
        "baseline": Baseline(True, 3, NOW, "run 12"), "drills": [drilled()], "now": NOW,
        "heard": {name: Heard("ok", "P95 0.4 s", NOW) for name in ("p95", "p95-high")},
    }  # fmt: skip
    return Facts(**whole | changes)


def line(key, **changes):
    return next(each for each in readiness.lines(facts(**changes)) if each.key == key)


class TestAReadyScenario:
    def test_holds_every_line_with_its_reason_and_nothing_to_do(self):
        told = readiness.lines(facts())
        assert all(each.holds and each.reason and not each.to_do for each in told)


class TestInChinese:
    """What stands in the store or on the card is said as it was written; all else is Chinese."""

    @staticmethod
    def said(**changes):
        with tongue.speaking("zh"):
            return {each.key: (each.reason, each.to_do) for each in readiness.lines(facts(**changes), tongue._)}

    def test_a_ready_scenario(self):
        names = "、".join(f"{step.level} {step.name}" for step in card().ladder)
        assert self.said() == {
            "card_written": ("修订 3，批准人：ole和mika", ""),
            "baseline_exists": ("run 12 于 2026-11-21 通过", ""),
            "ladder_exists": (f"共 3 级：{names}", ""),
            "triggers_by_itself": ("2 个守门指标会触发降级，最高到 3 级", ""),
            "drilled": ("演练 7 于 2026-11-20 完成触发、执行与恢复", ""),
            "rolled_back": ("演练 7 于 2026-11-20 完成回滚", ""),
        }

    def test_one_that_lacks_all_of_it(self):
        few = "0 requests in 20 s, 10 needed for a verdict"
        silent = {name: Heard("no_data", few, NOW) for name in ("p95", "p95-high")}
        found = self.said(written=None, baseline=None, heard=silent, drills=[drilled(acted=False, rolled_back=False)])
        assert found["card_written"] == ("仍由未改动的预置卡管控", "用自身数据得出的阈值起草取舍卡，经批准后启用")
        assert found["baseline_exists"] == ("尚未记录任何回归测试或对比", "针对修订 0 运行回归测试并记录结果")
        assert found["triggers_by_itself"] == (
            "会触发降级的守门指标都没有数据：20 秒内的请求数为 0，判定需要 10",
            "上报其遥测数据",
        )
        drill = ("演练 7：“what it said”", "在专用后端上演练：trivet drill-backend")
        assert (found["drilled"], found["rolled_back"]) == (drill, drill)

    def test_one_without_a_card(self):
        assert {reason for reason, _ in self.said(card=None).values()} == {"没有已启用的取舍卡"}


class TestCardWritten:
    @pytest.mark.parametrize(
        ("written", "reason"),
        [
            (Written(1, True, (), False, False), "the preset governs as it came"),
            (Written(3, False, ("ole", "mika"), False, True), "owes its review"),
            (Written(3, False, ("ole",), False, False), "not approved by two people"),
        ],
    )
    def test_does_not_hold(self, written, reason):
        told = line("card_written", written=written)
        assert not told.holds and reason in told.reason and told.to_do

    def test_one_person_in_solo_mode_holds_and_is_told(self):
        told = line("card_written", written=Written(3, False, ("ole", "ole"), True, False))
        assert told.holds and "solo mode" in told.reason


class TestBaseline:
    @pytest.mark.parametrize(
        ("baseline", "reason"),
        [
            (None, "no regression and no comparison was written yet"),
            (Baseline(True, 2, NOW, "run 9"), "run 9, is of revision 2"),
            (Baseline(False, 3, NOW, "run 12"), "run 12, did not pass"),
            (Baseline(True, None, NOW, "run 4"), "run 4, does not say of which revision it is"),
        ],
    )
    def test_does_not_hold_and_says_how_to_write_one(self, baseline, reason):
        told = line("baseline_exists", baseline=baseline)
        assert not told.holds and reason in told.reason
        assert told.ask.path == "/scenarios/chat/regressions" and json.loads(told.ask.body)["revision"] == 3


class TestTriggers:
    def test_needs_a_guard_that_reaches_the_top(self):
        told = line("triggers_by_itself", card=card(top_guard=False))
        assert not told.holds and told.reason == "no guard raises beyond level 2 of 3"

    def test_guards_in_shadow_trigger_nothing(self):
        body = short_card()
        for guard in body["guards"]:
            guard["shadow"] = True
        assert "in shadow: p95, p95-high" in line("triggers_by_itself", card=parse(body)).reason

    def test_guards_without_data_trigger_nothing_and_old_words_are_none(self):
        silent = {name: Heard("no_data", "0 requests in 20 s", NOW) for name in ("p95", "p95-high")}
        assert "0 requests in 20 s" in line("triggers_by_itself", heard=silent).reason
        old = {name: Heard("ok", "", NOW - timedelta(hours=1)) for name in ("p95", "p95-high")}
        assert not line("triggers_by_itself", heard=old).holds

    def test_one_that_is_silent_is_told(self):
        told = line("triggers_by_itself", heard={"p95-high": Heard("ok", "", NOW)})
        assert told.holds and told.reason.endswith("without data now: p95")

    def test_those_that_have_data_must_reach_the_top(self):
        told = line("triggers_by_itself", heard={"p95": Heard("ok", "", NOW)})
        assert not told.holds
        assert told.reason == "guards that have data raise to level 1 of 3 only; without data now: p95-high"


class TestDrilled:
    @pytest.mark.parametrize(
        ("drills", "reason"),
        [
            ([], "not drilled in the last 90 days"),
            ([drilled(days_ago=91)], "not drilled in the last 90 days"),
            ([drilled(ladder="before")], "was of another ladder"),
            ([drilled(acted=False)], "drill 7: what it said"),
            ([drilled(levels=(1, 2))], "left out levels"),
        ],
    )
    def test_does_not_hold(self, drills, reason):
        told = line("drilled", drills=drills)
        assert not told.holds and reason in told.reason and told.ask.path == "/drills"

    def test_one_that_failed_later_is_news_of_the_ladder(self):
        told = line("drilled", drills=[drilled(acted=False), drilled(days_ago=30)])
        assert not told.holds and told.reason == "drill 7: what it said"

    def test_one_that_failed_in_a_part_of_it_too(self):
        part = drilled(levels=(1,), acted=False)
        assert not line("drilled", drills=[part, drilled(days_ago=30)]).holds
        assert line("drilled", drills=[drilled(levels=(1,)), drilled(days_ago=30)]).holds

    def test_one_that_was_aborted_says_nothing_of_it(self):
        aborted = replace(drilled(acted=False), aborted=True)
        assert line("drilled", drills=[aborted, drilled(days_ago=30)]).holds
        assert not line("drilled", drills=[aborted]).holds

    def test_what_is_to_be_typed_survives_a_shell(self):
        told = line("drilled", name="o'chat", drills=[])
        assert "'" not in told.ask.body and json.loads(told.ask.body)["scenario"] == "o'chat"

    def test_rolled_back_is_a_line_of_its_own(self):
        assert not line("rolled_back", drills=[drilled(rolled_back=False)]).holds
        assert line("drilled", drills=[drilled(rolled_back=False)]).holds


class TestOutOfRows:
    @pytest.fixture
    def chat(self, database):
        return register("chat")

    def test_each_line_says_why_and_what_to_do(self, chat, client, admin):
        found = client.get("/api/v1/scenarios/chat/readiness", headers=admin).json()
        assert found["ready"] is False
        assert {each["key"]: each["holds"] for each in found["lines"]} == {
            "card_written": False, "baseline_exists": False, "ladder_exists": True, "triggers_by_itself": False,
            "drilled": False, "rolled_back": False,
        }  # fmt: skip
        assert all(each["to_do"] for each in found["lines"] if not each["holds"])

    def test_a_regression_that_passed_is_the_baseline(self, chat, client, admin):
        with db.transaction() as session:
            session.add(
                Regression(
                    scenario_id=chat,
                    revision=1,
                    passed=True,
                    source="ci",
                    reference="run 12",
                    details={},
                    created_at=at(0),
                )
            )
        (found,) = client.get("/api/v1/readiness", headers=admin).json()["items"]
        assert next(each for each in found["lines"] if each["key"] == "baseline_exists")["reason"].startswith("run 12")

    def test_a_drill_over_rest_says_how_to_start_its_backend_and_is_begun_looked_at_and_aborted(
        self, chat, client, admin
    ):
        wish = {"scenario": "chat", "reason": "readiness"}
        refused = client.post("/api/v1/drills", json=wish, headers=admin)
        assert refused.status_code == 409 and "trivet drill-backend --name drill-1" in refused.json()["detail"]
        commanding.hold(utc_now(), "drill-1")
        begun = client.post("/api/v1/drills", json=wish, headers=admin)
        assert begun.status_code == 201 and begun.json()["levels"] == [1, 2, 3]
        address = f"/api/v1/drills/{begun.json()['id']}"
        assert client.get(address, headers=admin).json()["steps"] == []
        aborted = client.post(f"{address}/abort", json={"reason": "wrong hour"}, headers=admin)
        assert aborted.json()["state"] == "restoring"
        assert [each["id"] for each in client.get("/api/v1/drills", headers=admin).json()["items"]] == [1]

    def test_a_schedule_is_made_listed_and_ended(self, chat, client, admin):
        body = {"scenario": "chat", "backend": "drill-1", "reason": "weekly", "every_days": 7, "at": "07:00"}
        made = client.post("/api/v1/drill-schedules", json=body, headers=admin)
        assert made.status_code == 201 and made.json()["next_at"].endswith("T07:00:00Z")
        (row,) = client.get("/api/v1/drill-schedules", headers=admin).json()["items"]
        assert (row["every_days"], row["at"], row["backend"]) == (7, "07:00:00", "drill-1")
        assert client.post(f"/api/v1/drill-schedules/{row['id']}/end", headers=admin).status_code == 204
        abroad = client.post("/api/v1/drill-schedules", json=body | {"at": "07:00+02:00"}, headers=admin)
        assert abroad.status_code == 422 and "in UTC" in abroad.text
        assert client.get("/api/v1/drill-schedules", headers=admin).json()["items"] == []
