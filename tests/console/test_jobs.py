"""The pages of jobs and exports: how far work is, what came of it, files made and sent by themselves."""

import csv
import io
import re

import pytest
from sqlalchemy import select
from tests.support import books
from tests.support.jobs import do_jobs

from trivet import db
from trivet.console.jobs import exports, jobs_words
from trivet.console.jobs.exports_read import Asked
from trivet.job import api, service, work
from trivet.job.models import Job
from trivet.job.service import Came, Wanted
from trivet.kit.clock import utc_now
from trivet.kit.errors import Invalid
from trivet.report.files.schedule_models import ReportSchedule
from trivet.tenant.models import Tenant

EVIL = '"><img src=x onerror=alert(1)>'


def begun(n: int = 1, actor: str = "finance@example.com", title: str = "") -> Job:
    with db.transaction() as session:
        return api.begun(session, Wanted("rebuild", title or f"Rollups {n}", "no.task", {"n": n}, unit="hours"), actor)


def form(page: str) -> dict[str, str]:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found
    return {"csrf_token": found[1]}


def file_rows(answer) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.text)))


class TestWhatIsSaid:
    @pytest.mark.parametrize(
        ("counts", "said"),
        [
            ((0, 0, 0, 0), "Nothing runs and nothing waits."),
            ((2, 1, 0, 3), "1 job runs, 2 wait."),
            ((1, 0, 0, 1), "No job runs, 1 waits."),
            ((0, 0, 2, 5), "Nothing runs and nothing waits. 2 failed in this time; why stands beside each."),
        ],
    )
    def test_of_all_of_them(self, counts, said):
        assert jobs_words.sentence(*counts) == said

    def test_of_one_while_it_runs(self):
        job = Job(state="running", title="Rollups", done=1200, total=3000, unit="hours", note="", problem="")
        assert jobs_words.one(job) == "Rollups: 1,200 of 3,000 hours. You can leave this page and come back."
        assert (jobs_words.width(job), jobs_words.width(Job(state="running", done=5))) == (40.0, None)

    def test_sizes(self):
        assert [jobs_words.size(n) for n in (12, 2048, 13 << 20)] == ["12 B", "2.0 KiB", "13.0 MiB"]


class TestTheListOfJobs:
    def test_it_shows_how_far_each_is_and_the_file_says_the_same(self, sign_in):
        client, job = sign_in("finance"), begun(title=EVIL)
        with db.transaction() as session:
            claim = service.claim(session, job.id, utc_now(), 1)
            service.advance(session, claim, utc_now(), done=3, total=12, note="")
        page = client.get("/jobs").text
        assert "1 job runs, none waits." in page and "3 of 12 hours" in page and 'width="25.0"' in page
        assert EVIL not in page
        (row,) = file_rows(client.get("/jobs.csv"))
        assert (row["title"], row["done"], row["total"], row["state"]) == (EVIL, "3", "12", "running")

    def test_its_filters_stand_in_the_address_and_bad_ones_mean_all(self, sign_in):
        client = sign_in("finance")
        begun()
        assert len(file_rows(client.get("/jobs.csv?state=waiting"))) == 1
        assert file_rows(client.get("/jobs.csv?state=done")) == []
        assert len(file_rows(client.get("/jobs.csv?state=%3Cb%3E&cursor=x"))) == 1

    def test_an_empty_one_teaches_the_next_step(self, sign_in):
        assert "curl" in sign_in("finance").get("/jobs").text


class TestOneJob:
    def test_it_is_stopped_by_whoever_asked_for_it(self, sign_in):
        client, job = sign_in("finance"), begun()
        page = client.get(f"/jobs/{job.id}").text
        answer = client.post(f"/jobs/{job.id}/stop", data=form(page))
        assert "Rollups 1: stopped by finance@example.com, and nothing of it was kept." in answer.text

    def test_another_finds_no_button_and_is_refused(self, sign_in):
        client, job = sign_in("sre"), begun()
        page = client.get(f"/jobs/{job.id}").text
        assert "/stop" not in page
        assert client.post(f"/jobs/{job.id}/stop", data=form(page)).status_code == 403
        assert client.post(f"/jobs/{job.id}/stop", data={"csrf_token": "x"}).status_code == 403

    def test_one_that_failed_says_why(self, sign_in):
        client, job = sign_in("finance"), begun()

        def refused(_):
            raise Invalid("The range is too long.")

        work.perform(job.id, refused)
        assert "The range is too long." in client.get(f"/jobs/{job.id}").text

    def test_its_file_is_fetched(self, sign_in):
        client, job = sign_in("viewer"), begun()

        def made(running):
            with running.finishing() as session:
                running.finish(session, Came("1 row.", "", "rows.csv", "text/csv", io.BytesIO(b"a\n1\n")))

        work.perform(job.id, made)
        assert f'href="/jobs/{job.id}/file"' in client.get(f"/jobs/{job.id}").text
        assert client.get(f"/jobs/{job.id}/file").content == b"a\n1\n"
        assert client.get("/jobs/999").status_code == 404


