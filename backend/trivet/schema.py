"""Bring a database to the schema this release knows, or say how far it is."""

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from trivet.db import make_engine
from trivet.paths import shipped


def config(url: str) -> Config:
    """Alembic's configuration on one database; needs no ini file."""
    made = Config()
    made.set_main_option("script_location", str(shipped("migrations")))
    made.attributes["url"] = url
    return made


def upgrade(url: str, revision: str = "head") -> None:
    """Migrate up. Two at once are harmless: the second waits for the first."""
    command.upgrade(config(url), revision)


def downgrade(url: str, revision: str) -> None:
    """Migrate down."""
    command.downgrade(config(url), revision)


def is_current(url: str) -> bool:
    """True where every migration of this release has run."""
    head = ScriptDirectory.from_config(config(url)).get_current_head()
    engine = make_engine(url, pool_size=1, max_overflow=0)
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision() == head
    finally:
        engine.dispose()
