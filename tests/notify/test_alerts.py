"""From a breach to what people get, and why they get it or not, in the database."""

import json
from datetime import timedelta

import pytest
from tests.notify import alerting
from tests.notify.alerting import breach, channel, close, every, fire, notices, route, turn_back
from tests.notify.conftest import use
from tests.support.governed import register, short_card
from tests.support.receiver import receiving

from trivet import db
from trivet.command import service as commands
from trivet.kit.clock import utc_now
from trivet.kit.webhook import verify
from trivet.notify import alert_models as rows
from trivet.notify import alert_tasks, alerts
from trivet.notify.alert import keep
from trivet.notify.alert_tasks import judge_alerts, missed, send_alerts
from trivet.notify.channel import deliveries

SECRET = alerting.SECRET


@pytest.fixture
def team(database, monkeypatch):
    """A team's webhook, which is channel `team`."""
    with receiving() as receiver:
        use(monkeypatch, outward_hosts='["127.0.0.1"]', secret_key="k" * 32, public_url="https://trivet.example.com")
        channel("team", url=receiver.url + "/alerts", secret=SECRET)
        yield receiver


class TestABreach:
    def test_is_told_with_why_first_and_with_its_links(self, team):
        route("all", "team")
        breach_id = breach(register("chat"))
        assert alert_tasks.breach(breach_id) == 1
        assert send_alerts() == 1
        (got,) = team.got
        told = json.loads(got.body)
        verify(SECRET, got.headers, got.body, utc_now())
        (alert,) = told["data"]["alerts"]
        assert (told["type"], told["data"]["subject"]) == (
            "alerts.firing",
            "Firing: chat p95: P95 latency 2.1 s over 1 s",
        )
        assert alert["labels"] == {
            "alertname": "TrivetGuard", "kind": "guard", "scenario": "chat", "guard": "p95", "metric": "p95_latency_ms",
            "severity": "page",
        }  # fmt: skip
        assert alert["link"] == f"https://trivet.example.com/breaches/{breach_id}"
        assert alert["runbook"] == "https://trivet.example.com/runbooks/p95_latency_ms"
        assert alert["done"] == "nothing yet: the guard raises to level 1"

    def test_says_what_was_done_about_it_meanwhile(self, team):
        route("all", "team", repeat_s=60.0)
        scenario_id = register("chat")
        id_ = breach(scenario_id)
        alert_tasks.breach(id_)
        with db.transaction() as session:
            command = commands.issue(
                session, kind="degrade", scenario_id=scenario_id, level=1, reason="p95", actor="ladder", breach_id=id_,
                now=utc_now(),
            )  # fmt: skip
        turn_back(rows.Notice, "told_at", seconds=61)
        judge_alerts()
        send_alerts()
        told = [json.loads(got.body)["data"]["alerts"][0] for got in team.got]
        assert [alert["done"] for alert in told] == [
            "nothing yet: the guard raises to level 1", f"command {command.id}: degrade to level 1, pending",
        ]  # fmt: skip
        assert [alert["command"] for alert in told] == [None, f"https://trivet.example.com/breaches/{id_}#command"]

    def test_and_its_end_are_one_alert_told_twice(self, team):
        route("all", "team", interval_s=0.0)
        breach_id = breach(register("chat"))
        alert_tasks.breach(breach_id)
        alert_tasks.breach(breach_id)
        close(breach_id)
        alert_tasks.breach(breach_id)
        alert_tasks.breach(breach_id)
        send_alerts()
        assert [json.loads(got.body)["type"] for got in team.got] == ["alerts.firing", "alerts.resolved"]
        (alert,) = every(rows.Alert)
        assert (alert.ended_at is not None, alert.settled, alert.breach_id) == (True, True, breach_id)

    def test_whose_note_was_lost_is_found(self, team):
        scenario_id = register("chat")
        first, second = breach(scenario_id), breach(scenario_id, guard="floor")
        close(second)
        assert missed() == 2
        assert missed() == 0
        assert [(a.breach_id, a.ended_at is None) for a in every(rows.Alert)] == [(first, True), (second, False)]
        close(first)
        assert missed() == 1
        assert [a.ended_at is None for a in every(rows.Alert)] == [False, False]

    def test_that_follows_one_whose_end_was_lost_is_an_alert_of_its_own(self, team):
        scenario_id = register("chat")
        first = breach(scenario_id)
        alert_tasks.breach(first)
        close(first)
        second = breach(scenario_id)
        alert_tasks.breach(second)
        alert_tasks.breach(first)
        assert [(a.breach_id, a.ended_at is None) for a in every(rows.Alert)] == [(first, False), (second, True)]

    def test_of_a_guard_in_shadow_pages_nobody(self, team):
        route("all", "team")
        route("shadows", "team", matchers=['shadow="true"'], position=200)
        alert_tasks.breach(breach(register("chat"), shadow=True))
        (alert,) = every(rows.Alert)
        assert (alert.severity, alert.annotations["done"]) == ("info", "nothing yet: the guard raises to level 1")
        assert [name for name, _, _ in notices()] == ["shadows"]


