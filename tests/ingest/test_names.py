"""Names of one export: as many new ones as the setting says, and statements of bounded size."""

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from sqlalchemy import text
from tests.support.otlp import PROTOBUF, body, span

from trivet import db
from trivet.pricing import service as pricing
from trivet.settings import get_settings

ATTRIBUTES = {
    "tenant": "trivet.tenant",
    "scenario": "trivet.scenario",
    "backend": "trivet.backend",
    "pool": "trivet.pool",
    "model": "gen_ai.response.model",
}


@pytest.fixture
def three_names(sender, monkeypatch):
    monkeypatch.setenv("TRIVET_NAMES_PER_EXPORT_LIMIT", "3")
    get_settings.cache_clear()


def post(sender, key, *spans):
    answer = sender.post("/v1/traces", content=body(*spans), headers=key | PROTOBUF)
    assert answer.status_code == 200
    return ExportTraceServiceResponse.FromString(answer.content).partial_success


def names(kind):
    with db.transaction() as session:
        return list(session.scalars(text(f"SELECT name FROM {kind} ORDER BY id")))


def stored():
    with db.transaction() as session:
        return session.scalar(text("SELECT count(*) FROM request"))


@pytest.mark.usefixtures("three_names")
class TestNewNames:
    @pytest.mark.parametrize("kind", ATTRIBUTES)
    def test_beyond_the_setting_refuse_their_spans_and_say_so(self, sender, key, kind):
        spans = [span({ATTRIBUTES[kind]: f"n{n % 5}"}) for n in range(10)]
        partial = post(sender, key, *spans)
        assert (partial.rejected_spans, partial.error_message) == (4, "4 spans refused: too_many_new_names 4")
        assert sorted(names(kind)) == ["n0", "n1", "n2"], "the first that came"
        assert stored() == 6
        with db.transaction() as session:
            assert session.execute(text("SELECT reason, items FROM denial")).all() == [("too_many_new_names", 4)]
            assert session.scalar(text("SELECT sum(requests)::int FROM usage_delta")) == 6

    @pytest.mark.parametrize("kind", ATTRIBUTES)
    def test_met_before_are_not_new_also_after_a_restart(self, sender, key, kind):
        def send(*numbers):
            return post(sender, key, *(span({ATTRIBUTES[kind]: f"n{n}"}) for n in numbers)).rejected_spans

        assert send(1, 2, 3) == send(4, 5, 6) == 0
        assert send(1, 2, 3, 4, 5, 6, 7) == 0
        db.forget_rows()
        assert send(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11) == 1

    def test_of_a_bound_key_are_not_of_tenants(self, sender, make_key):
        bound = {"Authorization": f"Bearer {make_key(['ingest'], tenant='acme')}"}
        assert post(sender, bound, *(span({"trivet.tenant": f"t{n}"}) for n in range(9))).rejected_spans == 0


class TestTwelveThousandModels:
    PAIRS = [("house", f"m{n}") for n in range(12_000)]  # noqa: RUF012  # never changed

    def test_are_looked_up_and_made_in_bounded_statements(self, database):
        with db.transaction() as session:
            made = pricing.model_ids(session, self.PAIRS)
            assert made.keys() == set(self.PAIRS)
            assert pricing.known_ids(session, self.PAIRS) == made
            assert pricing.on_first_sight(session, self.PAIRS) == 0

    def test_in_one_export_are_answered_for_good(self, sender, key):
        partial = post(sender, key, *(span({"gen_ai.response.model": name}) for _, name in self.PAIRS))
        limit = get_settings().names_per_export_limit
        assert (partial.rejected_spans, stored()) == (len(self.PAIRS) - limit, limit)
