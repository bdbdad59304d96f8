"""`trivet prices …`: enter a price, import a list, see what has none. Who may open the database needs no key for it."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from trivet.cli_shared import DataDir, asking

prices = typer.Typer(no_args_is_help=True, help="The price book.")
From = Annotated[str, typer.Option("--from", help="When it starts to hold, RFC 3339; now where left out.")]
Currency = Annotated[str, typer.Option(help="ISO 4217, such as USD.")]


@prices.command("import")
def import_list(
    source: Annotated[str, typer.Argument(help="litellm or genai-prices.")],
    file: Annotated[
        Path | None, typer.Argument(exists=True, dir_okay=False, help="LiteLLM's model_prices_and_context_window.json.")
    ] = None,
    *,
    start: From = "",
    apply: Annotated[bool, typer.Option("--apply", help="Enter it; else only show what it would change.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Hold a price list against the book: what is new, changed and by how much, and what cannot be said."""
    from trivet.kit.errors import Invalid
    from trivet.pricing.importing import litellm, service, telling

    with asking(data_dir) as (session, actor):
        at = _instant(start)
        if source == "litellm" and file:
            offered = litellm.read(file.read_bytes())
        elif source == "genai-prices" and not file:
            offered = service.genai_prices(session, at)
        else:
            raise Invalid("Import `litellm FILE`, or `genai-prices`, which needs no file.")
        seen = service.enter(session, offered, at, actor) if apply else service.look(session, offered, at)
        said = list(telling.lines(seen, applied=apply))
    for line in said:
        typer.echo(line)


@prices.command("enter")
def enter_price(
    provider: Annotated[str, typer.Argument(help="As spans name it, such as openai.")],
    model: Annotated[str, typer.Argument(help="As spans name it, such as gpt-4o.")],
    *,
    input_price: Annotated[str, typer.Option("--input", help="A million input tokens, such as 2.50.")],
    output_price: Annotated[str, typer.Option("--output", help="A million output tokens.")],
    cache_read: Annotated[str, typer.Option(help="A million tokens read from a cache; as input where left out.")] = "",
    cache_write: Annotated[
        str, typer.Option(help="A million tokens written to a cache; as input where left out.")
    ] = "",
    reasoning: Annotated[str, typer.Option(help="A million reasoning tokens; as output where left out.")] = "",
    tier: Annotated[str, typer.Option(help="batch, flex, priority …; the standard one where left out.")] = "",
    pool: Annotated[str, typer.Option(help="Of one pool alone.")] = "",
    start: From = "",
    currency: Currency = "USD",
    source: Annotated[str, typer.Option(help="Where the price comes from.")] = "entered",
    data_dir: DataDir = None,
) -> None:
    """Enter a price. It lies above all imported ones, and prices requests that had none."""
    from trivet.kit.errors import Invalid
    from trivet.pricing import service
    from trivet.pricing.rate import canonical
    from trivet.pricing.tier import tier_of

    given = {"input": input_price, "output": output_price, "cache_read": cache_read, "cache_write": cache_write,
             "reasoning": reasoning}  # fmt: skip
    with asking(data_dir) as (session, actor):
        _named(provider, "provider")
        _named(model, "model")
        known = tier_of(tier or "standard")
        if known is None:
            raise Invalid("A tier is a word such as batch, flex or priority.", field="tier")
        row = service.add_price(
            session, provider=provider, model=model, pool=pool, tier=known, effective_from=_instant(start),
            currency=_currency(currency), rates=canonical({kind: text for kind, text in given.items() if text}),
            source=source, actor=actor,
        )  # fmt: skip
        said = f"price {row.id}: {provider} {model} from {row.effective_from:%Y-%m-%dT%H:%M:%SZ}"
    typer.echo(said)


@prices.command("unit")
def enter_unit_price(
    unit: Annotated[str, typer.Argument(help="Such as bandwidth_gb, tool_calls, web_searches.")],
    *,
    price: Annotated[str, typer.Option(help="Of one of them.")],
    name: Annotated[str, typer.Option(help="Of one tool, size or model alone.")] = "",
    provider: Annotated[str, typer.Option(help="Of one provider alone.")] = "",
    pool: Annotated[str, typer.Option(help="Of one pool alone.")] = "",
    start: From = "",
    currency: Currency = "USD",
    source: Annotated[str, typer.Option(help="Where the price comes from.")] = "entered",
    data_dir: DataDir = None,
) -> None:
    """Enter the price of a unit that is no token and no GPU hour."""
    from decimal import Decimal

    from trivet.pricing import unit as units
    from trivet.pricing.rate import plain_price

    with asking(data_dir) as (session, actor):
        row = units.add(
            session, unit=unit, name=name, provider=provider, pool=pool, effective_from=_instant(start),
            currency=_currency(currency), price=Decimal(plain_price(price, "price")), source=source, actor=actor,
        )  # fmt: skip
        said = f"unit price {row.id}: {unit} from {row.effective_from:%Y-%m-%dT%H:%M:%SZ}"
    typer.echo(said)


@prices.command("gaps")
def show_gaps(
    days: Annotated[int, typer.Option(min=1, max=366, help="So many days back from now.")] = 30,
    data_dir: DataDir = None,
) -> None:
    """What has no price, the tokens it touches, and what closes each gap."""
    from datetime import timedelta

    from trivet.kit.clock import utc_now
    from trivet.kit.interval import Interval
    from trivet.report import gaps

    with asking(data_dir) as (session, _):
        now = utc_now()
        found = gaps.gaps(session, Interval(now - timedelta(days=days), now))
    for gap in found.models:
        typer.echo(
            f"{gap.provider} {gap.model}{f' [{gap.tier}]' if gap.tier else ''} {gap.reason}: {gap.requests:,} "
            f"request{'s' * (gap.requests != 1)}, {gap.total:,} tokens\n  {gap.to_do}"
        )
    for each in found.units:
        typer.echo(f"{each.of.unit} {each.of.name}: {each.amount.normalize():f}\n  {each.to_do}")
    typer.echo(f"{found.requests:,} requests and {found.tokens:,} tokens of the last {days} days are in no cost.")


def _named(text: str, what: str) -> None:
    from pydantic import TypeAdapter, ValidationError

    from trivet.kit.body import Name
    from trivet.kit.errors import Invalid

    try:
        TypeAdapter(Name).validate_python(text)
    except ValidationError as bad:
        raise Invalid(f"Name the {what} as spans do.", field=what) from bad


def _instant(text: str) -> datetime:
    from pydantic import TypeAdapter, ValidationError

    from trivet.kit.body import Instant
    from trivet.kit.clock import floor, utc_now
    from trivet.kit.errors import Invalid

    try:
        found: datetime = TypeAdapter(Instant).validate_python(text) if text else floor(utc_now(), 1)
    except ValidationError as bad:
        raise Invalid("Write --from as a time, such as 2026-11-21T07:00:00Z.", field="from") from bad
    return found


def _currency(text: str) -> str:
    from pydantic import TypeAdapter, ValidationError

    from trivet.kit.body import Currency as Code
    from trivet.kit.errors import Invalid

    try:
        found: str = TypeAdapter(Code).validate_python(text)
    except ValidationError as bad:
        raise Invalid("A currency has three capital letters, such as USD.", field="currency") from bad
    return found
