"""One receiver's thread: what its source does wrong is said once, waited out, and nobody else's affair."""

import threading
from collections import deque
from collections.abc import Sequence

import pytest
from tests.collectors.ofrep_server import eventually

from trivet_collectors import semconv
from trivet_collectors.agent import Agent, Reader
from trivet_collectors.pipeline.deliver import Sender
from trivet_collectors.pipeline.destination import Answer
from trivet_collectors.pipeline.histogram import Spread
from trivet_collectors.pipeline.meters import Meters
from trivet_collectors.pipeline.queue import Queue
from trivet_collectors.pipeline.reading import Reading
from trivet_collectors.receivers.source import NoSourceError, SourceError

POWER: list[Reading | Spread] = [Reading(semconv.HW_POWER, 300.0, {"hw.id": "a"})]
ENDLESS: list[Reading | Spread] = [Spread(semconv.TRIVET_TTFT, {}, 1e300, 1.0, {})]


class Scripted:
    """A source that does what is written for each round, the last for ever."""

    def __init__(self, name: str, *rounds: Exception | list[Reading | Spread]) -> None:
        self.name = name
        self.interval_s = 0.01
        self.closed = 0
        self._rounds = deque(rounds)

    def open(self) -> None:
        pass

    def read(self) -> Sequence[Reading | Spread]:
        done = self._rounds.popleft() if len(self._rounds) > 1 else self._rounds[0]
        if isinstance(done, Exception):
            raise done
        return done

    def close(self) -> None:
        self.closed += 1


class Bench:
    """A queue in memory, and readers over it."""

    def __init__(self) -> None:
        self.meters = Meters()
        self.queue = Queue(None, 1_000_000, 1_000, lambda _: None)

    def reader(self, source: Scripted) -> Reader:
        stop = threading.Event()
        return Reader(source, resource={}, send_interval_s=0.01, queue=self.queue, meters=self.meters, stop=stop)

    def value(self, name: str, **labels: str) -> float | None:
        return self.meters.registry.get_sample_value(f"trivet_collector_{name}", labels)


@pytest.fixture
def bench() -> Bench:
    return Bench()


class TestAReceiver:
    def test_says_once_what_is_wrong_and_once_that_it_is_well(
        self, bench: Bench, caplog: pytest.LogCaptureFixture
    ) -> None:
        reader = bench.reader(Scripted("page", SourceError("gone"), SourceError("still gone"), POWER))
        up = []
        for _ in range(3):
            reader.round()
            up.append(bench.value("up", receiver="page"))
        assert up == [0, 0, 1]
        assert caplog.messages == ["page cannot be read: gone", "page can be read again"]
        assert bench.value("rounds_total", receiver="page", result="failed") == 2

    def test_outlives_what_nobody_foresaw(self, bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
        reader = bench.reader(Scripted("page", ZeroDivisionError("oh"), POWER))
        reader.round()
        reader.round()
        assert caplog.messages == ["page cannot be read: ZeroDivisionError: oh", "page can be read again"]
        assert reader.lost is None

    def test_outlives_a_number_that_no_export_can_hold(self, bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
        reader = bench.reader(Scripted("page", ENDLESS, POWER))
        for _ in range(2):
            reader.round()
            reader.flush()
        assert len(bench.queue) == 1
        assert bench.value("readings_refused_total", receiver="page", reason="not_encodable") == 1
        assert [message.split(":")[0] for message in caplog.messages] == ["page gave what cannot be sent"]

    def test_waits_longer_each_time_up_to_a_minute(self, bench: Bench) -> None:
        source = Scripted("page", *[SourceError("gone")] * 20, POWER)
        source.interval_s = 10
        reader = bench.reader(source)
        waits = []
        for _ in range(21):
            reader.round()
            waits.append(reader._pause_s())
        assert (waits[:4], waits[-2:]) == ([20, 40, 60, 60], [60, 10])


class TestAnAgent:
    def agent(self, bench: Bench, *sources: Scripted) -> Agent:
        sender = Sender(bench.queue, lambda _: Answer(200), bench.meters)
        return Agent(
            sources, resource=lambda _: {}, send_interval_s=0.01, queue=bench.queue, sender=sender, meters=bench.meters
        )

    def test_ends_when_no_source_can_ever_be_read_again(self, bench: Bench) -> None:
        source = Scripted("nvml", NoSourceError("the driver was replaced"))
        assert self.agent(bench, source).run() is False
        assert source.closed == 1

    def test_goes_on_while_one_can(self, bench: Bench) -> None:
        lost, well = Scripted("nvml", NoSourceError("replaced")), Scripted("page", POWER)
        agent = self.agent(bench, lost, well)
        told: list[bool] = []
        thread = threading.Thread(target=lambda: told.append(agent.run()))
        thread.start()
        eventually(lambda: lost.closed and (bench.value("sends_total", result="delivered") or 0) > 1, within_s=20)
        agent.stop.set()
        thread.join(20)
        assert told == [True]
        assert (lost.closed, well.closed, len(bench.queue)) == (1, 1, 0)
