"""A pytest plugin: a run in which a test was skipped has failed. `make test` loads it with `-p tests.house.noskip`."""

import pytest


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if _skipped(session) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped:
        terminalreporter.write_line(f"{len(skipped)} skipped: no test skips here, so this run has failed", red=True)


def _skipped(session: pytest.Session) -> bool:
    """In a worker of pytest-xdist there is no reporter; the process that started it counts."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    return reporter is not None and bool(reporter.stats.get("skipped"))
