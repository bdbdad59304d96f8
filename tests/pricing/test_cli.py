"""`trivet prices …` on a real database."""

import shlex
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.support.calls import call, ingest
from typer.testing import CliRunner

from trivet import db
from trivet.cli import app
from trivet.kit.clock import utc_now
from trivet.pricing import service, unit
from trivet.pricing.unit import Of

FILE = Path(__file__).parent.parent / "data" / "prices" / "litellm-1.109.1-cut.json"
pytestmark = pytest.mark.usefixtures("database")


def trivet(*arguments):
    return CliRunner().invoke(app, ["prices", *arguments])


def price(provider, model, tier=""):
    with db.transaction() as session:
        return service.book(session).price_at(provider, model, "", datetime(2027, 1, 1, tzinfo=UTC), tier)


class TestImport:
    def test_shows_what_it_would_do_and_does_it_when_told(self):
        shown = trivet("import", "litellm", str(FILE), "--from", "2026-11-01T00:00:00Z")
        assert shown.exit_code == 0
        assert "new        openai gpt-4o [priority]: input 4.25, output 17, cache_read 2.125" in shown.stdout
        assert "left out   whisper-1: mode audio_transcription" in shown.stdout
        assert "Would enter 30 new and 0 changed prices" in shown.stdout
        assert price("openai", "gpt-4o") is None
        made = trivet("import", "litellm", str(FILE), "--from", "2026-11-01T00:00:00Z", "--apply")
        assert "Entered 30 new and 0 changed prices" in made.stdout
        assert str(price("openai", "gpt-4o", "priority").rates.input[0][1]) == "4.25"

    @pytest.mark.parametrize("arguments", [("litellm",), ("genai-prices", str(FILE)), ("elsewhere",)])
    def test_says_what_can_be_imported(self, arguments):
        refused = trivet("import", *arguments)
        assert (refused.exit_code, "Import `litellm FILE`" in refused.stderr) == (1, True)


class TestEnter:
    def test_enters_what_a_gap_told(self):
        ingest(call(utc_now(), provider="house", model="own", input_tokens=5, tier="batch"), now=utc_now())
        told = trivet("gaps").stdout
        assert "house own [batch] no_price: 1 request, 5 tokens" in told
        command = next(line for line in told.splitlines() if line.startswith("  trivet prices"))
        words = command.replace("--input …", "--input 1.5").replace("--output …", "--output 6").split()
        assert trivet(*words[2:]).exit_code == 0
        assert str(price("house", "own", "batch").rates.output[0][1]) == "6"

    def test_enters_what_a_gap_told_of_names_that_no_shell_takes_as_they_are(self):
        ingest(call(utc_now(), provider="we're", model='-x $(id) "q"', input_tokens=5), now=utc_now())
        command = next(line for line in trivet("gaps").stdout.splitlines() if line.startswith("  trivet prices"))
        words = shlex.split(command.replace("…", "1"))
        assert trivet(*words[2:]).exit_code == 0
        assert price("we're", '-x $(id) "q"') is not None

    def test_a_unit_too(self):
        made = trivet("unit", "bandwidth_gb", "--price", "0.08", "--from", "2026-11-01T00:00:00Z")
        assert made.exit_code == 0
        with db.transaction() as session:
            assert unit.book(session).price_at(Of("bandwidth_gb"), utc_now()) is not None

    @pytest.mark.parametrize(
        ("arguments", "why"),
        [
            (("--from", "yesterday"), "Write --from as a time"), (("--currency", "dollars"), "three capital letters"),
            (("--tier", "a b"), "A tier is a word"), (("--cache-read", "-1"), "A price is wrong"),
        ],
    )  # fmt: skip
    def test_says_what_is_wrong(self, arguments, why):
        refused = trivet("enter", "p", "m", "--input", "1", "--output", "1", *arguments)
        assert (refused.exit_code, why in refused.stderr) == (1, True)

    @pytest.mark.parametrize(("names", "why"), [(("", "m"), "Name the provider"), (("p", " "), "Name the model")])
    def test_needs_names(self, names, why):
        refused = trivet("enter", *names, "--input", "1", "--output", "1")
        assert (refused.exit_code, why in refused.stderr) == (1, True)
