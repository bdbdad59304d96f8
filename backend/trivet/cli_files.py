"""`trivet export`, `trivet bill …`, `trivet focus …`: files of ours, and files of others held against what was measured."""

from pathlib import Path
from typing import Annotated

import typer

from trivet.cli_shared import DataDir, actor, fail, say, use_database

bill = typer.Typer(no_args_is_help=True, help="Bills of providers.")
focus = typer.Typer(no_args_is_help=True, help="FOCUS files, of ours or of others.")


def export(
    kind: Annotated[str, typer.Argument(help="usage, costs, statement, allocation or supply.")],
    start: Annotated[str, typer.Option("--from", help="RFC 3339, inclusive: 2026-11-01T00:00:00Z.")] = "",
    end: Annotated[str, typer.Option("--to", help="RFC 3339, exclusive.")] = "",
    *,
    form: Annotated[str, typer.Option("--format", help="csv, xlsx, pdf, focus.csv or parquet.")] = "",
    month: Annotated[str, typer.Option(help="A whole month instead of --from and --to: 2026-11.")] = "",
    cost_centre: Annotated[str, typer.Option(help="Whose statement.")] = "",
    group_by: Annotated[str, typer.Option(help="Dimensions, comma-separated.")] = "tenant,model",
    grain: Annotated[str, typer.Option(help="Rows by 1h, 1d or 1mo as well.")] = "",
    as_of: Annotated[str, typer.Option(help="As of the close of a month: 2026-10.")] = "",
    focus_version: Annotated[str, typer.Option(help="1.2, 1.3 or 1.4.")] = "1.2",
    out: Annotated[Path | None, typer.Option(help="File to write; the terminal where left out.")] = None,
    data_dir: DataDir = None,
) -> None:
    """A file of an interval, with the numbers that the page and the API give."""
    from trivet.kit.errors import TrivetError
    from trivet.report.export import run, wish_of

    use_database(data_dir)
    try:
        wish = wish_of(
            kind, start, end, form=form, month=month, cost_centre=cost_centre, group_by=group_by, grain=grain or None,
            as_of=as_of or None, focus_version=focus_version,
        )  # fmt: skip
        count = run(kind, wish, out)
    except TrivetError as refused:
        fail(refused.detail)
    if out:
        say(f"{count} rows in {out}")


@bill.command("import")
def import_bill(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="FOCUS or a provider's CSV; gzip, Parquet.")
    ],
    *,
    usage: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="The provider's tokens, beside it.")
    ] = None,
    form: Annotated[str, typer.Option("--format", help="What it is; its header says so where left out.")] = "",
    provider: Annotated[str, typer.Option(help="Who bills, where the file does not say.")] = "",
    zone: Annotated[str, typer.Option(help="Whose days it counts in: UTC, America/Los_Angeles.")] = "",
    services: Annotated[
        str, typer.Option(help="Services to take, by parts of their names with | between; * takes all.")
    ] = "",
    replaces: Annotated[int | None, typer.Option(help="The bill whose place it takes.")] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out rows that cannot be read.")] = False,
    post: Annotated[bool, typer.Option("--post", help="Post the differences at once.")] = False,
    spread: Annotated[str, typer.Option(help="Who bears them: apart, or use.")] = "apart",
    data_dir: DataDir = None,
) -> None:
    """Import a bill, and say how it compares with what was measured."""
    from pydantic import ValidationError

    from trivet.bill.asked import Given
    from trivet.bill.command import run
    from trivet.kit.errors import TrivetError

    use_database(data_dir)
    try:
        given = Given(
            format=form, provider=provider, zone=zone, services=services, replaces=replaces, skip_bad=skip_bad
        )  # fmt: skip
    except ValidationError as wrong:
        fail("; ".join(f"{each['loc'][0]}: {each['msg']}" for each in wrong.errors()))
    try:
        run(file, usage, given, spread=spread if post else "", actor=actor(), say=say)
    except TrivetError as refused:
        fail(refused.detail)


@focus.command("check")
def check_focus(
    file: Annotated[Path, typer.Argument(help="A FOCUS file, CSV or Parquet.")],
    focus_version: Annotated[str, typer.Option(help="1.2, 1.3 or 1.4; what its header speaks where left out.")] = "",
) -> None:
    """Hold a FOCUS file against the rules; status 1 where it breaks one that it must keep. Needs no database."""
    from trivet.kit.errors import TrivetError
    from trivet.report.files.focus_check import check_file, told

    try:
        verdict, version = check_file(file, focus_version)
    except TrivetError as refused:
        fail(refused.detail)
    for line in told(verdict, version):
        say(line)
    if not verdict.ok:
        raise typer.Exit(1)


@focus.command("columns")
def focus_columns(focus_version: Annotated[str, typer.Option(help="1.2, 1.3 or 1.4.")] = "1.2") -> None:
    """The columns of our FOCUS files, with their levels and what they hold."""
    from trivet.report.files.focus_columns import VERSIONS, columns

    if focus_version not in VERSIONS:
        fail(f"--focus-version is one of {', '.join(VERSIONS)}.")
    for column in columns(focus_version):
        say(f"{column.name:36} {column.level} {'null' if column.nullable else '    '} {column.kind}")
