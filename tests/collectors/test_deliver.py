"""Sending: what each answer means, how long to wait, and that nothing is tried for ever."""

import gzip
import logging
from collections import deque
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.collectors.agent_support import Said, Server, partly, serving

from trivet_collectors.pipeline.deliver import BACKOFF_MAX_S, HINTS, Sender, pause_s, verdict
from trivet_collectors.pipeline.destination import Answer, destination, pairs, seconds
from trivet_collectors.pipeline.meters import Meters
from trivet_collectors.pipeline.queue import Queue

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


class Line:
    """A sender over a queue in memory, with answers made up beforehand."""

    def __init__(self, *answers: Answer) -> None:
        self.meters = Meters()
        self.queue = Queue(None, 10_000, 1_000, lambda _: None)
        self.answers = deque(answers)
        self.posted: list[bytes] = []
        self.sender = Sender(self.queue, self._post, self.meters, draw=lambda: 1.0)

    def put(self, *texts: str) -> "Line":
        for text in texts:
            self.queue.put(gzip.compress(text.encode(), mtime=0))
        return self

    def steps(self, count: int) -> list[float | None]:
        return [self.sender.step() for _ in range(count)]

    def sent(self) -> list[str]:
        return [gzip.decompress(body).decode() for body in self.posted]

    def counted(self, name: str, **labels: str) -> float | None:
        return self.meters.registry.get_sample_value(f"trivet_collector_{name}_total", labels)

    def _post(self, body: bytes) -> Answer:
        self.posted.append(body)
        return self.answers.popleft() if self.answers else Answer(200)


class TestAnAnswer:
    @pytest.mark.parametrize(
        ("statuses", "meant"),
        [
            ((200, 202, 204), "delivered"),
            ((0, 429, 502, 503, 504), "again"),
            ((400, 409, 413, 415, 422), "refused"),
        ],
    )
    def test_is_what_otlp_says_it_is(self, statuses: tuple[int, ...], meant: str) -> None:
        assert {verdict(status, tries=1_000) for status in statuses} == {meant}

    @pytest.mark.parametrize("status", [301, 302, 307, 308, 401, 403, 404, 405, 407])
    def test_about_the_key_or_the_address_waits_for_who_sets_it_right(self, status: int) -> None:
        assert {verdict(status, tries) for tries in (1, 8, 1_000)} == {"again"}

    def test_500_may_be_this_exports_fault_and_is_tried_a_few_times(self) -> None:
        assert [verdict(500, tries) for tries in (1, 7, 8)] == ["again", "again", "refused"]


class TestTheWait:
    def test_doubles_up_to_a_minute(self) -> None:
        assert [pause_s(n, 0, draw=1.0) for n in (1, 2, 3, 7, 1_000)] == [1, 2, 4, 60, BACKOFF_MAX_S]

    def test_is_as_long_as_was_asked_up_to_five_minutes(self) -> None:
        assert [pause_s(1, asked, draw=0.0) for asked in (0.1, 90, 7_200)] == [0.5, 90, 300]

    @given(st.integers(1, 10_000), st.floats(0, 1))
    def test_is_spread_over_half_of_it(self, failures: int, draw: float) -> None:
        whole = pause_s(failures, 0, 1.0)
        assert whole / 2 <= pause_s(failures, 0, draw) <= whole

    @pytest.mark.parametrize(
        ("header", "meant"),
        [
            (None, 0),
            ("30", 30),
            ("Sat, 21 Nov 2026 10:00:45 GMT", 45),
            ("Sat, 21 Nov 2026 09:00:00 GMT", 0),
            ("soon", 0),
            ("Sat, 21 Nov 2026 10:00:45", 0),
        ],
    )
    def test_is_read_from_the_header(self, header: str | None, meant: float) -> None:
        assert seconds(header, NOW) == meant


