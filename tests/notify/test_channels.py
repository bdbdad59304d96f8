"""Channels: made, refused, masked, tried against real receivers, and over REST."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import select
from tests.notify import alerting
from tests.notify.alerting import channel, every, fire, notices, route
from tests.notify.conftest import use
from tests.support.bound import bound_headers
from tests.support.receiver import receiving

from trivet import db
from trivet.identity.models import Audit
from trivet.kit.clock import rfc3339, utc_now
from trivet.notify import alert_models as rows
from trivet.notify.alert_tasks import judge_alerts, send_alerts
from trivet.notify.channel import keep
from trivet.notify.tasks import deliver


@pytest.fixture
def allowed(database, monkeypatch):
    use(monkeypatch, outward_hosts='["127.0.0.1"]', outward_services='["json", "slack"]', secret_key="k" * 32)


@pytest.fixture
def receiver(allowed):
    with receiving() as running:
        yield running


class TestApprise:
    def test_sends_to_a_real_receiver_with_title_text_and_how_serious(self, receiver):
        channel("ops", kind="apprise", url=receiver.url.replace("http", "json") + "/hook")
        route("all", "ops")
        fire()
        judge_alerts()
        assert send_alerts() == 1
        (got,) = receiver.got
        said = json.loads(got.body)
        assert (said["title"], said["type"]) == ("Firing: chat p95: P95 latency 2.1 s over 1 s", "failure")
        assert said["message"].startswith("▲ chat p95: P95 latency 2.1 s over 1 s")
        assert every(rows.Delivery)[0].state == "sent"

    def test_follows_no_redirect_and_tries_again(self, receiver):
        with receiving() as elsewhere:
            receiver.answer = (307, {"Location": elsewhere.url})
            channel("ops", kind="apprise", url=receiver.url.replace("http", "json"))
            with db.transaction() as session:
                keep.test(session, "ops", actor="ann", now=utc_now())
            send_alerts()
            assert elsewhere.got == []
        (delivery,) = every(rows.Delivery)
        assert (delivery.state, delivery.attempts) == ("queued", 1)
        assert delivery.last_error.startswith("FAILURE: ")
        receiver.answer = 200
        alerting.due()
        send_alerts()
        assert every(rows.Delivery)[0].state == "sent"


class TestMail:
    def test_goes_through_the_mail_s_own_queue_and_its_fate_is_the_channel_s(self, start, allowed):
        box = start()
        channel("post", kind="mail", to=("ann@example.com",))
        route("all", "post")
        fire()
        judge_alerts()
        send_alerts()
        assert every(rows.Delivery)[0].state == "handed"
        deliver()
        send_alerts()
        (mail,) = box.mails
        assert mail["Subject"] == "Firing: chat p95: P95 latency 2.1 s over 1 s"
        assert '<a href="http://127.0.0.1:8000/alerts">' in mail.get_body(("html",)).get_content()
        assert every(rows.Delivery)[0].state == "sent"
        assert every(rows.Channel)[0].succeeded_at is not None

    def test_that_cannot_go_makes_the_channel_fail(self, allowed):
        channel("post", kind="mail", to=("ann@example.com",))
        route("all", "post")
        fire()
        judge_alerts()
        send_alerts()
        deliver()
        send_alerts()
        (row,) = every(rows.Channel)
        assert (row.failures, row.last_error) == (1, "No mail server is set: TRIVET_SMTP_HOST and TRIVET_SMTP_FROM.")
        assert [a.labels["kind"] for a in every(rows.Alert)] == ["guard", "channel"]


class TestOverRest:
    def make(self, client, admin, **body):
        return client.post("/api/v1/channels", headers=admin, json=body)

    def test_a_webhook_s_secret_is_shown_once_and_its_address_is_kept_sealed(self, client, admin, allowed):
        made = self.make(client, admin, name="team", kind="webhook", url="http://127.0.0.1:9/T0KEN?a=1")
        assert made.status_code == 201
        assert made.json()["secret"].startswith("whsec_")
        (item,) = client.get("/api/v1/channels", headers=admin).json()["items"]
        assert item["shown"] == ["http://127.0.0.1:9/…"]
        assert "secret" not in item
        (row,) = every(rows.Channel)
        assert b"T0KEN" not in row.sealed
        with db.transaction() as session:
            (trace,) = session.scalars(select(Audit).where(Audit.action == "channel.create"))
        assert trace.after == {"kind": "webhook", "shown": ["http://127.0.0.1:9/…"]}

    @pytest.mark.parametrize(
        ("body", "field", "says"),
        [
            ({"kind": "webhook", "url": "http://169.254.169.254/latest"}, "url", "TRIVET_OUTWARD_HOSTS"),
            ({"kind": "webhook", "url": "http://127.0.0.1/x", "secret": "short"}, "secret", "whsec_"),
            ({"kind": "apprise", "url": "syslog://"}, "url", "TRIVET_OUTWARD_SERVICES"),
            ({"kind": "apprise", "url": "json://10.0.0.1/x"}, "url", "TRIVET_OUTWARD_HOSTS"),
            ({"kind": "apprise", "url": "slack://x"}, "url", "does not understand"),
            ({"kind": "alertmanager", "urls": ["http://127.0.0.1:1", "http://10.0.0.1:9093"]}, "urls", "10.0.0.1"),
            ({"kind": "alertmanager"}, "urls", "each replica"),
            ({"kind": "mail", "to": ["a@b\nBcc: c@d"]}, "to", "no mail address"),
        ],
    )
    @pytest.mark.usefixtures("allowed")
    def test_what_it_cannot_be_is_refused_with_the_field_named(self, client, admin, body, field, says):
        refused = self.make(client, admin, name="x", **body)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field)
        assert says in refused.json()["detail"]

    def test_a_hosted_service_shows_its_name_and_none_of_its_tokens(self, client, admin, allowed):
        url = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general"
        assert self.make(client, admin, name="slack", kind="apprise", url=url).json()["shown"] == ["slack://…"]

    def test_one_that_a_route_names_is_not_deleted(self, client, admin, allowed):
        self.make(client, admin, name="team", kind="webhook", url="http://127.0.0.1:9/x")
        assert self.make(client, admin, name="team", kind="mail", to=["a@b.c"]).status_code == 409
        made = client.post("/api/v1/routes", headers=admin, json={"name": "r", "channels": ["team"], "matchers": ['severity="page"']})  # fmt: skip
        assert made.status_code == 201
        refused = client.delete("/api/v1/channels/team", headers=admin)
        assert (refused.status_code, "Route r tells channel 'team'" in refused.json()["detail"]) == (409, True)
        assert client.get("/api/v1/routes", headers=admin).json()["items"][0]["matchers"] == ['severity="page"']
        assert client.delete("/api/v1/routes/r", headers=admin).status_code == 204
        assert client.delete("/api/v1/channels/team", headers=admin).status_code == 204
        assert client.delete("/api/v1/channels/team", headers=admin).status_code == 404

    @pytest.mark.parametrize(
        ("more", "field"),
        [
            ({"channels": ["nobody"]}, "channels"),
            ({"matchers": ["x"]}, "matchers"),
            ({"group_by": ["pod"]}, "group_by"),
            ({"steps": [{"after_s": 60, "channels": ["nobody"]}]}, "steps"),
            ({"steps": [{"after_s": 60, "channels": ["team"]}, {"after_s": 60, "channels": ["team"]}]}, "steps"),
        ],
    )
    def test_a_route_that_leads_nowhere_is_refused(self, client, admin, allowed, more, field):
        self.make(client, admin, name="team", kind="webhook", url="http://127.0.0.1:9/x")
        refused = client.post("/api/v1/routes", headers=admin, json={"name": "r", "channels": ["team"]} | more)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field)

    def test_a_test_message_goes_and_what_became_of_it_is_shown(self, client, admin, receiver):
        self.make(client, admin, name="team", kind="webhook", url=receiver.url)
        assert client.post("/api/v1/channels/team/test", headers=admin).status_code == 202
        send_alerts()
        assert "works. It does." in json.loads(receiver.got[0].body)["data"]["text"]
        (item,) = client.get("/api/v1/channels", headers=admin).json()["items"]
        assert (item["succeeded_at"] is not None, item["failures"]) == (True, 0)

    def test_alerts_are_listed_with_what_was_decided_and_acknowledged(self, client, admin, allowed):
        channel("team", url="http://127.0.0.1:9/x")
        route("all", "team")
        fire()
        judge_alerts()
        (item,) = client.get("/api/v1/alerts?state=firing", headers=admin).json()["items"]
        assert (item["severity"], item["why"], item["unrouted"]) == ("page", "P95 latency 2.1 s over 1 s", "")
        assert [(n["route"], n["decision"]) for n in item["notices"]] == [("all", "told")]
        done = client.post(f"/api/v1/alerts/{item['id']}/acknowledge", headers=admin, json={"note": "mine"})
        assert done.status_code == 204
        judge_alerts()
        (item,) = client.get("/api/v1/alerts", headers=admin).json()["items"]
        assert item["acknowledged_by"].startswith("key:")
        assert notices()[0][1] == "acknowledged"
        assert client.post("/api/v1/alerts/999/acknowledge", headers=admin, json={}).status_code == 404

    def test_silences_are_made_listed_and_expired(self, client, admin, database):
        ends = rfc3339(utc_now() + timedelta(hours=1))
        body = {"matchers": ['scenario="chat"'], "ends_at": ends, "reason": "load test"}
        made = client.post("/api/v1/silences", headers=admin, json=body)
        assert (made.status_code, made.json()["state"]) == (201, "active")
        assert client.delete(f"/api/v1/silences/{made.json()['id']}", headers=admin).status_code == 204
        (item,) = client.get("/api/v1/silences", headers=admin).json()["items"]
        assert (item["state"], item["expired_by"].startswith("key:")) == ("expired", True)
        assert client.delete(f"/api/v1/silences/{item['id']}", headers=admin).status_code == 409
        late = body | {"ends_at": rfc3339(utc_now() + timedelta(days=91))}
        assert client.post("/api/v1/silences", headers=admin, json=late).json()["errors"][0]["field"] == "ends_at"
        assert client.post("/api/v1/silences", headers=admin, json=body | {"matchers": []}).status_code == 422

    def test_maintenance_is_weekly_by_the_clock_of_a_zone(self, client, admin, database):
        body = {"name": "night", "matchers": ['scenario=~".+"'], "weekdays": [0, 1, 2, 3, 4, 5, 6], "starts": "00:00",
                "minutes": 1440, "zone": "Asia/Shanghai", "reason": "reindexing"}  # fmt: skip
        assert client.post("/api/v1/maintenance", headers=admin, json=body).json()["until"] is not None
        fire()
        judge_alerts()
        channel_less = client.get("/api/v1/alerts", headers=admin).json()["items"][0]
        assert channel_less["unrouted"].startswith("there is no route yet")
        assert client.post("/api/v1/maintenance", headers=admin, json=body | {"zone": "Mars"}).status_code == 422
        assert [w["name"] for w in client.get("/api/v1/maintenance", headers=admin).json()["items"]] == ["night"]
        assert client.delete("/api/v1/maintenance/night", headers=admin).status_code == 204
        assert client.delete("/api/v1/maintenance/night", headers=admin).status_code == 404

    def test_who_may(self, client, make_key, database):
        read, bound = {"Authorization": f"Bearer {make_key(['read'])}"}, bound_headers(make_key, "read")
        for path in ("/channels", "/routes", "/silences", "/maintenance"):
            assert client.get(f"/api/v1{path}", headers=read).status_code == 200
            assert client.get(f"/api/v1{path}", headers=bound).status_code == 403
        assert client.post("/api/v1/channels", headers=read, json={"name": "x", "kind": "mail"}).status_code == 403
        assert client.post("/api/v1/alerts/1/acknowledge", headers=read, json={}).status_code == 403
        fire()
        assert client.get("/api/v1/alerts", headers=bound).json()["items"] == []
