"""A scraped engine up to what Trivet keeps: the recorded page, the agent's own pipeline, the real app and database."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.collectors.agent_support import Said, Server, serving
from tests.collectors.pages import at_nothing, text_of

from trivet import db
from trivet.kit.clock import floor, rfc3339, utc_now
from trivet.kit.interval import Interval
from trivet.rollup import signals
from trivet_collectors.agent import Reader
from trivet_collectors.config import PrometheusConfig
from trivet_collectors.pipeline.deliver import Sender
from trivet_collectors.pipeline.destination import Answer
from trivet_collectors.pipeline.meters import Meters
from trivet_collectors.pipeline.queue import Queue
from trivet_collectors.receivers.prometheus import PrometheusSource


class Scraped:
    """One target, read twice: at nothing and as recorded. What is sent goes to the app."""

    def __init__(self, target: Server, client: TestClient, key: str) -> None:
        self._target = target
        self._client = client
        self._headers = {
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/x-protobuf",
            "Content-Encoding": "gzip",
        }
        self.meters = Meters()
        self.queue = Queue(None, 1_000_000, 3_600, lambda _: None)
        self.sender = Sender(self.queue, self.post, self.meters)
        self.bodies: list[bytes] = []

    def post(self, body: bytes) -> Answer:
        self.bodies.append(body)
        answer = self._client.post("/v1/metrics", content=body, headers=self._headers)
        return Answer(answer.status_code, answer.text, body=answer.content)

    def page(self, name: str, **config: Any) -> None:
        source = PrometheusSource(PrometheusConfig(url=self._target.url, **config))
        reader = Reader(
            source,
            resource={"service.name": "trivet-collector", "host.name": "gpu-7", "trivet.pool": "h200-a"},
            send_interval_s=10,
            queue=self.queue,
            meters=self.meters,
            stop=threading.Event(),
        )
        for text in (at_nothing(text_of(name)), text_of(name)):
            self._target.usual = Said(body=text.encode())
            reader.round()
        reader.flush()
        while self.sender.step() is not None:
            pass


@pytest.fixture
def scraped(client: TestClient, make_key: Callable[..., str]) -> Iterator[Scraped]:
    with serving() as target:
        yield Scraped(target, client, make_key(["ingest"]))


def kept(*by: str) -> dict[tuple[Any, ...], signals.Signal]:
    now = floor(utc_now(), 10)
    with db.transaction() as session:
        return signals.read(session, Interval(now - timedelta(minutes=5), now + timedelta(minutes=5)), ["metric", *by])


class TestAScrapedVllm:
    def test_is_kept_as_its_engines_say(self, scraped: Scraped) -> None:
        scraped.page("vllm-0.26-made", backend="vllm-1")
        assert scraped.meters.registry.get_sample_value("trivet_collector_points_rejected_total") == 0
        found = kept("detail")
        running = found["trivet.requests.running", ""]
        assert (running.samples, running.mean, running.least, running.most) == (
            2,
            4,
            0,
            8,
        )  # both scrapes, as one point
        assert found["trivet.kv_cache.usage", ""].most == 0.5
        assert {
            key: signal.total
            for key, signal in found.items()
            if key[0] in ("trivet.tokens", "trivet.requests.finished")
        } == {
            ("trivet.tokens", "input"): 2300,
            ("trivet.tokens", "cache_read"): 1700,
            ("trivet.tokens", "output"): 1200,
            ("trivet.requests.finished", "ok"): 55,
            ("trivet.requests.finished", "error"): 3,
        }

    def test_has_the_latencies_of_its_histograms(self, scraped: Scraped) -> None:
        scraped.page("vllm-0.26-made", backend="vllm-1")
        ttft = kept()[("trivet.engine.ttft",)]
        assert (ttft.samples, ttft.total) == (58, 9.0)
        median, _, _, slowest = ttft.quantiles_ms()
        assert median is not None
        assert median <= 100  # 40 of 58 took at most 0.1 s
        assert slowest is not None
        assert slowest >= 990  # more than 1 s, of which no bound tells more; bins are within 1 %

    def test_is_counted_once_though_it_is_sent_again(self, scraped: Scraped) -> None:
        scraped.page("vllm-0.26-made", backend="vllm-1")
        before = kept("detail")
        assert scraped.post(scraped.bodies[0]).status == 200
        assert kept("detail") == before

    def test_is_told_by_backend_pool_and_model(
        self, scraped: Scraped, client: TestClient, admin: dict[str, str]
    ) -> None:
        scraped.page("vllm-0.26-made", backend="vllm-1")
        now = floor(utc_now(), 10)
        asked = {
            "from": rfc3339(now - timedelta(minutes=5)),
            "to": rfc3339(now + timedelta(minutes=5)),
            "metric": "trivet.tokens",
            "group_by": "backend,pool,model,detail",
        }
        items = client.get("/api/v1/signals", headers=admin, params=asked).json()["items"]
        assert {(i["backend"], i["pool"], i["model"], i["detail"]): i["total"] for i in items} == {
            ("vllm-1", "h200-a", "llama-70b", "cache_read"): 1700,
            ("vllm-1", "h200-a", "llama-70b", "input"): 2300,
            ("vllm-1", "h200-a", "llama-70b", "output"): 1200,
        }


class TestOtherPages:
    @pytest.mark.parametrize(
        "name", ["sglang-0.4", "sglang-made", "tgi", "triton", "llamacpp-made", "dynamo-made", "litellm-2"]
    )
    def test_are_kept_without_a_refusal(self, scraped: Scraped, name: str) -> None:
        scraped.page(name, backend="b", model="m")
        assert scraped.meters.registry.get_sample_value("trivet_collector_points_rejected_total") == 0
        assert len(kept()) >= 2

    @pytest.mark.parametrize("name", ["dcgm-t4", "dcgm-mig-made"])
    def test_of_cards_are_kept_as_theirs(self, scraped: Scraped, name: str) -> None:
        scraped.page(name)
        assert scraped.meters.registry.get_sample_value("trivet_collector_points_rejected_total") == 0
        with db.transaction() as session:
            found = session.connection().exec_driver_sql("SELECT DISTINCT metric FROM gpu_sample").scalars().all()
        assert {"hw.power", "hw.energy", "hw.gpu.memory.usage"} <= set(found)