class TestToldOnce:
    def test_without_a_route_nobody_is_told_and_the_alert_says_so(self, team):
        fire()
        assert judge_alerts() == 0
        assert every(rows.Alert)[0].unrouted.startswith("there is no route yet")

    def test_what_is_of_a_drill_goes_to_its_own_route_or_nowhere(self, team):
        route("all", "team")
        fire(alertname="TrivetDrillFailed", kind="drill", drill="true")
        assert judge_alerts() == 0
        assert every(rows.Alert)[0].unrouted == 'it is marked drill, and no route has a matcher such as drill="true"'
        route("drills", "team", matchers=['drill="true"'])
        assert judge_alerts() == 1

    def test_judged_again_and_again_it_is_told_once(self, team):
        route("all", "team")
        fire()
        assert [judge_alerts() for _ in range(3)] == [1, 0, 0]
        assert [send_alerts() for _ in range(2)] == [1, 0]
        assert len(team.got) == 1

    def test_fifty_of_one_scenario_are_one_message(self, team):
        route("all", "team")
        for n in range(50):
            fire(guard=f"g{n}")
        assert judge_alerts() == 1
        send_alerts()
        told = json.loads(team.got[0].body)["data"]
        assert (told["subject"], len(told["alerts"])) == ("Firing: 50 alerts of chat: P95 latency 2.1 s over 1 s", 50)
        assert "And 42 more: https://trivet.example.com/alerts" in told["text"]

    def test_a_worker_that_dies_after_sending_leaves_it_to_be_sent_again_under_the_same_id(self, team, monkeypatch):
        route("all", "team")
        fire()
        judge_alerts()

        def die(*_: object) -> None:
            raise SystemExit

        with monkeypatch.context() as dying:
            dying.setattr(deliveries, "settle", die)
            with pytest.raises(SystemExit):
                send_alerts()
        assert send_alerts() == 0, "its claim has not run out"
        alerting.due()
        assert send_alerts() == 1
        assert len({got.headers["webhook-id"] for got in team.got}) == 1
        assert len(team.got) == 2


class TestSeverityAndEscalation:
    def test_a_change_of_severity_is_told_at_once(self, team):
        route("all", "team")
        fire("ticket")
        judge_alerts()
        fire("page")
        assert judge_alerts() == 1
        send_alerts()
        assert [json.loads(got.body)["data"]["alerts"][0]["labels"]["severity"] for got in team.got] == [
            "ticket",
            "page",
        ]
        assert "its severity rose from ticket to page" in notices()[0][2]

    def test_nobody_acknowledged_so_the_next_are_told_and_an_acknowledgement_ends_it(self, team):
        channel("boss", url=team.url + "/boss", secret=SECRET)
        route("all", "team", steps=[(600.0, ["boss"]), (1200.0, ["boss"])], repeat_s=86_400.0)
        id_ = fire()
        judge_alerts()
        turn_back(rows.Notice, "first_told_at", "told_at", seconds=601)
        assert [judge_alerts(), judge_alerts()] == [1, 0]
        send_alerts()
        assert [got.path for got in team.got] == ["/alerts", "/boss"]
        with db.transaction() as session:
            alerts.acknowledge(session, id_, tenant_id=None, actor="ann", note="mine", now=utc_now())
        turn_back(rows.Notice, "first_told_at", "told_at", seconds=700)
        assert judge_alerts() == 0
        assert notices()[0][1] == "acknowledged"

    def test_whoever_was_told_in_a_step_is_told_of_the_end(self, team):
        channel("boss", url=team.url + "/boss", secret=SECRET)
        route("all", "team", steps=[(600.0, ["boss"])], interval_s=0.0)
        fire()
        judge_alerts()
        turn_back(rows.Notice, "first_told_at", "told_at", seconds=601)
        judge_alerts()
        with db.transaction() as session:
            alerts.resolve(session, every(rows.Alert)[0].key, utc_now())
        assert judge_alerts() == 2


