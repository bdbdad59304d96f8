"""A breach with what belongs to it, out of real rows: calls as they came, a guard that judged them, commands and telemetry."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from tests.support import breached, commanding
from tests.support.calls import call, ingest
from tests.support.governed import at, only

from trivet import db
from trivet.command.models import Command, DesiredState
from trivet.evidence import case, measured, record
from trivet.evidence.models import BreachTimes
from trivet.guard.models import Breach
from trivet.identity.models import Audit


@pytest.fixture
def breach(database):
    return breached.p95()


def served(now, count, **more):
    ingest(*(call(now, seconds=0.1, **more) for _ in range(count)), now=now)


def carried(now, breach_id):
    with db.transaction() as session:
        return measured.carried(session, case.read(session, breach_id), now)


class TestWhoCarriesIt:
    def test_the_tenant_with_a_quarter_of_the_traffic_carries_all_of_it(self, breach):
        found = carried(at(616), breach.id)
        (first,) = found.by["tenant"].carry
        assert found.label("tenant", first.key) == "acme"
        assert (first.n, first.bad, first.excess, first.traffic_share, first.excess_share) == (30, 30, 30, 0.25, 1.0)
        assert first.claimed and found.usual.words == "the time before the breach"

    def test_so_does_the_context_class_that_is_slow(self, breach):
        found = carried(at(616), breach.id)
        (first,) = found.by["context_class"].carry
        assert found.label("context_class", first.key) == "64k" and first.excess_share == 1.0

    def test_nobody_is_named_where_there_are_more_than_are_read(self, breach, monkeypatch):
        monkeypatch.setattr(measured, "GROUPS_MAX", 1)
        found = carried(at(616), breach.id)
        assert found.missing == "too many to tell shares: more than 1 by tenant" and found.by is None

    def test_it_is_weighed_from_its_first_bad_bucket(self, breach):
        found = carried(at(616), breach.id)
        assert (found.during.start, found.before.end) == (at(610), at(610))


class TestTimes:
    @pytest.fixture
    def over(self, breach):
        """The ladder's command at 616, proven at 618; quick under level 1; whole and back by a person's restore."""
        with db.transaction() as session:
            command = commanding.service.follow_ladder(session, 1, breach.id, at(616))
            assert command is not None and command.level == 1
        tag = commanding.poll(at(617), "b1")
        commanding.poll(at(617), "b1", tag)
        for n in range(620, 680, 10):
            served(at(n), 10, tenant="acme", generation=1, revision=1, level=1, backend="b1")
        commanding.sweep_at(at(620))
        with db.transaction() as session:
            open_ = session.get(Breach, breach.id)
            open_.closed_at, open_.closed_reason = at(650), "P95 back within 800 ms"
        commanding.issue(at(680), "restore")
        commanding.poll(at(681), "b1", commanding.poll(at(681), "b1", tag))
        served(at(683), 1, generation=2, revision=1, backend="b1")
        commanding.sweep_at(at(684))
        with db.transaction() as session:
            return record.keep(session, breach.id, at(690))

    def test_go_from_the_first_bad_bucket_to_level_0_proven(self, over):
        assert (over.began_at, over.detected_at, over.acted_at) == (at(610), at(615), at(616))
        assert over.effective_at == at(620) and over.recovered_at == at(684)
        assert over.requests_under == 60

    def test_a_call_in_a_bucket_that_two_breaches_share_is_of_the_one_whose_level_it_ran_under(self, breach):
        with db.transaction() as session:
            other = Breach(
                **{c.name: getattr(breach, c.name) for c in Breach.__table__.columns if c.name not in ("id", "guard")},
                guard="p95-other",
            )
            session.add(other)
            session.flush()
            ids = (breach.id, other.id)
            for now, id_, level in zip((at(616), at(618)), ids, (1, 2), strict=True):
                commanding.service.issue(
                    session, kind="degrade", scenario_id=breach.scenario_id, level=level, reason="slow", actor="ladder",
                    breach_id=id_, now=now,
                )  # fmt: skip
        for second, count, level in ((617, 10, 1), (619, 5, 2), (625, 5, 2)):
            served(at(second), count, tenant="acme", generation=level, revision=1, level=level, backend="b1")
        with db.transaction() as session:
            under = [measured.account(session, case.read(session, id_), at(640)).requests_under for id_ in ids]
        assert under == [10, 10]

    def test_say_why_money_is_not_measurable(self, over):
        assert over.saved is None and "priced requests" in over.saved_words
        assert over.lost is None and "0 scores" in over.lost_words

    def test_are_measured_again_for_what_comes_late(self, over, database):
        assert over.again_at == at(684) + timedelta(seconds=60)
        served(at(670), 5, generation=1, revision=1, level=1)
        with db.transaction() as session:
            assert record.due(session, at(700)) == [] and record.due(session, at(800)) == [over.breach_id]
            record.keep(session, over.breach_id, at(800))
        with db.transaction() as session:
            assert only(session, BreachTimes).requests_under == 65

    def test_are_summed_up_by_guard(self, over, client, admin):
        found = client.get(
            "/api/v1/breaches/times?from=2026-11-21T08:00:00Z&to=2026-11-21T09:00:00Z", headers=admin
        ).json()
        (row,) = found["items"]
        assert (row["guard"], row["breaches"], row["not_recovered"]) == ("p95", 1, 0)
        assert row["detect_s"] == {"p50": 5.0, "p95": 5.0, "count": 1}
        assert row["recover_s"]["p50"] == 69.0


class TestOverRest:
    def test_one_answer_holds_it_all(self, breach, client, admin):
        found = client.get(f"/api/v1/breaches/{breach.id}", headers=admin).json()
        assert (found["scenario"], found["guard"], found["runbook"]) == (
            "chat",
            "p95",
            "alerts/runbooks/p95_latency_ms.md",
        )
        assert found["carriers"]["by"]["tenant"]["carry"][0]["name"] == "acme"
        assert found["times"]["seconds"]["detect"] == 5.0
        assert found["numbers"]["sample"] == breach.sample

    def test_what_is_not_there_is_said(self, client, admin):
        assert client.get("/api/v1/breaches/77", headers=admin).status_code == 404

    def test_a_tenants_key_sees_none(self, breach, client, make_key):
        headers = {"Authorization": f"Bearer {make_key(['read'], tenant='acme')}"}
        assert client.get(f"/api/v1/breaches/{breach.id}", headers=headers).status_code == 403


class TestBreakingTheTenantAlone:
    def test_is_one_command_with_the_breach_as_its_reason(self, breach, client, admin):
        answer = client.post(f"/api/v1/breaches/{breach.id}/break", json={"tenant": "acme"}, headers=admin)
        assert answer.status_code == 201
        with db.transaction() as session:
            command = only(session, Command)
            assert (command.kind, command.breach_id, command.backend_id) == ("break", breach.id, None)
            assert command.reason.startswith(f"breach {breach.id} of p95: P95")
            assert command.expires_at - command.created_at == timedelta(hours=1)
            (state,) = session.scalars(select(DesiredState)).all()
            assert state.broken and state.tenant_id == command.tenant_id
            audits = session.scalars(select(Audit).where(Audit.action == "command.break")).all()
            assert len(audits) == 1

    def test_a_tenant_nobody_knows_is_refused_by_name(self, breach, client, admin):
        answer = client.post(f"/api/v1/breaches/{breach.id}/break", json={"tenant": "acmee"}, headers=admin)
        assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == "tenant"
