"""Routes and maintenance windows as people make them on pages: what is said before, what is refused where, what is kept."""

import re
from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from tests.notify.alerting import channel, every, fire, route
from tests.notify.conftest import use

from trivet import db
from trivet.console.alerts import past, routes_form, rules_form, windows_form
from trivet.console.alerts import rules_words as words
from trivet.console.alerts.past import Fired, Past
from trivet.identity.models import Audit
from trivet.kit.clock import utc_now
from trivet.kit.errors import Invalid
from trivet.notify import alert_models as rows
from trivet.notify.channel.channels_api import NewRoute
from trivet.notify.rules.decide import span
from trivet.notify.rules.route import Step, Way
from trivet.notify.rules.windows import Window, times

NOW = datetime(2026, 11, 21, 14, 0, tzinfo=UTC)  # a Saturday


def alert(name="chat p95", severity="page", began_h=5.0, lasted_h=1.0, **labels):
    began = NOW - timedelta(hours=began_h)
    said = {"alertname": "TrivetGuard", "scenario": name.split()[0], "severity": severity} | labels
    return Past(name, said, began, began + timedelta(hours=lasted_h))


def way(name, *matchers, id_=1, goes_on=False, channels=("ops",)):
    return Way(id_, name, matchers, channels, goes_on=goes_on)


PAGES, REST = way("pages", 'severity="page"'), way("rest", id_=2)
FIRED = Fired((alert(), alert(), alert("rag floor", "ticket"), alert("drilled p95", drill="true")))


class TestWhatARouteWouldHaveTold:
    def test_a_new_first_one_takes_from_those_after_it(self):
        ways = past.replaced([PAGES, REST], {"pages": 10, "rest": 20}, way("chat", 'scenario="chat"', id_=0), 5)
        assert [each.name for each in ways] == ["chat", "pages", "rest"]
        found = past.moved(FIRED, [PAGES, REST], ways, "chat")
        assert found == past.Moved(4, (("chat p95", 2),), (("pages", 2),), ())
        assert words.would_take(found) == (
            "Of 4 alerts of the last 7 days this would have told of 2: chat p95 (2). pages would have told of 2 fewer."
        )

    def test_one_that_goes_on_takes_from_nobody(self):
        first = way("chat", 'scenario="chat"', id_=0, goes_on=True)
        found = past.moved(FIRED, [PAGES], [first, PAGES], "chat")
        assert (found.takes, found.fewer, found.unheard) == ((("chat p95", 2),), (), ())

    def test_of_the_same_position_a_new_one_comes_last(self):
        ways = past.replaced([PAGES, REST], {"pages": 100, "rest": 100}, way("chat", id_=0), 100)
        assert [each.name for each in ways] == ["pages", "rest", "chat"]

    def test_narrower_terms_say_of_whom_nobody_would_be_told(self):
        narrow = way("pages", 'severity="page"', 'scenario="rag"')
        found = past.moved(FIRED, [PAGES], past.replaced([PAGES], {"pages": 10}, narrow, 10), "pages")
        assert words.would_take(found) == (
            "Of 4 alerts of the last 7 days this would have told of none. Of 2 nobody would be told any more: chat p95 (2)."
        )

    def test_without_it_others_tell_or_nobody(self):
        lost = past.moved(FIRED, [PAGES, REST], [PAGES], "rest")
        assert words.would_lose(lost) == (
            "Of 4 alerts of the last 7 days it takes 1: rag floor (1). Of 1 nobody would be told any more: rag floor (1). "
            "What it has told of, it tells no end of."
        )
        taken_over = past.moved(FIRED, [PAGES, REST], [REST], "pages")
        assert "Other routes would tell of them." in words.would_lose(taken_over)

    def test_where_nothing_fired_it_says_so(self):
        assert words.would_take(past.moved(Fired(()), [], [PAGES], "pages")).startswith(
            "No alert fired in the last 7 days"
        )

    def test_what_is_left_out_is_said(self, database, monkeypatch):
        fire(), fire("ticket", scenario="rag", guard="floor"), fire(scenario="rag", guard="p95")
        monkeypatch.setattr(past, "PAIRS_MAX", 4)
        with db.transaction() as session:
            found = past.read(session, utc_now(), routes=2)
        assert words.would_take(past.moved(found, [], [REST], "rest")).startswith(
            "Of the newest 2 alerts of the last 7 days this would have told of 2: "
        )

    def test_the_most_are_named_first_and_the_rest_counted(self):
        assert words.names((("a", 9), ("b", 4), ("c", 1), ("d", 1), ("e", 1), ("f", 1), ("g", 1))) == (
            "a (9), b (4), c (1), d (1), e (1) and 2 more"
        )


