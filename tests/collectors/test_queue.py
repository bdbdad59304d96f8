"""Exports on disk: in order, bounded, whole, and there after a crash."""

import errno
import gzip
import os
import stat
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet_collectors.pipeline.queue import NS, Queue, QueueInUseError


def body(text: str) -> bytes:
    return gzip.compress(text.encode(), mtime=0)


class Held:
    """Queues over one directory, what they dropped, and a clock."""

    def __init__(self, directory: Path | None) -> None:
        self.directory = directory
        self.now_ns = 1_000 * NS
        self.dropped: Counter[str] = Counter()
        self._open: Queue | None = None

    def open(self, bytes_max: int = 100_000, age_max_s: float = 1_000) -> Queue:
        """As after a restart: the one before lets go."""
        if self._open is not None:
            self._open.close()
        self._open = Queue(self.directory, bytes_max, age_max_s, self._drop, lambda: self.now_ns)
        return self._open

    def files(self) -> list[str]:
        assert self.directory is not None
        return sorted(path.name for path in self.directory.iterdir() if path.name != "lock")

    def _drop(self, reason: str) -> None:
        self.dropped[reason] += 1


@pytest.fixture
def held(tmp_path: Path) -> Held:
    return Held(tmp_path / "queue")


def drained(queue: Queue) -> list[str]:
    found = []
    while (head := queue.first()) is not None:
        waiting, content = head
        found.append(gzip.decompress(content).decode())
        queue.done(waiting)
    return found


class TestTheQueue:
    def test_gives_exports_back_in_order_and_forgets_those_that_are_done(self, held: Held) -> None:
        queue = held.open()
        for text in ("one", "two", "three"):
            queue.put(body(text))
        assert len(queue) == 3
        assert drained(queue) == ["one", "two", "three"]
        assert (len(queue), queue.bytes, held.files(), held.dropped) == (0, 0, [], Counter())

    def test_keeps_the_first_until_it_is_done(self, held: Held) -> None:
        queue = held.open()
        queue.put(body("one"))
        assert queue.first() == queue.first()

    def test_is_there_after_a_restart_with_the_same_bytes(self, held: Held) -> None:
        queue = held.open()
        queue.put(body("one"))
        queue.put(body("two"))
        again = held.open()
        head = again.first()
        assert head is not None
        assert head[1] == body("one")
        assert again.bytes == len(body("one")) + len(body("two"))
        assert drained(again) == ["one", "two"]

    def test_keeps_the_order_when_the_clock_goes_back(self, held: Held) -> None:
        held.open().put(body("one"))
        held.now_ns -= 500 * NS
        queue = held.open()
        queue.put(body("two"))
        assert drained(queue) == ["one", "two"]

    def test_can_be_read_by_its_owner_only(self, held: Held) -> None:
        held.open().put(body("one"))
        assert held.directory is not None
        (name,) = held.files()
        assert stat.S_IMODE((held.directory / name).stat().st_mode) == 0o600
        assert stat.S_IMODE(held.directory.stat().st_mode) == 0o700

    def test_belongs_to_one_agent(self, held: Held) -> None:
        held.open()
        with pytest.raises(QueueInUseError, match="in use by another agent"):
            Held(held.directory).open()

    def test_says_how_old_the_oldest_is(self, held: Held) -> None:
        queue = held.open()
        assert queue.age_s == 0
        queue.put(body("one"))
        held.now_ns += 30 * NS
        queue.put(body("two"))
        assert queue.age_s == 30


