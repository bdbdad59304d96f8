"""What commands share: where everything is kept, who asks, and how they say what is and why not."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Where everything is kept. [setting: data_dir]")]


def use_database(data_dir: Path | None) -> None:
    """Talk to the database that the settings name, else to that of the `trivet up` that runs on the data directory."""
    from trivet.embed.addresses import use_running
    from trivet.settings import Settings, get_settings

    use_running(data_dir or Settings().data_dir)  # type: ignore[call-arg]  # every field has a default
    if not get_settings().database_url:
        fail("TRIVET_DATABASE_URL is not set, and no `trivet up` runs on this data directory")


@contextmanager
def asking(data_dir: Path | None) -> Iterator[tuple[Any, str]]:
    """A transaction and who asks; a refusal ends the command with its reason."""
    import trivet.tenant.models  # noqa: F401  # tables of others refer to that of tenants
    from trivet import db
    from trivet.kit.errors import TrivetError

    use_database(data_dir)
    try:
        with db.transaction() as session:
            yield session, actor()
    except TrivetError as refused:
        fail(refused.detail)


def actor() -> str:
    """Who asks, as the audit log names them."""
    return f"cli:{os_user()}"


def os_user() -> str:
    """Who runs this; the number where the machine has no name for it."""
    import os
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def say(line: str) -> None:
    """One line for the person at the console, at once."""
    typer.echo(line)


def fail(message: str) -> NoReturn:
    """Say on stderr why not, and end with status 1."""
    typer.echo(f"trivet: {message}", err=True)
    raise typer.Exit(1)