NIGHTS = Window("night", ('scenario="chat"',), (4, 5), time(22), 240, "UTC", "reindexing")  # Friday and Saturday


class TestWhatAWindowWouldHaveKeptQuiet:
    def test_is_what_fits_and_fired_in_its_hours(self):
        in_it = alert(began_h=15)  # 23:00 of Friday
        found = past.kept(Fired((in_it, alert(), alert("rag floor", began_h=15))), NIGHTS, NOW)
        assert found == past.Kept(3, 2, (("chat p95", 1),))
        assert words.would_keep(found, NIGHTS, NOW, UTC) == (
            "Of 3 alerts of the last 7 days it fits 2; 1 of them fired in its hours: chat p95 (1). "
            "It begins next 22:00."
        )

    def test_an_alert_that_began_before_and_lasts_into_it_counts(self):
        assert past.kept(Fired((alert(began_h=17, lasted_h=2),)), NIGHTS, NOW).quiet == (("chat p95", 1),)
        assert past.kept(Fired((alert(began_h=17, lasted_h=1),)), NIGHTS, NOW).quiet == ()

    def test_says_when_it_is_in_force_at_once(self):
        said = words.would_keep(past.kept(Fired(()), NIGHTS, NOW), NIGHTS, NOW + timedelta(hours=9), UTC)
        assert said.endswith("It is in force at once, until 22 Nov 02:00.")

    def test_in_words(self):
        assert words.when(NIGHTS) == "Friday, Saturday from 22:00 to 02:00 the next day, by the clock of UTC"

    def test_its_times_are_real_ones_also_where_clocks_change(self):
        berlin = Window("w", (), (6,), time(1), 180, "Europe/Berlin")  # 2026-10-25: 01:00 summer time, three real hours
        found = times(berlin, datetime(2026, 10, 24, tzinfo=UTC), datetime(2026, 10, 26, tzinfo=UTC))
        assert found == [(datetime(2026, 10, 24, 23, tzinfo=UTC), datetime(2026, 10, 25, 2, tzinfo=UTC))]


class TestTheForms:
    @pytest.mark.parametrize(
        ("text", "seconds"), [("90 s", 90), ("15min", 900), ("4 h", 14_400), ("30", 30), ("1 d", 86_400)]
    )
    def test_a_length_of_time_is_written_as_it_is_shown(self, text, seconds):
        assert rules_form.seconds(text, "repeat_s") == seconds

    @given(st.integers(60, 30 * 86_400))
    def test_what_is_shown_can_be_written(self, seconds):
        assert rules_form.seconds(span(seconds), "repeat_s", NewRoute) == seconds

    @pytest.mark.parametrize(
        ("text", "says"), [("soon", "is no length of time"), ("5 s", "from 1 min to 30 d"), ("40 d", "to 30 d")]
    )
    def test_one_that_cannot_be_says_what_can(self, text, says):
        with pytest.raises(Invalid, match=says):
            rules_form.seconds(text, "repeat_s", NewRoute)

    def test_a_route_comes_back_from_its_form_as_it_was(self):
        steps = (Step(900.0, ("lead", "boss, and all")), Step(5_400.0, ("ceo",)))
        made = Way(
            7,
            "pages",
            ('severity="page"', 'tenant=~"a|b"'),
            ("ops",),
            ("scenario", "tenant"),
            5,
            90,
            7_200,
            steps,
            True,
        )
        body = routes_form.asked(routes_form.filled(made, 30))
        assert (routes_form.way_of(body, 7), body.position) == (made, 30)

    @given(
        st.sets(st.integers(0, 6), min_size=1), st.times().map(lambda at: at.replace(second=0, microsecond=0)),
        st.integers(1, 7 * 1_440),
    )  # fmt: skip
    def test_a_window_comes_back_from_its_form_as_it_was(self, days, starts, minutes):
        made = Window("night", ('kind="guard"',), tuple(sorted(days)), starts, minutes, "Asia/Shanghai", "reindexing")
        assert windows_form.window_of(windows_form.filled(made)) == made


def token_of(page):
    return re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]


def actions():
    with db.transaction() as session:
        query = select(Audit.action, Audit.reason).order_by(Audit.id)
        kinds = ("route", "maintenance")
        return [tuple(row) for row in session.execute(query) if row.action.split(".")[0] in kinds]


