"""What guards wrote when they judged, said in another language; in English it is what they wrote, to the letter."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.card.content import Guard
from trivet.console import tongue
from trivet.guard import burn, telling, words
from trivet.guard.decide import MEASURES, Standing, Window, verdict
from trivet.guard.load import ANOTHER_REVISION
from trivet.guard.measures import Silence
from trivet.guard.telling import again
from trivet.kit.histogram import of, total

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
SAID = [
    (
        "P95 2.09 s over 1.5 s: 20 of 20 took over 1.5 s where 1 may; chance of this by luck under 1 in a billion",
        "P95 2.09 s，高于 1.5 s：20 个中有 20 个超过 1.5 s，只允许 1 个；纯属偶然的概率不到 十亿 分之一",
    ),
    (
        "since 07:59:59 UTC 8 of 8 took over 1.5 s where 0.4 may; chance of this by luck under 1 in 1,000; P95 300 ms in all 30 s, limit 1.5 s",
        "自 07:59:59 UTC 起，8 个中有 8 个超过 1.5 s，只允许 0.4 个；纯属偶然的概率不到 1,000 分之一；整个 30 秒内 P95 300 ms，限值 1.5 s",
    ),
    (
        "error rate 62.1 % over 5.0 %: 12 of 20 failed where 1 may, counted as 4 as they come in bunches",
        "错误率 62.1 %，高于 5.0 %：20 个中有 12 个失败，只允许 1 个，因成批出现按 4 个计",
    ),
    (
        "P95 2 s over 1.5 s; in shadow: would have raised quality to level 2",
        "P95 2 s，高于 1.5 s；影子模式：本应将 quality 升至 2 级",
    ),
    (
        "nothing finished in 30 s while 5 run, 2 wait and 12 were let in",
        "30 秒内没有请求完成，而 5 个运行中，2 个等待中，12 个已放行",
    ),
    ("3 requests in 30 s, 10 needed for a verdict", "30 秒内的请求数为 3，判定需要 10"),
    ("cost of a tenant's day 12.5 by acme, the dearest of 3 over 10", "单租户当日成本 12.5，来自 acme，3 个中最高，高于 10"),
    ("P95 1.1 s, back within 1.2 s", "P95 1.1 s，已回到 1.2 s 以内"),
    ("gives way to level 1: pool gpus-eu is full", "让步到 1 级：“pool gpus-eu is full”"),
    ("another revision governs now", "现由另一修订管控"),
]  # fmt: skip


def chinese(reason):
    with tongue.speaking("zh"):
        return again(reason, tongue._)


def guard(metric="p95_latency_ms", **of_it):
    whole = {"enter": 1500.0, "leave": 1200.0, "window_s": 30, "minimum_sample": 10, "for_s": 0.0, "raises_to": 1}
    return Guard(name="g", metric=metric, **whole | of_it)


def latencies(ms, count=20, **more):
    data = of([round(ms * 1000)] * count)
    return Window(seconds=30, served=count, latency=data, latency_count=total(data), **more)


SILENT = Silence(NOW - timedelta(seconds=31), "5 run and 2 wait")
SEEN = {
    "a breach": (guard(), latencies(2100), Standing()),
    "with calls that still run": (guard(), latencies(2100, overdue=3), Standing()),
    "well": (guard(), latencies(800), Standing()),
    "not to be told from luck": (guard(minimum_sample=1), latencies(2100, 2), Standing()),
    "not for long": (guard(for_s=60.0), latencies(2100), Standing()),
    "broken still": (guard(), latencies(1400), Standing(broken=True)),
    "whole again": (guard(), latencies(1100), Standing(broken=True)),
    "too few": (guard(), latencies(800, 3), Standing(broken=True)),
    "a stall": (guard(), Window(seconds=30, silence=SILENT), Standing()),
    "errors": (guard("error_rate", enter=0.05, leave=0.01), Window(seconds=30, served=40, errors=30), Standing()),
}


class TestInChinese:
    @pytest.mark.parametrize(("stored", "said"), SAID)
    def test_says_it_whole(self, stored, said):
        assert chinese(stored) == said

    @pytest.mark.parametrize("seen", SEEN.values(), ids=SEEN)
    def test_knows_what_guards_write(self, seen):
        said = chinese(verdict(*seen, NOW).reason)
        assert not said.isascii() and not re.search("[a-z]{2}", said.replace(" ms", ""))

    def test_leaves_what_a_person_wrote(self):
        assert chinese("the queue grows: over 3 of them") == "the queue grows: over 3 of them"
        assert chinese("x" * 10_000) == "x" * 10_000


class TestInEnglish:
    @pytest.mark.parametrize("stored", [stored for stored, _ in SAID])
    def test_is_what_was_written(self, stored):
        assert again(stored) == stored

    @given(st.lists(st.sampled_from([*telling.CLAUSES, *telling.KNOWN, " 7 s", ", ", "; ", "a", "{n}"]), max_size=5))
    def test_whatever_was_written(self, parts):
        text = "".join(parts)
        assert again(text) == text


class TestItsWords:
    """A guard that learns a new word is told of here."""

    def test_are_those_that_guards_write(self):
        assert {measure.label for measure in MEASURES.values()} <= set(telling.LABELS)
        assert {measure.of_what for measure in MEASURES.values()} <= set(telling.COUNTED)
        assert tuple(said for _, said in words.LUCK) == telling.LUCK
        assert ANOTHER_REVISION in telling.KNOWN

    @pytest.mark.parametrize("bad", words.WHAT_IS_BAD.values())
    def test_of_what_is_bad(self, bad):
        assert bad not in chinese(f"12 of 20 {bad} where 1 may")

    def test_of_a_budget_that_burns(self):
        said = burn.said(burn.Burning(burn.Pair(3600, 300, 14.4, "page"), 20.0, 31.0, 100))
        assert chinese(said) == "错误预算的消耗速度在 1 h 内为允许值的 20 倍，在 5 min 内为 31 倍，限值 14.4"
