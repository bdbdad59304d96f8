"""`trivet alerts …` on a real database."""

import pytest
from tests.notify.alerting import channel, every, fire, route
from tests.notify.conftest import use
from typer.testing import CliRunner

from trivet.cli import app
from trivet.notify import alert_models as rows
from trivet.notify.alert_tasks import judge_alerts

pytestmark = pytest.mark.usefixtures("database")


def trivet(*arguments):
    return CliRunner().invoke(app, ["alerts", *arguments])


def test_lists_what_fires_with_who_was_told_and_why(monkeypatch):
    assert trivet("list").stdout == "Nothing fires.\n"
    use(monkeypatch, outward_hosts='["127.0.0.1"]', secret_key="k" * 32)
    channel("team", url="http://127.0.0.1:9/x")
    route("pages", "team", matchers=['severity="page"'])
    fire("page")
    fire("ticket", scenario="rag")
    judge_alerts()
    said = trivet("list").stdout
    assert "page  chat p95: P95 latency 2.1 s over 1 s\n    pages: told, told " in said
    assert "ticket  rag p95: P95 latency 2.1 s over 1 s\n    nobody is told: none of 1 routes fits its labels" in said


def test_silences_and_says_what_is_wrong_with_a_matcher():
    done = trivet("silence", 'scenario="rag"', "--reason", "reindexing", "--hours", "2")
    assert done.stdout.startswith("Silence ")
    (row,) = every(rows.Silence)
    assert (row.reason, row.matchers, row.created_by.startswith("cli:")) == ("reindexing", ['scenario="rag"'], True)
    refused = trivet("silence", "rag", "--reason", "x")
    assert (refused.exit_code, "is no matcher" in refused.stderr) == (1, True)


def test_tests_a_channel(monkeypatch):
    use(monkeypatch, outward_hosts='["127.0.0.1"]', secret_key="k" * 32)
    channel("team", url="http://127.0.0.1:9/x")
    assert "Sent to team" in trivet("test", "team").stdout
    assert [row.key.partition(":")[0] for row in every(rows.Delivery)] == ["test"]
    assert "There is no channel 'nobody'" in trivet("test", "nobody").stderr
