"""At least once in, exactly once counted; acknowledged means durable. The real API, killed for real."""

import http.client
import random
import signal
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from tests.support.api_process import ApiProcess
from tests.support.calls import call, ingest
from tests.support.otlp import PROTOBUF, body, span
from tests.support.seeded import seeded

from trivet import db, schema
from trivet.embed.postgres import EmbeddedPostgres
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


@pytest.mark.timeout(180)
class TestKill9:
    BATCH = 100

    def test_what_was_acknowledged_is_there_once_after_a_kill_in_the_middle_of_a_load(self, database, tmp_path):
        api = ApiProcess(database, tmp_path)
        with api:
            sent = self.load_and_kill(api)
            acknowledged = {n for n, was in sent.items() if was}
            assert 0 < len(acknowledged) < len(sent), "the kill came in the middle"
            before = self.found()
            assert acknowledged <= before.keys(), "an acknowledged batch is lost"
            assert all(count == self.BATCH for count in before.values()), "half a batch was kept"
            self.assert_deltas_say_the_same()
            api.start()
            # The senders retry what was not acknowledged, and some of the rest.
            again = [n for n in sent if n not in acknowledged or n % 3 == 0]
            for n in again:
                assert api.post(self.batch(n))[0] == 200
        assert self.found() == dict.fromkeys(sent, self.BATCH)
        self.assert_deltas_say_the_same()

    def load_and_kill(self, api):
        """{batch: whether it was acknowledged} of four senders, killed after a few dozen answers."""
        sent: dict[int, bool] = {}
        enough = threading.Event()

        def send(sender):
            for n in range(sender, 400, 4):
                sent[n] = False
                try:
                    status = api.post(self.batch(n))[0]
                except (OSError, http.client.HTTPException):
                    return
                assert status == 200
                sent[n] = True
                if sum(sent.values()) >= 25:
                    enough.set()

        senders = [threading.Thread(target=send, args=(sender,)) for sender in range(4)]
        for thread in senders:
            thread.start()
        assert enough.wait(60)
        api.end(signal.SIGKILL)
        for thread in senders:
            thread.join(60)
        return sent

    END_NS = time.time_ns() - 10 * 10**9

    def batch(self, n):
        """Batch `n`, the same whenever it is made: its number is the tenant's name."""
        rng = random.Random(n)
        attributes = {"trivet.tenant": f"batch-{n}", "gen_ai.usage.input_tokens": n}
        return body(*(span(attributes, end_ns=self.END_NS, rng=rng) for _ in range(self.BATCH)))

    @staticmethod
    def found():
        with db.transaction() as session:
            rows = session.execute(
                text("SELECT name, count(*) FROM request JOIN tenant ON tenant.id = tenant_id GROUP BY name")
            )
            return {int(name.removeprefix("batch-")): count for name, count in rows}

    @staticmethod
    def assert_deltas_say_the_same():
        """Rows, deltas and costs commit together or not at all. One statement, so that both are of one moment."""
        with db.transaction() as session:
            raw_n, raw_tokens, raw_cost, *added = session.execute(
                text(
                    "SELECT * FROM (SELECT count(*), sum(input_tokens), sum(cost_picos) * 0.000000000001 FROM request) r, "
                    "(SELECT sum(requests), sum(input_tokens), sum(cost) FROM usage_delta) d"
                )
            ).one()
        assert [raw_n, raw_tokens, raw_cost] == added


@pytest.mark.timeout(180)
class TestPostgresAway:
    def test_is_503_with_retry_after_and_then_it_works_again(self, tmp_path):
        with tempfile.TemporaryDirectory(prefix="trivet-") as folder, EmbeddedPostgres(Path(folder)) as postgres:
            postgres.ensure_database()
            schema.upgrade(postgres.url())
            with ApiProcess(postgres.url(), tmp_path) as api:
                first, second, third = (body(span()) for _ in range(3))
                assert api.post(first)[0] == 200
                postgres.stop()
                for _ in range(3):
                    status, _, headers = api.post(second)
                    assert (status, headers["Content-Type"]) == (503, "application/x-protobuf")
                    assert int(headers["Retry-After"]) > 0
                postgres.start()
                self.until_taken(api, second)
                assert api.post(third)[0] == 200
            with psycopg.connect(postgres.url().replace("+psycopg", "")) as connection:
                assert connection.execute("SELECT count(*) FROM request").fetchone() == (3,)

    @staticmethod
    def until_taken(api, content, patience_s=20.0):
        """As an exporter does: again while the answer is 503."""
        deadline = time.monotonic() + patience_s
        while (status := api.post(content)[0]) == 503:
            assert time.monotonic() < deadline, "still 503"
            time.sleep(0.2)
        assert status == 200
