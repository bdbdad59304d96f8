"""Every operation of the OpenAPI document, called with what it allows and what it does not: no answer is a fault of ours.

`TRIVET_EXAMPLES=50 pytest tests/contract` asks for more of each. The seed is printed, and `TRIVET_SEED` names one.
"""

import os

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from tests.conftest import _app
from tests.support.seeded import seeded

from trivet.settings import get_settings

EXAMPLES = int(os.environ.get("TRIVET_EXAMPLES", "1"))
ENDLESS = {"/ofrep/v1/events"}  # a stream; tests/command/test_events.py holds it
OFTEN = settings(
    max_examples=EXAMPLES, deadline=None, database=None, phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


@pytest.fixture
def operations(client):
    current = get_settings()
    schema = schemathesis.openapi.from_dict(
        _app(current.rest_body_limit_bytes, current.bill_file_limit_bytes).openapi()
    )
    found = [result.ok() for result in schema.get_all_operations()]
    return [operation for operation in found if operation.path not in ENDLESS]


def sent(client, case, headers):
    """The case over the real app: as a server that reads it off the wire would get it."""
    given = case.as_transport_kwargs(base_url="http://127.0.0.1")
    given["headers"] = {**{name: str(value) for name, value in (given.get("headers") or {}).items()}, **headers}
    body = {"content": given["data"]} if isinstance(given.get("data"), bytes | str) else {"data": given.get("data")}
    known = {name: given[name] for name in ("json", "params", "files") if given.get(name) is not None}
    return client.request(
        given["method"], given["url"], headers=given["headers"], **known, **(body if "json" not in known else {})
    )


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
def test_no_answer_is_a_fault_of_ours(operations, client, admin, mode):
    rng, tried, allowing_all, faults = seeded(), 0, 0, []
    for operation in operations:

        @seed(rng.randrange(1 << 32))
        @OFTEN
        @given(case=operation.as_strategy(generation_mode=mode))
        def call(case):
            nonlocal tried
            tried += 1
            answer = sent(client, case, admin)
            if answer.status_code >= 500 and answer.status_code != 503:
                faults.append((case.as_curl_command(), answer.status_code, answer.text[:300]))

        try:
            call()
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE  # nothing to give, so nothing to give wrongly
            allowing_all += 1
    assert faults == []
    assert tried >= len(operations) - allowing_all > len(operations) // 2
