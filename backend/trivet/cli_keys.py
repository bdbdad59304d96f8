"""`trivet keys …`: API keys, made on this machine. Who may open the database needs no key for it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from trivet.cli_shared import DataDir, actor, fail, use_database

if TYPE_CHECKING:
    from trivet.identity.service import NewKey

keys = typer.Typer(no_args_is_help=True, help="API keys, made on this machine.")


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
    use_database(data_dir)
    wanted = [scope.strip() for scope in scopes.split(",") if scope.strip()]
    made = make(name, wanted, tenant)
    typer.echo(made.secret)
    typer.echo(f"key {made.id}, {name}: {', '.join(wanted)}. It is not shown again.", err=True)


def make(name: str, scopes: Sequence[str], tenant: str | None) -> "NewKey":
    """A new key; a refusal ends the command with its reason."""
    from pydantic import TypeAdapter, ValidationError
    from sqlalchemy.exc import SQLAlchemyError

    import trivet.tenant.models  # noqa: F401  # the table of keys refers to that of tenants
    from trivet import db
    from trivet.identity import service
    from trivet.kit.body import Name
    from trivet.kit.errors import TrivetError

    try:
        for given in filter(None, (name, tenant)):
            TypeAdapter(Name).validate_python(given)
        with db.transaction() as session:
            return service.create_key(session, name=name, scopes=list(scopes), tenant=tenant or None, actor=actor())
    except ValidationError as refused:
        fail(f"{refused.errors()[0]['input']!r} is no name: {refused.errors()[0]['msg']}")
    except TrivetError as refused:
        fail(refused.detail)
    except SQLAlchemyError as away:
        fail(f"the database does not take it: {str(away).splitlines()[0]}")