class TestSending:
    def test_goes_in_order_and_the_first_holds_the_others_up(self) -> None:
        line = Line(Answer(503, "HTTP 503", 7), Answer(0, "refused")).put("one", "two")
        assert line.steps(5) == [7, 2, 0, 0, None]
        assert line.sent() == ["one", "one", "one", "two"]
        assert line.counted("sends", result="again") == 2
        assert line.counted("sends", result="delivered") == 2

    def test_begins_to_wait_anew_after_one_went_through(self) -> None:
        line = Line(Answer(503), Answer(503), Answer(200), Answer(503)).put("one", "two")
        assert line.steps(4) == [1, 2, 0, 1]

    def test_drops_what_is_refused_and_says_why(self, caplog: pytest.LogCaptureFixture) -> None:
        line = Line(Answer(413, "HTTP 413 Content Too Large")).put("one", "two")
        assert line.steps(3) == [0, 0, None]
        assert line.counted("exports_dropped", reason="http_413") == 1
        assert line.sent() == ["one", "two"]
        assert caplog.messages == [
            "delivery failed, what is read is lost: HTTP 413 Content Too Large",
            "delivery works again",
        ]

    def test_keeps_what_waits_for_another_key_and_says_so_once(self, caplog: pytest.LogCaptureFixture) -> None:
        line = Line(*[Answer(401, "HTTP 401 Unauthorized")] * 20).put("one", "two")
        waits = line.steps(20)
        assert (waits[0], waits[-1], len(line.queue)) == (1, BACKOFF_MAX_S, 2)
        assert line.steps(3) == [0, 0, None]
        assert line.sent()[-2:] == ["one", "two"]
        assert line.counted("exports_dropped", reason="http_401") is None
        assert caplog.messages == [
            f"delivery failed, what is read waits until it works again: HTTP 401 Unauthorized: {HINTS[401]}",
            "delivery works again",
        ]

    def test_gives_up_on_one_that_breaks_the_server(self) -> None:
        line = Line(*[Answer(500, "HTTP 500")] * 8).put("poison", "two")
        line.steps(9)
        assert line.sent() == ["poison"] * 8 + ["two"]
        assert line.counted("exports_dropped", reason="http_500") == 1

    def test_counts_what_was_taken_in_part_and_says_it_once(self, caplog: pytest.LogCaptureFixture) -> None:
        line = Line(*[Answer(200, body=partly(3, "too_old: 3").body)] * 2).put("one", "two")
        line.steps(2)
        assert (len(line.queue), line.counted("points_rejected")) == (0, 6)
        assert caplog.messages == ["3 points were not taken: too_old: 3"]

    def test_takes_an_answer_that_is_no_protobuf_for_a_yes(self) -> None:
        line = Line(Answer(200, body=b"<html>")).put("one")
        line.steps(1)
        assert len(line.queue) == 0

    def test_says_once_that_it_waits(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.WARNING)
        line = Line(*[Answer(503, "HTTP 503")] * 5).put("one")
        line.steps(6)
        assert caplog.messages == [
            "delivery failed, what is read waits until it works again: HTTP 503",
            "delivery works again",
        ]


class TestTheDestination:
    def test_is_the_endpoint_with_the_key(self) -> None:
        made = destination("https://trivet.example/", "tvt_1", {})
        assert made.url == "https://trivet.example/v1/metrics"
        assert made.headers["authorization"] == "Bearer tvt_1"
        assert made.headers["content-encoding"] == "gzip"

    def test_is_taken_from_the_opentelemetry_variables(self) -> None:
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:4318",
            "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20tvt_2,x-a=b",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "3",
        }
        made = destination(None, None, variables)
        assert (made.url, made.timeout_s) == ("http://a:4318/v1/metrics", 3)
        assert (made.headers["authorization"], made.headers["x-a"]) == ("Bearer tvt_2", "b")
        own = {**variables, "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://b/metrics"}
        assert destination(None, None, own).url == "http://b/metrics"

    @pytest.mark.parametrize(
        "endpoint", ["trivet.example", "ftp://trivet.example", "file:///etc/passwd", "http://me:pw@t", "http://a b"]
    )
    def test_is_http_and_nothing_else(self, endpoint: str) -> None:
        with pytest.raises(ValueError, match="begins with http:// or https://"):
            destination(endpoint, None, {})

    def test_may_be_given_with_its_path(self) -> None:
        assert destination("http://t/v1/metrics/", None, {}).url == "http://t/v1/metrics"

    @pytest.mark.parametrize(("text", "seconds_"), [("3", 3), ("10000", 10), ("", 10)])
    def test_takes_a_time_in_either_unit_that_opentelemetry_has(self, text: str, seconds_: float) -> None:
        assert destination("http://t", None, {"OTEL_EXPORTER_OTLP_TIMEOUT": text}).timeout_s == seconds_

    @pytest.mark.parametrize("text", ["soon", "-1", "nan", "inf"])
    def test_says_which_variable_is_no_time(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"OTEL_EXPORTER_OTLP_TIMEOUT: .* is no time"):
            destination("http://t", None, {"OTEL_EXPORTER_OTLP_TIMEOUT": text})

    def test_that_answers_with_a_web_page_is_not_trivet(self) -> None:
        with serving(Server(usual=Said(headers={"Content-Type": "text/html; charset=utf-8"}, body=b"<html>"))) as page:
            answer = destination(page.url, None, {}).post(b"")
        assert (answer.status, answer.problem) == (0, "a web page answers there: is this Trivet's address?")

    def test_reads_pairs_as_opentelemetry_writes_them(self) -> None:
        assert pairs("a=1, b=two%20words,c=d=e,,=x,nothing") == {"a": "1", "b": "two words", "c": "d=e"}


class TestTheWaits:
    def test_never_shrink_while_it_fails(self) -> None:
        assert all(pause_s(n, 0, 1.0) <= pause_s(m, 0, 1.0) for n, m in pairwise(range(1, 50)))
