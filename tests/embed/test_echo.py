"""What of a child's log reaches the console."""

from pathlib import Path

import pytest

from trivet.embed import echo as echoing
from trivet.embed.echo import Echo


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "demo.log"


def write(log: Path, text: str) -> None:
    with log.open("a") as file:
        file.write(text)


def test_new_lines_that_begin_so_are_passed_on_once(log: Path) -> None:
    write(log, "[ 9 s] of an earlier run\n")
    echo = Echo(log, "[")
    write(log, "[ 0 s] calm\nsent 17 calls\n[35 s] peak\n")
    assert list(echo.news()) == ["[ 0 s] calm", "[35 s] peak"]
    assert list(echo.news()) == []


def test_half_a_line_waits_for_its_end(log: Path) -> None:
    echo = Echo(log, "[")
    assert list(echo.news()) == []
    write(log, "[ 0 s] ca")
    assert list(echo.news()) == []
    write(log, "lm\n")
    assert list(echo.news()) == ["[ 0 s] calm"]


def test_a_log_that_was_cut_is_read_from_its_start(log: Path) -> None:
    write(log, "x" * 100 + "\n")
    echo = Echo(log, "[")
    log.write_text("[ 0 s] calm\n")
    assert list(echo.news()) == ["[ 0 s] calm"]


def test_lines_have_a_limit_in_number_and_in_length(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(echoing, "LINES_MAX", 3)
    echo = Echo(log, "[")
    write(log, "".join(f"[{n}]{'x' * 1000}\n" for n in range(9)))
    said = list(echo.news())
    assert [line[:3] for line in said] == ["[0]", "[1]", "[2]"]
    assert {len(line) for line in said} == {echoing.COLUMNS_MAX}
    write(log, "[9] more\n")
    assert list(echo.news()) == []


def test_what_is_longer_than_one_look_is_passed_over(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(echoing, "_READ_BYTES", 64)
    echo = Echo(log, "[")
    write(log, "y" * 200 + "\n[ 0 s] calm\n")
    assert [line for _ in range(9) for line in echo.news()] == ["[ 0 s] calm"]
