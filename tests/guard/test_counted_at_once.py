"""What a card's guards ask ingest to count is counted from its activation on, whether a clock ticks or not."""

from datetime import timedelta

from sqlalchemy import select
from tests.support.calls import call, ingest
from tests.support.governed import short_card

from trivet import db
from trivet.card import service as cards
from trivet.guard import service
from trivet.guard.models import Breach
from trivet.identity.auth import person
from trivet.ingest.store.tally_model import GuardLimit
from trivet.kit.clock import utc_now

PAT, OLE = person("pat@example.com", "product_owner"), person("ole@example.com", "sre")


def limits():
    with db.transaction() as session:
        return sorted((row.kind, row.over_us) for row in session.scalars(select(GuardLimit)))


def registered(name="chat"):
    with db.transaction() as session:
        return cards.register(
            session, name=name, preset_name="real-time-chat", criticality="core", actor="t", now=utc_now()
        )


def activated(body):
    now = utc_now()
    with db.transaction() as session:
        number = cards.draft(session, scenario="chat", body=body, actor="t", now=now).number
        cards.submit(session, scenario="chat", number=number, actor="t", now=now)
        for who in (PAT, OLE):
            cards.approve(session, scenario="chat", number=number, side=None, principal=who)
        cards.activate(session, scenario="chat", number=number, actor="t", reason="t", now=now)


class TestWithoutAClock:
    def test_registering_is_enough_for_ingest_to_count(self, database):
        registered()
        assert ("latency", 1_500_000) in limits() and ("errors", 0) in limits()

    def test_so_is_activating_another_revision(self, database):
        registered()
        activated(short_card())
        assert {("latency", 1_000_000), ("latency", 2_000_000)} <= set(limits())

    def test_a_scenario_that_nobody_judged_yet_is_judged_when_something_bad_came(self, database):
        registered("other")
        with db.transaction() as session:
            service.evaluate(session, utc_now())  # so that this process knows of one
        registered()
        now = utc_now()
        ingest(*(call(now - timedelta(seconds=2), seconds=9) for _ in range(60)), now=now)
        with db.transaction() as session:
            service.wake(session, utc_now())
            assert "p95-latency" in [breach.guard for breach in session.scalars(select(Breach))]
