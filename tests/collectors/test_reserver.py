"""The policy client reserves against the real service: the app, its database and HTTP on loopback."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
import uvicorn
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import Engine
from tests.budget.reserve.support import budget, dollar_tokens, windows
from tests.collectors.ofrep_server import eventually

from trivet_collectors.policy.blocks import Lane
from trivet_collectors.policy.lane import Call, Refusal, Usage, size_class
from trivet_collectors.policy.reserve_transport import Away, ReserveTransport
from trivet_collectors.policy.reserver import RefusedError, Reserver
from trivet_collectors.policy.reserving import Reserving

CALL = Call(tenant="acme", scenario="chat", amount="1", currency="USD")
NOWHERE = "http://127.0.0.1:1"


class Service:
    """The app on a port of its own, in a thread."""

    def __init__(self) -> None:
        from trivet.app import create_app

        self.server = uvicorn.Server(uvicorn.Config(create_app(), port=0, log_level="error", lifespan="off"))
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()
        eventually(lambda: self.server.started)
        self.url = f"http://127.0.0.1:{self.server.servers[0].sockets[0].getsockname()[1]}"

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join()


@pytest.fixture(scope="module")
def serving(shared_engine: Engine) -> Iterator[Service]:
    """One for all tests here; each finds the database empty."""
    made = Service()
    yield made
    made.stop()


@pytest.fixture
def service(serving: Service, database: str) -> Service:
    return serving


@pytest.fixture
def key(make_key: Callable[..., str]) -> str:
    return make_key(["policy"])


@pytest.fixture
def reserver(service: Service, key: str) -> Iterator[Reserver]:
    made = Reserver(service.url, key, every_s=0.01)
    yield made
    made.stop()


class TestACall:
    def test_draws_from_a_block_so_that_only_the_first_asks(self, reserver: Reserver) -> None:
        budget("all", "100")
        held = [reserver.draw(CALL) for _ in range(4)]
        assert len({each.id for each in held}) == 1
        assert held[0].attributes == {"trivet.reservation": held[0].id}
        assert (reserver.counted["round_trips"], reserver.counted["drawn"]) == (1, 4)
        assert [row[2] for row in windows()] == [4]

    def test_has_blocks_taken_ahead_in_the_background(self, reserver: Reserver) -> None:
        budget("all", "1000")
        reserver.start()
        reserver.draw(CALL).post()
        for _ in range(30):
            eventually(lambda: any(lane.left(time.monotonic()) for lane in reserver._lanes.values()))
            reserver.draw(CALL).post()
        assert reserver.counted["round_trips"] == 1

    def test_posts_what_it_came_to_in_the_background(self, reserver: Reserver) -> None:
        budget("all", "10000")
        dollar_tokens()
        reserver.start()
        call = Call(tenant="acme", provider="house", model="dollar", input_tokens=10, max_output_tokens=0, n=1)
        with reserver.call(call) as held:
            held.post(Usage(input=3))
        # Three of its 1,024 tokens are posted; what was not drawn stays held until it is given back.
        reserver.stop()
        assert windows() == [("all", 0, 3)]

    def test_that_was_not_made_is_drawn_again(self, reserver: Reserver) -> None:
        budget("all", "100")
        held = reserver.draw(CALL)
        held.give_back()
        held.give_back()
        assert [lane.left(time.monotonic()) for lane in reserver._lanes.values()] == [4]

    def test_is_bounded_as_its_lane_and_never_below_itself(self) -> None:
        assert [size_class(n) for n in (None, 0, 1_024, 1_025, 5_000)] == [None, 1_024, 1_024, 2_048, 8_192]
        assert Call(input_tokens=900, cache_write_tokens=0).lane() == Call(input_tokens=1_024, cache_write_tokens=0)

    def test_in_an_event_loop_holds_up_nobody(self, reserver: Reserver) -> None:
        budget("all", "100")

        async def several() -> list[Any]:
            async def one() -> Any:
                async with reserver.acall(CALL) as held:
                    return held.id

            return await asyncio.gather(*(one() for _ in range(4)))

        assert len(set(asyncio.run(several()))) == 1


class TestABudgetWithoutRoom:
    def test_refuses_and_names_itself_without_asking_each_time(self, reserver: Reserver) -> None:
        budget("small", "2")
        assert reserver.draw(CALL).id
        assert reserver.draw(CALL).id
        with pytest.raises(RefusedError) as refused:
            reserver.draw(CALL)
        assert (refused.value.refusal.kind, refused.value.refusal.budget) == ("budget-exceeded", "small")
        trips = reserver.counted["round_trips"]
        with pytest.raises(RefusedError):
            reserver.draw(CALL)
        assert reserver.counted["round_trips"] == trips
        assert [row[2] for row in windows()] == [2]

    def test_is_never_passed_by_many_threads(self, reserver: Reserver) -> None:
        budget("all", "50")
        drawn: list[str] = []

        def ask() -> None:
            for _ in range(20):
                try:
                    drawn.append(reserver.draw(CALL).id or "")
                except RefusedError:
                    return

        threads = [threading.Thread(target=ask) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(drawn) == 50
        assert [row[2] for row in windows()] == [50]


class TestAServiceThatCannotBeReached:
    def test_refuses_calls_where_it_is_closed(self, caplog: pytest.LogCaptureFixture) -> None:
        reserver = Reserver(NOWHERE, "key")
        with caplog.at_level(logging.WARNING, "trivet.policy"):
            for _ in range(3):
                with pytest.raises(RefusedError, match="closed meanwhile"):
                    reserver.draw(CALL)
        assert reserver.counted["refused"] == 3
        assert len(caplog.records) == 1

    def test_lets_them_pass_without_a_hold_where_it_is_open(self) -> None:
        reserver = Reserver(NOWHERE, "key", unreachable="open")
        with reserver.call(CALL) as held:
            assert (held.id, held.attributes) == (None, {})
        assert reserver.counted["without_hold"] == 1
        assert reserver.problem

    def test_is_not_asked_by_every_call(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("trivet_collectors.policy.reserver.AWAY_S", 3_600)
        reserver = Reserver(NOWHERE, "key", unreachable="open", transport=(silent := Silent()))
        others = [Call(tenant=f"t{n}", amount="1", currency="USD") for n in range(5)]
        assert [reserver.draw(call).id for call in [CALL, CALL, *others]] == [None] * 7
        assert silent.asked == 1

    def test_is_looked_for_by_one_call_while_others_pass(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("trivet_collectors.policy.reserver.AWAY_S", 0)
        reserver = Reserver(NOWHERE, "key", unreachable="open", transport=(silent := Silent()))
        reserver.draw(CALL)
        silent.answers.clear()
        one = threading.Thread(target=reserver.draw, args=(CALL,))
        one.start()
        eventually(lambda: silent.asked == 2)
        assert reserver.draw(CALL).id is None  # while the other waits for its answer
        silent.answers.set()
        one.join()
        assert silent.asked == 2

    def test_is_taken_as_the_budget_last_said(self, service: Service, key: str) -> None:
        budget("all", "100", unreachable="open")
        transport = Sometimes(ReserveTransport(service.url, key, timeout_s=2))
        reserver = Reserver(service.url, key, transport=transport)
        held = [reserver.draw(CALL) for _ in range(4)]
        transport.away = True
        assert reserver.draw(CALL).id is None
        with pytest.raises(RefusedError):
            reserver.draw(Call(tenant="bolt", amount="1", currency="USD"))  # of its budgets nothing was heard
        assert all(each.id for each in held)
        transport.away = False
        reserver.stop()

    def test_goes_on_drawing_what_it_holds_and_posts_once_it_is_back(self, service: Service, key: str) -> None:
        budget("all", "100")
        transport = Sometimes(ReserveTransport(service.url, key, timeout_s=2))
        reserver = Reserver(service.url, key, transport=transport)
        first = reserver.draw(CALL)
        transport.away = True
        second = reserver.draw(CALL)
        assert second.id == first.id
        first.post(Usage())
        second.post(Usage())
        reserver.tick(ahead=False)
        assert [row[2] for row in windows()] == [4]
        transport.away = False
        reserver.tick(ahead=False)
        assert [row[2] for row in windows()] == [2]
        reserver.stop()
        assert [row[2] for row in windows()] == [0]

    def test_says_that_a_key_is_not_accepted(self, service: Service) -> None:
        transport = ReserveTransport(service.url, "tvt_wrong", timeout_s=2)
        assert transport.send(hold=[CALL.body()]) == Away("HTTP 401", denied=True)
        transport.close()


class Silent:
    """A service that answers nothing; who asks waits where `answers` is cleared."""

    def __init__(self) -> None:
        self.asked, self.answers = 0, threading.Event()
        self.answers.set()

    def send(self, hold: Any = (), post: Any = (), void: Any = ()) -> Any:
        self.asked += 1
        self.answers.wait()
        return Away("timed out")

    def close(self) -> None:
        """There is nothing to close."""


class Sometimes:
    """A transport whose line can be cut."""

    def __init__(self, transport: ReserveTransport) -> None:
        self.transport, self.away = transport, False

    def send(self, hold: Any = (), post: Any = (), void: Any = ()) -> Any:
        return Away("cut") if self.away else self.transport.send(hold, post, void)

    def close(self) -> None:
        self.transport.close()


class TestAnAppBehindTheMiddleware:
    """A call for each request to /chat; the app answers with what it holds."""

    @staticmethod
    def answer(reserver: Reserver, path: str = "/chat") -> httpx.Response:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            del receive
            held = scope.get("state", {}).get("trivet_held")
            if held:
                held.post(Usage())
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": str(held and held.id).encode()})

        reserving = Reserving(app, reserver, lambda scope: CALL if scope["path"] == "/chat" else None)

        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(reserving), base_url="http://app") as client:  # type: ignore[arg-type]
                return await client.get(path)

        return asyncio.run(ask())

    def test_holds_what_a_request_may_cost_and_says_so_on_its_span(self, reserver: Reserver) -> None:
        budget("all", "100")
        spans = InMemorySpanExporter()
        tracing = TracerProvider(shutdown_on_exit=False)
        tracing.add_span_processor(SimpleSpanProcessor(spans))
        with tracing.get_tracer("app").start_as_current_span("chat"):
            held = self.answer(reserver).text
        [span] = spans.get_finished_spans()
        assert (span.attributes or {})["trivet.reservation"] == held
        reserver.stop()
        assert [row[2] for row in windows()] == [0]

    def test_is_not_called_where_there_is_no_room(self, reserver: Reserver) -> None:
        budget("small", "0.5")
        refused = self.answer(reserver)
        assert refused.status_code == 402
        assert refused.json()["type"] == "urn:trivet:problem:budget-exceeded"
        assert refused.json()["budget"] == "small"

    def test_is_told_to_come_back_where_nobody_can_say(self) -> None:
        refused = self.answer(Reserver(NOWHERE, "key"))
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")

    def test_passes_what_calls_no_model(self, reserver: Reserver) -> None:
        assert self.answer(reserver, "/health").text == "None"
        assert reserver.counted["round_trips"] == 0


class TestABlock:
    def test_is_not_drawn_from_in_the_last_quarter_of_its_time(self) -> None:
        lane = Lane(CALL)
        lane.granted("one", 4, now=0.0, ttl_s=60, calls_max=256)
        assert lane.draw(44.9) == "one"
        assert lane.draw(45.0) is None
        assert [block.left for block in lane.over(45.0)] == [3]

    def test_grows_where_it_is_drawn_empty_and_shrinks_where_it_is_not_touched(self) -> None:
        lane = Lane(CALL)
        lane.granted("one", 4, 0.0, 60, 256)
        for _ in range(3):
            lane.draw(1.0)
        lane.granted("two", 4, 1.0, 60, 256)
        assert lane.calls == 8
        lane.granted("three", 8, 2.0, 60, 256)
        assert lane.calls == 4

    def test_that_does_not_fit_is_asked_for_smaller_and_at_last_for_one_call(self) -> None:
        lane, refusal = Lane(CALL, calls=64), Refusal("no room", "budget-exceeded")
        asked = []
        while lane.refusal is None:
            asked.append(lane.calls)
            lane.refused(refusal, lane.calls, 0.0, 1.0)
        assert asked == [64, 16, 4, 1]
        assert Decimal(lane.refused_until) == 1
