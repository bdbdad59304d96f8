"""Somebody means ill, or something breaks: no secret is read anywhere, nothing hangs, and one channel harms no other."""

import json
import logging
import socket
import threading
from contextlib import contextmanager

import pytest
from tests.notify.alerting import channel, due, every, fire, notices, route, turn_back
from tests.notify.conftest import free_port, use
from tests.support.receiver import receiving

from trivet import db
from trivet.kit.clock import utc_now
from trivet.kit.errors import Invalid
from trivet.notify import alert_models as rows
from trivet.notify import alerts
from trivet.notify.alert import standing
from trivet.notify.alert_tasks import ROUND, judge_alerts, send_alerts, tell_alertmanagers
from trivet.notify.channel import address, bounded, deliveries
from trivet.notify.rules import decide
from trivet.notify.rules.decide import Fact, mutings
from trivet.notify.rules.matchers import parse
from trivet.outbox import Outbox

TOKEN = "T0KENT0KENT0KEN"


@pytest.fixture(autouse=True)
def allowed(database, monkeypatch):
    use(monkeypatch, outward_hosts='["127.0.0.1"]', outward_services='["json", "slack"]', secret_key="k" * 32)


@contextmanager
def answering(*parts: bytes):
    """A server that sends these parts of an answer, the last again and again while anybody reads."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        stop = threading.Event()

        def serve():
            taken, _ = server.accept()
            with taken:
                try:
                    for part in parts[:-1]:
                        taken.sendall(part)
                    while not stop.wait(0.01):
                        taken.sendall(parts[-1])
                except OSError:
                    pass  # the caller went away, as it should

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            stop.set()
            thread.join()


class TestASecretInAnAddress:
    def test_is_not_in_what_a_receiver_answers_with_it(self, client, admin):
        said = f"Cannot POST /services/{TOKEN}".encode()
        with answering(f"HTTP/1.1 404 No\r\nContent-Length: {len(said)}\r\n\r\n".encode(), said) as url:
            channel("team", url=f"{url}/services/{TOKEN}")
            route("all", "team")
            fire()
            judge_alerts()
            send_alerts()
        assert every(rows.Channel)[0].last_error == "answered 404: Cannot POST /…/…"
        assert TOKEN not in client.get("/api/v1/channels", headers=admin).text
        assert TOKEN not in every(rows.Delivery)[0].last_error

    def test_is_in_no_log(self, caplog):
        with receiving() as receiver, caplog.at_level(logging.INFO):
            channel("team", url=f"{receiver.url}/services/{TOKEN}")
            channel("am", kind="alertmanager", urls=(f"http://me:{TOKEN}@127.0.0.1:{free_port()}",))
            route("all", "team", "am")
            fire()
            judge_alerts()
            assert (send_alerts(), tell_alertmanagers()) == (1, 1)
            assert len(receiver.got) == 1
            with pytest.raises(Invalid):
                channel("slack", kind="apprise", url=f"slack://{TOKEN}")
        assert TOKEN not in caplog.text

    def test_of_an_alertmanager_is_neither_in_its_error_nor_in_the_names_of_its_replicas(self, client, admin):
        port = free_port()
        urls = [f"http://me:pw1@127.0.0.1:{port}/a-{TOKEN}", f"http://me:pw2@127.0.0.1:{port}/b-{TOKEN}"]
        channel("am", kind="alertmanager", urls=urls)
        route("all", "am")
        fire()
        assert tell_alertmanagers() == 2
        (item,) = client.get("/api/v1/channels", headers=admin).json()["items"]
        assert set(item["replicas"]) == {f"http://127.0.0.1:{port}/…", f"http://127.0.0.1:{port}/… (2)"}
        assert "Connection refused" in item["last_error"]
        assert not any(secret in json.dumps(item) for secret in (TOKEN, "pw1", "pw2"))

    def test_of_a_hosted_service_is_not_in_the_words_of_its_library(self):
        url = f"slack://T1JJ3T3L2/A1BRTD4JD/{TOKEN}%2B/#general"
        said = address.without_secrets(f"no T1JJ3T3L2 at /A1BRTD4JD/{TOKEN}+ now", {"url": url})
        assert said == "no … at /…/… now"


class TestAReceiver:
    def test_that_answers_byte_by_byte_is_left_after_the_time_that_there_is(self, monkeypatch):
        monkeypatch.setattr(bounded, "TIMEOUT_S", 0.2)
        with answering(b"HTTP/1.1 200 OK\r\nX-A: ", b"a") as url:
            channel("team", url=url)
            route("all", "team")
            fire()
            judge_alerts()
            assert send_alerts() == 1
        assert every(rows.Channel)[0].last_error == "ReadTimeout: no whole answer within 0.2 s"

    def test_that_never_ends_is_read_no_further_than_there_is_room(self, monkeypatch):
        monkeypatch.setattr(bounded, "READ_MAX", 10_000)
        with answering(b"HTTP/1.1 500 No\r\n\r\n", b"x" * 4_096) as url:
            said = bounded.ask("POST", url)
        assert (said.status, len(said.body)) == (500, 10_000)

    def test_with_a_long_address_is_a_channel_too(self, client, admin):
        body = {"name": "flow", "kind": "webhook", "url": "http://127.0.0.1:9/workflows/" + "s" * 1_500}
        assert client.post("/api/v1/channels", headers=admin, json=body).status_code == 201
        refused = client.post(
            "/api/v1/channels", headers=admin, json=body | {"name": "x", "url": "http://127.0.0.1/\0"}
        )
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "url")


class TestOneAlertmanager:
    def test_that_may_be_called_no_more_fails_and_the_others_are_told(self, monkeypatch):
        channel("old", kind="alertmanager", urls=("http://127.0.0.1:9",))
        use(monkeypatch, outward_hosts='["localhost"]')
        channel("new", kind="alertmanager", urls=(f"http://localhost:{free_port()}",))
        route("all", "old", "new")
        fire()
        assert tell_alertmanagers() == 1
        old, new = every(rows.Channel)
        assert "TRIVET_OUTWARD_HOSTS" in old.last_error
        assert "onnect" in new.last_error


class TestAChannelThatFails:
    def test_with_much_that_waits_keeps_no_other_waiting(self, monkeypatch):
        with receiving() as receiver:
            channel("away", url=f"http://127.0.0.1:{free_port()}")
            channel("team", url=receiver.url)
            with db.transaction() as session:
                for n in range(ROUND * 2):
                    deliveries.add(session, f"old:{n}", "away", [], body={"subject": "x", "text": "x"}, now=utc_now())
            send_alerts()
            with db.transaction() as session:
                deliveries.add(session, "new", "team", [], body={"subject": "x", "text": "x"}, now=utc_now())
            turn_back(rows.Delivery, "next_try_at", seconds=600)
            assert send_alerts() == 2  # one knocks on the channel that fails, the other channel gets what is its
            assert len(receiver.got) == 1

    def test_is_said_beside_what_it_was_to_tell_until_it_has_it(self, client, admin):
        with receiving() as receiver:
            receiver.answer = 503
            channel("team", url=receiver.url)
            route("all", "team")
            fire()
            judge_alerts()
            send_alerts()
            (alert,) = client.get("/api/v1/alerts?state=firing", headers=admin).json()["items"]
            assert alert["notices"][0]["reason"].endswith("; team has not got it yet: answered 503")
            receiver.answer = 204
            due()
            send_alerts()
            (alert,) = client.get("/api/v1/alerts?state=firing", headers=admin).json()["items"]
            assert "team" not in alert["notices"][0]["reason"]


class TestVeryManyAlerts:
    def test_are_all_told_though_only_some_are_judged_at_a_time(self, monkeypatch):
        monkeypatch.setattr(standing, "JUDGED_MAX", 5)
        with receiving() as receiver:
            channel("team", url=receiver.url)
            route("all", "team", interval_s=1.0)
            for n in range(12):
                fire("page", guard=f"g{n}")
            for _ in range(4):
                judge_alerts()
                turn_back(rows.NoticeGroup, "told_at", seconds=2)
        assert [decision for _, decision, _ in notices()] == ["told"] * 12
        assert [group.sequence for group in every(rows.NoticeGroup)] == [3]

    def test_of_one_transaction_ask_for_one_judgement(self):
        with db.transaction() as session:
            for n in range(50):
                labels = {"alertname": "TrivetBudget", "kind": "budget", "subject": f"tenant-{n}"}
                alerts.fire(session, alerts.Alert(labels, "ticket", "over its limit"), utc_now())
        assert [row.task for row in every(Outbox)] == ["notify.alerts"]

    def test_of_one_scenario_find_what_holds_them_back_in_one_look_each(self):
        now, size = utc_now(), 20_000
        facts = [Fact(n, {"severity": "ticket", "scenario": "chat", "guard": f"g{n}"}, now) for n in range(size)]
        larger = Fact(size, {"severity": "page", "scenario": "chat", "guard": "hung"}, now)
        compared = []
        real = decide._place
        decide._place = lambda *given: compared.append(1) or real(*given)
        try:
            found = mutings([*facts, larger], [], [])
        finally:
            decide._place = real
        assert len(found) == size
        assert len(compared) <= 3 * (size + 1)


class TestAnExpression:
    @pytest.mark.parametrize("pattern", [r"\\pL" * 120, r"(?:\\p{Lu}|x)+", r"[\\PN]"])
    def test_that_takes_long_to_read_is_refused(self, pattern):
        with pytest.raises(Invalid, match="Unicode"):
            parse(f'tenant=~"{pattern}"')

    def test_of_a_backslash_before_a_p_is_none_of_those(self):
        assert parse(r'tenant=~"a\\\\p"').fits({"tenant": "a\\p"})
