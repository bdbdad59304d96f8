"""Real PostgreSQL for every test that asks for it: one server a test process, migrated once, emptied after each test.

`database_url`  the migrated database (session). `TRIVET_TEST_DATABASE_URL` names another server, such as PostgreSQL 15.
`database`      settings and engine point at it; after the test every table is emptied and `db.forget_rows()` clears
                the caches that modules registered in `db.caches` (register yours, or ids of the last test live on).
`server`        address of the real app on a loopback socket.
`client`        a TestClient on the real app.   `make_key(scopes, tenant=None)` -> "tvt_…"   `admin` -> headers.
`broker_url`    a real Redis (session).
"""

import logging
import os
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import Engine, text

from trivet import db, schema
from trivet.kit import garbage
from trivet.settings import get_settings

garbage.seldom()  # until all tests are collected
# No property fails because a machine is slow; one that fails for another reason says how to do it again.
settings.register_profile("house", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")

TEST_SECRET = "a-secret-for-tests-only"


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    given = os.environ.get("TRIVET_TEST_DATABASE_URL")
    if given:
        yield given
        return
    from trivet.embed.postgres import EmbeddedPostgres

    postgres = EmbeddedPostgres(tmp_path_factory.mktemp("pg"), durable=False)
    postgres.start()
    try:
        yield postgres.url("postgres")
    finally:
        postgres.stop()


@pytest.fixture(scope="session")
def database_url(server_url: str, worker_id: str) -> Iterator[str]:
    name = f"trivet_test_{worker_id}"
    administrator = db.make_engine(server_url, isolation_level="AUTOCOMMIT")
    with administrator.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0"))
    url = administrator.url.set(database=name).render_as_string(hide_password=False)
    schema.upgrade(url)
    yield url
    with administrator.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
    administrator.dispose()


@pytest.fixture(scope="session")
def broker_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from trivet.embed.redis import EmbeddedRedis

    redis = EmbeddedRedis(tmp_path_factory.mktemp("redis"))
    redis.start()
    try:
        yield redis.url()
    finally:
        redis.stop()


@pytest.fixture(scope="session")
def shared_engine(database_url: str) -> Iterator[Engine]:
    """The one engine of this process; it outlives tests so that each does not pay for new connections."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRIVET_DATABASE_URL", database_url)
        patch.setenv("TRIVET_SECRET_KEY", TEST_SECRET)
        get_settings.cache_clear()
        db.engine.cache_clear()
        made = db.engine()
        yield made
        db.forget()
    get_settings.cache_clear()


@pytest.fixture
def database(
    shared_engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[str]:
    monkeypatch.setenv("TRIVET_DATABASE_URL", database_url)
    monkeypatch.setenv("TRIVET_SECRET_KEY", TEST_SECRET)
    monkeypatch.setenv("TRIVET_DATA_DIR", str(tmp_path))
    get_settings.cache_clear()
    db.forget_rows()
    yield database_url
    _empty(shared_engine)
    db.forget_rows()
    get_settings.cache_clear()


# Rows are deleted: truncating makes every table, index and sequence anew, and every connection then learns them again.
# A table that has grown is truncated all the same. What never held a row has no size and is not asked. The lock waits for
# whoever still writes, so that no row comes later. As a replica nothing refers, refuses or fires.
_EMPTY = """
DO $$
DECLARE
    found record;
    grown text;
BEGIN
    SET LOCAL session_replication_role = replica;
    FOR found IN
        SELECT oid::regclass AS name, pg_relation_size(oid) > 262144 AS has_grown FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'
        AND pg_relation_size(oid) > 0
    LOOP
        IF found.has_grown THEN
            grown := concat_ws(', ', grown, found.name);
        ELSE
            EXECUTE format('LOCK TABLE %s', found.name);
            EXECUTE format('DELETE FROM %s', found.name);
        END IF;
    END LOOP;
    IF grown IS NOT NULL THEN
        EXECUTE format('TRUNCATE %s CASCADE', grown);
    END IF;
    PERFORM setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)
    FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL;