class TestQuiet:
    def test_a_silence_keeps_quiet_with_its_reason_until_it_is_expired(self, team):
        route("all", "team")
        with db.transaction() as session:
            quiet = keep.silence(
                session, matchers=['scenario=~"ch.*"'], starts_at=None, ends_at=utc_now() + timedelta(hours=1),
                reason="load test", actor="ann", now=utc_now(),
            )  # fmt: skip
        fire()
        assert judge_alerts() == 0
        ((_, word, reason),) = notices()
        assert (word, reason.startswith("ann silenced it until"), reason.endswith(": load test")) == (
            "silenced",
            True,
            True,
        )
        with db.transaction() as session:
            keep.expire(session, quiet.id, actor="ann", now=utc_now())
        assert judge_alerts() == 1

    def test_of_a_page_and_a_ticket_of_one_scenario_the_page_is_told(self, team):
        route("all", "team")
        fire("page", guard="p95")
        fire("ticket", guard="floor")
        fire("ticket", guard="floor", scenario="batch")
        assert judge_alerts() == 2
        assert [(word, reason) for _, word, reason in notices() if word == "inhibited"] == [
            ("inhibited", "chat p95 (page) is larger and fires already")
        ]


class TestAChannelThatFails:
    def test_is_an_alert_that_the_others_tell(self, team):
        with receiving() as other:
            channel("broken", url=team.url + "/broken", secret=SECRET)
            channel("other", url=other.url, secret=SECRET)
            team.answer = 500
            route("all", "broken")
            fire()
            judge_alerts()
            for _ in range(3):
                send_alerts()
                alerting.due()
            judge_alerts()
            team.answer = 204
            with db.transaction() as session:
                row = session.query(rows.Channel).filter_by(name="broken").one()
                assert (row.failures, row.last_error) == (3, "answered 500")
            send_alerts()
            told = [json.loads(got.body)["data"] for got in other.got]
            assert [t["alerts"][0]["labels"]["channel"] for t in told] == ["broken"]
            assert "channel broken (webhook) fails: answered 500" in told[0]["text"]

    def test_and_is_over_with_its_next_success(self, team):
        route("all", "team")
        team.answer = 503
        fire()
        judge_alerts()
        for _ in range(3):
            send_alerts()
            alerting.due()
        assert [a.labels.get("channel") for a in every(rows.Alert) if not a.ended_at] == [None, "team"]
        team.answer = 204
        send_alerts()
        assert [a.labels.get("channel") for a in every(rows.Alert) if not a.ended_at] == [None]
        assert [d.state for d in every(rows.Delivery)][:1] == ["sent"]

    def test_gives_up_after_two_hours_and_at_once_where_the_receiver_is_gone(self, team):
        route("all", "team")
        team.answer = 410
        fire()
        judge_alerts()
        send_alerts()
        (delivery,) = every(rows.Delivery)
        assert (delivery.state, delivery.attempts) == ("failed", 1)
        assert delivery.last_error == "Given up after 1 tries. answered 410"


def guards(webhook):
    """The floor, and a guard that calls this channel."""
    floor = next(guard for guard in short_card()["guards"] if guard["name"] == "floor")
    shape = {"metric": "p95_latency_ms", "enter": 1000, "leave": 800, "window_s": 20, "minimum_sample": 5}
    return [{"name": "p95", **shape, "webhook": webhook, "raises_to": 1}, floor]


class TestTheTeamsOwnWebhook:
    def test_is_called_when_the_breach_opens_and_when_it_closes_once_each(self, team):
        scenario_id = register("chat", guards=guards("team"))
        id_ = breach(scenario_id)
        alert_tasks.breach(id_)
        alert_tasks.breach(id_)
        close(id_)
        alert_tasks.breach(id_)
        send_alerts()
        events = [json.loads(got.body) for got in team.got]
        assert [event["type"] for event in events] == ["breach.opened", "breach.closed"]
        assert events[0]["data"] | {"link": "", "opened_at": "", "breach": 0} == {
            "breach": 0, "scenario": "chat", "guard": "p95", "metric": "p95_latency_ms", "revision": 1, "value": 2100.0,
            "threshold": 1000.0, "sample": 40, "reason": "P95 latency 2.1 s over 1 s", "opened_at": "", "closed_at": None,
            "link": "",
        }  # fmt: skip
        assert len({got.headers["webhook-id"] for got in team.got}) == 2

    def test_that_is_not_there_is_told_of(self, team):
        scenario_id = register("chat", guards=guards("retrain"))
        alert_tasks.breach(breach(scenario_id))
        whys = [a.annotations["why"] for a in every(rows.Alert)]
        assert "guard p95 of chat calls channel 'retrain', which is no webhook there is" in whys
