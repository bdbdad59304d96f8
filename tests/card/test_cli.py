"""`trivet cards`: out to files, in from them, what would change, and whether a file is a card at all."""

import pytest
from sqlalchemy import select
from tests.support.governed import register
from typer.testing import CliRunner

from trivet import db
from trivet.card.models import CardRevision
from trivet.cli import app
from trivet.cli_cards import file_name
from trivet.identity.models import Audit


@pytest.fixture
def chat(database):
    return register("chat")


@pytest.fixture
def exported(chat, tmp_path):
    """The governing card in a file."""
    assert run("export", "--to", tmp_path).exit_code == 0
    return tmp_path / "chat.yaml"


def run(*arguments):
    return CliRunner().invoke(app, ["cards", *map(str, arguments)])


def revisions():
    with db.transaction() as session:
        return list(session.scalars(select(CardRevision.number).order_by(CardRevision.number)))


class TestExport:
    def test_writes_the_same_file_twice(self, exported, tmp_path):
        first = exported.read_text()
        run("export", "--to", tmp_path)
        assert exported.read_text() == first == run("export", "chat").output

    def test_of_a_scenario_that_is_not_there_says_so(self, chat):
        done = run("export", "nobody")
        assert done.exit_code == 1 and "There is no scenario 'nobody'" in done.output

    def test_of_one_revision_names_its_scenario(self, chat):
        assert run("export", "--revision", 1).exit_code == 1
        assert run("export", "chat", "--revision", 1).exit_code == 0

    @pytest.mark.parametrize(
        ("name", "file"), [("a b", "a b"), ("..", "card"), ("客服", "%E5%AE%A2%E6%9C%8D"), (".x", "x")]
    )
    def test_names_files_as_a_file_system_can_hold_them(self, name, file):
        assert file_name(name) == file


class TestImport:
    def test_of_what_governs_changes_nothing(self, exported):
        done = run("import", exported)
        assert (done.exit_code, done.output) == (0, "chat: no change, revision 1 says the same\n")
        assert revisions() == [1]

    def test_of_another_card_makes_a_draft_and_says_what_it_changes(self, exported):
        exported.write_text(exported.read_text().replace("enter: 1000", "enter: 900"))
        done = run("import", exported)
        assert done.output == "chat: revision 2 is a draft now\n  guards.p95.enter: 1000 → 900\n"
        with db.transaction() as session:
            assert session.scalars(select(Audit.actor).where(Audit.action == "card.draft")).one().startswith("cli:")

    def test_of_several_files_is_all_or_none(self, exported, tmp_path):
        changed = exported.read_text().replace("enter: 1000", "enter: 900")
        exported.write_text(changed)
        bad = tmp_path / "bad.yaml"
        bad.write_text(changed.replace("leave: 800", "leave: 950"))
        done = run("import", exported, bad)
        assert done.exit_code == 1 and "must lie below enter" in done.output
        assert revisions() == [1]


class TestDiff:
    def test_ends_with_1_where_there_is_a_difference(self, exported):
        assert run("diff", exported).output == "chat: no change\n"
        exported.write_text(exported.read_text().replace("enter: 1000", "enter: 900"))
        done = run("diff", exported)
        assert (done.exit_code, done.output) == (1, "chat: 1 change\n  guards.p95.enter: 1000 → 900\n")


class TestCheck:
    def test_needs_no_database(self, exported, monkeypatch):
        monkeypatch.setenv("TRIVET_DATABASE_URL", "postgresql://nowhere.invalid/x")
        assert run("check", exported).output == f"{exported}: a card of chat\n"

    def test_names_each_file_and_field_that_is_wrong(self, exported, tmp_path):
        loose, none = tmp_path / "loose.yaml", tmp_path / "none.yaml"
        loose.write_text(exported.read_text().replace("output.max_tokens: 256", "output.max_tokens: 999"))
        none.write_text("a: 1")
        done = run("check", exported, loose, none)
        assert done.exit_code == 1
        assert "loose.yaml: ladder.1.flags.output.max_tokens: 999, where the level below allows 512" in done.output
        assert "none.yaml: A card begins with" in done.output and "2 of 3 could not be drafted" in done.output
