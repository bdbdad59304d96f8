"""A job: asked for once, done once, told of while it runs, ended with words, and forgotten in time."""

import io
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from trivet import db
from trivet.identity.models import Audit
from trivet.job import api, parts, service, tasks, work
from trivet.job.models import Job, JobPart
from trivet.job.service import AlreadyAsked, Came, JobEnded, Lost, TooManyJobs, Wanted
from trivet.kit.clock import utc_now
from trivet.kit.errors import Forbidden, Invalid, NotFound, TooLarge
from trivet.outbox import Outbox
from trivet.settings import get_settings

ME = "ann@example.com"


def wanted(n: int = 1, **more) -> Wanted:
    return Wanted("count", f"Count to {n}", "test.count", {"to": n}, **more)


def begun(n: int = 1, actor: str = ME, **more) -> Job:
    with db.transaction() as session:
        return api.begun(session, wanted(n, **more), actor)


def stored(job: Job) -> Job:
    with db.transaction() as session:
        return session.get_one(Job, job.id)


def later(**back) -> None:
    """The last sign of life of every job lies so far back."""
    with db.transaction() as session:
        for job in session.scalars(select(Job).where(Job.advanced_at.is_not(None))):
            job.advanced_at -= timedelta(**back)


def counting(running: work.Running) -> None:
    running.advance(1, 2, "half way")
    with running.finishing() as session:
        running.finish(session, Came("Counted.", "/there", "count.txt", "text/plain", io.BytesIO(b"1 2")))


@pytest.mark.usefixtures("database")
class TestAskingForAJob:
    def test_it_waits_and_its_task_leaves_with_the_commit(self):
        job = begun()
        with db.transaction() as session:
            assert session.execute(select(Outbox.task, Outbox.args)).all() == [("job.take", [job.id])]
            assert session.scalar(select(Audit.subject).where(Audit.action == "job.begin")) == f"job:{job.id}"
        assert (job.state, job.done, job.total) == ("waiting", 0, None)

    def test_the_same_is_asked_once_at_a_time_whoever_asks(self):
        job = begun()
        with pytest.raises(AlreadyAsked, match=f"waiting as job {job.id}, for {ME}"):
            begun(actor="ben@example.com")
        assert begun(2).id != job.id
        work.perform(job.id, counting)
        assert begun().id != job.id

    def test_one_person_has_ten_open_and_all_together_as_many_as_the_setting_says(self, monkeypatch):
        for n in range(service.OWN_MAX):
            begun(n)
        with pytest.raises(TooManyJobs, match="has 10 jobs open"):
            begun(99)
        begun(99, actor="ben@example.com")
        monkeypatch.setattr(get_settings(), "jobs_waiting_limit", 11)
        with pytest.raises(TooManyJobs, match="jobs_waiting_limit"):
            begun(100, actor="cem@example.com")

    def test_files_it_is_given_are_kept_in_parts_and_none_larger_than_the_setting(self, monkeypatch):
        monkeypatch.setattr(parts, "PART_BYTES", 4)
        job = begun(given={"file": io.BytesIO(b"0123456789")})
        assert list(parts.read(job.id, "file")) == [b"0123", b"4567", b"89"]
        with parts.opened(job.id, "file") as file:
            assert file.read() == b"0123456789"
        monkeypatch.setattr(get_settings(), "job_file_limit_bytes", 9)
        with pytest.raises(TooLarge):
            begun(2, given={"file": io.BytesIO(b"0123456789")})


@pytest.mark.usefixtures("database")
class TestDoingAJob:
    def test_it_says_how_far_it_is_and_ends_with_what_came_of_it(self):
        job, seen = begun(given={"file": io.BytesIO(b"given")}), []

        def looking(running):
            running.advance(1, 2, "half way")
            found = stored(job)
            seen.append((found.state, found.done, found.total, found.note))
            counting(running)

        assert work.perform(job.id, looking)
        found = stored(job)
        assert seen == [("running", 1, 2, "half way")]
        assert (found.state, found.done, found.note, found.url) == ("done", 2, "Counted.", "/there")
        assert (found.file_name, found.file_bytes) == ("count.txt", 3)
        assert list(parts.read(job.id, "result")) == [b"1 2"] and not list(parts.read(job.id, "file"))

    def test_a_message_that_comes_twice_does_it_once(self):
        job = begun()
        assert [work.perform(job.id, counting) for _ in range(2)] == [True, False]

    @pytest.mark.parametrize(
        ("raised", "problem"),
        [
            (Invalid("No such day."), "No such day."),
            (ValueError("secret"), work.BROKE),
            (work.Stopped(), "Stopped while"),
        ],
    )
    def test_every_way_out_is_an_end_with_words_and_keeps_nothing(self, raised, problem):
        job = begun()

        def breaking(running):
            with db.transaction() as session:
                session.add(Outbox(task="kept", args=[], queue="work"))
                raise raised

        assert not work.perform(job.id, breaking)
        found = stored(job)
        assert found.problem.startswith(problem) and found.ended_at
        with db.transaction() as session:
            assert not session.scalar(select(Outbox.id).where(Outbox.task == "kept"))

    def test_work_that_ends_without_a_word_has_failed(self):
        job = begun()
        assert not work.perform(job.id, lambda _: None)
        assert stored(job).state == "failed"

    def test_no_more_run_at_once_than_the_setting_says_and_the_next_is_handed_on(self):
        first, second = begun(1), begun(2)
        with db.transaction() as session:
            claim = service.claim(session, first.id, utc_now(), 1)
            session.query(Outbox).delete()
        assert not work.perform(second.id, counting)
        assert stored(second).state == "waiting"
        with db.transaction() as session:
            service.finish(session, claim, Came(), utc_now(), 10)
            assert service.hand_on(session, 1) == 1
            assert session.scalar(select(Outbox.args)) == [second.id]


