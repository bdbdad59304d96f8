"""Calls that may hang, each on a thread of its own."""

import threading
from collections.abc import Iterator

import pytest
from tests.collectors.ofrep_server import eventually

from trivet_collectors.pipeline.bounded import Bounded, Done


@pytest.fixture
def bounded() -> Iterator[Bounded[str]]:
    bounded: Bounded[str] = Bounded()
    yield bounded
    bounded.close()


class TestBoundedCalls:
    def test_answer_by_name_with_a_value_or_an_error(self, bounded: Bounded[str]) -> None:
        error = ValueError("no")

        def fail() -> int:
            raise error

        assert bounded.run({"a": lambda: 1, "b": fail}, 30.0) == {"a": Done(1), "b": Done(error=error)}

    def test_run_side_by_side(self, bounded: Bounded[str]) -> None:
        both = threading.Barrier(2, timeout=30)
        assert set(bounded.run({"a": both.wait, "b": both.wait}, 30.0)) == {"a", "b"}

    def test_use_one_thread_to_a_name_again_and_again(self, bounded: Bounded[str]) -> None:
        threads = [bounded.run({"a": threading.get_ident}, 30.0)["a"].value for _ in range(5)]
        assert len(set(threads)) == 1

    def test_that_hang_are_missing_and_not_started_again_until_they_are_back(self, bounded: Bounded[str]) -> None:
        release, calls = threading.Event(), []

        def hang() -> str:
            calls.append(1)
            release.wait(60)
            return "late"

        assert bounded.run({"a": hang, "b": lambda: "b"}, 0.2) == {"b": Done("b")}
        assert bounded.hangs("a")
        assert bounded.run({"a": hang}, 0.2) == {}
        assert len(calls) == 1
        release.set()
        eventually(lambda: not bounded.hangs("a"))
        assert bounded.run({"a": lambda: "new"}, 30.0) == {"a": Done("new")}  # and not the late answer

    def test_end_their_threads_when_closed(self) -> None:
        bounded: Bounded[str] = Bounded()
        bounded.run({"closing": lambda: 1}, 30.0)
        bounded.close()
        eventually(lambda: not any(t.name == "trivet-closing" for t in threading.enumerate()))
