"""Keeps the parts of `trivet up` running: started in order, restarted with a growing pause, stopped in reverse.

Programs that need nothing of one another to end are asked together, so that stopping takes as long as the slowest.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from trivet.embed.child import spawn, stop
from trivet.embed.echo import Echo
from trivet.embed.logs import bound_logs

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
# A part that lived this long starts again from the first pause.
_HEALTHY_S = 60.0
_TICK_S = 0.1
_LOGS_EVERY_S = 5.0


class Part(Protocol):
    """Something with one main process, its log in a file of its own or, for None, where ours goes. `stop` is safe to call on a dead part."""

    @property
    def name(self) -> str: ...
    @property
    def log(self) -> Path | None: ...
    @property
    def process(self) -> subprocess.Popen[bytes] | None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...


class Program:
    """A part that is one command. `finishes`: exit status 0 is its end and not a death. `alone`: the others stay until
    it has ended, because it ends by telling them something.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path | None,
        env: Mapping[str, str],
        *,
        stop_s: float,
        finishes: bool = False,
        alone: bool = False,
    ) -> None:
        self.name = name
        self.log = log
        self.finishes = finishes
        self.alone = alone
        self.process: subprocess.Popen[bytes] | None = None
        self._command = command
        self._env = env
        self._stop_s = stop_s
        self._asked = False

    def start(self) -> None:
        # Where we are killed there is nobody to ask it a second time, and nothing that it acknowledged is only in memory.
        self.process = spawn(self._command, self.log, death_signal=signal.SIGKILL, env=self._env)
        self._asked = False

    def ask_to_stop(self) -> None:
        """SIGTERM, once. Its seconds begin when `stop` waits for it."""
        if self.process is not None and self.process.poll() is None and not self._asked:
            self.process.terminate()
            self._asked = True

    def stop(self) -> None:
        """SIGTERM, its seconds, SIGKILL; then whatever it left in its process group."""
        if self.process is None:
            return
        self.ask_to_stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=self._stop_s)
        stop(self.process, ())
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process = None


@dataclass
class _Watched:
    part: Part
    started_at: float = 0.0
    failures: int = 0
    due_at: float | None = None
    finished: bool = False


def pause_s(failures: int) -> float:
    """Seconds before restart number `failures` (from 1): doubling from half a second to half a minute."""
    return float(min(_FIRST_PAUSE_S * 2 ** min(failures - 1, 16), _LONGEST_PAUSE_S))


class Supervisor:
    """Runs parts in the order given. Used from one thread, which must live as long as the parts."""

    def __init__(self, run_dir: Path, say: Callable[[str], None]) -> None:
        self._run_dir = run_dir
        self._say = say
        self._watched: list[_Watched] = []
        self._logs_due = 0.0
        self._echoes: list[Echo] = []

    def echo(self, echo: Echo) -> None:
        """Say from now on what a part's log has for the person at the console."""
        self._echoes.append(echo)

    def start(self, part: Part) -> None:
        """Start `part` and watch it from now on; a failure to start at all is the caller's."""
        watched = _Watched(part)
        self._watched.append(watched)
        self._launch(watched)

    def _launch(self, watched: _Watched) -> None:
        watched.due_at = None
        watched.started_at = time.monotonic()
        watched.part.start()
        process = watched.part.process
        if process is not None:
            self._run_dir.mkdir(parents=True, exist_ok=True)
            self._pid_file(watched.part).write_text(f"{process.pid}\n")

    def run(self, stopping: Callable[[], bool], until: Callable[[], bool] = lambda: False) -> None:
        """Watch until `stopping()` or `until()` is true."""
        while not stopping() and not until():
            self.tick(time.monotonic())
            time.sleep(_TICK_S)

    def tick(self, now: float) -> None:
        """Look at every part once; `now` in seconds of the monotonic clock."""
        for watched in self._watched:
            self._look_at(watched, now)
        for echo in self._echoes:
            for line in echo.news():
                self._say(line)
        if now >= self._logs_due:
            self._logs_due = now + _LOGS_EVERY_S
            bound_logs([watched.part.log for watched in self._watched if watched.part.log])

    def _look_at(self, watched: _Watched, now: float) -> None:
        if watched.finished:
            return
        if watched.due_at is not None:
            if now >= watched.due_at:
                self._restart(watched, now)
            return
        process = watched.part.process
        if process is not None and (status := process.poll()) is not None:
            self._died(watched, status, now)

    def _died(self, watched: _Watched, status: int, now: float) -> None:
        part = watched.part
        if status == 0 and getattr(part, "finishes", False):
            watched.finished = True
            self._say(f"{part.name} has finished")
            return
        watched.failures = 1 if now - watched.started_at > _HEALTHY_S else watched.failures + 1
        watched.due_at = now + pause_s(watched.failures)
        how = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        log = f"; its log: {part.log}" if part.log else ""
        self._say(f"{part.name} died ({how}); restart in {pause_s(watched.failures):g} s{log}")

    def _restart(self, watched: _Watched, now: float) -> None:
        watched.part.stop()  # frees what the dead one held
        try:
            self._launch(watched)
        except (OSError, RuntimeError) as error:
            watched.failures += 1
            watched.due_at = now + pause_s(watched.failures)
            self._say(f"{watched.part.name} does not start: {error}; next try in {pause_s(watched.failures):g} s")
        else:
            self._say(f"{watched.part.name} restarted (restart {watched.failures})")

    def dead(self, name: str) -> bool:
        """Whether the part named so is down at this moment."""
        return any(w.part.name == name and w.due_at is not None for w in self._watched)

    def stop(self) -> None:
        """Stop every part, the last started first; neighbours that may are asked together. Each has its own time limit."""
        while self._watched:
            last = self._watched.pop()
            together = [last]
            while _with_others(last.part) and self._watched and _with_others(self._watched[-1].part):
                together.append(self._watched.pop())
            for watched in together:
                if watched.part.process is not None and watched.part.process.poll() is None:
                    self._say(f"stopping {watched.part.name}")
                if isinstance(watched.part, Program):
                    watched.part.ask_to_stop()
            for watched in together:
                watched.part.stop()
                self._pid_file(watched.part).unlink(missing_ok=True)

    def _pid_file(self, part: Part) -> Path:
        return self._run_dir / f"{part.name}.pid"


def _with_others(part: Part) -> bool:
    """Stores end after everything that uses them, one by one."""
    return isinstance(part, Program) and not part.alone
