"""The page of alerts: its sentence, its picture, what it teaches where there is nothing, and what can be done there."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from tests.notify.alerting import channel, every, fire, route, turn_back
from tests.notify.conftest import use

from trivet import db
from trivet.console.alerts import alerts as page_of_alerts
from trivet.console.alerts import alerts_words as words
from trivet.console.alerts.alerts_strip import Stretch, draw
from trivet.identity.models import Audit
from trivet.kit.interval import Interval
from trivet.notify import alert_models as rows
from trivet.notify.alert_tasks import judge_alerts
from trivet.notify.rules.route import Step, Way
from trivet.paths import shipped

NOW = datetime(2026, 11, 21, 14, 0, tzinfo=UTC)


def ago(minutes):
    return NOW - timedelta(minutes=minutes)


def standing(name="chat p95", severity="page", minutes=5, *, told=True, acknowledged=False):
    return words.Standing(name, severity, "P95 2.1 s over 1.5 s", ago(minutes), told, acknowledged)


class TestTheSentence:
    def test_names_the_gravest_and_whether_anybody_knows(self):
        said = words.sentence([standing("rag cost", "ticket", 50), standing()], routes=1, failing=[], now=NOW)
        assert said == (
            "chat p95 fires since 5 min: P95 2.1 s over 1.5 s, and 1 more is open. "
            "Somebody was told of each; 2 nobody has acknowledged yet."
        )

    @pytest.mark.parametrize(
        ("one", "routes", "ends"),
        [
            (standing(), 1, "Somebody was told; nobody has acknowledged yet."),
            (standing(acknowledged=True), 1, "Somebody has it."),
            (standing(told=False), 1, "Nobody was told; why stands beside it."),
            (standing(told=False), 0, "There is no route, so nobody is told."),
        ],
    )
    def test_of_one(self, one, routes, ends):
        assert words.sentence([one], routes=routes, failing=[], now=NOW).endswith(ends)

    def test_where_nothing_is_wrong_it_says_so_and_what_is_lacking(self):
        assert words.sentence([], routes=2, failing=[], now=NOW) == "Nothing is wrong now."
        assert words.sentence([], routes=0, failing=["ops"], now=NOW) == (
            "Nothing is wrong now. There is no route yet, so nobody would be told. Channel ops fails, so not everybody may know."
        )


class TestWords:
    def test_a_route(self):
        way = Way(1, "pages", ('severity="page"',), ("ops",), steps=(Step(900, ("lead", "boss")),))
        assert words.takes(way) == 'severity="page"'
        assert words.rhythm(way) == "by scenario after 5 s, then every 5 min; again every 4 h"
        assert words.steps(way) == "lead, boss after 15 min"

    def test_a_silence_of_one_alert_names_it_whatever_is_in_its_name(self):
        labels = {"alertname": "TrivetGuard", "scenario": 'a "b"', "guard": "p95", "kind": "guard"}
        assert words.matcher_of(labels) == 'scenario="a \\"b\\""\nguard="p95"'

    @pytest.mark.parametrize("file", sorted(f.name for f in (shipped("alerts") / "runbooks").glob("*.md")))
    def test_every_runbook_can_be_shown_whole(self, file):
        text = (shipped("alerts") / "runbooks" / file).read_text()
        found = words.blocks(text)
        assert found[0].kind == "h1"
        letters = "".join(part for block in found for _, part in block.parts)
        plain = "".join(line.lstrip("#- ") for line in text.splitlines()).replace("`", "")
        assert "".join(letters.split()) == "".join(plain.split())


class TestThePicture:
    DAY = Interval(NOW - timedelta(days=1), NOW)

    def test_is_solid_where_somebody_was_told_and_ends_where_the_alert_did(self):
        found = [Stretch("a", "page", ago(360), ago(180), True), Stretch("b", "page", ago(60), None, False)]
        strip = draw(found, self.DAY, NOW, UTC)
        drawn = [(band.style, band.x, band.width, band.says) for lane in strip.lanes for band in lane.bands]
        assert drawn == [
            ("told", 750.0, 125.0, "a (page) is over; somebody was told"),
            ("wanted", 958.33, 41.67, "b (page) fires; nobody was told"),
        ]
        assert strip.ticks == ("14:00", "20:00", "02:00", "08:00", "14:00")

    def test_leaves_out_what_is_older_and_what_there_is_no_room_for(self):
        old = Stretch("old", "page", ago(3_000), ago(1_500), True)
        strip = draw([old, *[Stretch(f"{n}", "page", ago(9), None, True) for n in range(20)]], self.DAY, NOW, UTC)
        assert (len(strip.lanes), strip.left_out) == (14, 6)


class TestThePage:
    @pytest.fixture
    def token(self, client, sign_in):
        sign_in("sre")
        page = client.get("/alerts").text
        return page.split('name="csrf_token" value="')[1].split('"')[0]

    def test_teaches_where_there_is_nothing(self, client, sign_in):
        sign_in("sre")
        page = client.get("/alerts").text
        assert "Nothing is wrong now. There is no route yet, so nobody would be told." in page
        assert "/api/v1/routes" in page
        assert "/api/v1/channels" in page

    def test_shows_why_nobody_was_told_takes_an_acknowledgement_and_a_silence(self, client, token, monkeypatch):
        use(monkeypatch, outward_hosts='["127.0.0.1"]', secret_key="k" * 32)
        channel("ops", url="http://127.0.0.1:9/x")
        route("pages", "ops", matchers=['severity="page"'])
        page_id, ticket_id = fire("page"), fire("ticket", scenario="rag", guard="floor")
        judge_alerts()
        page = client.get("/alerts").text
        assert "none of 1 routes fits its labels" in page
        lines = client.get("/alerts.csv?severity=ticket").text.splitlines()
        assert (
            len(lines) == 2
            and lines[1].startswith(f"{ticket_id},")
            and ",rag," in lines[1]
            and "none of 1 routes" in lines[1]
        )
        done = client.post(f"/alerts/{page_id}/acknowledge", data={"csrf_token": token}, follow_redirects=False)
        assert done.status_code == 303
        form = {"csrf_token": token, "matchers": 'scenario="rag"\nguard="floor"', "hours": "4", "reason": "reindexing"}
        assert client.post("/alerts/silences", data=form, follow_redirects=False).status_code == 303
        turn_back(rows.Notice, "told_at", seconds=90_000)
        judge_alerts()
        page = client.get("/alerts").text
        assert "sre@example.com has it" in page
        assert "reindexing" in page
        (quiet,) = every(rows.Silence)
        ended = client.post(f"/alerts/silences/{quiet.id}/expire", data={"csrf_token": token}, follow_redirects=False)
        assert ended.status_code == 303
        with db.transaction() as session:
            done = session.scalars(select(Audit.action).order_by(Audit.id)).all()
        assert [action for action in done if action.split(".")[0] in ("alert", "silence")] == [
            "alert.acknowledge", "silence.create", "silence.expire",
        ]  # fmt: skip
        assert ticket_id != page_id

    @pytest.mark.parametrize(
        ("form", "says"),
        [({"matchers": "", "reason": "x"}, "every alert there is"), ({"matchers": 'scenario="a"', "reason": " "}, "Say why"),
         ({"matchers": "pod=1", "reason": "x"}, "is no matcher")],
    )  # fmt: skip
    def test_a_silence_that_cannot_be_is_refused_in_its_form(self, client, token, form, says):
        refused = client.post("/alerts/silences", data={"csrf_token": token, "hours": "1"} | form)
        assert (refused.status_code, says in refused.text) == (422, True)

    def test_what_is_left_out_is_said_and_the_file_has_it(self, client, token, monkeypatch):
        monkeypatch.setattr(page_of_alerts, "SHOWN", 1)
        fire("page"), fire("ticket", scenario="rag", guard="floor")
        page = client.get("/alerts").text
        assert "Only the newest 1 that are open" in page and page.count('id="alert-') == 1
        assert len(client.get("/alerts.csv").text.splitlines()) == 3

    def test_who_only_looks_changes_nothing(self, client, sign_in):
        sign_in("viewer")
        id_ = fire()
        page = client.get("/alerts").text
        assert "I have it" not in page
        token = page.split('name="csrf_token" value="')[1].split('"')[0]
        assert client.post(f"/alerts/{id_}/acknowledge", data={"csrf_token": token}).status_code == 403

    def test_a_form_of_another_session_changes_nothing(self, client, token):
        assert client.post(f"/alerts/{fire()}/acknowledge", data={"csrf_token": "x"}).status_code == 403

    def test_runbooks_can_be_read_and_nothing_else(self, client, sign_in):
        sign_in("viewer")
        page = client.get("/runbooks/error_rate").text
        assert "Error rate: requests fail" in page
        assert '<code class="mono">recover_after_s</code>' in page
        assert client.get("/runbooks/..%2Fguards%2Ferror_rate").status_code == 404
        assert client.get("/runbooks/nothing").status_code == 404
