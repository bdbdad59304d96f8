"""Rollups go after their limit, finest first; what is not whole any more is refused and never summed too small."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from tests.support.calls import call, ingest
from typer.testing import CliRunner

from trivet import cli, db
from trivet.archive import facts, prune, tasks
from trivet.ingest.models import Denial
from trivet.kit.clock import floor
from trivet.kit.errors import Invalid
from trivet.kit.interval import Interval
from trivet.rollup import tasks as rollup
from trivet.rollup.read import cost, usage
from trivet.settings import Settings, get_settings

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def hours_of(days_ago):
    start = floor(NOW - DAY * days_ago, 3600)
    return Interval(start, start + timedelta(hours=1))


def requests(interval, grain_s=None):
    with db.transaction() as session:
        return usage(session, interval, [], grain_s=grain_s)[()].requests


def rows():
    with db.transaction() as session:
        return [session.scalar(text(f"SELECT count(*) FROM rollup_{grain}")) for grain in ("10s", "1m", "1h")]


@pytest.mark.usefixtures("database")
class TestPruning:
    @pytest.fixture(autouse=True)
    def some_usage(self, database):
        for days_ago in (1, 20, 100, 2_000):
            ingest(call(NOW - DAY * days_ago))
        rollup.fold()

    def test_keeps_each_grain_as_long_as_its_setting_says(self):
        assert rows() == [4, 4, 4]
        assert prune.prune(NOW, Settings()) == 3 + 2 + 1
        assert rows() == [1, 2, 3]

    def test_keeps_everything_where_the_settings_say_for_ever(self):
        kept = {f"retention_days_rollup_{grain}": 0 for grain in ("10s", "1m", "1h")}
        assert prune.prune(NOW, Settings(**kept)) == 0
        assert rows() == [4, 4, 4]

    def test_sums_of_whole_hours_stay_right(self):
        prune.prune(NOW, Settings())
        assert [requests(hours_of(days_ago)) for days_ago in (1, 20, 100)] == [1, 1, 1]

    @pytest.mark.parametrize(
        ("days_ago", "grain_s"), [(20, 10), (100, 60), (2_000, 3600), (2_000, None)], ids=["10s", "1m", "1h", "any"]
    )
    def test_a_sum_that_would_be_too_small_is_refused(self, days_ago, grain_s):
        assert requests(hours_of(days_ago), grain_s) == 1
        prune.prune(NOW, Settings())
        with pytest.raises(Invalid, match="is kept since"):
            requests(hours_of(days_ago), grain_s)

    def test_ends_that_need_finer_rollups_than_are_kept_are_refused(self):
        prune.prune(NOW, Settings())
        hour = hours_of(20)
        with db.transaction() as session:
            assert requests(Interval(hour.start, hour.end + timedelta(minutes=1))) == 1
            for read in (usage, cost):
                with pytest.raises(Invalid, match=r"ask from and to whole minutes or hours"):
                    read(session, Interval(hour.start, hour.end + timedelta(seconds=10)), [])

    def test_readers_refuse_before_rows_go(self):
        with db.transaction() as session:
            prune.move(session, NOW, Settings())
        assert rows() == [4, 4, 4]
        with pytest.raises(Invalid):
            requests(hours_of(20), 10)

    def test_a_longer_limit_brings_nothing_back(self):
        prune.prune(NOW, Settings())
        with db.transaction() as session:
            before = facts.since(session)
            prune.move(session, NOW, Settings(retention_days_rollup_10s=60))
            assert facts.since(session) == before

    def test_works_in_batches_and_stops_when_its_time_is_up(self, monkeypatch):
        monkeypatch.setattr(prune, "BATCH_ROWS", 1)
        assert prune.prune(NOW, Settings(), budget_s=0) == 0
        assert prune.prune(NOW, Settings()) == 6

    def test_refusals_are_counted_as_long_as_hours_are_kept(self):
        with db.transaction() as session:
            session.add_all(
                Denial(day=floor(NOW - DAY * days_ago, 86_400), key_id=1, reason="x", items=1)
                for days_ago in (5, 2_000)
            )
        prune.prune(NOW, Settings())
        with db.transaction() as session:
            assert session.scalar(text("SELECT count(*) FROM denial")) == 1


class TestSettings:
    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"retention_days_requests": 30}, "retention_days_requests is 30: it must be 0 .* at least 31"),
            ({"retention_days_samples": 7}, "late_limit_days is 30"),
            ({"late_limit_days": 60}, "retention_days_samples is 45: it must be 0 .* at least 61"),
            ({"retention_days_rollup_10s": 1}, "retention_days_rollup_10s is 1: it must be 0 .* at least 10"),
            ({"retention_days_rollup_1m": 12}, "retention_days_rollup_1m is 12: it must be 0 .* at least 14"),
            ({"late_limit_days": 1, "retention_days_requests": 5}, "still read and checked"),
        ],
    )
    def test_that_contradict_each_other_are_refused_with_what_to_do(self, given, message):
        with pytest.raises(ValueError, match=message):
            Settings(**given)

    def test_a_command_says_it_in_one_line(self, monkeypatch):
        monkeypatch.setenv("TRIVET_RETENTION_DAYS_REQUESTS", "3")
        done = CliRunner().invoke(cli.app, ["retention", "--dry-run"])
        assert done.exit_code == 1
        assert "retention_days_requests is 3: it must be 0 (for ever) or at least 31" in done.output
        assert "Traceback" not in done.output


@pytest.mark.usefixtures("database")
class TestTheTasks:
    def test_do_the_same_by_the_clock(self):
        ingest(call(NOW - DAY * 2_000))
        rollup.fold()
        assert tasks.prune() == 3
        with db.transaction() as session:
            session.execute(text("TRUNCATE hour_due"))
            session.execute(text("INSERT INTO posted_hour VALUES (1, now())"))
        assert tasks.retain() >= 1
        with db.transaction() as session:
            assert session.scalar(text("SELECT count(*) FROM request")) == 0
        assert (tasks.prune(), tasks.retain()) == (0, 0)


@pytest.mark.usefixtures("database")
class TestTheCommand:
    def test_says_what_would_go_and_why_the_rest_stays_and_then_does_it(self, monkeypatch, tmp_path):
        long_ago = NOW - DAY * 400
        ingest(call(long_ago))
        monkeypatch.setenv("TRIVET_ARCHIVE_URL", str(tmp_path / "archive"))
        get_settings.cache_clear()

        def run(*options):
            done = CliRunner().invoke(cli.app, ["retention", *options])
            assert done.exit_code == 0, done.output
            return done.output

        day = f"{long_ago:%Y-%m-%d}"
        assert f"stays    request {day}: 1 rows: usage of it is not folded yet" in run("--dry-run")
        rollup.fold()
        with db.transaction() as session:
            session.execute(text("TRUNCATE hour_due"))
            session.execute(text("INSERT INTO posted_hour VALUES (1, now())"))
        said = run("--dry-run")
        assert f"would go request {day}: 1 rows: write to {tmp_path}/archive, then drop" in said
        assert not (tmp_path / "archive").exists()
        assert f"dropped  request {day}: 1 rows" in run()
        assert (tmp_path / f"archive/request/day={day}/part-0.parquet").is_file()
        assert "nothing is older than its retention" in run("--dry-run")
