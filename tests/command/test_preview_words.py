"""How a preview says what it says."""

from decimal import Decimal

import pytest

from trivet.card.presets import preset
from trivet.command import learning
from trivet.command.preview import Cost, Preview, reach, sentence
from trivet.console import tongue

CARD = preset("code-assistant")


def said(scenario="code-assistant", tenant=None, expires_in_s=None):
    facts = Preview("", 0, 1, 1, 1, {}, ["gw-1"], 3.4, ["acme"])
    return sentence("degrade", scenario, tenant, facts=facts, card=CARD, expires_in_s=expires_in_s)


def in_chinese(kind, before, after, *, tenant=None, backends=("gw-1",), expires_in_s=None):
    facts = Preview("", before, after, 7, 6, {}, list(backends), 3.4, ["acme", "bolt"])
    with tongue.speaking("zh"):
        return sentence(kind, "code-assistant", tenant, facts=facts, card=CARD, expires_in_s=expires_in_s, _=tongue._)


class TestTheSentence:
    def test_calls_a_scenario_what_the_page_calls_it(self):
        assert said().startswith("Code assistant goes from level 0 to 1")
        assert said(tenant="acme-corp").startswith("Acme-corp in code assistant goes")

    @pytest.mark.parametrize(
        ("seconds", "words"), [(45, "45 s"), (90, "90 s"), (900, "15 min"), (3600, "1 h"), (5400, "1 h 30 min")]
    )
    def test_says_a_time_limit_as_people_do(self, seconds, words):
        assert said(expires_in_s=seconds).endswith(f"; it ends by itself in {words}.")


class TestTheSentenceInChinese:
    """Every act that a page offers, whole: for all and for one tenant, with a limit and without."""

    @pytest.mark.parametrize(
        ("asked", "words"),
        [
            ({"kind": "degrade", "before": 0, "after": 1}, "Code assistant 将从 0 级降级到 1 级（NAME），作用于 1 个后端；涉及 2 个租户的每秒 3.4 个请求；30 分钟内降级阶梯不介入。"),
            (
                {"kind": "degrade", "before": 0, "after": 1, "tenant": "acme", "expires_in_s": 5400},
                "Code assistant 中的租户 acme 将从 0 级降级到 1 级（NAME），作用于 1 个后端；涉及 2 个租户的每秒 3.4 个请求；1 小时 30 分钟后自行结束。",
            ),
            ({"kind": "restore", "before": 1, "after": 0}, "Code assistant 将从 1 级恢复到 0 级（正常），作用于 1 个后端；涉及 2 个租户的每秒 3.4 个请求。"),
            ({"kind": "rollback", "before": 0, "after": 0}, "Code assistant 将从修订 7 回滚到修订 6，作用于 1 个后端；涉及 2 个租户的每秒 3.4 个请求。"),
            (
                {"kind": "break", "before": 0, "after": 0, "backends": ()},
                "Code assistant 的所有请求都将被拒绝，等有后端来询问时生效（目前没有）；涉及 2 个租户的每秒 3.4 个请求；一直保持，直到有人恢复。",
            ),
        ],
    )  # fmt: skip
    def test_says_what_where_for_whom_until_when(self, asked, words):
        assert in_chinese(**asked) == words.replace("NAME", CARD.level(1).name)

    def test_what_it_would_have_touched_and_how_backends_learn(self):
        facts = Preview(
            "", 0, 1, 1, 1, {}, [], 0.0, [], requests_last_hour=1200, share_last_hour=0.004,
            costs_last_hour={"USD": Cost(Decimal("12.5"), 0.25)},
        )  # fmt: skip
        ways = {"gw-1": "listens", "gw-2": "polls", "gw-3": "polls"}
        with tongue.speaking("zh"):
            touched = reach(facts, tongue._)
            learn = learning.sentence(ways, tongue._)
        assert touched == "过去一小时内会受影响的有 1,200 个请求，占全部的 1 % 以下；12.50 USD，占总支出的 25 %。"
        assert learn == "gw-1 立即；gw-2、gw-3 在下次轮询时"
        assert learning.sentence(ways) == "gw-1 at once; gw-2, gw-3 at its next poll"
