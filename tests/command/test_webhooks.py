"""Backends that cannot poll: told by a signed message of what should hold, until they say that they hold it."""

import contextlib
import json
import os
import signal
import socket
import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy import select
from tests.support.commanding import command, issue, met, sweep_at

from trivet import db
from trivet.command import tasks, webhooks
from trivet.command.calling import call
from trivet.command.models import BackendWebhook, WebhookDelivery
from trivet.kit import webhook
from trivet.kit.clock import utc_now
from trivet.kit.errors import Conflict
from trivet.outbox import Outbox
from trivet.settings import get_settings

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Receiver:
    """A backend that verifies what it is told, and answers as a script says, else with the ETag."""

    def __init__(self):
        self.told, self.script = [], deque()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                webhook.verify(SECRET, dict(self.headers), body, utc_now())
                said = json.loads(body)
                receiver.told.append((self.headers["webhook-id"], said))
                status, headers, answer = receiver.script.popleft() if receiver.script else receiver.proof(said)
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(answer))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/policy"

    @staticmethod
    def proof(said):
        return 200, {"ETag": said["data"].get("etag", "")}, b""


@pytest.fixture
def receiver():
    made = Receiver()
    thread = threading.Thread(target=made.http.serve_forever, args=(0.02,))
    thread.start()
    yield made
    made.http.shutdown()
    thread.join()
    made.http.server_close()


@pytest.fixture
def told(chat, receiver, monkeypatch):
    """Backend `gw-1`, told at the receiver's address."""
    monkeypatch.setenv("TRIVET_OUTWARD_HOSTS", '["127.0.0.1"]')
    get_settings.cache_clear()
    met("gw-1")
    with db.transaction() as session:
        webhooks.put(session, backend="gw-1", url=receiver.url, secret=SECRET, actor="ana", now=utc_now())
        return webhooks.id_of(session, "gw-1")


@contextmanager
def dripping():
    """The address of a server whose headers never end, and which rings the alarm."""
    listener, over = socket.create_server(("127.0.0.1", 0)), threading.Event()

    def serve():
        with contextlib.suppress(OSError), listener.accept()[0] as caller:
            caller.recv(1)  # it is connected, and what it holds is its own to close
            caller.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            os.kill(os.getpid(), signal.SIGALRM)  # the worker's time is over, and the caller waits for our answer
            while not over.wait(0.02):
                caller.sendall(b"x")

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        over.set()
        thread.join()
        listener.close()


def row():
    with db.transaction() as session:
        return session.scalars(select(BackendWebhook)).one()


def deliver(backend_id, at):
    """What the task does, at a given instant."""
    with db.transaction() as session:
        message = webhooks.claim(session, backend_id, at)
    if message is None:
        return None
    came = call(message)
    with db.transaction() as session:
        return webhooks.settle(session, message, came, at)


class TestABackendThatIsTold:
    def test_gets_its_document_signed_and_its_answers_etag_proves_that_it_holds_it(self, told, receiver):
        now = utc_now()
        given = issue(now, level=2)
        assert deliver(told, now) == "delivered"
        ((_, said),) = receiver.told
        assert said["type"] == "policy.changed"
        assert said["data"]["policy"]["scenarios"]["chat"]["generation"] == 1
        sweep_at(now)
        assert command(given).status == "observed"

    def test_may_name_the_etag_in_its_body_instead(self, told, receiver):
        now = utc_now()
        given = issue(now)
        with db.transaction() as session:
            message = webhooks.claim(session, told, now)
        receiver.script.append((200, {}, json.dumps({"etag": message.etag}).encode()))
        came = call(message)
        with db.transaction() as session:
            assert webhooks.settle(session, message, came, now) == "delivered"
        sweep_at(now)
        assert command(given).status == "observed"

    def test_whose_answer_names_no_etag_took_it_and_proves_nothing(self, told, receiver):
        now = utc_now()
        given = issue(now)
        receiver.script.append((204, {}, b""))
        assert deliver(told, now) == "unproven"
        sweep_at(now)
        assert command(given).status == "pending"

    def test_is_told_by_a_hand_off_that_leaves_with_the_command(self, told, receiver):
        issue(utc_now())
        with db.transaction() as session:
            assert "command.call_webhooks" in session.scalars(select(Outbox.task)).all()
        assert tasks.call_webhooks() == 1
        assert tasks.call_webhook(told) == "delivered"
        assert tasks.call_webhook(told) is None, "run twice, it tells once"
        assert len(receiver.told) == 1

    def test_is_told_the_newest_document_only_however_many_came_before(self, told, receiver):
        now = utc_now()
        for level in (1, 2, 3):
            issue(now, level=level)
        deliver(told, now)
        ((_, said),) = receiver.told
        assert said["data"]["policy"]["scenarios"]["chat"]["level"] == 3

    def test_is_told_again_before_a_minute_is_over_so_that_it_stays_present(self, told, receiver):
        now = utc_now()
        deliver(told, now)
        assert deliver(told, now + timedelta(seconds=webhooks.AGAIN_S - 1)) is None
        assert deliver(told, now + timedelta(seconds=webhooks.AGAIN_S)) == "delivered"
        (first, _), (second, _) = receiver.told
        assert first != second