@pytest.mark.usefixtures("database")
class TestAProcessThatDies:
    def test_another_takes_it_up_and_the_first_can_say_nothing_more(self):
        job = begun()
        with db.transaction() as session:
            dead = service.claim(session, job.id, utc_now(), 1)
        assert tasks.sweep() == 0, "it is alive until the lease has run out"
        later(seconds=121)
        assert tasks.sweep() == 1
        assert stored(job).note == "Whoever did it fell silent; attempt 2 begins."
        assert work.perform(job.id, counting)
        with db.transaction() as session:
            with pytest.raises(Lost):
                service.finish(session, dead, Came(), utc_now(), 9)
            with pytest.raises(Lost):
                service.advance(session, dead, utc_now(), done=1, total=1, note="")
        assert stored(job).file_name == "count.txt"

    def test_the_third_silence_is_the_last(self):
        job = begun()
        for _ in range(service.ATTEMPTS_MAX):
            with db.transaction() as session:
                assert service.claim(session, job.id, utc_now(), 1)
            later(seconds=121)
            tasks.sweep()
        found = stored(job)
        assert (found.state, found.attempt) == ("failed", 3)
        assert "fell silent 3 times" in found.problem


@pytest.mark.usefixtures("database")
class TestStoppingAJob:
    def stop(self, job: Job, actor: str = ME, *, is_admin: bool = False) -> None:
        with db.transaction() as session:
            service.ask_stop(session, stored_in(session, job), actor=actor, is_admin=is_admin, now=utc_now())

    def test_what_waits_is_stopped_at_once(self):
        job = begun(given={"file": io.BytesIO(b"x")})
        self.stop(job)
        assert stored(job).state == "stopped"
        assert not work.perform(job.id, counting) and not list(parts.read(job.id, "file"))
        with pytest.raises(JobEnded):
            self.stop(job)

    def test_what_runs_ends_at_its_next_step_and_keeps_nothing(self):
        job = begun()

        def stopped_in_between(running):
            self.stop(job, "root@example.com", is_admin=True)
            counting(running)

        assert not work.perform(job.id, stopped_in_between)
        found = stored(job)
        assert (found.state, found.stop_asked_by, found.file_bytes) == ("stopped", "root@example.com", None)

    def test_another_who_is_no_admin_may_not(self):
        with pytest.raises(Forbidden):
            self.stop(begun(), "ben@example.com")


def stored_in(session, job: Job) -> Job:
    return session.get_one(Job, job.id)


@pytest.mark.usefixtures("database")
class TestForgettingJobs:
    def test_they_go_with_their_files_some_days_after_their_end(self):
        job, other = begun(1), begun(2)
        work.perform(job.id, counting)
        work.perform(other.id, counting)
        with db.transaction() as session:
            stored_in(session, job).ended_at -= timedelta(days=get_settings().jobs_kept_days)
        assert tasks.prune() == 1
        with db.transaction() as session:
            assert session.scalars(select(Job.id)).all() == [other.id]
            assert session.scalar(select(func.count()).select_from(JobPart)) == 1


class TestJobsOverRest:
    def test_they_are_listed_newest_first_page_by_page(self, client, admin):
        jobs = [begun(n) for n in range(3)]
        first = client.get("/api/v1/jobs", params={"limit": 2}, headers=admin).json()
        rest = client.get("/api/v1/jobs", params={"cursor": first["next_cursor"]}, headers=admin).json()
        assert [item["id"] for item in first["items"] + rest["items"]] == [job.id for job in reversed(jobs)]
        assert client.get("/api/v1/jobs", params={"state": "done"}, headers=admin).json()["items"] == []

    def test_one_is_looked_at_fetched_and_stopped(self, client, admin):
        job = begun()
        at = f"/api/v1/jobs/{job.id}"
        assert client.get(f"{at}/file", headers=admin).status_code == 404
        work.perform(job.id, counting)
        told = client.get(at, headers=admin).json()
        assert (told["state"], told["file"]["bytes"], told["file"]["url"]) == ("done", 3, f"{at}/file")
        got = client.get(f"{at}/file", headers=admin)
        assert got.content == b"1 2" and got.headers["content-disposition"] == 'attachment; filename="count.txt"'
        assert client.post(f"{at}/stop", headers=admin).status_code == 409
        assert client.post(f"/api/v1/jobs/{begun(2).id}/stop", headers=admin).json()["state"] == "stopped"

    def test_a_key_of_one_tenant_sees_that_tenants_alone(self, client, make_key):
        key = {"Authorization": f"Bearer {make_key(['read'], tenant='acme')}"}
        with db.transaction() as session:
            tenant_id = service_tenant(session, "acme")
        ours, platforms = begun(1, tenant_id=tenant_id), begun(2)
        work.perform(ours.id, counting)
        listed = client.get("/api/v1/jobs", headers=key).json()["items"]
        assert [(item["id"], item["tenant"]) for item in listed] == [(ours.id, "acme")]
        assert client.get(f"/api/v1/jobs/{ours.id}/file", headers=key).content == b"1 2"
        for path in ("", "/file"):
            assert client.get(f"/api/v1/jobs/{platforms.id}{path}", headers=key).status_code == 404
        assert client.post(f"/api/v1/jobs/{platforms.id}/stop", headers=key).status_code == 404


def service_tenant(session, name: str) -> int:
    from trivet.tenant.models import Tenant

    return session.scalar(select(Tenant.id).where(Tenant.name == name))


@pytest.mark.usefixtures("database")
def test_a_job_of_another_tenant_is_not_there():
    job = begun()
    with pytest.raises(NotFound), db.transaction() as session:
        service.find(session, job.id, 7)