@pytest.fixture
def ops(database, monkeypatch):
    """Two channels."""
    use(monkeypatch, outward_hosts='["127.0.0.1"]', secret_key="k" * 32)
    channel("ops", url="http://127.0.0.1:9/x"), channel("lead", url="http://127.0.0.1:9/y")


ROUTE = {
    "name": "pages", "position": "10", "matchers": 'severity="page"', "channels": "ops", "group_by": "scenario",
    "group_wait_s": "5 s", "group_interval_s": "5 min", "repeat_s": "2 h", "after": ["15 min", ""], "then": ["lead", ""],
}  # fmt: skip
WINDOW = {
    "name": "night", "matchers": 'scenario="chat"', "weekdays": ["0", "6"], "starts": "22:00", "ends": "02:30", "later": "1",
    "zone": "Europe/Berlin", "reason": "reindexing",
}  # fmt: skip


class TestThePageOfARoute:
    def test_shows_whom_it_would_have_told_before_it_is_made(self, sign_in, ops):
        fire(), fire("ticket", scenario="rag", guard="floor")
        client = sign_in("sre")
        assert "Say which alerts it takes" in client.get("/alerts/route").text
        said = client.get("/alerts/route", params=ROUTE | {"said": "1"}).text
        assert "Of 2 alerts of the last 7 days this would have told of 1: chat p95 (1)." in said
        assert every(rows.Route) == []

    def test_is_made_changed_and_deleted_as_the_api_would_and_audited(self, sign_in, ops, client, admin):
        browser = sign_in("sre")
        token = {"csrf_token": token_of(browser.get("/alerts/route"))}
        assert browser.post("/alerts/route", data=ROUTE | token, follow_redirects=False).status_code == 303
        (made,) = client.get("/api/v1/routes", headers=admin).json()["items"]
        assert (made["repeat_s"], made["steps"]) == (7_200, [{"after_s": 900, "channels": ["lead"]}])
        assert (made["changed_by"], made["goes_on"], made["position"]) == ("sre@example.com", False, 10)
        page = browser.get("/alerts").text
        assert 'href="/alerts/route?of=pages"' in page and "lead after 15 min" in page
        form = browser.get("/alerts/route?of=pages").text
        assert "Route pages takes severity=&#34;page&#34; and tells ops" in form and 'value="15 min"' in form
        changed = ROUTE | {"of": "pages", "repeat_s": "1 h", "goes_on": "on"}
        assert browser.post("/alerts/route", data=changed | token, follow_redirects=False).status_code == 303
        (row,) = every(rows.Route)
        assert (row.repeat_s, row.goes_on) == (3_600, True)
        unsaid = browser.post("/alerts/route/delete", data={"of": "pages", "why": " "} | token)
        assert unsaid.status_code == 422 and "Say why" in unsaid.text and len(every(rows.Route)) == 1
        gone = browser.post(
            "/alerts/route/delete", data={"of": "pages", "why": "moved"} | token, follow_redirects=False
        )
        assert gone.status_code == 303 and every(rows.Route) == []
        assert actions() == [("route.put", None), ("route.put", None), ("route.delete", "moved")]

    @pytest.mark.parametrize(
        ("wrong", "field", "says"),
        [({"matchers": "pod=1"}, "matchers", "is no matcher"), ({"channels": []}, "channels", "one channel at least"),
         ({"name": " "}, "name", "Give it a name"), ({"name": "there"}, "name", "There is a route"),
         ({"repeat_s": "5 s"}, "repeat_s", "from 1 min to 30 d"), ({"position": "first"}, "position", "integer"),
         ({"after": ["", ""]}, "steps", "Say after how long lead"), ({"after": ["1 s", ""]}, "steps", "from 10 s to 7 d"),
         ({"group_by": "pod"}, "group_by", "No alert has a label"), ({"channels": "nobody"}, "channels", "There is no channel")],
    )  # fmt: skip
    def test_is_refused_at_its_field_with_what_was_written(self, sign_in, ops, wrong, field, says):
        route("there", "ops")
        client = sign_in("admin")
        token = {"csrf_token": token_of(client.get("/alerts/route"))}
        answer = client.post("/alerts/route", data=ROUTE | {"group_interval_s": "7 min"} | wrong | token)
        assert answer.status_code in (409, 422)
        told = re.search(rf'id="wrong-{field}" role="alert">([^<]+)<', answer.text)
        assert told is not None and says in told[1].replace("&#39;", "'")
        assert 'value="7 min"' in answer.text and [row.name for row in every(rows.Route)] == ["there"]

    def test_one_that_was_deleted_meanwhile_is_not_made_anew(self, sign_in, ops):
        client = sign_in("sre")
        token = {"csrf_token": token_of(client.get("/alerts/route"))}
        assert client.post("/alerts/route", data=ROUTE | {"of": "gone"} | token).status_code == 404
        assert every(rows.Route) == []

    def test_without_a_channel_it_says_what_comes_first(self, sign_in):
        assert "A route tells channels, and there is none yet." in sign_in("sre").get("/alerts/route").text


