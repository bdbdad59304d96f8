"""Alembic's environment: one connection, one advisory lock, timeouts on every migration."""

import importlib

from alembic import context
from sqlalchemy import Connection, text

from trivet import CONTEXTS, outbox, selfwatch
from trivet.db import Base, make_engine
from trivet.kit.locks import Lock
from trivet.settings import get_settings

for name in CONTEXTS:
    try:
        importlib.import_module(f"trivet.{name}.models")
    except ModuleNotFoundError as missing:
        if missing.name != f"trivet.{name}.models":
            raise
assert outbox.Outbox.__table__ is not None
assert selfwatch.Canary.__table__ is not None


def include_name(name: str | None, type_: str, parents: dict[str, str | None]) -> bool:
    """Partitions belong to their parent table; `alembic check` would want them removed."""
    del parents
    return not (type_ == "table" and name in _partitions)


_partitions: set[str] = set()


def run(connection: Connection) -> None:
    connection.execute(text("SET lock_timeout = '4s'"))
    connection.execute(text("SET statement_timeout = '5min'"))
    connection.execute(text("SELECT pg_advisory_lock(:id)"), {"id": Lock.MIGRATE})
    connection.commit()
    _partitions.update(
        connection.execute(text("SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid")).scalars()
    )
    connection.commit()
    try:
        context.configure(connection=connection, target_metadata=Base.metadata, include_name=include_name)
        with context.begin_transaction():
            context.run_migrations()
    finally:
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock(:id)"), {"id": Lock.MIGRATE})
        connection.commit()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    url = context.config.attributes.get("url") or get_settings().database_url
    engine = make_engine(url, pool_size=1, max_overflow=0)
    with engine.connect() as connection:
        run(connection)
    engine.dispose()
