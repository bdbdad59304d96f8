"""At least once in, exactly once counted. The real API killed for real, and its database away: `test_hold_up.py`."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from sqlalchemy import text
from tests.support.calls import call, ingest
from tests.support.otlp import PROTOBUF, body, span
from tests.support.seeded import seeded

from trivet import db
from trivet.kit.money import from_picos

# A price of half a pico a token: every request has to be rounded, once and half even.
PER_MILLION = {"input": "2.50", "output": "10.0000005", "cache_read": "0.0000005"}


class TestTenThousandRequests:
    def test_with_random_resends_are_exact_to_the_last_pico(self, client, admin):
        rng = seeded()
        price = {"model": "m", "provider": "house", "effective_from": "2020-01-01T00:00:00Z", "currency": "EUR"}
        assert (
            client.post("/api/v1/prices", json=price | {"per_million": PER_MILLION}, headers=admin).status_code == 201
        )
        calls = [self.call(rng) for _ in range(10_000)]
        batches = [body(*(made for made, _ in calls[i : i + 400])) for i in range(0, len(calls), 400)]
        resends = [body(*(made for made, _ in rng.sample(calls, 400))) for _ in range(10)]
        sent = batches + resends + rng.sample(batches, 5)
        rng.shuffle(sent)
        for content in sent:
            answer = client.post("/v1/traces", content=content, headers=admin | PROTOBUF)
            assert (answer.status_code, answer.content) == (200, b"")
        expected = {
            "n": 10_000,
            "input": sum(t[0] - t[2] for _, t in calls),
            "output": sum(t[1] for _, t in calls),
            "cache_read": sum(t[2] for _, t in calls),
            "cost": from_picos(sum(self.cost_picos(*t) for _, t in calls)),
        }
        with db.transaction() as session:
            assert session.execute(text(self.RAW)).mappings().one() == expected
            assert session.execute(text(self.DELTAS)).mappings().one() == expected | {"unpriced": 0}

    RAW = """SELECT count(*) n, sum(input_tokens) input, sum(output_tokens) output, sum(cache_read_tokens) cache_read,
             sum(cost_picos) * 0.000000000001 AS cost FROM request"""
    DELTAS = """SELECT sum(requests)::int n, sum(input_tokens)::int8 input, sum(output_tokens)::int8 output,
                sum(cache_read_tokens)::int8 cache_read, sum(cost) cost, sum(unpriced_requests)::int unpriced
                FROM usage_delta WHERE currency = 'EUR'"""

    @staticmethod
    def call(rng):
        """(span, its input, output and cached tokens as the conventions count them)"""
        input_, output = rng.randrange(1, 8_000), rng.randrange(0, 2_000)
        cached = rng.randrange(0, input_ + 1)
        attributes = {
            "gen_ai.provider.name": "house",
            "gen_ai.request.model": "m",
            "gen_ai.response.model": None,
            "gen_ai.usage.input_tokens": input_,
            "gen_ai.usage.output_tokens": output,
            "gen_ai.usage.cache_read.input_tokens": cached,
            "trivet.tenant": rng.choice(["acme", "globex", "initech"]),
        }
        end_ns = time.time_ns() - rng.randrange(3600) * 10**9
        return span(attributes, end_ns=end_ns, seconds=rng.random() * 5, rng=rng), (input_, output, cached)

    @staticmethod
    def cost_picos(input_, output, cached):
        """Reckoned apart from the product, in fractions; Python rounds a fraction half even."""
        counts = {"input": input_ - cached, "output": output, "cache_read": cached}
        return round(sum(Fraction(Decimal(PER_MILLION[kind])) * count for kind, count in counts.items()) * 10**6)


class TestTheSameSpansFromManySendersAtOnce:
    def test_are_counted_once_and_nobody_waits_in_a_circle(self, database):
        rng = seeded()
        facts = [
            call(datetime.now(UTC) - timedelta(days=n % 3), tenant=f"t{n % 7}", model=f"m{n % 5}", input_tokens=n)
            for n in range(300)
        ]
        orders = [rng.sample(facts, len(facts)) for _ in range(8)]
        start = threading.Barrier(len(orders))

        def send(batch):
            start.wait()
            return sum(ingest(*batch[i : i + 60]).inserted for i in range(0, len(batch), 60))

        with ThreadPoolExecutor(len(orders)) as senders:
            assert sum(senders.map(send, orders)) == len(facts)
        with db.transaction() as session:
            rows = session.execute(text("SELECT count(*), sum(input_tokens) FROM request")).one()
            added = session.execute(text("SELECT sum(requests), sum(input_tokens) FROM usage_delta")).one()
        assert tuple(rows) == tuple(added) == (300, sum(range(300)))
