"""Against Debian's own Alertmanager: what Trivet tells it is grouped, resolved, silenced there, and told again."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.notify.alerting import channel, every, fire, route, turn_back
from tests.notify.conftest import free_port, use
from tests.support.prometheus import program
from tests.support.receiver import Receiver, receiving
from tests.support.waiting import until

from trivet import db
from trivet.kit.clock import utc_now
from trivet.notify import alert_models as rows
from trivet.notify import alerts
from trivet.notify.alert import keep
from trivet.notify.alert_tasks import judge_alerts, tell_alertmanagers

CONFIG = """
route: {{receiver: team, group_by: [scenario], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
receivers: [{{name: team, webhook_configs: [{{url: "{url}", send_resolved: true}}]}}]
"""


@pytest.fixture(scope="module")
def team() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def alertmanager(team: Receiver, tmp_path_factory) -> Iterator[httpx.Client]:
    folder: Path = tmp_path_factory.mktemp("alertmanager")
    (folder / "config.yml").write_text(CONFIG.format(url=team.url))
    address = f"127.0.0.1:{free_port()}"
    command = [program("alertmanager"), f"--config.file={folder / 'config.yml'}", f"--storage.path={folder / 'data'}"]
    command += [f"--web.listen-address={address}", "--cluster.listen-address="]
    with (folder / "said").open("w") as said, subprocess.Popen(command, stdout=said, stderr=said) as process:
        with httpx.Client(base_url=f"http://{address}") as client:
            until(lambda: _ready(client), "Alertmanager is ready")
            yield client
        process.terminate()


def _ready(client: httpx.Client) -> bool:
    try:
        return client.get("/-/ready").is_success
    except httpx.HTTPError:
        return False


@pytest.fixture
def told(database, monkeypatch, alertmanager) -> httpx.Client:
    """The Alertmanager, which is channel `am` of the one route."""
    use(monkeypatch, outward_hosts='["127.0.0.1"]', secret_key="k" * 32, public_url="https://trivet.example.com")
    channel("am", kind="alertmanager", urls=(str(alertmanager.base_url).rstrip("/"),))
    route("all", "am")
    return alertmanager


def there(client: httpx.Client, scenario: str) -> list[dict]:
    return client.get("/api/v2/alerts", params={"filter": f'scenario="{scenario}"'}).json()


def notified(team: Receiver, scenario: str) -> list[dict]:
    payloads = [httpx.Response(200, content=got.body).json() for got in team.got]
    return [one for one in payloads if one["groupLabels"] == {"scenario": scenario}]


class TestAnAlertmanager:
    def test_groups_what_it_is_told_and_sends_its_end(self, told, team):
        fire(scenario="one", guard="p95")
        fire(scenario="one", guard="errors")
        assert tell_alertmanagers() == 1
        until(lambda: notified(team, "one"), "it notified")
        first = notified(team, "one")[0]
        assert (first["status"], len(first["alerts"])) == ("firing", 2)
        assert first["alerts"][0]["generatorURL"] == "https://trivet.example.com/alerts"
        for row in every(rows.Alert):
            with db.transaction() as session:
                alerts.resolve(session, row.key, utc_now())
        assert tell_alertmanagers() == 1
        until(lambda: notified(team, "one")[-1]["status"] == "resolved", "it told the end")

    def test_is_told_again_each_minute_with_an_end_that_lies_ahead_and_not_before(self, told):
        fire(scenario="two")
        assert [tell_alertmanagers(), tell_alertmanagers()] == [1, 0]
        (before,) = there(told, "two")
        with db.transaction() as session:
            row = session.query(rows.Channel).one()
            state = {url: one | {"told_at": "2026-01-01T00:00:00+00:00"} for url, one in row.state.items()}
            row.state = {url: one | {"tried_at": one["told_at"]} for url, one in state.items()}
        turn_back(rows.Alert, "changed_at", seconds=3_600)
        assert tell_alertmanagers() == 1
        (after,) = there(told, "two")
        assert after["fingerprint"] == before["fingerprint"]
        assert after["endsAt"] > before["endsAt"]

    def test_has_our_silences_and_loses_them_when_they_are_expired_here(self, told, team):
        with db.transaction() as session:
            quiet = keep.silence(
                session, matchers=['scenario="three"', 'tenant!~"a|b"'], starts_at=None,
                ends_at=utc_now().replace(microsecond=123_456) + keep.SILENCE_MAX / 2, reason="load test", actor="ann",
                now=utc_now(),
            )  # fmt: skip
        fire(scenario="three")
        assert [tell_alertmanagers(), judge_alerts()] == [1, 0]
        until(
            lambda: [one["status"]["state"] for one in there(told, "three")] == ["suppressed"], "it is silenced there"
        )
        (made,) = [one for one in told.get("/api/v2/silences").json() if one["status"]["state"] == "active"]
        assert (made["createdBy"], made["comment"]) == ("ann", f"load test [trivet silence {quiet.id}]")
        turn_back(rows.Alert, "changed_at", seconds=3_600)
        with db.transaction() as session:
            keep.expire(session, quiet.id, actor="ann", now=utc_now())
        assert tell_alertmanagers() == 1
        until(lambda: [one["status"]["state"] for one in there(told, "three")] == ["active"], "it fires there")
        assert [o for o in told.get("/api/v2/silences").json() if o["status"]["state"] == "active"] == []

    def test_a_change_of_severity_ends_the_old_labels_there(self, told):
        fire("ticket", scenario="four")
        tell_alertmanagers()
        fire("page", scenario="four")
        assert tell_alertmanagers() == 1
        until(lambda: [one["labels"]["severity"] for one in there(told, "four")] == ["page"], "only the page is left")

    def test_every_replica_is_told_and_one_that_is_away_is_said_so(self, database, monkeypatch, alertmanager):
        use(monkeypatch, outward_hosts='["127.0.0.1"]', secret_key="k" * 32)
        here, away = str(alertmanager.base_url).rstrip("/"), f"http://127.0.0.1:{free_port()}"
        channel("am", kind="alertmanager", urls=(here, away))
        route("all", "am")
        fire(scenario="five")
        assert tell_alertmanagers() == 2
        assert len(there(alertmanager, "five")) == 1
        (row,) = every(rows.Channel)
        assert row.state[here]["error"] == ""
        assert "Connection refused" in row.last_error
        assert row.failures == 1
