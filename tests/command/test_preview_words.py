"""How a preview says what it says."""

import pytest

from trivet.card.presets import preset
from trivet.command.preview import Preview, sentence


def said(scenario="code-assistant", tenant=None, expires_in_s=None):
    facts = Preview("", 0, 1, 1, 1, {}, ["gw-1"], 3.4, ["acme"])
    return sentence("degrade", scenario, tenant, facts=facts, card=preset("code-assistant"), expires_in_s=expires_in_s)


class TestTheSentence:
    def test_calls_a_scenario_what_the_page_calls_it(self):
        assert said().startswith("Code assistant goes from level 0 to 1")
        assert said(tenant="acme-corp").startswith("Acme-corp in code assistant goes")

    @pytest.mark.parametrize(
        ("seconds", "words"), [(45, "45 s"), (90, "90 s"), (900, "15 min"), (3600, "1 h"), (5400, "1 h 30 min")]
    )
    def test_says_a_time_limit_as_people_do(self, seconds, words):
        assert said(expires_in_s=seconds).endswith(f"; it ends by itself in {words}.")
