"""A backend for drills: it tells under which policy it runs, and is in nobody's numbers."""

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from typer.testing import CliRunner

from trivet.cli import app
from trivet.demo import drill_backend
from trivet_collectors import semconv
from trivet_collectors.policy.client import Situation
from trivet_collectors.policy.evaluate import DEFAULTS


class Held:
    """The policy of two scenarios, one of them at level 2."""

    situation = Situation({"scenarios": {"chat": {}, "search": {}}}, stale=False)

    def policy(self, tenant=None, scenario="", session=None):
        return {
            **DEFAULTS,
            "policy.revision": 3,
            "policy.generation": 9,
            "degrade.level": 2 if scenario == "chat" else 0,
        }


def told(only=()):
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    drill_backend.tell(Held(), provider.get_tracer("test"), "drill-1", only)
    return [dict(span.attributes) for span in kept.get_finished_spans()]


class TestWhatItTells:
    def test_one_call_of_each_scenario_under_the_policy_that_holds(self):
        chat, search = told()
        assert (chat[semconv.TRIVET_SCENARIO], search[semconv.TRIVET_SCENARIO]) == ("chat", "search")
        assert (chat[semconv.TRIVET_DEGRADE_LEVEL], chat[semconv.TRIVET_POLICY_GENERATION]) == (2, 9)
        assert chat[semconv.TRIVET_BACKEND] == "drill-1"

    def test_each_is_a_call_that_was_turned_away(self):
        assert {each[semconv.TRIVET_OUTCOME] for each in told()} == {semconv.OUTCOME_REJECTED}

    def test_of_those_that_are_named_where_some_are(self):
        assert [each[semconv.TRIVET_SCENARIO] for each in told(("search",))] == ["search"]


class TestTheCommand:
    def test_refuses_a_name_that_could_be_taken_for_one_that_serves_people(self):
        found = CliRunner().invoke(app, ["drill-backend", "--name", "gw-1"])
        assert found.exit_code == 1 and "begins with drill-" in found.output

    def test_says_how_to_make_its_key(self):
        found = CliRunner().invoke(app, ["drill-backend"], env={"TRIVET_DRILL_KEY": ""})
        assert found.exit_code == 1 and "trivet keys create drills --scopes ingest,policy" in found.output
