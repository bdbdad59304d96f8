"""What people read, to the letter."""

from datetime import timedelta

from tests.notify.alerting import when

from trivet.notify.alert import words
from trivet.notify.rules.decide import Fact

NOW = when("2026-11-21T14:06:40Z")
URL = "https://trivet.example.com"


class Row:
    """What a message needs of an alert's row."""

    def __init__(self, command_id=None, **annotations):
        self.annotations, self.command_id = annotations, command_id


def fact(id_, severity, minutes, *, ended=None, **labels):
    given = {"alertname": "TrivetGuard", "scenario": "support-chat"} | labels | {"severity": severity}
    return Fact(id_, given, NOW - timedelta(minutes=minutes), 2, ended)


PAGE = (
    Row(12, why="P95 latency 1.62 s over 1.5 s with 12 still running", done="command 12: degrade to level 2, observed",
        runbook="p95_latency_ms", path="/breaches/4"),
    fact(1, "page", 4, guard="p95"),
)  # fmt: skip
OVER = (
    Row(why="error rate 12 % over 10 %", ended="error rate 4 %, back within 5 %", path="/breaches/3"),
    fact(2, "ticket", 100, ended=NOW, guard="errors", drill="true"),
)

TEXT = """\
▲ support-chat p95: P95 latency 1.62 s over 1.5 s with 12 still running
  Done: command 12: degrade to level 2, observed
  Since 2026-11-21 14:02:40 UTC, for 4 min · page
  Look: https://trivet.example.com/breaches/4
  Command: https://trivet.example.com/breaches/4#command
  Runbook: https://trivet.example.com/runbooks/p95_latency_ms

✓ support-chat errors: error rate 4 %, back within 5 %
  Over 2026-11-21 14:06:40 UTC, after 1 h 40 min · ticket · drill
  Look: https://trivet.example.com/breaches/3

Acknowledge or silence: https://trivet.example.com/alerts"""


def message(*alerts):
    return words.message({"scenario": "support-chat"}, alerts, URL, NOW)


def test_the_text_says_why_first_then_what_was_done_then_where_to_look():
    assert message(OVER, PAGE)["text"] == TEXT


def test_the_subject_names_the_one_that_fires_or_counts_them():
    assert message(OVER, PAGE)["subject"] == (
        "Firing: support-chat p95: P95 latency 1.62 s over 1.5 s with 12 still running"
    )
    assert message(PAGE, PAGE)["subject"].startswith("Firing: 2 alerts of support-chat: P95")
    assert message(OVER)["subject"] == "Over: support-chat errors: error rate 4 %, back within 5 %"


def test_how_serious_it_is_is_that_of_the_gravest_that_fires():
    assert (message(OVER, PAGE)["type"], message(OVER, PAGE)["status"]) == ("failure", "firing")
    assert (message(OVER)["type"], message(OVER)["status"]) == ("success", "resolved")


def test_what_stands_in_a_name_is_no_markup():
    given = (Row(why="<b>x</b> & y"), fact(1, "page", 4, guard='"><script>'))
    said = message(given)
    assert "<script>" not in said["html"]
    assert "&lt;b&gt;x&lt;/b&gt; &amp; y" in said["html"]
    assert "<b>x</b> & y" in said["text"]


def test_a_screen_is_enough():
    many = [(Row(why=f"w{n}"), fact(n, "page", 4, guard=f"g{n}")) for n in range(300)]
    said = message(*many)
    assert len(said["text"].splitlines()) < 45
    assert "And 292 more: https://trivet.example.com/alerts" in said["text"]
    assert len(said["alerts"]) == 100
