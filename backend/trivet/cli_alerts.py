"""`trivet alerts …`: what fires, a test of a channel, a silence. Who may open the database needs no key for it."""

from datetime import timedelta
from typing import Annotated

import typer

from trivet.cli_shared import DataDir, asking

alerts = typer.Typer(no_args_is_help=True, help="Alerts: what fires, and what keeps quiet.")
SHOWN = 50


@alerts.command("list")
def show(data_dir: DataDir = None) -> None:
    """What fires now, newest first, with who was told and why or why not."""
    from sqlalchemy import select

    from trivet.notify.alert.alerts_api import notices_of
    from trivet.notify.alert.standing import fact_of
    from trivet.notify.alert_models import Alert

    with asking(data_dir) as (session, _):
        query = select(Alert).where(Alert.ended_at.is_(None)).order_by(Alert.id.desc()).limit(SHOWN)
        found = session.scalars(query).all()
        said = notices_of(session, [row.id for row in found])
    for row in found:
        typer.echo(f"{row.id}  {row.severity}  {fact_of(row).name}: {row.annotations.get('why', '')}")
        for each in said.get(row.id, []):
            typer.echo(f"    {each['route']}: {each['decision']}, {each['reason']}")
        if row.unrouted:
            typer.echo(f"    nobody is told: {row.unrouted}")
    if not found:
        typer.echo("Nothing fires.")


@alerts.command("test")
def try_channel(channel: Annotated[str, typer.Argument(help="The channel's name.")], data_dir: DataDir = None) -> None:
    """Send a message that shows whether a channel works; a running worker sends it."""
    from trivet.kit.clock import utc_now
    from trivet.notify.channel import keep

    with asking(data_dir) as (session, actor):
        keep.test(session, channel, actor=actor, now=utc_now())
    typer.echo(f"Sent to {channel} within seconds; GET /api/v1/channels says what became of it.")


@alerts.command("silence")
def silence(
    matchers: Annotated[list[str], typer.Argument(help="Which alerts, such as 'scenario=\"rag\"'.")],
    *,
    reason: Annotated[str, typer.Option(help="Why: it stands beside every alert that is kept quiet.")],
    hours: Annotated[float, typer.Option(min=0.05, max=2_160, help="For how long.")] = 4.0,
    data_dir: DataDir = None,
) -> None:
    """Tell nobody of the alerts that all these matchers fit."""
    from trivet.kit.clock import utc_now
    from trivet.notify.alert import keep

    now = utc_now()
    with asking(data_dir) as (session, actor):
        row = keep.silence(
            session, matchers=matchers, starts_at=None, ends_at=now + timedelta(hours=hours), reason=reason, actor=actor,
            now=now,
        )  # fmt: skip
        said = f"Silence {row.id} holds until {row.ends_at:%Y-%m-%d %H:%M} UTC."
    typer.echo(said)
