"""Which alerts are meant, and when maintenance is on."""

import time as clock
from datetime import time

import pytest
from tests.notify.alerting import when

from trivet.kit.errors import Invalid
from trivet.notify.rules.matchers import all_fit, checked, named
from trivet.notify.rules.windows import Window, in_force

LABELS = {"alertname": "TrivetGuard", "scenario": "chat-eu", "severity": "page"}


class TestMatchers:
    @pytest.mark.parametrize(
        ("text", "fits"),
        [
            ('severity="page"', True),
            ('severity="Page"', False),
            ('severity!="ticket"', True),
            ('scenario=~"chat-.*"', True),
            ('scenario=~"chat"', False),  # the whole value
            ('scenario=~"x|chat-eu"', True),
            ('scenario!~"chat.*"', False),
            ('tenant=""', True),  # not there is empty
            ('tenant=~".+"', False),
            (' severity = "page" ', True),
            (r'scenario=~"\w+-\\w+"', True),  # a backslash alone or doubled, as Prometheus has it
            (r'scenario="chat\"eu"', False),
        ],
    )
    def test_one(self, text, fits):
        assert all_fit([text], LABELS) is fits

    def test_all_must_fit_and_none_means_every_alert(self):
        assert all_fit(['severity="page"', 'scenario=~"chat.*"'], LABELS)
        assert not all_fit(['severity="page"', 'scenario="rag"'], LABELS)
        assert all_fit([], LABELS)
        assert named(['drill="true"', 'tenant!="a"']) == {"drill", "tenant"}

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("severity", "is no matcher"),
            ("severity=page", "is no matcher"),
            ('severity=="page"', "is no matcher"),
            ('latency="1"', "No alert has a label 'latency'"),
            ('scenario=~"("', "is no regular expression"),
            (r'scenario=~"(a)\1"', "is no regular expression"),
            ('scenario=~"a{1001}"', "is no regular expression"),
            ('scenario="' + "a" * 600 + '"', "is no matcher"),
        ],
    )
    def test_what_is_none_is_refused_in_words(self, text, says):
        with pytest.raises(Invalid, match=says) as refused:
            checked([text])
        assert refused.value.field == "matchers"

    def test_a_silence_of_everything_is_refused(self):
        with pytest.raises(Invalid, match="every alert there is"):
            checked([], least=1)

    def test_an_expression_made_to_hang_does_not(self):
        """A backtracking engine would need 2 to the power of 40 steps."""
        before = clock.process_time()
        assert not all_fit(['scenario=~"(a|a)*(a+)+b"'], {"scenario": "a" * 1_000})
        assert clock.process_time() - before < 5


class TestWindows:
    NIGHT = Window("night", (), (4,), time(22, 0), 240, "Europe/Berlin")  # Friday, over midnight

    @pytest.mark.parametrize(
        ("now", "until"),
        [
            ("2026-11-20T20:59:59Z", None),
            ("2026-11-20T21:00:00Z", "2026-11-21T01:00:00Z"),  # 22:00 in Berlin
            ("2026-11-21T00:59:59Z", "2026-11-21T01:00:00Z"),  # Saturday, still Friday's
            ("2026-11-21T01:00:00Z", None),
            ("2026-11-21T21:30:00Z", None),  # Saturday evening
            ("2026-07-17T20:00:00Z", "2026-07-18T00:00:00Z"),  # summer
        ],
    )
    def test_by_the_clock_of_its_zone(self, now, until):
        assert in_force(self.NIGHT, when(now)) == (when(until) if until else None)

    def test_is_as_long_where_clocks_change_meanwhile(self):
        """In the night to 2026-03-29 Berlin's clocks go from 02:00 to 03:00: 22:00 and four hours end at 03:00."""
        saturday = Window("night", (), (5,), time(22, 0), 240, "Europe/Berlin")
        assert in_force(saturday, when("2026-03-28T23:00:00Z")) == when("2026-03-29T01:00:00Z")

    def test_a_week_long_one_has_no_gap(self):
        always = Window("always", (), (0,), time(0, 0), 7 * 1440, "UTC")
        assert all(in_force(always, when(f"2026-11-{day:02d}T12:00:00Z")) for day in range(1, 29))

    def test_says_itself_in_words(self):
        assert self.NIGHT.words == "Friday 22:00 Europe/Berlin for 240 min"