class TestTheLimits:
    def test_when_full_the_oldest_go_and_are_counted(self, held: Held) -> None:
        size = len(body("n0"))
        queue = held.open(bytes_max=3 * size)
        for n in range(5):
            queue.put(body(f"n{n}"))
        assert (queue.bytes, len(held.files())) == (3 * size, 3)
        assert drained(queue) == ["n2", "n3", "n4"]
        assert held.dropped == {"queue_full": 2}

    def test_what_is_too_old_goes_before_it_is_sent(self, held: Held) -> None:
        queue = held.open(age_max_s=60)
        queue.put(body("one"))
        held.now_ns += 50 * NS
        queue.put(body("two"))
        held.now_ns += 11 * NS
        assert drained(queue) == ["two"]
        assert held.dropped == {"too_old": 1}

    def test_what_is_larger_than_all_of_it_is_not_taken(self, held: Held) -> None:
        queue = held.open(bytes_max=10)
        queue.put(body("something longer than ten bytes"))
        assert (len(queue), held.dropped) == (0, {"too_large": 1})

    def test_one_that_went_while_it_was_sent_is_none_to_forget(self, held: Held) -> None:
        queue = held.open(bytes_max=len(body("n0")))
        queue.put(body("n0"))
        head = queue.first()
        assert head is not None
        queue.put(body("n1"))
        queue.done(head[0])
        assert (drained(queue), queue.bytes) == (["n1"], 0)

    @given(st.lists(st.integers(0, 400), max_size=30))
    def test_hold_whatever_is_put(self, sizes: list[int]) -> None:
        """What is there are the newest, all that fit."""
        held = Held(None)
        queue = held.open(bytes_max=1_000)
        texts = [f"{n:03d}" + "x" * size for n, size in enumerate(sizes)]
        for text in texts:
            queue.put(body(text))
            assert queue.bytes <= 1_000
        kept = drained(queue)
        assert kept == texts[len(texts) - len(kept) :]
        assert len(kept) + held.dropped["queue_full"] == len(texts)


class TestAfterACrash:
    @pytest.mark.parametrize("broken", [b"", b"no gzip", body("whole")[:-6], body("whole")[:-1] + b"x"])
    def test_a_torn_file_is_set_aside_and_the_others_go_on(self, held: Held, broken: bytes) -> None:
        held.open().put(body("one"))
        assert held.directory is not None
        (held.directory / f"{5:020d}.otlp.gz").write_bytes(broken)
        assert drained(held.open()) == ["one"]
        assert held.dropped == {"torn": 1}
        assert held.files() == [f"{5:020d}.otlp.gz.torn"]

    def test_one_that_was_being_written_was_never_promised(self, held: Held) -> None:
        held.open().put(body("one"))
        assert held.directory is not None
        (held.directory / f"{5:020d}.otlp.gz.tmp").write_bytes(body("half")[:5])
        assert drained(held.open()) == ["one"]
        assert held.files() == []

    def test_few_torn_files_are_kept_to_be_looked_at(self, held: Held) -> None:
        held.open()
        assert held.directory is not None
        for n in range(20):
            (held.directory / f"{n:020d}.otlp.gz.torn").write_bytes(b"")
        held.open()
        assert len(held.files()) == 10

    def test_a_file_that_somebody_removed_is_passed_over(self, held: Held) -> None:
        queue = held.open()
        queue.put(body("one"))
        queue.put(body("two"))
        assert held.directory is not None
        (held.directory / held.files()[0]).unlink()
        assert drained(queue) == ["two"]
        assert held.dropped == {"file_gone": 1}


class TestADiskThatDoesNotTakeIt:
    def test_leaves_what_is_put_in_memory(self, held: Held) -> None:
        queue = held.open()
        assert held.directory is not None
        (held.directory / "lock").unlink()
        held.directory.rmdir()
        queue.put(body("one"))
        held.directory.mkdir()
        queue.put(body("two"))
        assert len(held.files()) == 1
        assert drained(queue) == ["one", "two"]

    @pytest.mark.parametrize("trouble", [errno.EROFS, errno.ENOSPC, errno.EIO])
    def test_when_it_starts_is_no_reason_not_to_start(
        self, held: Held, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, trouble: int
    ) -> None:
        def broken(*_: Any, **__: Any) -> None:
            raise OSError(trouble, os.strerror(trouble))

        monkeypatch.setattr(Path, "mkdir", broken)  # no test can mount a disk
        queue = held.open()
        queue.put(body("one"))
        assert drained(queue) == ["one"]
        (said,) = caplog.messages
        assert "kept in memory until the next start" in said

    def test_that_was_named_wrongly_is(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(OSError, match="File exists"):
            Held(tmp_path / "file").open()