END $$
"""


def _empty(engine: Engine) -> None:
    """No table keeps a row, and every sequence begins again."""
    with engine.begin() as connection:
        connection.execute(text(_EMPTY))


@lru_cache
def _app(*_: int) -> "FastAPI":  # noqa: F821  # imported late: most tests need no app
    """One app for all tests of a process: making it takes longer than most of them. It keeps no state but the limits."""
    from trivet.app import create_app

    return create_app()


@pytest.fixture
def whole_app(database: str) -> "FastAPI":  # noqa: F821  # imported late: most tests need no app
    """What `create_app` makes under this test's limits."""
    settings = get_settings()
    return _app(settings.rest_body_limit_bytes, settings.bill_file_limit_bytes)


@pytest.fixture
def client(whole_app: "FastAPI") -> Iterator["TestClient"]:  # noqa: F821  # imported late: most tests need no app
    from fastapi.testclient import TestClient
    from tests.support.answers import hold_against_the_document

    with TestClient(whole_app, base_url="http://127.0.0.1") as made:
        hold_against_the_document(made, whole_app)
        yield made


@pytest.fixture
def server(whole_app: "FastAPI") -> Iterator[str]:  # noqa: F821  # imported late: most tests need no app
    """Address of the real app on a loopback socket."""
    from tests.support.serving import serving

    with serving(whole_app) as address:
        yield address


@pytest.fixture
def make_key(database: str) -> Callable[..., str]:
    """`make_key(["read"])`, `make_key(["ingest"], tenant="acme")` -> a fresh API key."""
    from trivet.identity import service

    def make(scopes: list[str], tenant: str | None = None) -> str:
        with db.transaction() as session:
            return service.create_key(session, name="test", scopes=scopes, tenant=tenant, actor="test").secret

    return make


@pytest.fixture
def admin(make_key: Callable[..., str]) -> dict[str, str]:
    """Headers of an admin key."""
    return {"Authorization": f"Bearer {make_key(['admin'])}"}


@pytest.fixture(autouse=True)
def quiet_alembic() -> None:
    logging.getLogger("alembic").setLevel(logging.WARNING)


@pytest.fixture(scope="session", autouse=True)
def passwords_hashed_quickly() -> Iterator[None]:
    """Argon2id still, with the least work; what the product does is held by `tests/identity/test_sign_in.py`."""
    from argon2 import PasswordHasher

    from trivet.identity import service

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield


# Their tests wait for processes.
_LONG = (
    "tests/browser",
    "tests/embed/test_up.py",
    "tests/spine/test_the_loop.py",
    "tests/embed/test_postgres.py",
    "tests/spine/test_exactly_once.py",
    "tests/embed/test_serve.py",
    "tests/spine/test_hold_up.py",
    "tests/demo/test_replay.py",
    "tests/collectors/test_policy_client.py",
    "tests/collectors/test_nvml.py",
    "tests/collectors/test_agent.py",
    "tests/demo/test_backend.py",
    "tests/collectors/test_litellm_proxy.py",
)
# The files of such a folder share what is started once for all of them.
_TOGETHER = ("tests/browser",)


def _unit(nodeid: str) -> str:
    """What one process runs from beginning to end: a file, or a folder whose files share something."""
    file = nodeid.partition("::")[0]
    return next((folder for folder in _TOGETHER if file.startswith(f"{folder}/")), file)


def pytest_configure(config: pytest.Config) -> None:
    config.option.loadscopereorder = False  # xdist would begin with the units of most tests; see below


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling

    class Units(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _unit(nodeid)

    return Units(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long comes first, each before two of many tests: no process is left with a long one at the end, and
    seldom do all of them start something at once.
    """
    of_unit: dict[str, list[pytest.Item]] = {}
    for item in items:
        of_unit.setdefault(_unit(item.nodeid), []).append(item)
    long = [unit for unit in _LONG if unit in of_unit]
    others = sorted(of_unit.keys() - set(long), key=lambda unit: (-len(of_unit[unit]), unit))
    beside = [unit for three in zip(long, others[0::2], others[1::2], strict=False) for unit in three]
    ordered = dict.fromkeys(beside + long + others)
    items[:] = [item for unit in ordered for item in of_unit[unit]]


def pytest_collection_finish() -> None:
    """What stands now stands to the end."""
    garbage.as_usual()
