"""The replay against the real simulated backend: exactly the trace's counts, at the chosen speed, every failure counted."""

import asyncio
import time
from collections import Counter

import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from tests.demo.server import served

from trivet.demo import trace
from trivet.demo.backend import create_app
from trivet.demo.replay import MIX, Driver, client_for, replay
from trivet_collectors import semconv


class TestAReplay:
    LIMIT = 60

    def test_the_server_counts_exactly_what_the_trace_recorded(self, serving, spans):
        lines = []
        with served(create_app(serving)) as url:
            report = replay(trace.CUT, 20.0, url + "/v1", limit=self.LIMIT, say=lines.append)
        arrivals = trace.read(trace.CUT, self.LIMIT)
        assert report.outcomes == Counter(ok=self.LIMIT)
        assert report.input_tokens_used == sum(arrival.input_tokens for arrival in arrivals)
        assert report.output_tokens_used == sum(arrival.output_tokens for arrival in arrivals)
        told = [span.attributes for span in spans.get_finished_spans()]
        assert Counter((t[semconv.GEN_AI_USAGE_INPUT_TOKENS], t[semconv.GEN_AI_USAGE_OUTPUT_TOKENS]) for t in told) == (
            Counter((arrival.input_tokens, arrival.output_tokens) for arrival in arrivals)
        )
        assert Counter((t[semconv.TRIVET_TENANT], t[semconv.TRIVET_SCENARIO]) for t in told) == Counter(
            (call.tenant, call.scenario) for call in trace.calls(arrivals, MIX)
        )
        said = [line for line in lines if f"{self.LIMIT} calls" in line][-1]  # a word on a slow machine may come after
        assert f"{self.LIMIT} ok" in said

    def test_speed_is_times_faster_than_recorded(self, serving):
        arrivals = trace.read(trace.CUT, 20)
        with served(create_app(serving)) as url:
            began = time.monotonic()
            replay(trace.CUT, 10.0, url, limit=20, say=lambda _: None)
        assert arrivals[-1].at_s / 10 <= time.monotonic() - began < arrivals[-1].at_s / 10 + 2

    def test_a_server_that_refuses_is_counted_by_status(self):
        app = FastAPI()

        @app.post("/v1/chat/completions")
        async def busy():
            return JSONResponse({"error": {"message": "busy"}}, 429)

        with served(app) as url:
            report = replay(trace.CUT, 1000.0, url, limit=10, say=lambda _: None)
        assert report.outcomes == Counter({"http 429": 10})
        assert report.failed == 10

    def test_a_server_that_is_not_there_is_counted_too(self, free_port):
        report = replay(trace.CUT, 1000.0, f"http://127.0.0.1:{free_port}", limit=5, say=lambda _: None)
        assert report.outcomes == Counter(ConnectError=5)

    def test_calls_at_once_are_bounded_and_the_report_says_how_late(self, serving):
        most = 0

        async def drive(url):
            nonlocal most
            async with client_for(url) as client:
                driver = Driver(client, concurrency=3)

                def heard(_call, _answer):
                    nonlocal most
                    most = max(most, driver.report.in_flight + 1)

                driver.heard = heard
                await driver.drive(trace.calls(trace.read(trace.CUT, 20), MIX), lambda: 1000.0)
                return driver.report

        with served(create_app(serving)) as url:
            report = asyncio.run(drive(url))
        assert report.outcomes["ok"] == 20
        assert most <= 3
        assert report.late_s_max > 0

    @pytest.mark.parametrize("speed", [0, -1, float("nan"), float("inf")])
    def test_a_speed_that_makes_no_sense_is_refused(self, speed):
        with pytest.raises(ValueError, match="speed"):
            replay(trace.CUT, speed, "http://127.0.0.1:1")
