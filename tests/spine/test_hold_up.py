"""How it must hold up: what was acknowledged is stored, once, whatever happens to the database, the API or the sender.

One database and one API for all of it, both real processes. Each test sends under a scenario of its own, and a batch's
number is the input tokens of its spans, so that what is stored says which batches it came from.
"""

import gzip
import http.client
import itertools
import random
import re
import signal
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from tests.support.api_process import KEY, ApiProcess
from tests.support.otlp import body, span

from trivet import schema
from trivet.embed.postgres import EmbeddedPostgres

pytestmark = pytest.mark.timeout(180)

S_NS = 10**9
HOUR_NS = 3600 * S_NS
PATIENCE_S = 60.0
TENANTS_LIMIT = 300
API_MEMORY_MB = 300


@pytest.fixture(scope="module")
def postgres():
    with tempfile.TemporaryDirectory(prefix="trivet-") as folder, EmbeddedPostgres(Path(folder)) as server:
        server.ensure_database()
        schema.upgrade(server.url())
        yield server


@pytest.fixture(scope="module")
def api(postgres, tmp_path_factory):
    limits = {"TRIVET_TENANTS_PER_KEY_LIMIT": str(TENANTS_LIMIT)}
    with ApiProcess(postgres.url(), tmp_path_factory.mktemp("api"), **limits) as process:
        yield process


class Stored:
    """What the database says of one scenario."""

    def __init__(self, postgres, scenario):
        self.url = postgres.url().replace("+psycopg", "")
        self.scenario = scenario

    def batches(self):
        """{batch: its rows}; and rows and deltas say the same, also of money, in one statement and so of one moment."""
        with psycopg.connect(self.url) as connection:
            raw, folded, spent, charged = connection.execute(
                "WITH own AS (SELECT id FROM scenario WHERE name = %s) SELECT "
                "(SELECT array_agg((n, rows)::text) FROM (SELECT input_tokens n, count(*) rows FROM request "
                " WHERE scenario_id IN (SELECT id FROM own) GROUP BY 1) r), "
                "(SELECT (sum(requests), sum(input_tokens))::text FROM usage_delta "
                " WHERE scenario_id IN (SELECT id FROM own)), "
                "(SELECT sum(cost_picos) * 0.000000000001 FROM request WHERE scenario_id IN (SELECT id FROM own)), "
                "(SELECT sum(cost) FROM usage_delta WHERE scenario_id IN (SELECT id FROM own))",
                [self.scenario],
            ).fetchone()
        found = dict(tuple(map(int, pair.strip("()").split(","))) for pair in raw or ())
        added = tuple(int(n or 0) for n in folded.strip("()").split(","))
        assert added == (sum(found.values()), sum(n * rows for n, rows in found.items())), "deltas say something else"
        assert spent == charged
        return found


def batch(scenario, n, size, *, end_ns=None, **attributes):
    """Batch `n` of a scenario, the same whenever it is made."""
    rng = random.Random(f"{scenario} {n}")
    attributes |= {"trivet.scenario": scenario, "gen_ai.usage.input_tokens": n}
    ends = START_NS if end_ns is None else end_ns
    return body(*(span(attributes, end_ns=ends, rng=rng) for _ in range(size)))


START_NS = time.time_ns() - 10 * S_NS


class Senders:
    """Exporters at once: each sends batch after batch, and a batch again until it is acknowledged or the API is gone."""

    def __init__(self, api, scenario, size, count):
        self.api, self.scenario, self.size = api, scenario, size
        self.acknowledged, self.sent, self.answers = [], set(), Counter()
        self._numbers, self._stop = itertools.count(1), threading.Event()
        self._threads = [threading.Thread(target=self._send) for _ in range(count)]

    @contextmanager
    def at_work(self):
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join(PATIENCE_S)

    def _send(self):
        while not self._stop.is_set():
            n = next(self._numbers)
            self.sent.add(n)
            content = batch(self.scenario, n, self.size)
            while (answer := self._post(content)) != 200:
                if answer is None and self._stop.is_set():
                    return
                time.sleep(0.02)
            self.acknowledged.append(n)

    def _post(self, content):
        try:
            status = self.api.post(content)[0]
        except (OSError, http.client.HTTPException):
            status = None
        self.answers[status] += 1
        return status

    def wait_for(self, more):
        """Until so many more batches are acknowledged."""
        enough, deadline = len(self.acknowledged) + more, time.monotonic() + PATIENCE_S
        while len(self.acknowledged) < enough:
            assert time.monotonic() < deadline, f"no progress: {self.answers}"
            time.sleep(0.01)

    def whole(self):
        """What has to be stored: each batch once."""
        return dict.fromkeys(self.sent, self.size)


