"""Names of one key: as many as the settings say, the rest is `overflow`, and every total stays exact."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from sqlalchemy import event, text
from tests.support import books
from tests.support.calls import call
from tests.support.otlp import PROTOBUF, body, span

from trivet import db
from trivet.ingest.store import names as naming
from trivet.ingest.store.persist import store
from trivet.pricing import service as pricing
from trivet.settings import get_settings

ATTRIBUTES = {
    "tenant": "trivet.tenant",
    "scenario": "trivet.scenario",
    "backend": "trivet.backend",
    "pool": "trivet.pool",
    "model": "gen_ai.response.model",
}
TABLES = {kind: kind for kind in ATTRIBUTES} | {"version": "model_version", "region": "region"}
NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)


@pytest.fixture
def three_names(sender, monkeypatch):
    for kind in ("TENANTS", "SCENARIOS", "MODELS", "NAMES"):
        monkeypatch.setenv(f"TRIVET_{kind}_PER_KEY_LIMIT", "3")
    get_settings.cache_clear()


def post(sender, key, *spans):
    answer = sender.post("/v1/traces", content=body(*spans), headers=key | PROTOBUF)
    assert answer.status_code == 200
    return ExportTraceServiceResponse.FromString(answer.content).partial_success


def stored():
    with db.transaction() as session:
        return session.scalar(text("SELECT count(*) FROM request"))


def counts(kind):
    with db.transaction() as session:
        query = f"SELECT coalesce(n.name, ''), count(*) FROM request r LEFT JOIN {TABLES[kind]} n ON n.id = r.{kind}_id GROUP BY 1"
        return dict(session.execute(text(query)).all())


def denied():
    with db.transaction() as session:
        return dict(session.execute(text("SELECT reason, items FROM denial")).all())


@pytest.mark.usefixtures("three_names")
class TestTooManyNames:
    @pytest.mark.parametrize("kind", ATTRIBUTES)
    def test_of_one_key_become_overflow_and_nothing_is_refused_or_lost(self, sender, key, kind):
        spans = [span({ATTRIBUTES[kind]: f"n{n % 5}"}) for n in range(10)]
        assert post(sender, key, *spans).rejected_spans == 0
        assert counts(kind) == {"n0": 2, "n1": 2, "n2": 2, "overflow": 4}, "the first that came keep their names"
        assert denied() == {f"overflow_{kind}": 4}
        with db.transaction() as session:
            assert session.scalar(text("SELECT sum(requests)::int FROM usage_delta")) == 10

    @pytest.mark.parametrize("kind", ATTRIBUTES)
    def test_those_the_key_has_used_stay_also_after_a_restart_and_from_another_process(self, sender, key, kind):
        def send(*numbers):
            assert post(sender, key, *(span({ATTRIBUTES[kind]: f"n{n}"}) for n in numbers)).rejected_spans == 0

        send(1, 2)
        db.forget_rows()
        send(3, 4)
        db.forget_rows()
        send(1, 2, 3, 4, 5)
        send(1, 5)
        assert counts(kind) == {"n1": 3, "n2": 2, "n3": 2, "overflow": 4}

    def test_are_each_keys_own(self, sender, key, make_key):
        other = {"Authorization": f"Bearer {make_key(['ingest'])}"}
        assert post(sender, key, *(span({"trivet.scenario": f"n{n}"}) for n in range(4))).rejected_spans == 0
        assert post(sender, other, span({"trivet.scenario": "n3"}), span({"trivet.scenario": "n0"})).rejected_spans == 0
        assert counts("scenario") == {"n0": 2, "n1": 1, "n2": 1, "n3": 1, "overflow": 1}

    def test_of_a_bound_key_are_not_of_tenants(self, sender, make_key):
        bound = {"Authorization": f"Bearer {make_key(['ingest'], tenant='acme')}"}
        assert post(sender, bound, *(span({"trivet.tenant": f"t{n}"}) for n in range(9))).rejected_spans == 0
        assert counts("tenant") == {"acme": 9}
        assert denied() == {}

    def test_whoever_is_called_overflow_is_no_overflow(self, sender, key):
        post(sender, key, *(span({"trivet.scenario": "overflow"}) for _ in range(2)))
        assert counts("scenario") == {"overflow": 2}
        assert denied() == {}

    def test_a_model_over_the_limit_keeps_the_price_of_its_own_name(self, sender, key):
        for name in ("m0", "m4"):
            books.price("house", name, input="1", output="1")
        named = [{"gen_ai.provider.name": "house", "gen_ai.response.model": f"m{n}"} for n in range(5)]
        post(sender, key, *(span({**own, "gen_ai.usage.input_tokens": 1_000_000}) for own in named))
        with db.transaction() as session:
            cost = "SELECT m.name, sum(cost_picos) * 1e-12 FROM request r JOIN model m ON m.id = r.model_id GROUP BY 1"
            found = dict(session.execute(text(cost)).all())
        assert found["m0"] == found["overflow"] >= 1
        assert found["m1"] is None


class TestManyNames:
    def test_of_all_kinds_cost_neither_rows_nor_memory(self, database, monkeypatch):
        """Ten times the limit of each kind within one process: what is kept stays at the limits. A million: `bench.hold`."""
        limit, size = 150, 500
        for kind in ("SCENARIOS", "MODELS", "NAMES"):
            monkeypatch.setenv(f"TRIVET_{kind}_PER_KEY_LIMIT", str(limit))
        get_settings.cache_clear()
        for start in range(0, 10 * limit, size):
            some = [
                call(NOW, tenant="", scenario=f"s{n}", backend=f"b{n}", model=f"m{n}", pool=f"p{n}", version=f"v{n}", region=f"r{n}")
                for n in range(start, start + size)
            ]  # fmt: skip
            came = store(some, [], tenant_id=None, key_id=1, now=NOW)
            assert (came.inserted, came.refused) == (size, {})
        (known,) = naming._keys.values()
        assert sum(len(kind.ids) for kind in known.kinds) <= 6 * (limit + 1)
        assert len(known.combinations) <= limit
        assert counts("scenario")["overflow"] == 9 * limit
        assert denied() == {
            f"overflow_{kind}": 9 * limit for kind in ("scenario", "model", "backend", "pool", "version", "region")
        }
        with db.transaction() as session:
            assert session.scalar(text("SELECT sum(requests)::int FROM usage_delta")) == 10 * limit

    def test_two_processes_at_once_never_go_past_the_limit(self, database):
        """Each with a memory of its own: the database holds the limit."""
        limit = 50
        with ThreadPoolExecutor(2) as pool, pytest.MonkeyPatch.context() as patch:
            patch.setenv("TRIVET_SCENARIOS_PER_KEY_LIMIT", str(limit))
            get_settings.cache_clear()

            def admit(first):
                names = [f"s{n}" for n in range(first, first + 40)]
                with db.transaction() as session:
                    return len(naming._admit(session, 1, {1: names})[1].ids)

            list(pool.map(admit, [0, 20, 40, 60, 80, 10, 30, 50]))
        with db.transaction() as session:
            assert session.scalar(text("SELECT count(*) FROM key_name WHERE kind = 1")) == limit


@pytest.fixture
def most_named(database):
    """The most parameters that a statement had so far: `most_named()`."""
    counts = [0]

    def see(_connection, _cursor, _statement, parameters, *_):
        counts.append(len(parameters or ()))

    event.listen(db.engine(), "before_cursor_execute", see)
    yield lambda: max(counts)
    event.remove(db.engine(), "before_cursor_execute", see)


class TestMoreModelsThanOneStatementNames:
    """Twelve thousand in one export, which no statement holds: `bench.hold`."""

    PAIRS = [("house", f"m{n}") for n in range(2 * pricing.STATEMENT_ROWS + 100)]  # noqa: RUF012  # never changed

    def test_are_looked_up_and_made_in_bounded_statements(self, most_named):
        with db.transaction() as session:
            made = pricing.model_ids(session, self.PAIRS)
            assert made.keys() == set(self.PAIRS)
            assert pricing.known_ids(session, self.PAIRS) == made
            assert pricing.on_first_sight(session, self.PAIRS) == 0
        assert 2 * pricing.STATEMENT_ROWS <= most_named() <= 2 * pricing.STATEMENT_ROWS + 2

    def test_in_one_export_are_all_stored_in_bounded_statements(self, sender, key, most_named):
        partial = post(sender, key, *(span({"gen_ai.response.model": name}) for _, name in self.PAIRS))
        assert (partial.rejected_spans, stored()) == (0, len(self.PAIRS))
        assert counts("model")["overflow"] == len(self.PAIRS) - get_settings().models_per_key_limit
        assert most_named() <= 4 * naming.STATEMENT_NAMES
