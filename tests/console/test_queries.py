"""The facts behind the overview, on real rows."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from trivet import db
from trivet.archive.models import KeptSince
from trivet.card import service as cards
from trivet.command import service
from trivet.command.models import BackendHolding, BackendPoll, Command
from trivet.console import lately, queries
from trivet.fleet.models import Backend
from trivet.ingest.models import UsageDelta
from trivet.kit import histogram
from trivet.kit.clock import floor, utc_now
from trivet.pricing.models import Model
from trivet.tenant.models import Scenario


def holding(generation: int, level: int, proven: bool = True) -> BackendHolding:
    at = datetime(2026, 11, 21, tzinfo=UTC)
    return BackendHolding(
        backend_id=1, scenario_id=1, observed_generation=generation, observed_at=at,
        effective_generation=generation if proven else -1, effective_at=at if proven else None, level=level, revision=1,
    )  # fmt: skip


def usage(
    bucket: datetime, *, level: int = 0, requests: int = 100, cost: str = "1", unpriced: int = 0, **of
) -> UsageDelta:
    zero = dict.fromkeys(
        ("errors", "timeouts", "refusals", "rejections", "input_tokens", "output_tokens", "cache_read_tokens",
         "cache_write_tokens", "reasoning_tokens", "scores", "version_id", "region_id", "context_class", "streamed"), 0,
    )  # fmt: skip
    row = {
        "tenant_id": 1, "scenario_id": 1, "model_id": 0, "backend_id": 1, "pool_id": 0, "revision": 1, "level": level,
        "currency": "USD", "requests": requests, "cost": Decimal(cost), "unpriced_requests": unpriced, "score_total": 0.0,
        "latency": histogram.of([200_000] * requests), "ttft": b"", "inter_token": b"",
    }  # fmt: skip
    return UsageDelta(bucket=bucket, **zero | row | of)


class TestTheProvenLevel:
    def test_it_is_that_of_the_backend_furthest_behind(self):
        assert queries.proven_level([holding(7, 2), holding(6, 1)]) == 1
        assert queries.proven_level([holding(7, 0), holding(6, 2)]) == 2

    def test_a_poll_alone_proves_no_level(self):
        assert queries.proven_level([holding(7, 0, proven=False), None]) == 0
        assert queries.proven_level([holding(7, 0, proven=False), holding(6, 2)]) == 2


class TestTheFacts:
    def degraded(self, session, now):
        """Support chat at level 2 for a minute, proven by its one backend; returns the scenario's facts."""
        cards.register(
            session,
            name="support-chat",
            preset_name=None,
            criticality="core",
            actor="test",
            now=now - timedelta(hours=2),
        )
        session.add(Backend(name="gateway-1", scenario_ids=[]))
        session.flush()
        given = now - timedelta(seconds=60)
        service.issue(
            session, kind="degrade", scenario_id=1, level=2, reason="peak", actor="robin@example.com", now=given
        )
        session.add(BackendPoll(backend_id=1, polled_at=now, etag="x"))
        proof = holding(1, 2)
        proof.effective_at = now
        session.add(proof)
        session.query(Command).one().effective_at = given + timedelta(seconds=2)
        session.flush()
        return queries.load(session, now, 60).scenarios[0]

    def test_a_level_stands_with_the_command_that_brought_it(self, database):
        now = utc_now()
        with db.transaction() as session:
            facts = self.degraded(session, now)
            assert (facts.proven_level, facts.wanted_level) == (2, 2)
            assert facts.proven_by.reason == "peak"
            assert facts.since == now - timedelta(seconds=58)

    def test_the_cost_of_a_request_is_compared_with_the_hour_before_at_level_0(self, database):
        now = utc_now()
        with db.transaction() as session:
            facts = self.degraded(session, now)
            before, after = floor(now - timedelta(minutes=5), 10), floor(now - timedelta(seconds=20), 10)
            session.add_all(
                [usage(before, cost="4.00", requests=400), usage(after, level=2, cost="2.40", requests=400)]
            )
            session.flush()
            assert round(queries.cost_change(session, facts, now), 6) == -0.4

    def test_too_few_requests_are_not_compared(self, database):
        now = utc_now()
        with db.transaction() as session:
            facts = self.degraded(session, now)
            before, after = floor(now - timedelta(minutes=5), 10), floor(now, 10)
            session.add_all([usage(before, requests=4000), usage(after, level=2, requests=399)])
            session.flush()
            assert queries.cost_change(session, facts, now) is None

    def test_what_began_before_fine_rollups_are_kept_is_not_compared(self, database):
        # 37 s past a minute: the change was at 39 s, so that no whole minutes, which are kept for longer, could answer
        now = floor(utc_now(), 60) - timedelta(seconds=23)
        with db.transaction() as session:
            facts = self.degraded(session, now)
            before, after = floor(now - timedelta(minutes=5), 10), floor(now, 10)
            session.add_all([usage(before, requests=4000), usage(after, level=2, requests=4000)])
            session.add(KeptSince(grain_s=10, since=now))
            session.flush()
            assert queries.cost_change(session, facts, now) is None

    def test_numbers_are_of_what_governs_now_and_the_rate_is_of_everything(self, database):
        now = utc_now()
        with db.transaction() as session:
            self.degraded(session, now)
            session.add_all([usage(floor(now, 10), level=0, requests=40), usage(floor(now, 10), level=2, requests=60)])
            session.flush()
            facts = queries.load(session, now, 60).scenarios[0]
            assert facts.now.usage.requests == 60
            assert round(facts.now.requests_per_s * (now - lately.back(now, 30).start).total_seconds()) == 100

    def test_until_something_is_measured_since_the_last_change_the_numbers_are_marked_as_from_before(self, database):
        now = utc_now()
        with db.transaction() as session:
            self.degraded(session, now)
            session.add(usage(floor(now, 10), level=0, requests=40))
            session.flush()
            facts = queries.load(session, now, 60).scenarios[0]
            assert (facts.now.from_before, facts.now.usage.requests) == (True, 40)

    @pytest.mark.parametrize("windows_max", [4, 0], ids=["one sum a window", "bucket by bucket"])
    def test_quality_is_the_mean_of_its_cards_window_whether_it_changed_lately_or_not(
        self, database, windows_max, monkeypatch
    ):
        monkeypatch.setattr(lately, "WINDOWS_MAX", windows_max)
        now = utc_now()
        with db.transaction() as session:
            self.degraded(session, now)  # a minute ago, within its window
            cards.register(
                session, name="docs", preset_name=None, criticality="core", actor="t", now=now - timedelta(hours=2)
            )
            window_s = cards.active(session, [2])[2].card.quality.window_s
            here = floor(now, 10)
            for at, scores, of in (
                (timedelta(0), 10, {"scenario_id": 2}), (timedelta(seconds=window_s), 30, {"scenario_id": 2}),
                (timedelta(seconds=window_s + 10), 500, {"scenario_id": 2}),  # out of the window
                (timedelta(0), 7, {"scenario_id": 2, "revision": 9}),  # of another revision
                (timedelta(0), 5, {"level": 2}), (timedelta(minutes=5), 50, {"level": 2}),  # before it was at level 2
            ):  # fmt: skip
                session.add(usage(here - at, **{"scores": scores, "score_total": scores * 0.5} | of))
            session.flush()
            of = {s.id: s.now.scored for s in queries.load(session, now, 60).scenarios}
            assert {id_: (each.scores, each.score_total) for id_, each in of.items()} == {1: (5, 2.5), 2: (40, 20.0)}

    def test_backends_that_hold_alike_are_read_as_one_and_one_that_is_behind_stands_for_the_level(self, database):
        now = utc_now()
        with db.transaction() as session:
            self.degraded(session, now)
            for n, (generation, level) in enumerate([(1, 2), (1, 2), (0, 1)], start=2):
                session.add(Backend(name=f"gateway-{n}", scenario_ids=[]))
                session.flush()
                session.add(BackendPoll(backend_id=n, polled_at=now, etag="x"))
                other = holding(generation, level)
                other.backend_id = n
                session.add(other)
            session.flush()
            facts = queries.load(session, now, 60)
            assert [held.effective_generation for held in facts.scenarios[0].present] == [1, 1, 1, 0]
            assert facts.scenarios[0].proven_level == 1
            assert set(facts.holdings) == {(1, 1), (2, 1), (3, 1), (4, 1)}

    def test_scenarios_stand_with_the_critical_first_and_those_nobody_registered_last(self, database):
        now = utc_now()
        with db.transaction() as session:
            session.add(Scenario(name="met-in-a-span"))
            for name, criticality in (("digest", "experimental"), ("chat", "core")):
                cards.register(session, name=name, preset_name=None, criticality=criticality, actor="test", now=now)
            assert [s.name for s in queries.load(session, now, 60).scenarios] == ["chat", "digest", "met-in-a-span"]


class TestGaps:
    def test_requests_without_a_price_are_counted_and_their_models_named(self, database):
        now = utc_now()
        with db.transaction() as session:
            session.add_all([Model(provider="acme", name="ft-7b"), Model(provider="acme", name="ft-70b")])
            session.flush()
            at = floor(now, 10)
            session.add_all(
                [
                    usage(at, model_id=1, requests=3, unpriced=3, cost="0", currency=""),
                    usage(at, model_id=2, requests=5, unpriced=5, cost="0", currency=""),
                ]
            )
            session.flush()
            assert queries.unpriced_today(session, now) == (8, ("ft-70b", "ft-7b"))