class TestPostgresRestartedUnderLoad:
    def test_loses_and_doubles_nothing_and_the_api_goes_on_by_itself(self, postgres, api):
        pid = api.process.pid
        with Senders(api, "restart", size=10, count=8).at_work() as senders:
            senders.wait_for(20)
            postgres.stop()
            before = senders.answers[503]
            deadline = time.monotonic() + PATIENCE_S
            while senders.answers[503] == before:
                assert time.monotonic() < deadline, f"no 503: {senders.answers}"
                time.sleep(0.01)
            acknowledged = set(senders.acknowledged)
            postgres.start()
            senders.wait_for(20)
        assert set(senders.answers) <= {200, 503, None}, "nothing but taken, try again, or no answer"
        found = Stored(postgres, "restart").batches()
        assert acknowledged <= found.keys()
        assert found == senders.whole()
        assert len(senders.acknowledged) == len(senders.sent), "each was sent until it was taken"
        assert api.process.poll() is None and api.process.pid == pid


class TestPostgresAway:
    def test_is_503_with_retry_after_and_then_it_works_again(self, postgres, api):
        first, second, third = (batch("away", n, 1) for n in (1, 2, 3))
        assert api.post(first)[0] == 200
        postgres.stop()
        for _ in range(3):
            status, _, headers = api.post(second)
            assert (status, headers["Content-Type"]) == (503, "application/x-protobuf")
            assert int(headers["Retry-After"]) > 0
        postgres.start()
        self.until_taken(api, second)
        assert api.post(third)[0] == 200
        assert Stored(postgres, "away").batches() == {1: 1, 2: 1, 3: 1}

    @staticmethod
    def until_taken(api, content):
        """As an exporter does: again while the answer is 503."""
        deadline = time.monotonic() + PATIENCE_S
        while (status := api.post(content)[0]) == 503:
            assert time.monotonic() < deadline, "still 503"
            time.sleep(0.05)
        assert status == 200


class TestApiKilledUnderLoad:
    """Exports that wait are committed together: a kill takes whole exports or none, and no acknowledged one."""

    # spans of an export, senders, exports acknowledged before the kill
    LOADS = {"small": (3, 24, 40), "large": (100, 4, 12)}  # noqa: RUF012  # never changed

    @pytest.mark.parametrize("scenario", LOADS)
    def test_what_was_acknowledged_is_there_once_and_a_resend_completes_it(self, postgres, api, scenario):
        size, count, enough = self.LOADS[scenario]
        senders = Senders(api, scenario, size, count)
        with senders.at_work():
            senders.wait_for(enough)
            api.end(signal.SIGKILL)
            acknowledged = set(senders.acknowledged)
            senders._stop.set()
        assert 0 < len(acknowledged) < len(senders.sent), "the kill came in the middle"
        stored = Stored(postgres, scenario)
        before = stored.batches()
        assert acknowledged <= before.keys(), "an acknowledged export is lost"
        assert set(before.values()) == {size}, "part of an export was kept"
        api.start()
        again = [n for n in senders.sent if n not in acknowledged or n % 3 == 0]
        with ThreadPoolExecutor(8) as resenders:
            answers = list(resenders.map(lambda n: api.post(batch(scenario, n, size))[0], again))
        assert set(answers) == {200}
        assert stored.batches() == senders.whole()


class TestTheSameBatchThreeTimesAtOnce:
    def test_is_taken_three_times_and_counted_once(self, postgres, api):
        contents = [batch("thrice", n, 100) for n in range(1, 9)]
        start = threading.Barrier(3)

        def send(_):
            start.wait()
            return [api.post(content)[0] for content in contents]

        with ThreadPoolExecutor(3) as senders:
            answers = [status for sent in senders.map(send, range(3)) for status in sent]
        assert answers == [200] * 24
        assert Stored(postgres, "thrice").batches() == dict.fromkeys(range(1, 9), 100)


class TestOneIdTwiceInABatch:
    def test_counts_once_and_the_first_is_kept(self, postgres, api):
        attributes = {"trivet.scenario": "twice"}
        first, other = ({**attributes, "gen_ai.usage.input_tokens": n} for n in (7, 9))
        one = span(first, end_ns=START_NS)
        again = (span(other)[0], one[1])  # the same ids and times, other words
        another = span(first, end_ns=START_NS)
        status, answer, _ = api.post(body(one, again, one, another))
        assert (status, answer) == (200, b"")
        assert Stored(postgres, "twice").batches() == {7: 2}