DAYS = {"since": f"{books.DAY:%Y-%m-%d}", "until": f"{books.DAY:%Y-%m-%d}"}


class TestAFile:
    def test_it_is_asked_for_made_and_fetched(self, sign_in):
        books.company()
        client = sign_in("finance")
        asked = DAYS | {"file": "costs.csv", "by": "tenant", "grain": "1d"} | form(client.get("/exports").text)
        job = client.post("/exports", data=asked)
        assert job.url.path.startswith("/jobs/")
        do_jobs()
        page = client.get("/exports").text
        assert "1 file was made in this time." in page
        found = re.search(r'href="(/jobs/\d+/file)"', page)
        assert found and client.get(found[1]).text.startswith("tenant,bucket,amount,")

    def test_what_cannot_be_made_is_said_above_the_form_as_it_was_filled_in(self, sign_in):
        client = sign_in("finance")
        token = form(client.get("/exports").text)
        answer = client.post("/exports", data=DAYS | {"file": "statement.pdf"} | token)
        assert answer.status_code == 422 and "A statement is of one" in answer.text
        assert '<option value="statement.pdf" selected>' in answer.text

    @pytest.mark.parametrize(
        ("asked", "wanted"),
        [
            ({"by": "tenant"}, {"from": "2026-11-20T00:00:00Z", "to": "2026-11-21T00:00:00Z", "group_by": "tenant"}),
            ({"file": "usage.csv"},
             {"from": "2026-11-20T00:00:00Z", "to": "2026-11-21T00:00:00Z", "group_by": "tenant,model"}),
            ({"file": "statement.pdf", "cost_centre": "CC-7"}, {"month": "2026-11", "cost_centre": ["CC-7"]}),
            ({"file": "supply.parquet", "grain": "1mo", "focus_version": "1.2"},
             {"from": "2026-11-20T00:00:00Z", "to": "2026-11-21T00:00:00Z"}),
        ],
    )  # fmt: skip
    def test_what_a_form_asks_for_is_what_the_api_is_asked(self, asked, wanted):
        found = exports.wanted(Asked(**DAYS | asked))
        assert found.model_dump(mode="json", by_alias=True, exclude_defaults=True) == wanted


class TestSchedules:
    def test_one_is_made_listed_with_its_next_time_and_ended(self, sign_in):
        client = sign_in("finance")
        token = form(client.get("/exports").text)
        asked = {"name": EVIL, "file": "usage.xlsx", "by": "tenant", "every": "week", "to": "cfo@example.com"} | token
        page = client.post("/exports/schedules", data=asked).text
        assert "1 schedule sends files by itself; none failed the last time." in page
        assert "every Monday, 08:00 UTC" in page and EVIL not in page
        with db.transaction() as session:
            (row,) = session.scalars(select(ReportSchedule))
        assert "No schedule sends any by itself." in client.post(f"/exports/schedules/{row.id}/end", data=token).text

    def test_a_bad_one_is_said_and_nobody_else_may_make_any(self, sign_in):
        client = sign_in("finance")
        token = form(client.get("/exports").text)
        answer = client.post("/exports/schedules", data={"name": "x", "at": "25:00", "to": "a@example.com"} | token)
        assert answer.status_code == 422 and "is no time of day" in answer.text
        client = sign_in("sre")
        page = client.get("/exports").text
        assert "/exports/schedules" not in page
        assert client.post("/exports/schedules", data={"name": "x"} | form(page)).status_code == 403


class TestSomebodyOfOneTenant:
    def test_sees_what_concerns_that_tenant_and_no_schedule(self, sign_in):
        client = sign_in("viewer", tenant="acme")
        with db.transaction() as session:
            acme = session.scalar(select(Tenant.id).where(Tenant.name == "acme"))
            mine = Wanted("export", "Costs of acme", "no.task", {"n": 1}, acme)
            own = api.begun(session, mine, "finance@example.com")
        others = begun(title="Of everybody")
        page = client.get("/jobs").text
        assert "Costs of acme" in page and "Of everybody" not in page
        assert client.get(f"/jobs/{own.id}").status_code == 200
        assert client.get(f"/jobs/{others.id}").status_code == 404
        exports = client.get("/exports").text
        assert 'id="schedules"' not in exports and "statement.pdf" not in exports
        token = form(exports)
        assert client.post("/exports", data=DAYS | {"file": "supply.parquet"} | token).status_code == 403
        made = client.post("/exports", data=DAYS | {"file": "costs.csv", "by": "tenant"} | token)
        assert made.status_code == 200 and made.url.path.startswith("/jobs/")
        assert client.post("/exports/schedules", data={"name": "x"} | token).status_code == 403
