"""The made-up past: the same for everybody who asks at the same time, within what ingest takes, and counted once."""

import json
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from trivet import db
from trivet.demo import history, seed
from trivet.ingest.models import Request
from trivet.settings import get_settings

NOW = datetime(2026, 11, 21, 13, 30, tzinfo=UTC)


class TestThePast:
    def test_is_the_same_whenever_it_is_told(self):
        first, second = (history.export(list(history.calls(NOW))[:500]) for _ in range(2))
        assert first == second

    def test_ends_before_the_hour_of_the_first_start_and_begins_within_what_is_taken_as_late(self):
        told = list(history.calls(NOW))
        assert all(past.started_at + timedelta(seconds=past.seconds) < NOW for past in told)
        assert min(past.started_at for past in told) >= NOW - timedelta(days=get_settings().late_limit_days)

    def test_one_day_of_one_tenant_stands_out(self):
        launch = history.TRAFFIC[1]
        days = [0] * (history.DAYS + 1)
        for past in history.calls(NOW):
            if past.traffic is launch:
                days[(NOW - past.started_at).days] += 1
        assert days[history.LAUNCH_DAYS_AGO] > 2 * sorted(days)[len(days) // 2]

    def test_half_of_it_sent_and_all_of_it_sent_again_is_counted_once(self, server, tmp_path, monkeypatch):
        monkeypatch.setattr(history, "DAYS", 1)
        keys = seed.seed(server, tmp_path, "an-installations-own-secret")
        sent = seed.remember(server, tmp_path, keys)
        marker = tmp_path / "demo" / "history.json"
        marker.write_text(json.dumps(json.loads(marker.read_text()) | {"calls": None}))
        assert seed.remember(server, tmp_path, keys) == sent > 300
        with db.transaction() as session:
            assert session.scalar(select(func.count()).select_from(Request)) == sent
