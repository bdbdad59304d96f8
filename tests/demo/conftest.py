import socket

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.demo.fake_trivet import FakeTrivet
from tests.demo.server import served

from trivet.demo.backend import Serving, create_app
from trivet_collectors.policy.evaluate import DEFAULTS


@pytest.fixture
def trivet():
    with FakeTrivet() as fake:
        yield fake


@pytest.fixture
def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Said:
    """Policies by word of mouth: `flags[scenario]` over the defaults."""

    def __init__(self):
        self.flags = {}

    def policy(self, tenant=None, scenario="", session=None):
        return {**DEFAULTS, **self.flags.get((scenario, tenant), self.flags.get(scenario, {}))}


@pytest.fixture
def spans():
    """The spans that the served app has ended."""
    return InMemorySpanExporter()


@pytest.fixture
def serving(spans):
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    yield Serving(Said(), provider.get_tracer("test"), timeouts_s={"hasty": 0.15})
    provider.shutdown()


@pytest.fixture
def http(serving):
    """A client of the app on a real server: streams are streams and a caller can really leave."""
    with served(create_app(serving)) as url, httpx.Client(base_url=url, timeout=10) as client:
        yield client
