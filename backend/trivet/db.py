"""The database: one sync engine a process (and one kept for ingest), one transaction a request or task."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import lru_cache, wraps
from typing import Any, ClassVar, Concatenate, ParamSpec, TypeVar

from sqlalchemy import DateTime, Engine, MetaData, Text, create_engine, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import DeclarativeBase, Session

from trivet.settings import get_settings

P = ParamSpec("P")
R = TypeVar("R")

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: DateTime(timezone=True), str: Text()}


def make_engine(url: str, **options: Any) -> Engine:
    """An engine on psycopg 3 whose sessions speak UTC and never wait for a lock or a statement without end.

    Nothing is compiled for a statement: that takes longer than the longest of ours gain by it.
    """
    if url.startswith(("postgresql://", "postgres://")):
        url = "postgresql+psycopg://" + url.split("://", 1)[1]
    connect_args = {
        "options": (
            "-c timezone=UTC -c lock_timeout=10s -c statement_timeout=60s -c idle_in_transaction_session_timeout=60s"
            " -c jit=off"
        ),
        "connect_timeout": 3,
        "application_name": "trivet",
    }
    defaults: dict[str, Any] = {"pool_size": 10, "max_overflow": 10, "pool_timeout": 3, "pool_pre_ping": False}
    return create_engine(url, connect_args=connect_args, **(defaults | options))


@lru_cache
def engine() -> Engine:
    """This process's engine on `TRIVET_DATABASE_URL`."""
    url = get_settings().database_url
    if not url:
        raise RuntimeError("TRIVET_DATABASE_URL is not set: run `trivet up`, which sets it, or name a PostgreSQL.")
    return make_engine(url)


RESERVED_DOORS = 4  # reserved connections for looking up keys, beside one for each place of an export


@lru_cache
def reserved_engine() -> Engine:
    """The connections kept for ingest: slow reports, however many, leave it these."""
    return make_engine(
        get_settings().database_url, pool_size=get_settings().otlp_concurrent_exports + RESERVED_DOORS, max_overflow=0
    )


_in_reserve: ContextVar[bool] = ContextVar("in_reserve", default=False)


@contextmanager
def reserved() -> Iterator[None]:
    """In this block transactions take reserved connections."""
    token = _in_reserve.set(True)
    try:
        yield
    finally:
        _in_reserve.reset(token)


# What a request wants done inside its own transaction, last before it commits (see `identity.idempotency`).
at_commit: ContextVar[Callable[[Session], None] | None] = ContextVar("at_commit", default=None)


# Whose rows alone this context reads; None: everybody's.
_bound: ContextVar[int | None] = ContextVar("bound", default=None)
TENANT_ROLE = "trivet_tenant"  # reads under row-level security; migrations make it


@contextmanager
def bound_to(tenant_id: int | None) -> Iterator[None]:
    """In this block transactions read one tenant's rows and write nothing: PostgreSQL keeps to it, not the queries.

    Caches of rows must not be filled from such a transaction with less than everybody's: tables that are cached whole carry
    no policy.
    """
    token = _bound.set(tenant_id)
    try:
        yield
    finally:
        _bound.reset(token)


# Whether transactions of this context only read.
_looks: ContextVar[bool] = ContextVar("looks", default=False)


def look(tenant_id: int | None) -> None:
    """Until this context ends, which is that of one request, transactions change nothing, and read one tenant's rows alone
    where one is named: to look at a page is never to do something.
    """
    _bound.set(tenant_id)
    _looks.set(True)


ANSWERS = "answers"  # in `Session.info` of a transaction that only reads


def once(read: Callable[Concatenate[Session, P], R]) -> Callable[Concatenate[Session, P], R]:
    """A question that many parts of one page ask: where a transaction only reads, the database is asked once.

    Its arguments can be hashed, and nobody changes what comes back.
    """

    @wraps(read)
    def answer(session: Session, /, *args: P.args, **words: P.kwargs) -> R:
        kept: dict[Any, R] | None = session.info.get(ANSWERS)
        if kept is None:
            return read(session, *args, **words)
        question = (read, args, *words.items())
        if question not in kept:
            kept[question] = read(session, *args, **words)
        return kept[question]

    return answer


@contextmanager
def transaction() -> Iterator[Session]:
    """One transaction: commits when the block ends, rolls back when it raises.

    Endpoints open it inside their body, because FastAPI closes `yield` dependencies after the response has gone.
    """
    own = reserved_engine() if _in_reserve.get() else engine()
    with Session(own, expire_on_commit=False) as session, session.begin():
        # No query, so that the transaction may still choose its isolation.
        statements = []
        if _looks.get():
            statements, session.info[ANSWERS] = ["SET TRANSACTION READ ONLY"], {}
        if (tenant_id := _bound.get()) is not None:
            statements += [f"SET LOCAL ROLE {TENANT_ROLE}", f"SET LOCAL trivet.tenant = '{int(tenant_id)}'"]
        if statements:
            session.connection().execution_options(no_parameters=True).exec_driver_sql("; ".join(statements))
        yield session
        last = at_commit.get()
        if last is not None:
            last(session)


def named_ids(session: Session, table: Any, names: Iterable[str]) -> dict[str, int]:
    """Id of each name in a table with unique `name`; names never met are added (in name order, so no deadlock).

    This is how a tenant, scenario, backend or pool first seen in a span is kept under its name.
    """
    wanted = sorted(set(names))
    if not wanted:
        return {}
    known: dict[str, int] = dict(session.execute(select(table.name, table.id).where(table.name.in_(wanted))).all())
    missing = [{"name": name} for name in wanted if name not in known]
    if missing:
        session.execute(insert(table).values(missing).on_conflict_do_nothing())
        known = dict(session.execute(select(table.name, table.id).where(table.name.in_(wanted))).all())
    return known


# Caches of rows that this process keeps (names to ids, the price book …) register their `clear` here, so that a process
# which changes databases (tests, `trivet up` after a restore) can forget them all at once.
caches: list[Callable[[], None]] = []


def forget() -> None:
    """Drop the engines and every cached row of this process."""
    for kept in (engine, reserved_engine):
        if kept.cache_info().currsize:
            kept().dispose()
        kept.cache_clear()
    forget_rows()


def forget_rows() -> None:
    """Clear every registered cache, keeping the engine."""
    for clear in caches:
        clear()
