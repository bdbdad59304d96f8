"""The supervisor: real processes that die, come back, and are stopped in order."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from trivet.embed import left_over
from trivet.embed.child import EmbedError, runs
from trivet.embed.echo import Echo
from trivet.embed.logs import bound_logs, tail
from trivet.embed.supervisor import Program, Supervisor, pause_s


class Console:
    """What a person would read."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, line: str) -> None:
        self.lines.append(line)

    def has(self, text: str) -> bool:
        return any(text in line for line in self.lines)


@pytest.fixture
def console() -> Console:
    return Console()


@pytest.fixture
def supervisor(tmp_path: Path, console: Console) -> Iterator[Supervisor]:
    made = Supervisor(tmp_path / "run", console)
    yield made
    made.stop()


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., Program]:
    def make(name: str, script: str, **options: object) -> Program:
        env = {**os.environ, **left_over.mark(tmp_path)}
        settings: dict[str, object] = {"stop_s": 0.5, **options}
        return Program(name, ["/bin/sh", "-c", script], tmp_path / f"{name}.log", env, **settings)  # type: ignore[arg-type]  # a table of options

    return make


def watch(supervisor: Supervisor, until: Callable[[], bool], limit_s: float = 40.0) -> None:
    deadline = time.monotonic() + limit_s
    supervisor.run(lambda: time.monotonic() > deadline, until=until)
    assert until()


def pid_of(part: Program) -> int:
    assert part.process is not None
    return part.process.pid


def at_its_end(folder: Path, name: str, last_words: str) -> str:
    """A script that says when it is up, and does something before it ends as asked."""
    return f"trap '{last_words}; exit 0' TERM; touch {folder}/{name}.up; while :; do sleep 0.02; done"


class TestDeath:
    def test_a_killed_part_is_restarted_and_that_is_said(
        self, supervisor: Supervisor, program: Callable[..., Program], console: Console
    ) -> None:
        part = program("sleeper", "exec sleep 60")
        supervisor.start(part)
        first = pid_of(part)
        os.kill(first, signal.SIGKILL)
        watch(supervisor, lambda: console.has("sleeper restarted"))
        assert pid_of(part) != first
        assert runs(pid_of(part), "sleep") or runs(pid_of(part), "leash")
        assert console.has("sleeper died (signal SIGKILL); restart in 0.5 s")

    def test_a_part_that_always_dies_is_tried_ever_more_slowly(
        self, supervisor: Supervisor, program: Callable[..., Program], console: Console
    ) -> None:
        supervisor.start(program("broken", "exit 3"))
        watch(supervisor, lambda: sum("broken died" in line for line in console.lines) == 3)
        said = [line for line in console.lines if "broken died" in line]
        assert ["0.5 s" in said[0], "1 s" in said[1], "2 s" in said[2]] == [True, True, True]
        assert "exit status 3" in said[0]
        assert supervisor.dead("broken")

    def test_the_pause_is_bounded(self) -> None:
        assert [pause_s(n) for n in (1, 2, 3, 6, 7, 1000)] == [0.5, 1, 2, 16, 30, 30]

    def test_a_part_that_finishes_is_left_in_peace(
        self, supervisor: Supervisor, program: Callable[..., Program], console: Console
    ) -> None:
        supervisor.start(program("story", "exit 0", finishes=True))
        watch(supervisor, lambda: console.has("story has finished"))
        assert not supervisor.dead("story")

    def test_what_a_dead_part_left_running_is_ended_before_it_starts_again(
        self, supervisor: Supervisor, program: Callable[..., Program], console: Console, tmp_path: Path
    ) -> None:
        supervisor.start(
            program("parent", "sleep 61 & echo $! >> grandchildren; wait".replace("grand", f"{tmp_path}/grand"))
        )
        watch(supervisor, (tmp_path / "grandchildren").exists)
        os.kill(int((tmp_path / "run" / "parent.pid").read_text()), signal.SIGKILL)
        watch(supervisor, lambda: console.has("parent restarted"))
        first = int((tmp_path / "grandchildren").read_text().split()[0])
        assert not runs(first, "sleep")


