"""What a backend for drills tells is proof, and is in nobody's numbers: through the real ingest, and the demo's drill."""

import asyncio
from datetime import timedelta

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import select
from tests.support import commanding

from trivet import db
from trivet.card import service as cards
from trivet.demo import drill_backend, drilled
from trivet.ingest.models import KeptLookup, PolicySeen
from trivet.kit.clock import floor, utc_now
from trivet.kit.interval import Interval
from trivet.rollup import read
from trivet_collectors.policy.client import Situation
from trivet_collectors.policy.evaluate import DEFAULTS


class Held:
    """One scenario at level 2."""

    situation = Situation({"scenarios": {"chat": {}}}, stale=False)

    def policy(self, tenant=None, scenario="", session=None):
        return {**DEFAULTS, "policy.revision": 3, "policy.generation": 9, "degrade.level": 2}


class TestATold:
    def test_proves_a_generation_and_is_neither_served_nor_paid_nor_unpriced(self, client, make_key):
        kept = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(kept))
        drill_backend.tell(Held(), provider.get_tracer("test"), "drill-1")
        body = encode_spans(kept.get_finished_spans()).SerializeToString()
        headers = {"Authorization": f"Bearer {make_key(['ingest'])}", "Content-Type": "application/x-protobuf"}
        assert client.post("/v1/traces", content=body, headers=headers).status_code == 200
        now = utc_now()
        with db.transaction() as session:
            (seen,) = session.scalars(select(PolicySeen)).all()
            assert (seen.generation, seen.level) == (9, 2)
            around = Interval(floor(now, 10) - timedelta(seconds=30), floor(now, 10) + timedelta(seconds=20))
            (usage,) = read.usage(session, around, ["scenario_id"]).values()
            assert (usage.requests, usage.served, usage.unpriced_requests, usage.cost) == (1, 0, 0, 0)
            assert session.scalars(select(KeptLookup)).all() == []


class TestTheDemosDrill:
    def test_says_why_there_is_none_and_begins_once_its_backend_is_in_sight(self, database, monkeypatch):
        monkeypatch.setattr(drilled, "TRIES", 1)
        monkeypatch.setattr(drilled, "PAUSE_S", 0)
        with db.transaction() as session:
            cards.register(
                session,
                name="support-chat",
                preset_name="real-time-chat",
                criticality="core",
                actor="test",
                now=utc_now(),
            )
        said = []
        assert asyncio.run(drilled._begin(said.append)) is None
        assert said == [
            "no drill: No backend drill-demo is in sight. Start one: trivet drill-backend --name drill-demo"
        ]
        commanding.hold(utc_now(), "drill-demo")
        assert asyncio.run(drilled._begin(said.append)) == 1
        assert drilled._outcome(1) == ""
