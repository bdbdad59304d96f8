"""`trivet cards …`: cards as YAML for people who keep them in git. Who may open the database needs no key for it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from trivet.cli_shared import DataDir, asking, fail

cards = typer.Typer(no_args_is_help=True, help="Trade-off cards as YAML files.")
Files = Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="YAML files, one card each.")]


@cards.command("export")
def export(
    scenarios: Annotated[list[str] | None, typer.Argument(help="All that have a card where none is named.")] = None,
    to: Annotated[
        Path | None, typer.Option("--to", file_okay=False, help="A folder, one file each; else to the screen.")
    ] = None,
    revision: Annotated[int | None, typer.Option(min=1, help="Not the card that governs but this revision.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Write the cards that govern as YAML, always in the same order of keys."""
    from trivet.card import exchange

    if revision is not None and len(scenarios or ()) != 1:
        fail("name the one scenario whose revision it is")
    with asking(data_dir) as (session, _):
        texts = {name: exchange.export(session, name, revision) for name in scenarios or _governed(session)}
    for name, text in texts.items():
        if to is None:
            typer.echo(text, nl=False)
            continue
        to.mkdir(parents=True, exist_ok=True)
        path = to / f"{file_name(name)}.yaml"
        path.write_text(text, "utf-8")
        typer.echo(f"{path}")


@cards.command("import")
def import_files(files: Files, data_dir: DataDir = None) -> None:
    """A draft revision of each card that differs from what governs; nothing for one that does not. All files, or none."""
    from trivet.card import exchange
    from trivet.kit.clock import utc_now

    said: list[str] = []
    with asking(data_dir) as (session, actor):
        for path in files:
            done = exchange.bring_in(session, _text(path), actor=actor, now=utc_now())
            said.append(_told(done))
    for line in said:
        typer.echo(line)


@cards.command("diff")
def show_difference(files: Files, data_dir: DataDir = None) -> None:
    """What each file would change of the card that governs. Ends with 1 where there is a difference, as `diff` does."""
    from trivet.card import exchange

    with asking(data_dir) as (session, _):
        found = [exchange.compare(session, _text(path)) for path in files]
    for scenario, words in found:
        typer.echo(f"{scenario}: {len(words)} change{'s' * (len(words) != 1)}" if words else f"{scenario}: no change")
        for line in words:
            typer.echo(f"  {line}")
    if any(words for _, words in found):
        raise typer.Exit(1)


@cards.command("check")
def check_files(files: Files) -> None:
    """Whether each file is a card that could be drafted; needs no database, so it fits a commit hook."""
    from trivet.card import yaml_form
    from trivet.card.whole import checked
    from trivet.kit.errors import TrivetError

    wrong = 0
    for path in files:
        try:
            scenario, body = yaml_form.load(_text(path))
            checked(body)
        except TrivetError as refused:
            wrong += 1
            typer.echo(f"{path}: {refused.detail}", err=True)
        else:
            typer.echo(f"{path}: a card of {scenario}")
    if wrong:
        fail(f"{wrong} of {len(files)} could not be drafted")


def file_name(scenario: str) -> str:
    """A scenario's name as a file's: without what a file system takes for something else."""
    from urllib.parse import quote

    return quote(scenario, safe=" ").lstrip(".") or "card"


def _governed(session: Any) -> list[str]:
    from trivet.card.governing import active

    return sorted(card.scenario for card in active(session).values())


def _text(path: Path) -> str:
    """A file, no longer than a card can be."""
    from trivet.card import exchange, yaml_form

    with path.open("rb") as file:
        return exchange.decoded(file.read(yaml_form.BYTES_MAX + 1))


def _told(done: Any) -> str:
    if done.changed:
        changes = "".join(f"\n  {line}" for line in done.changes)
        return f"{done.scenario}: revision {done.revision} is a draft now{changes}"
    return f"{done.scenario}: no change, revision {done.revision} says the same"
