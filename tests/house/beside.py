"""A pytest plugin: types that are wrong end the run where it is, and are its last words.

`make test` loads it with `-p tests.house.beside` and looks at types meanwhile. The folder named by TYPES tells how that
went: `status` is there once it is over, and `said` is what it said.
"""

import os
import time
from pathlib import Path

import pytest

PATIENCE_S = 300.0


class Beside:
    """What is told of types, in the process that tells the person."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._is_right = False
        self._last_words = ""

    def wrong(self) -> str:
        """What was said where types are wrong; "" where they are right, or not yet looked at."""
        if self._is_right or not (status := self._folder / "status").exists():
            return ""
        self._is_right = int(status.read_text()) == 0
        return "" if self._is_right else f"sh scripts/lint.sh types failed:\n{(self._folder / 'said').read_text()}"

    def pytest_runtest_logreport(self) -> None:
        if said := self.wrong():
            pytest.exit(said, pytest.ExitCode.TESTS_FAILED)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if session.exitstatus != pytest.ExitCode.OK:
            return
        deadline = time.monotonic() + PATIENCE_S
        while not (said := self.wrong()) and not self._is_right and time.monotonic() < deadline:
            time.sleep(0.1)
        if not self._is_right:
            self._last_words = said or f"types: no answer within {PATIENCE_S:.0f} s"
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._last_words:
            terminalreporter.write_line(self._last_words, red=True)


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Beside(Path(os.environ["TYPES"])))