class TestABackendThatDoesNotTakeIt:
    def test_is_tried_again_ever_later_under_the_same_id_then_it_is_said_to_have_failed(self, told, receiver):
        receiver.script.extend([(500, {}, b"")] * webhooks.ATTEMPTS_MAX)
        at, waits = utc_now(), []
        for _ in range(webhooks.ATTEMPTS_MAX):
            assert deliver(told, at) is not None
            waits.append((row().next_try_at - at).total_seconds())
            at = row().next_try_at
        assert waits == [*webhooks.BACK_OFF_S, webhooks.FAILED_AGAIN_S]
        assert (row().state, row().last_error) == ("failed", "HTTP 500")
        assert len({id_ for id_, _ in receiver.told}) == 1
        assert deliver(told, at) == "delivered", "it came back, and converges without anybody's doing"

    def test_a_change_meanwhile_takes_the_place_of_what_was_tried(self, told, receiver):
        now = utc_now()
        receiver.script.extend([(503, {}, b"")])
        deliver(told, now)
        issue(now, level=3)
        assert deliver(told, now) == "delivered"
        assert [said["data"]["policy"]["scenarios"]["chat"]["level"] for _, said in receiver.told] == [0, 3]

    def test_an_answer_that_came_late_does_not_undo_what_came_since(self, told, receiver):
        now = utc_now()
        with db.transaction() as session:
            old = webhooks.claim(session, told, now)
        issue(now, level=2)
        assert deliver(told, now) == "delivered"
        receiver.script.append((500, {}, b""))
        came = call(old)
        with db.transaction() as session:
            assert webhooks.settle(session, old, came, now) is None
        assert row().state == "delivered"

    def test_a_worker_killed_between_claim_and_answer_leaves_it_to_the_next_after_a_while(self, told, receiver):
        now = utc_now()
        with db.transaction() as session:
            assert webhooks.claim(session, told, now)
        assert deliver(told, now) is None
        assert deliver(told, now + webhooks.CLAIM) == "delivered"

    @pytest.mark.parametrize(
        "answer", [(302, {"Location": "http://127.0.0.1:9/"}, b""), (200, {}, b"[" * 30_000), (200, {}, b"\xff")]
    )
    def test_odd_answers_prove_nothing_and_break_nothing(self, told, receiver, answer):
        receiver.script.append(answer)
        assert deliver(told, utc_now()) in ("waiting", "unproven")

    def test_one_that_drips_its_answer_is_cut_off_when_the_workers_time_for_it_is_over(self, told):
        def over(*_):
            raise SoftTimeLimitExceeded

        with db.transaction() as session:
            message = webhooks.claim(session, told, utc_now())
        before = signal.signal(signal.SIGALRM, over)
        try:
            with dripping() as url:
                came = call(replace(message, url=url))
        finally:
            signal.signal(signal.SIGALRM, before)
        assert (came.status, came.problem) == (None, "Not answered within 0 s")
        assert webhooks.CLAIM.total_seconds() > tasks.CALL_S + 5, "nobody else tries meanwhile"

    def test_keeps_a_bounded_log(self, told, receiver, monkeypatch):
        monkeypatch.setattr(webhooks, "LOG_KEPT", 3)
        at = utc_now()
        for _ in range(5):
            deliver(told, at)
            at = row().next_try_at
        with db.transaction() as session:
            assert len(session.scalars(select(WebhookDelivery)).all()) == 3


class TestRegistering:
    def test_makes_a_secret_shown_once_and_kept_sealed(self, told, client, admin, receiver):
        path = "/api/v1/backends/gw-1/webhook"
        made = client.put(path, json={"url": receiver.url}, headers=admin)
        secret = made.json()["secret"]
        assert webhook.key_of(secret) and made.headers["cache-control"] == "no-store"
        assert secret not in client.get(path, headers=admin).text
        assert secret.encode() not in row().sealed
        given = client.put(path, json={"url": receiver.url, "secret": SECRET}, headers=admin)
        assert given.json() == {"backend": "gw-1", "url": receiver.url}
        assert client.post(f"{path}/test", headers=admin).json()["taken"] is True
        assert receiver.told[-1][1]["type"] == "policy.test"
        assert client.get(path, headers=admin).json()["deliveries"][0]["status"] == 200
        assert client.delete(path, headers=admin).status_code == 204
        assert client.get(path, headers=admin).status_code == 404

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"url": "http://169.254.169.254/latest"}, "url"),
            ({"url": "file:///etc/passwd"}, "url"),
            ({"url": "http://127.0.0.1/", "secret": "hunter2"}, "secret"),
        ],
    )
    def test_refuses_hosts_nobody_allowed_and_what_is_no_secret(self, told, client, admin, *, body, field):
        refused = client.put("/api/v1/backends/gw-1/webhook", json=body, headers=admin)
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["field"] == field

    def test_a_host_taken_off_the_list_later_is_called_no_more(self, told, receiver, monkeypatch):
        monkeypatch.setenv("TRIVET_OUTWARD_HOSTS", "[]")
        get_settings.cache_clear()
        assert deliver(told, utc_now()) == "waiting"
        assert "TRIVET_OUTWARD_HOSTS" in row().last_error and receiver.told == []

    def test_there_is_a_limit_to_them(self, told, monkeypatch):
        monkeypatch.setattr(webhooks, "WEBHOOKS_MAX", 1)
        met("gw-2")
        with pytest.raises(Conflict), db.transaction() as session:
            webhooks.put(session, backend="gw-2", url="http://127.0.0.1/", secret=None, actor="ana", now=utc_now())
