"""A backend to drill ladders on: it follows the policy like any other, serves nobody, and tells what it runs under.

Each second it tells of one call for each scenario of its policy, as turned away: a refused call proves generation and level
like every other, and enters no rate guard, no cost and no quality. So a drill leaves no trace in the numbers of people.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer

from trivet.demo import telemetry
from trivet_collectors import semconv
from trivet_collectors.policy.client import PolicyClient, attributes_of
from trivet_collectors.policy.evaluate import FlagValue

PREFIX = "drill-"
TENANT = "drill"
REASON = "drill"  # why the call was turned away
POLL_S, TELL_S = 0.5, 1.0
SCENARIOS_MAX = 200


class Policies(Protocol):
    """What is needed of the policy client."""

    @property
    def situation(self) -> Any: ...

    def policy(
        self, tenant: str | None = None, scenario: str = "", session: str | None = None
    ) -> Mapping[str, FlagValue]: ...


def scenarios(policies: Policies, only: tuple[str, ...]) -> list[str]:
    """Those that are told of: of the document held, or of it those that are named."""
    document = policies.situation.document or {}
    known = sorted(document.get("scenarios", {}))
    return [name for name in known if not only or name in only][:SCENARIOS_MAX]


def tell(policies: Policies, tracer: Tracer, name: str, only: tuple[str, ...] = ()) -> int:
    """One call for each scenario, under the policy that holds at this moment; how many."""
    told = scenarios(policies, only)
    for scenario in told:
        flags = policies.policy(tenant=TENANT, scenario=scenario, session=name)
        span = tracer.start_span(
            "chat drill",
            kind=SpanKind.CLIENT,
            attributes={
                semconv.GEN_AI_OPERATION_NAME: "chat",
                semconv.GEN_AI_PROVIDER_NAME: telemetry.PROVIDER,
                semconv.GEN_AI_REQUEST_MODEL: "drill",
                semconv.TRIVET_BACKEND: name,
                semconv.TRIVET_TENANT: TENANT,
                semconv.TRIVET_SCENARIO: scenario,
                semconv.TRIVET_OUTCOME: semconv.OUTCOME_REJECTED,
                semconv.ERROR_TYPE: REASON,
                semconv.TRIVET_CACHE_RESPONSE_HIT: True,  # no model ran: it costs nothing, whatever the price book says
                semconv.GEN_AI_USAGE_INPUT_TOKENS: 0,
                semconv.GEN_AI_USAGE_OUTPUT_TOKENS: 0,
                **attributes_of(flags),
            },
        )
        span.set_status(Status(StatusCode.ERROR, REASON))
        span.end()
    return len(told)


def run(
    endpoint: str, api_key: str, name: str, only: tuple[str, ...], *, until: threading.Event, say: Callable[[str], None]
) -> None:
    """Follow the policy and tell of it until told to stop. The key needs `ingest` and `policy`."""
    provider = telemetry.tracer_provider(telemetry.otlp_exporter(endpoint, api_key), name)
    policies = PolicyClient(endpoint, api_key, name, None, poll_interval_s=POLL_S)
    policies.start()
    tracer = provider.get_tracer("trivet.drill")
    say(f"{name} follows the policy of {endpoint} and serves nobody; drill it: POST /api/v1/drills")
    try:
        while not until.wait(TELL_S):
            tell(policies, tracer, name, only)
    finally:
        policies.stop()
        provider.shutdown()
