"""Calls still running: kept while they are told, one row each, never counted with the requests they become."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from tests.support.calls import call as request
from tests.support.calls import ingest, microseconds
from tests.support.governed import at

from trivet import db
from trivet.ingest.models import Denial
from trivet.ingest.signal import running
from trivet.ingest.signal.running import RunningCall, store
from trivet.ingest.signal.running_model import RunningCall as Kept
from trivet.ingest.store.persist import store as store_requests
from trivet.settings import get_settings
from trivet.tenant.models import Scenario, Tenant


def told(now, *, age_s=10.0, **given):
    """A call of acme's chat that has run for `age_s` when its backend tells so at `now`."""
    fields = {
        "trace_id": random.randbytes(16), "span_id": random.randbytes(8), "told_us": microseconds(now),
        "start_us": microseconds(now) - round(age_s * 1e6), "tenant": "acme", "scenario": "chat", "backend": "b1",
    }  # fmt: skip
    return RunningCall(**(fields | given))


def keep(*calls, now, tenant_id=None, key_id=1):
    return store(calls, tenant_id=tenant_id, key_id=key_id, now=now)


def seen(now):
    """Ages in seconds of what runs in scenario `chat`."""
    with db.transaction() as session:
        id_ = db.named_ids(session, Scenario, ["chat"])["chat"]
        return [(now - one.since).total_seconds() for one in running.read(session, [id_], now).get(id_, [])]


def rows():
    with db.transaction() as session:
        return session.scalar(select(func.count()).select_from(Kept))


@pytest.mark.usefixtures("database")
class TestARunningCall:
    def test_told_again_is_one_row_that_grows_older(self):
        call = told(at(10), age_s=10)
        keep(call, now=at(10))
        keep(replace(call, told_us=microseconds(at(12))), call, now=at(12))
        assert rows() == 1
        assert seen(at(12)) == [12.0]

    def test_that_is_not_told_again_is_not_running(self):
        keep(told(at(10)), now=at(10))
        assert seen(at(21)) == [21.0]
        assert seen(at(22)) == []

    def test_whose_request_has_come_is_not_running(self):
        call = told(at(10), age_s=10)
        keep(call, told(at(10), age_s=3), now=at(10))
        ingest(request(at(11), seconds=11, span=call.span_id, trace_id=call.trace_id), now=at(11))
        assert seen(at(11)) == [4.0]

    def test_told_late_after_its_request_is_not_running_again(self):
        call = told(at(10), age_s=10)
        ingest(request(at(10), seconds=10, span=call.span_id, trace_id=call.trace_id), now=at(10))
        keep(call, now=at(11))
        assert seen(at(11)) == []

    def test_is_as_old_as_its_backend_says_whatever_that_ones_clock(self):
        keep(told(at(10) - timedelta(minutes=10), age_s=7), now=at(10))
        assert seen(at(10)) == [7.0]

    def test_of_a_tenants_key_is_that_tenants(self):
        keep(told(at(10), tenant="somebody-else"), now=at(10), tenant_id=42)
        with db.transaction() as session:
            assert list(session.scalars(select(Kept.tenant_id))) == [42]


@pytest.mark.usefixtures("database")
class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("given", "reason"),
        [
            ({"trace_id": bytes(16)}, "bad_id"),
            ({"span_id": b"short"}, "bad_id"),
            ({"start_us": microseconds(at(11))}, "ends_before_start"),
            ({"start_us": 0}, "too_long"),
            ({"told_us": microseconds(at(3600))}, "in_the_future"),
            ({"told_us": 0, "start_us": 0}, "too_old"),
            ({"told_us": -(2**63), "start_us": -(2**63)}, "too_old"),
        ],
    )
    def test_says_why(self, given, reason):
        assert keep(told(at(10), **given), told(at(10)), now=at(10)) == {reason: 1}
        assert rows() == 1

    def test_more_than_a_key_may_tell_of_at_once(self, monkeypatch):
        monkeypatch.setattr(get_settings(), "running_calls_limit", 3)
        first = [told(at(10)) for _ in range(2)]
        assert keep(*first, now=at(10)) == {}
        assert keep(*first, *(told(at(11)) for _ in range(3)), now=at(11)) == {"too_many_running": 2}
        assert keep(told(at(11)), now=at(11), key_id=2) == {}, "another key has its own room"
        assert len(seen(at(11))) == 4
        assert keep(told(at(30)), now=at(30)) == {}, "what runs no more leaves its room"

    def test_past_the_keys_names_is_that_of_the_name_its_request_gets(self, monkeypatch):
        monkeypatch.setattr(get_settings(), "tenants_per_key_limit", 2)
        calls = [told(at(10), tenant=f"t{n}") for n in range(4)]
        assert keep(*calls, now=at(10)) == {}
        with db.transaction() as session:
            own = select(Tenant.name, func.count()).join(Kept, Kept.tenant_id == Tenant.id).group_by(Tenant.name)
            owners = dict(session.execute(own).all())
            denied = dict(session.execute(select(Denial.reason, Denial.items)).all())
        assert (owners, denied) == ({"t0": 1, "t1": 1, "overflow": 2}, {"overflow_tenant": 2})
        for call in calls:
            ended = request(at(10), seconds=10, span=call.span_id, trace_id=call.trace_id, tenant=call.tenant)
            store_requests([ended], [], tenant_id=None, key_id=1, now=at(10))
        assert seen(at(11)) == [], "a call is found under the tenant that its request was counted for"

    def test_a_number_that_is_none_of_ours_says_nothing(self):
        keep(told(at(10), revision=2**40, level=-3), now=at(10))
        with db.transaction() as session:
            assert session.execute(select(Kept.revision, Kept.level)).one() == (0, 0)


@pytest.mark.usefixtures("database")
class TestForgetting:
    def test_takes_away_what_nobody_tells_any_more_and_nothing_else(self):
        keep(told(at(0)), now=at(0))
        keep(told(at(50)), now=at(50))
        with db.transaction() as session:
            assert running.forget(session, at(61)) == 1
        assert rows() == 1
