"""What Prometheus is told about Trivet itself: the rules are ones, they speak of metrics there are, and one fires when it should."""

import json
import re
import subprocess

from tests.house.tree import ROOT, python, text
from tests.notify.alerting import channel, fire
from tests.notify.conftest import use
from tests.support.prometheus import program

MIXIN = ROOT / "alerts" / "mixin"
UNITS = """
rule_files: [{rules}]
evaluation_interval: 30s
tests:
  - interval: 30s
    input_series:
      - {{series: 'trivet_guard_evaluated_age_seconds{{instance="a"}}', values: '0 1 0 31 61 91 121 1 1'}}
    alert_rule_test:
      - {{eval_time: 1m, alertname: TrivetGuardsNotJudged, exp_alerts: []}}
      - eval_time: 3m
        alertname: TrivetGuardsNotJudged
        exp_alerts:
          - exp_labels: {{severity: page}}
            exp_annotations:
              summary: "Guards were judged 2m 1s ago: nothing degrades or recovers by itself."
              description: "The worker of queue control or beat is not running, or the database is slow."
      - {{eval_time: 4m, alertname: TrivetGuardsNotJudged, exp_alerts: []}}
"""


def promtool(*args):
    done = subprocess.run([program("promtool"), *args], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_are_rules_and_one_fires_when_guards_are_not_judged(tmp_path):
    promtool("check", "rules", MIXIN / "rules.yml")
    units = tmp_path / "units.yml"
    units.write_text(UNITS.format(rules=MIXIN / "rules.yml"))
    promtool("test", "rules", units)


def test_rules_and_dashboard_speak_of_metrics_that_there_are():
    board = json.loads(text(MIXIN / "dashboard.json"))
    said = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    said += re.findall(r"^ +expr: (.*)$", text(MIXIN / "rules.yml"), flags=re.MULTILINE)
    wanted = {name.removesuffix("_total") for name in re.findall(r"trivet_[a-z_]+", " ".join(said))}
    there = set(re.findall(r'"(trivet_[a-z_]+)"', " ".join(text(path) for path in python("backend/trivet"))))
    assert wanted
    assert wanted - there == set()
    assert board["id"] is None


def test_alerts_and_channels_are_metrics(client, monkeypatch):
    use(monkeypatch, outward_hosts='["127.0.0.1"]', secret_key="k" * 32)
    channel("team", url="http://127.0.0.1:9/x")
    fire("page")
    lines = client.get("/metrics").text.splitlines()
    assert 'trivet_alerts_open{severity="page"} 1.0' in lines
    assert 'trivet_channel_failing{channel="team"} 0.0' in lines
    assert "trivet_deliveries_waiting 0.0" in lines
