"""Commands that are given beside a running Trivet, on its machine."""

from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner, Result

from trivet import db
from trivet.cli import app
from trivet.cli_shared import os_user
from trivet.embed import addresses
from trivet.identity import service
from trivet.identity.models import Audit
from trivet.settings import get_settings


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def error(result: Result) -> str:
    assert result.exit_code == 1
    assert result.stdout == ""
    return result.stderr.strip()


class TestKeysCreate:
    @pytest.fixture
    def beside(self, database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
        """A data directory whose `trivet up` has published its database; no setting names one."""
        addresses.publish(tmp_path, {"database_url": database})
        monkeypatch.setenv("TRIVET_DATABASE_URL", "")  # so that it is unset again afterwards
        monkeypatch.delenv("TRIVET_DATABASE_URL")
        get_settings.cache_clear()
        return str(tmp_path)

    def test_prints_the_key_alone_so_that_a_shell_can_keep_it(self, beside: str) -> None:
        made = run("keys", "create", "gateway-1", "--scopes", "ingest,policy", "--data-dir", beside)
        assert made.exit_code == 0, made.stderr
        secret = made.stdout.removesuffix("\n")
        with db.transaction() as session:
            key = service.find_key(session, secret)
            assert key is not None
            assert (key.name, key.scopes, key.tenant_id) == ("gateway-1", ["ingest", "policy"], None)
        assert "not shown again" in made.stderr
        assert secret not in made.stderr

    def test_leaves_in_the_audit_who_made_it_here(self, beside: str) -> None:
        run("keys", "create", "setup", "--scopes", "admin", "--data-dir", beside)
        with db.transaction() as session:
            row = session.scalars(select(Audit).order_by(Audit.id.desc())).first()
            assert row is not None
            assert (row.actor, row.action) == (f"cli:{os_user()}", "key.create")
            assert row.after == {"name": "setup", "scopes": ["admin"], "tenant": None}

    def test_binds_it_to_a_tenant(self, beside: str) -> None:
        made = run("keys", "create", "a", "--scopes", "policy", "--tenant", "acme", "--data-dir", beside)
        with db.transaction() as session:
            key = service.find_key(session, made.stdout.strip())
            assert key is not None and key.tenant_id is not None

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            (("a", "--scopes", "everything"), "Scopes are some of ingest, policy, read, finance, admin."),
            (("a", "--scopes", " , "), "Scopes are some of"),
            (("a", "--scopes", "admin", "--tenant", "acme"), "Admin concerns the platform"),
            ((" ", "--scopes", "ingest"), "' ' is no name"),
        ],
    )
    def test_refuses_what_the_api_refuses(self, beside: str, given: tuple[str, ...], said: str) -> None:
        assert said in error(run("keys", "create", *given, "--data-dir", beside))

    def test_says_that_nothing_runs_where_nothing_runs(self, beside: str, tmp_path: Path) -> None:
        addresses.withdraw(tmp_path)
        assert "no `trivet up` runs" in error(run("keys", "create", "a", "--scopes", "read", "--data-dir", beside))

    def test_says_that_the_database_is_away(self, beside: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        away = db.make_engine(f"postgresql://nobody@/nothing?host={tmp_path}")
        monkeypatch.setattr(db, "engine", lambda: away)
        assert "the database" in error(run("keys", "create", "a", "--scopes", "read", "--data-dir", beside))


class TestExport:
    TIMES = ("--from", "2026-11-20T00:00:00Z", "--to", "2026-11-21T00:00:00Z")

    def test_of_what_there_is_none_is_named_before_its_times_are_read(self, database: str) -> None:
        said = error(run("export", "foo", "--from", "2026-11-21", "--to", "tomorrow"))
        assert said == "trivet: There is no export of 'foo': it is one of costs, usage, statement, allocation, supply."

    @pytest.mark.parametrize(
        ("start", "said"),
        [
            ("2026-11-21", "--from 2026-11-21 needs its zone: write 2026-11-21T00:00:00Z for UTC."),
            ("yesterday", "--from is a time such as 2026-11-01T00:00:00Z, not 'yesterday'."),
        ],
    )
    def test_a_time_says_its_zone(self, database: str, start: str, said: str) -> None:
        assert error(run("export", "usage", "--from", start, *self.TIMES[2:])) == f"trivet: {said}"

    def test_of_usage_is_written(self, database: str, tmp_path: Path) -> None:
        out = tmp_path / "usage.csv"
        made = run("export", "usage", *self.TIMES, "--out", str(out))
        assert made.exit_code == 0, made.stderr
        assert out.read_text().startswith("tenant,model,requests,")
        assert made.stdout.strip() == f"0 rows in {out}"
