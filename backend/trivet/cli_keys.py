"""`trivet keys …`: API keys, made on this machine. Who may open the database needs no key for it."""

from pathlib import Path
from typing import Annotated

import typer

keys = typer.Typer(no_args_is_help=True, help="API keys, made on this machine.")
DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Where everything is kept. [setting: data_dir]")]


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="What it is for; the audit log names it so.")],
    scopes: Annotated[str, typer.Option(help="Some of ingest, policy, read, finance, admin, comma-separated.")],
    tenant: Annotated[
        str | None, typer.Option(help="Bind it to one tenant: it sends and sees only that one's.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Make an API key and print it; it is shown this once. Who may open the database needs no key for it."""
    from pydantic import TypeAdapter, ValidationError
    from sqlalchemy.exc import SQLAlchemyError

    import trivet.tenant.models  # noqa: F401  # the table of keys refers to that of tenants
    from trivet import cli, db
    from trivet.identity import service
    from trivet.kit.body import Name
    from trivet.kit.errors import TrivetError

    cli.use_database(data_dir)
    wanted = [scope.strip() for scope in scopes.split(",") if scope.strip()]
    try:
        for given in filter(None, (name, tenant)):
            TypeAdapter(Name).validate_python(given)
        with db.transaction() as session:
            made = service.create_key(session, name=name, scopes=wanted, tenant=tenant, actor=f"cli:{cli.os_user()}")
    except ValidationError as refused:
        cli.fail(f"{refused.errors()[0]['input']!r} is no name: {refused.errors()[0]['msg']}")
    except TrivetError as refused:
        cli.fail(refused.detail)
    except SQLAlchemyError as away:
        cli.fail(f"the database does not take it: {str(away).splitlines()[0]}")
    typer.echo(made.secret)
    typer.echo(f"key {made.id}, {name}: {', '.join(wanted)}. It is not shown again.", err=True)
