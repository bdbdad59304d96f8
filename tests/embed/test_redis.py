"""The embedded Redis: really started, stopped, killed and recovered."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from kombu import Connection

from trivet.embed.child import EmbedError
from trivet.embed.redis import EmbeddedRedis


@pytest.fixture
def running(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(tmp_path) as redis:
        yield redis


def put(redis: EmbeddedRedis, message: str) -> None:
    with Connection(redis.url()) as connection, connection.SimpleQueue("q") as queue:
        queue.put(message)


def take(redis: EmbeddedRedis) -> object:
    with Connection(redis.url()) as connection, connection.SimpleQueue("q") as queue:
        message = queue.get(timeout=40)
        message.ack()
        return message.payload


def test_celerys_transport_talks_to_it(running: EmbeddedRedis) -> None:
    put(running, "hello")
    assert take(running) == "hello"


def test_its_folder_is_closed_to_others(running: EmbeddedRedis) -> None:
    assert (running.data_dir / "redis").stat().st_mode & 0o077 == 0


def test_messages_are_there_after_stop_and_start(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path) as redis:
        put(redis, "kept")
    with EmbeddedRedis(tmp_path) as redis:
        assert take(redis) == "kept"


def test_it_comes_back_after_kill_9_with_its_messages(tmp_path: Path) -> None:
    redis = EmbeddedRedis(tmp_path)
    redis.start()
    put(redis, "kept")
    assert redis.process is not None
    # It flushes to the disk every second, and a killed process loses nothing that it has written.
    os.kill(redis.process.pid, signal.SIGKILL)
    redis.process.wait()
    redis.stop()
    with EmbeddedRedis(tmp_path) as again:
        assert take(again) == "kept"


def test_a_second_start_of_the_same_data_says_who_has_it(running: EmbeddedRedis) -> None:
    with pytest.raises(EmbedError, match=rf"in use by another Trivet \(process {os.getpid()}\)"):
        EmbeddedRedis(running.data_dir).start()


def test_a_path_too_long_for_a_socket_is_fine(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path / ("long-" * 20)) as redis:
        put(redis, "hello")
        assert take(redis) == "hello"


def test_a_failure_shows_the_end_of_the_log(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path):
        pass
    (tmp_path / "redis" / "appendonly.aof").write_text("this is not a command log\n")
    with pytest.raises(EmbedError, match=r"(?s)Redis did not start.*Bad file format"):
        EmbeddedRedis(tmp_path).start()
