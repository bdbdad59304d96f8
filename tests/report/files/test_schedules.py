"""Schedules: one file and one mail a due time, whoever runs, however often, and whatever was missed."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError
from tests.report.files.conftest import close_november
from tests.support import books
from tests.support.bound import bound_headers

from trivet import db
from trivet.kit.clock import rfc3339
from trivet.kit.interval import Interval
from trivet.notify.models import Message, MessageAttachment
from trivet.report.files import ask, due, schedule_tasks, schedules
from trivet.report.files.due import Rhythm
from trivet.report.files.schedule_models import ReportRun, ReportSchedule
from trivet.tenant.models import CostCentre

MADE = datetime(2026, 11, 18, 12, tzinfo=UTC)
FRIDAY_NINE = datetime(2026, 11, 21, 9, tzinfo=UTC)
TIMES = {"from": rfc3339(books.DAY), "to": rfc3339(books.DAY + timedelta(days=1))}
BODY = {
    "name": "weekly", "kind": "costs", "format": "xlsx", "every": "week", "at": "07:30", "zone": "Europe/Berlin",
    "to": ["ann@example.com"],
}  # fmt: skip


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def schedule(**more):
    """Made on the 18th at noon: a CSV of costs every day at eight, to Ann."""
    given = {
        "name": "daily", "kind": "costs", "form": "csv", "every": "day", "at": "08:00", "zone": "UTC",
        "to": ("ann@example.com",), "group_by": "tenant",
    } | more  # fmt: skip
    with db.transaction() as session:
        row = schedules.create(session, schedules.Wanted(**given), actor="finance@example.com")
        session.execute(update(ReportSchedule).where(ReportSchedule.id == row.id).values(created_at=MADE))
        return row.id


def tick(now=FRIDAY_NINE):
    """What the clock does; how many files."""
    with db.transaction() as session:
        found = schedules.jobs(session, now)
    done = 0
    for job in found:
        with db.transaction() as session:
            ask.one_moment(session)
            done += schedules.run(session, job, now)
    return done


def mails():
    with db.transaction() as session:
        return session.scalars(select(Message).order_by(Message.id)).all()


def runs():
    with db.transaction() as session:
        return session.scalars(select(ReportRun).order_by(ReportRun.due_at, ReportRun.cost_centre)).all()


class TestWhenItIsDue:
    @pytest.mark.parametrize(
        ("rhythm", "now", "due_at", "covers"),
        [
            (("day", "08:00", "UTC"), "2026-11-21T09:00", "2026-11-21T08:00", ("2026-11-20", "2026-11-21")),
            (("day", "08:00", "UTC"), "2026-11-21T07:59", "2026-11-20T08:00", ("2026-11-19", "2026-11-20")),
            (("day", "08:00", "Europe/Berlin"), "2026-11-21T09:00", "2026-11-21T07:00", ("2026-11-20", "2026-11-21")),
            (("day", "08:00", "Europe/Berlin"), "2026-07-21T09:00", "2026-07-21T06:00", ("2026-07-20", "2026-07-21")),
            (("day", "00:00", "UTC"), "2026-11-21T00:10", "2026-11-21T00:10", ("2026-11-20", "2026-11-21")),
            (("day", "01:00", "Asia/Shanghai"), "2026-11-21T00:10", "2026-11-21T00:10", ("2026-11-20", "2026-11-21")),
            (("week", "08:00", "UTC"), "2026-11-21T09:00", "2026-11-16T08:00", ("2026-11-09", "2026-11-16")),
            (("month", "08:00", "UTC"), "2026-11-21T09:00", "2026-11-01T08:00", ("2026-10-01", "2026-11-01")),
            (("month", "08:00", "UTC"), "2026-01-01T07:00", "2025-12-01T08:00", ("2025-11-01", "2025-12-01")),
        ],
    )
    def test_the_newest_time_and_what_its_file_is_of(self, rhythm, now, due_at, covers):
        found = due.newest(Rhythm(*rhythm), at(now))
        assert found.at == at(due_at)
        assert found.covers == Interval(*map(at, covers))

    def test_a_time_that_the_clocks_skip_comes_that_day_once(self):
        rhythm = Rhythm("day", "02:30", "Europe/Berlin")
        times = {due.newest(rhythm, at("2026-03-28T00:00") + timedelta(hours=n)).at.date() for n in range(24, 96)}
        assert len(times) == 4

    def test_how_many_were_missed(self):
        rhythm = Rhythm("day", "08:00", "UTC")
        newest = due.newest(rhythm, FRIDAY_NINE)
        assert [due.missed(rhythm, at(f"2026-11-{day}T08:00"), newest) for day in (20, 19, 11)] == [0, 1, 9]
        assert due.missed(rhythm, at("2000-01-01T00:00"), newest) == due.MISSED_MAX


@pytest.mark.usefixtures("morning")
class TestRunning:
    def test_makes_the_file_and_mails_it_once(self):
        row_id = schedule()
        assert [tick(), tick()] == [1, 0]
        (mail,) = mails()
        assert mail.key == f"schedule:{row_id}:2026-11-21T08:00:00Z:"
        assert (mail.to, mail.subject) == (["ann@example.com"], "daily: costs until 2026-11-21")
        with db.transaction() as session:
            (file,) = session.scalars(select(MessageAttachment))
        assert file.name == "trivet-costs-2026-11-20-2026-11-21.csv"
        assert file.content.decode().splitlines()[1] == "acme,4.166666666667,6.500000000000,0.000000000000,USD"

    def test_a_crash_in_between_is_one_mail_after_all(self, monkeypatch):
        schedule()

        def killed(*_, **__):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(ReportRun, "__init__", killed)
            with pytest.raises(KeyboardInterrupt):
                tick()
        assert (mails(), runs()) == ([], [])
        assert tick() == 1
        assert (len(mails()), len(runs())) == (1, 1)

    def test_four_workers_at_once_make_one(self):
        schedule()

        lost = []

        def one():
            try:
                tick()
            except OperationalError as error:  # who loses the race tries again on the next round
                lost.append(str(error))

        threads = [threading.Thread(target=one) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(mails()) == 1
        assert [error for error in lost if "serialize" not in error] == []

    def test_of_times_that_passed_unseen_the_newest_only_and_it_is_said(self):
        schedule()
        tick(at("2026-11-19T09:00"))
        assert tick(at("2026-11-23T09:00")) == 1
        assert [run.due_at for run in runs()] == [at("2026-11-19T08:00"), at("2026-11-23T08:00")]
        assert runs()[-1].detail.startswith("3 earlier times passed while nothing ran; this is the newest.")
        assert "3 earlier times passed" in mails()[-1].text

    def test_not_before_it_was_made_and_not_after_it_ended(self):
        row_id = schedule()
        assert tick(MADE + timedelta(minutes=1)) == 0
        with db.transaction() as session:
            schedules.end(session, row_id, actor="ann", now=FRIDAY_NINE)
        assert tick() == 0

    def test_one_that_fails_is_tried_again_and_stops_no_other(self, monkeypatch):
        schedule(kind="usage")
        schedule(name="second")
        whole = schedules.make.file

        def broken(session, kind, *rest):
            if kind == "usage":
                raise RuntimeError("the disk is full")
            return whole(session, kind, *rest)

        with monkeypatch.context() as patch:
            patch.setattr(schedules.make, "file", broken)
            assert schedule_tasks.run() == 1
        assert [mail.subject.partition(":")[0] for mail in mails()] == ["second"]
        assert schedule_tasks.run() == 1
        assert len(mails()) == 2

    def test_what_is_refused_is_kept_and_not_tried_again(self, monkeypatch):
        schedule()
        monkeypatch.setattr("trivet.notify.compose.ATTACHMENT_BYTES_MAX", 10)
        assert [tick(), tick()] == [1, 0]
        (run,) = runs()
        assert run.state == "failed"
        assert "larger than" in run.detail
        assert mails() == []


@pytest.mark.usefixtures("morning")
class TestStatementsToOwners:
    def owners(self):
        with db.transaction() as session:
            for centre, to in (("CC-7", ["ann@example.com"]), ("CC-9", ["bob@example.com", "eve@example.com"])):
                session.execute(update(CostCentre).where(CostCentre.name == centre).values(owners=to))

    def test_go_when_the_month_is_closed_to_each_theirs(self):
        self.owners()
        schedule(name="statements", kind="statement", form="pdf", every="month", to=(), group_by="")
        late = at("2026-12-03T10:00")
        assert tick(late) == 0, "November is not closed"
        close_november()
        assert [tick(late), tick(late)] == [2, 0]
        assert [(mail.to, mail.subject) for mail in mails()] == [
            (["ann@example.com"], "Statement of CC-7, November 2026"),
            (["bob@example.com", "eve@example.com"], "Statement of CC-9, November 2026"),
        ]
        assert "As of the close of November 2026" in mails()[0].text
        assert [run.cost_centre for run in runs()] == ["CC-7", "CC-9"]

    def test_a_month_closed_before_the_schedule_was_made_is_not_sent(self):
        self.owners()
        close_november()
        row_id = schedule(name="statements", kind="statement", form="pdf", every="month", to=(), group_by="")
        with db.transaction() as session:
            session.execute(
                update(ReportSchedule).where(ReportSchedule.id == row_id).values(created_at=at("2026-12-04T00:00"))
            )
        assert tick(at("2026-12-05T10:00")) == 0


class TestOverTheApi:
    def test_made_listed_and_ended(self, client, admin):
        made = client.post("/api/v1/schedules", headers=admin, json=BODY)
        assert made.status_code == 201, made.text
        (item,) = client.get("/api/v1/schedules", headers=admin).json()["items"]
        assert (item["name"], item["to"], item["group_by"], item["runs"]) == (
            "weekly",
            ["ann@example.com"],
            "cost_centre",
            [],
        )
        assert client.delete(f"/api/v1/schedules/{item['id']}", headers=admin).status_code == 204
        assert client.delete(f"/api/v1/schedules/{item['id']}", headers=admin).status_code == 404
        (item,) = client.get("/api/v1/schedules", headers=admin).json()["items"]
        assert item["ended_at"]
        actions = [row["action"] for row in client.get("/api/v1/audit", headers=admin).json()["items"]]
        assert actions[:2] == ["schedule.end", "schedule.create"]

    def test_a_file_of_one_cost_centre_is_filtered(self, client, admin):
        made = client.post("/api/v1/schedules", headers=admin, json=BODY | {"cost_centre": "CC-7"}).json()
        assert (made["cost_centre"], made["filters"]) == (None, {"cost_centre": ["CC-7"]})

    @pytest.mark.parametrize(
        ("changed", "field"),
        [
            ({"at": "25:00"}, "at"), ({"zone": "Mars/Crater"}, "zone"), ({"kind": "x"}, "kind"), ({"format": "pdf"}, "format"),
            ({"to": ["a\nb"]}, "to"), ({"to": "owners"}, "to"), ({"group_by": "colour"}, "group_by"),
            ({"kind": "statement", "format": "pdf"}, "every"),
            ({"kind": "statement", "format": "pdf", "every": "month"}, "cost_centre"),
        ],
    )  # fmt: skip
    def test_what_is_wrong_is_named(self, client, admin, changed, field):
        refused = client.post("/api/v1/schedules", headers=admin, json=BODY | changed)
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["field"] == field

    def test_a_name_is_taken_once(self, client, admin):
        assert [client.post("/api/v1/schedules", headers=admin, json=BODY).status_code for _ in range(2)] == [
            201,
            409,
        ]

    def test_only_admin_and_finance_of_the_platform(self, client, make_key):
        for headers in ({"Authorization": f"Bearer {make_key(['read'])}"}, bound_headers(make_key, "admin")):
            assert client.post("/api/v1/schedules", headers=headers, json=BODY).status_code == 403
            assert client.get("/api/v1/schedules", headers=headers).status_code == 403


@pytest.mark.usefixtures("morning")
class TestExports:
    def get(self, client, headers, file, **params):
        return client.get(f"/api/v1/exports/{file}", params=TIMES | params, headers=headers)

    @pytest.mark.parametrize(
        ("file", "kind", "starts"),
        [
            ("costs.csv", "text/csv", b"tenant,"), ("costs.xlsx", "application/vnd.openxml", b"PK"),
            ("usage.csv", "text/csv", b"tenant,"), ("usage.xlsx", "application/vnd.openxml", b"PK"),
            ("allocation.focus.csv", "text/csv", b"AvailabilityZone,"), ("supply.parquet", "application/vnd.apache", b"PAR1"),
        ],
    )  # fmt: skip
    def test_each_file_comes_under_its_name(self, client, admin, file, kind, starts):
        group_by = {"group_by": "tenant"} if file.startswith(("costs", "usage")) else {}
        answer = self.get(client, admin, file, **group_by)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith(kind)
        name, _, form = file.partition(".")
        assert (
            answer.headers["content-disposition"]
            == f'attachment; filename="trivet-{name}-2026-11-20-2026-11-21.{form}"'
        )
        assert answer.content.startswith(starts)

    def test_a_statement_is_of_a_cost_centre_and_a_month(self, client, admin):
        path = "/api/v1/exports/statement.pdf"
        answer = client.get(path, params={"cost_centre": "CC-7", "month": "2026-11"}, headers=admin)
        assert answer.content.startswith(b"%PDF")
        assert client.get(path, params={"month": "2026-11"}, headers=admin).status_code == 422
        assert client.get(path, params={"cost_centre": "no", "month": "2026-11"}, headers=admin).status_code == 404

    @pytest.mark.parametrize(
        ("file", "params", "status"),
        [
            ("costs.pdf", {}, 422), ("secrets.csv", {}, 422), ("costs", {}, 422), ("usage.csv", {"cost_centre": "CC-7"}, 422),
            ("costs.csv", {"to": "x"}, 422), ("supply.focus.csv", {"focus_version": "9"}, 422), ("costs.csv", {"tenat": "a"}, 422),
            ("costs.csv", {"as_of": "2026-10"}, 409), ("supply.focus.csv", {"grain": "1mo"}, 422),
        ],
    )  # fmt: skip
    def test_what_cannot_be_had_is_refused(self, client, admin, file, params, status):
        assert self.get(client, admin, file, **params).status_code == status

    def test_a_key_of_one_tenant_has_its_own_rows_and_no_statement(self, client, make_key):
        own = {"Authorization": f"Bearer {make_key(['read'], 'bolt')}"}
        lines = self.get(client, own, "costs.csv", group_by="tenant").text.splitlines()
        assert lines[1:] == ["bolt,1.666666666667,4.000000000000,0.000000000000,USD"]
        assert "bolt" in self.get(client, own, "allocation.focus.csv").text
        assert "acme" not in self.get(client, own, "allocation.focus.csv").text
        assert self.get(client, own, "supply.focus.csv").status_code == 403
        statement = {"cost_centre": "CC-9", "month": "2026-11"}
        assert client.get("/api/v1/exports/statement.pdf", params=statement, headers=own).status_code == 403
        assert client.get("/api/v1/exports/costs.csv").status_code == 401
