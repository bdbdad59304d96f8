"""Migrations run up and down on data, agree with the models, and leave rules that the database keeps by itself."""

from collections.abc import Iterator

import pytest
from alembic import command
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from trivet import db, schema


@pytest.fixture
def scratch(server_url: str, worker_id: str) -> Iterator[str]:
    """An empty database of its own."""
    administrator = db.make_engine(server_url, isolation_level="AUTOCOMMIT")
    name = f"scratch_{worker_id}"
    with administrator.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0"))
    yield administrator.url.set(database=name).render_as_string(hide_password=False)
    with administrator.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    administrator.dispose()


@pytest.fixture
def engine(scratch: str) -> Iterator[Engine]:
    made = db.make_engine(scratch)
    yield made
    made.dispose()


POSTING = """
    INSERT INTO posting (kind, source, hour, sequence, period, method, reason)
    VALUES ('metered', 'metered', '2026-11-01T10:00Z', 1, '2026-11', 'metered-1', 'first') RETURNING id
"""
ENTRY = """
    INSERT INTO entry (posting_id, line, account, cost_centre_id, tenant_id, scenario_id, model_id, pool_id, currency, amount)
    VALUES (:posting, :line, :account, 0, 0, 0, 0, 0, 'USD', :amount)
"""
ARCHIVED = """
    INSERT INTO archive (table_name, day, url, files, rows, bytes, picos, failure)
    VALUES ('request', '2026-08-01', 'file:///a', 1, 2, 3, 99999999999999999999, '')
"""

SPINE = "54fd275a5607"
READING = """
    INSERT INTO gpu_sample (gpu_id, metric, sampled_at, value) VALUES (1, 'hw.power', '2026-11-20T07:00Z', 312.5)
"""
READINGS_OF_NOTHING = """
    INSERT INTO gpu_sample (gpu_id, metric, sampled_at, samples, total, least, most)
    VALUES (1, 'hw.power', '2026-11-20T07:01Z', 0, 0, 0, 0)
"""


def post(engine: Engine, *amounts: str) -> int:
    with engine.begin() as connection:
        posting = connection.execute(text(POSTING)).scalar_one()
        for line, amount in enumerate(amounts):
            connection.execute(text(ENTRY), {"posting": posting, "line": line, "account": "idle", "amount": amount})
        return int(posting)


class TestUpAndDown:
    def test_up_down_and_up_again_on_data(self, scratch: str, engine: Engine) -> None:
        schema.upgrade(scratch)
        assert schema.is_current(scratch)
        post(engine, "1.5", "-1.5")
        with engine.begin() as connection:
            connection.execute(text(ARCHIVED))
        schema.downgrade(scratch, "base")
        with engine.connect() as connection:
            left = connection.execute(
                text(
                    "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r','p')"
                )
            ).scalars()
            assert set(left) <= {"alembic_version"}
            functions = connection.execute(
                text("SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace")
            ).scalars()
            assert list(functions) == []
        schema.upgrade(scratch)
        assert schema.is_current(scratch)

    def test_a_reading_keeps_its_value_up_and_down(self, scratch: str, engine: Engine) -> None:
        schema.upgrade(scratch, SPINE)
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE gpu_sample_all PARTITION OF gpu_sample DEFAULT"))
            connection.execute(text(READING))
        schema.upgrade(scratch)
        with engine.begin() as connection:
            kept = connection.execute(text("SELECT samples, total, least, most FROM gpu_sample")).one()
            assert tuple(kept) == (1, 312.5, 312.5, 312.5)
            connection.execute(text("UPDATE gpu_sample SET samples = 2, total = 700"))
            connection.execute(text(READINGS_OF_NOTHING))
        schema.downgrade(scratch, SPINE)
        with engine.connect() as connection:
            values = connection.execute(text("SELECT value FROM gpu_sample ORDER BY value")).scalars()
            assert list(values) == [0.0, 350.0]

    def test_the_models_and_the_migrations_say_the_same(self, scratch: str) -> None:
        schema.upgrade(scratch)
        command.check(schema.config(scratch))


class TestTheLedgerInTheDatabase:
    def test_a_posting_that_does_not_balance_cannot_commit(self, scratch: str, engine: Engine) -> None:
        schema.upgrade(scratch)
        with pytest.raises(DBAPIError, match="does not balance"):
            post(engine, "1.000000000001", "-1")

    def test_nothing_in_it_changes_or_goes(self, scratch: str, engine: Engine) -> None:
        schema.upgrade(scratch)
        post(engine, "2", "-2")
        for statement in (
            "UPDATE entry SET amount = amount * 2",
            "DELETE FROM entry",
            "UPDATE posting SET reason = 'x'",
            "DELETE FROM posting",
        ):
            with pytest.raises(DBAPIError, match="only grows"), engine.begin() as connection:
                connection.execute(text(statement))

    def test_an_entry_comes_only_with_its_posting(self, scratch: str, engine: Engine) -> None:
        schema.upgrade(scratch)
        posting = post(engine, "2", "-2")
        late = {"posting": posting, "line": 9, "account": "idle", "amount": "1"}
        with pytest.raises(DBAPIError, match="only together with their posting"), engine.begin() as connection:
            connection.execute(text(ENTRY), late)