class TestClocks:
    @pytest.mark.parametrize(
        ("name", "ago_ns"),
        [("two-days-late", 48 * HOUR_NS), ("ten-minutes-behind", 600 * S_NS), ("ten-minutes-ahead", -600 * S_NS)],
    )
    def test_late_and_skewed_spans_are_taken_once_where_they_belong(self, postgres, api, name, ago_ns):
        end_ns = time.time_ns() - ago_ns
        for _ in range(2):
            status, answer, _ = api.post(batch(name, 5, 20, end_ns=end_ns))
            assert (status, answer) == (200, b"")
        stored = Stored(postgres, name)
        assert stored.batches() == {5: 20}
        with psycopg.connect(stored.url) as connection:
            [at] = connection.execute(
                "SELECT DISTINCT (extract(epoch FROM bucket))::int8 FROM usage_delta d JOIN scenario s ON s.id = d.scenario_id "
                "WHERE s.name = %s",
                [name],
            ).fetchone()
        assert at == end_ns // (10 * S_NS) * 10

    @pytest.mark.parametrize(("reason", "ago_ns"), [("too_old", 31 * 24 * HOUR_NS), ("in_the_future", -HOUR_NS)])
    def test_beyond_the_limits_spans_are_refused_by_name_and_the_rest_is_taken(self, postgres, api, reason, ago_ns):
        spans = [span({"trivet.scenario": reason, "gen_ai.usage.input_tokens": 1}) for _ in range(3)]
        beyond = span({"trivet.scenario": reason}, end_ns=time.time_ns() - ago_ns)
        status, answer, _ = api.post(body(*spans, beyond))
        partial = ExportTraceServiceResponse.FromString(answer).partial_success
        assert (status, partial.rejected_spans) == (200, 1)
        assert reason in partial.error_message
        assert Stored(postgres, reason).batches() == {1: 3}


class TestGzipBombs:
    def test_are_refused_at_once_and_take_no_memory(self, postgres, api):
        with Memory(api.process.pid) as memory, ThreadPoolExecutor(6) as throwers:
            answers = Counter(throwers.map(lambda _: self.throw(api), range(6)))
        assert set(answers) <= {413, 503}, answers
        assert answers[413] >= 1
        assert memory.most_mb() < API_MEMORY_MB
        assert api.post(batch("after-the-bombs", 1, 5))[0] == 200
        assert Stored(postgres, "after-the-bombs").batches() == {1: 5}

    BOMB = gzip.compress(bytes(200 << 20), 1)

    def throw(self, api):
        connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=60)
        headers = {
            "Authorization": f"Bearer {KEY}",
            "Content-Type": "application/x-protobuf",
            "Content-Encoding": "gzip",
        }
        try:
            connection.request("POST", "/v1/traces", self.BOMB, headers)
            return connection.getresponse().status
        finally:
            connection.close()


class Memory:
    """The most a process has held in a block of time, by the kernel's count."""

    def __init__(self, pid):
        self.proc = Path(f"/proc/{pid}")

    def __enter__(self):
        (self.proc / "clear_refs").write_text("5")  # the high-water mark starts again from now
        return self

    def __exit__(self, *_):
        self.status = (self.proc / "status").read_text()

    def most_mb(self):
        return int(re.search(r"VmHWM:\s+(\d+) kB", self.status)[1]) / 1024


class TestManyNames:
    def test_become_overflow_and_every_total_stays_exact(self, postgres, api):
        names = [f"t-{n}" for n in range(10_000)]
        spans = [
            span({"trivet.scenario": "names", "trivet.tenant": name, "gen_ai.usage.input_tokens": 3}, end_ns=START_NS)
            for name in names
        ]
        contents = [body(*spans[i : i + 2_500]) for i in range(0, len(spans), 2_500)]
        for content in (*contents, contents[0]):
            status, answer, _ = api.post(content)
            assert (status, answer) == (200, b"")
        stored = Stored(postgres, "names")
        assert stored.batches() == {3: len(names)}
        with psycopg.connect(stored.url) as connection:
            tenants, over = connection.execute(
                "SELECT count(DISTINCT tenant_id), count(*) FILTER (WHERE t.name = 'overflow') FROM request r "
                "JOIN tenant t ON t.id = r.tenant_id JOIN scenario s ON s.id = r.scenario_id WHERE s.name = 'names'"
            ).fetchone()
            denied = connection.execute("SELECT sum(items) FROM denial WHERE reason = 'overflow_tenant'").fetchone()[0]
        named = tenants - 1
        assert 0 < named <= TENANTS_LIMIT
        assert over == len(names) - named
        assert denied >= over, "the key that does it is told"