class TestStop:
    def test_the_last_started_stops_first(
        self, supervisor: Supervisor, program: Callable[..., Program], console: Console
    ) -> None:
        for name in ("database", "api", "beat"):
            supervisor.start(program(name, "exec sleep 60"))
        supervisor.stop()
        assert console.lines == ["stopping beat", "stopping api", "stopping database"]

    def test_neighbours_are_asked_together(
        self, supervisor: Supervisor, program: Callable[..., Program], tmp_path: Path
    ) -> None:
        """The one that is waited for first ends only after the other was asked."""
        supervisor.start(program("api", at_its_end(tmp_path, "api", f"touch {tmp_path}/asked"), stop_s=20))
        waits = f"until [ -e {tmp_path}/asked ]; do sleep 0.01; done; touch {tmp_path}/seen"
        supervisor.start(program("beat", at_its_end(tmp_path, "beat", waits), stop_s=20))
        watch(supervisor, lambda: (tmp_path / "api.up").exists() and (tmp_path / "beat.up").exists())
        supervisor.stop()
        assert (tmp_path / "seen").exists()

    def test_the_others_stay_until_one_that_ends_alone_has_ended(
        self, supervisor: Supervisor, program: Callable[..., Program], tmp_path: Path
    ) -> None:
        supervisor.start(program("api", at_its_end(tmp_path, "api", f"touch {tmp_path}/asked"), stop_s=20))
        looks = f"sleep 0.1; [ -e {tmp_path}/asked ] || touch {tmp_path}/alone"
        supervisor.start(program("demo", at_its_end(tmp_path, "demo", looks), stop_s=20, alone=True))
        watch(supervisor, lambda: (tmp_path / "api.up").exists() and (tmp_path / "demo.up").exists())
        supervisor.stop()
        assert (tmp_path / "alone").exists()
        assert (tmp_path / "asked").exists()

    def test_a_part_that_ignores_the_request_is_killed_after_its_seconds(
        self, supervisor: Supervisor, program: Callable[..., Program], tmp_path: Path
    ) -> None:
        part = program("deaf", f"trap '' TERM; touch {tmp_path}/deaf; while :; do sleep 0.1; done")
        supervisor.start(part)
        watch(supervisor, (tmp_path / "deaf").exists)
        pid = pid_of(part)
        began = time.monotonic()
        supervisor.stop()
        assert time.monotonic() - began < 3
        assert not runs(pid, "sh")

    def test_each_pid_can_be_read_while_it_runs(
        self, supervisor: Supervisor, program: Callable[..., Program], tmp_path: Path
    ) -> None:
        part = program("api", "exec sleep 60")
        supervisor.start(part)
        assert int((tmp_path / "run" / "api.pid").read_text()) == pid_of(part)
        supervisor.stop()
        assert not (tmp_path / "run" / "api.pid").exists()


class TestLeftOver:
    def test_marked_processes_are_found_and_ended_and_others_are_not(
        self, program: Callable[..., Program], tmp_path: Path
    ) -> None:
        mine, deaf = program("mine", "exec sleep 60"), program("deaf", "trap '' TERM; while :; do sleep 0.1; done")
        mine.start()
        deaf.start()
        other = Program("other", ["/bin/sleep", "60"], tmp_path / "other.log", dict(os.environ), stop_s=1)
        other.start()
        deadline = time.monotonic() + 10
        while not {pid_of(mine), pid_of(deaf)} <= set(left_over.find(tmp_path)) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert left_over.end(tmp_path, patience_s=0.3) >= 2
        assert list(left_over.find(tmp_path)) == []
        assert other.process is not None
        assert other.process.poll() is None
        for part in (mine, deaf, other):
            part.stop()


class TestLogs:
    def test_a_log_over_the_limit_is_moved_while_its_writer_goes_on(self, tmp_path: Path) -> None:
        path = tmp_path / "a.log"
        with path.open("ab", buffering=0) as writer:
            writer.write(b"before\n" * 100)
            bound_logs([path, tmp_path / "not-there.log"], limit_bytes=100)
            writer.write(b"after\n")
        assert path.read_bytes() == b"after\n"
        assert (tmp_path / "a.log.1").read_bytes() == b"before\n" * 100

    def test_the_tail_of_a_log_that_is_not_there_is_empty(self, tmp_path: Path) -> None:
        assert tail(tmp_path / "none.log") == ""


def test_a_part_that_cannot_start_again_is_tried_again_and_the_reason_is_said(
    supervisor: Supervisor, program: Callable[..., Program], console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = program("database", "exec sleep 60")
    supervisor.start(part)
    start = part.start

    def refuse() -> None:
        monkeypatch.setattr(part, "start", start)
        raise EmbedError("the disk is full")

    monkeypatch.setattr(part, "start", refuse)
    os.kill(pid_of(part), signal.SIGKILL)
    watch(supervisor, lambda: console.has("database restarted"))
    assert console.has("database does not start: the disk is full; next try in 1 s")


class TestEchoing:
    def test_what_a_part_tells_the_person_is_said_while_it_runs(
        self, supervisor: Supervisor, console: Console, program: Callable[..., Program]
    ) -> None:
        part = program("demo", "echo '[ 0 s] calm'; echo 17 calls; sleep 60")
        supervisor.echo(Echo(part.log, "["))
        supervisor.start(part)
        watch(supervisor, lambda: console.has("calm"))
        assert console.lines == ["[ 0 s] calm"]