class TestThePageOfAWindow:
    def test_is_planned_changed_and_deleted_as_the_api_would_and_audited(self, sign_in, client, admin):
        browser = sign_in("admin")
        token = {"csrf_token": token_of(browser.get("/alerts/maintenance"))}
        assert browser.post("/alerts/maintenance", data=WINDOW | token, follow_redirects=False).status_code == 303
        (made,) = client.get("/api/v1/maintenance", headers=admin).json()["items"]
        assert (made["weekdays"], made["starts"], made["minutes"], made["zone"]) == (
            [0, 6],
            "22:00",
            270,
            "Europe/Berlin",
        )
        page = browser.get("/alerts").text
        assert "Monday, Sunday from 22:00 to 02:30 the next day, by the clock of Europe/Berlin" in page
        form = browser.get("/alerts/maintenance?of=night").text
        assert 'value="02:30"' in form and "It begins next" in form
        changed = WINDOW | {"of": "night", "later": "0", "ends": "23:00"}
        assert browser.post("/alerts/maintenance", data=changed | token, follow_redirects=False).status_code == 303
        assert [row.minutes for row in every(rows.Maintenance)] == [60]
        asked = {"of": "night", "why": "it is done"} | token
        assert browser.post("/alerts/maintenance/delete", data=asked, follow_redirects=False).status_code == 303
        assert every(rows.Maintenance) == []
        assert actions() == [
            ("maintenance.put", "reindexing"), ("maintenance.put", "reindexing"), ("maintenance.delete", "it is done"),
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("wrong", "field", "says"),
        [({"later": "0"}, "ends", "It would end before it begins"), ({"weekdays": []}, "weekdays", "Choose the days"),
         ({"zone": "Mars/North"}, "zone", "is no time zone"), ({"matchers": ""}, "matchers", "every alert there is"),
         ({"reason": ""}, "reason", "Say why"), ({"starts": "late"}, "starts", "Write a time of day"),
         ({"later": "7", "ends": "23:00"}, "ends", "longer than a week")],
    )  # fmt: skip
    def test_is_refused_at_its_field_with_what_was_written(self, sign_in, wrong, field, says):
        client = sign_in("sre")
        token = {"csrf_token": token_of(client.get("/alerts/maintenance"))}
        answer = client.post("/alerts/maintenance", data=WINDOW | wrong | token)
        told = re.search(rf'id="wrong-{field}" role="alert">([^<]+)<', answer.text)
        assert answer.status_code == 422 and told is not None and says in told[1]
        assert 'value="night"' in answer.text and every(rows.Maintenance) == []

    def test_says_what_it_would_have_kept_quiet(self, sign_in):
        fire()
        whole_week = WINDOW | {
            "weekdays": ["0"],
            "starts": "00:00",
            "ends": "00:00",
            "later": "7",
            "zone": "UTC",
            "said": "1",
        }
        page = sign_in("sre").get("/alerts/maintenance", params=whole_week).text
        assert (
            "Of 1 alert of the last 7 days it fits 1; 1 of them fired in its hours" in page
            and "It is in force at once" in page
        )


class TestWhoMayNot:
    @pytest.mark.parametrize("role", ["viewer", "finance", "product_owner"])
    def test_finds_no_way_in_and_is_told_why(self, sign_in, ops, role):
        route("pages", "ops")
        client = sign_in(role)
        page = client.get("/alerts")
        token = {"csrf_token": token_of(page)}
        assert "/alerts/route" not in page.text and "/alerts/maintenance" not in page.text
        paths = ("/alerts/route", "/alerts/maintenance")
        assert {client.get(path).status_code for path in paths} == {403}
        assert client.post("/alerts/route", data=ROUTE | token).status_code == 403
        assert client.post("/alerts/maintenance", data=WINDOW | token).status_code == 403
        assert {
            client.post(f"{path}/delete", data={"of": "pages", "why": "x"} | token).status_code for path in paths
        } == {403}
        assert [row.name for row in every(rows.Route)] == ["pages"]
