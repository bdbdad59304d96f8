"""`trivet connect`: a backend's key, its exact configuration, a test call, and what arrives, in a terminal."""

from typing import TYPE_CHECKING, Annotated

import typer

from trivet import cli_keys
from trivet.cli_shared import DataDir, fail, use_database

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trivet.console.connect.arrived import Arrived
    from trivet.console.connect.checks import Check
    from trivet.console.connect.configs import Wish
    from trivet.console.connect.kinds import Kind

MISSING, NOTHING_CAME = 2, 3  # exit statuses beside 0, connected, and 1, it could not be tried
LOOKS_EACH_S = 1.0
WAIT_MAX_S = 86_400.0
MARKS = {"arrived": "ok", "missing": "--", "wrong": "!!"}


def connect(
    what: Annotated[str, typer.Option(help="litellm, vllm, triton, otel, client, collector or node.")] = "litellm",
    *,
    backend: Annotated[str, typer.Option(help="As it is called in Trivet; a name of its kind where left out.")] = "",
    scenario: Annotated[str, typer.Option(help="What its calls are for, where they do not say it.")] = "support-chat",
    tenant: Annotated[str, typer.Option(help="Bind the key to one tenant; else the spans say who.")] = "",
    pool: Annotated[str, typer.Option(help="The pool of GPUs that it runs on.")] = "",
    endpoint: Annotated[str, typer.Option(help="Trivet, as the backend reaches it. [setting: host, port]")] = "",
    test: Annotated[bool, typer.Option(help="Send a test call with the new key.")] = True,
    wait: Annotated[
        float, typer.Option(min=0, max=WAIT_MAX_S, help="Seconds to wait for the backend's own first call.")
    ] = 0.0,
    data_dir: DataDir = None,
) -> None:
    """Connect a backend: its key and configuration, then what of its calls arrives and what is missing.

    Ends with 0 where all that is needed arrived (without --wait: where the test call did), 1 where it could not be tried, 2
    where something is missing or wrong, 3 where the backend sent nothing in time.
    """
    from trivet.console.connect.configs import Wish
    from trivet.console.connect.kinds import KINDS
    from trivet.settings import get_settings

    if what not in KINDS:
        fail(f"--what is one of {', '.join(KINDS)}")
    use_database(data_dir)
    kind, settings = KINDS[what], get_settings()
    address = endpoint.rstrip("/") or f"http://{settings.host}:{settings.port}"
    key = cli_keys.make(backend or kind.backend, kind.scopes, tenant)
    wish = Wish(address, backend or kind.backend, scenario, tenant, pool, key.secret)
    _configuration(kind, wish)
    if test:
        _test(wish)
    raise typer.Exit(_watched(kind, wish, key.id, wait))


def _configuration(kind: "Kind", wish: "Wish") -> None:
    from trivet.console.connect.configs import files

    for text in files(kind, wish):
        typer.echo(f"==> {text.name}\n{text.text}\n")


def _test(wish: "Wish") -> None:
    from trivet.console.connect import trial
    from trivet.kit.clock import utc_now

    refused = trial.send(wish.endpoint, wish, utc_now())
    if refused:
        fail(f"the test call did not arrive: {refused}")
    typer.echo("the test call is stored")


def _watched(kind: "Kind", wish: "Wish", key_id: int, wait_s: float) -> int:
    """Look until what is connected is heard of, say what arrived, and what that is worth."""
    import time

    from trivet.console.connect import checks, words

    until = time.monotonic() + wait_s
    found = _found(key_id, wish)
    while not (done := _is_done(kind, wish, found)) and time.monotonic() < until:
        time.sleep(min(LOOKS_EACH_S, max(until - time.monotonic(), 0)))
        found = _found(key_id, wish)
    every = checks.checks(kind, wish, found)
    if found.anything:
        _table(every)
    typer.echo(words.watched(wish.backend, found, every))
    if done or not wait_s:
        return 0
    if not found.itself:
        typer.echo(f"trivet: nothing came from {wish.backend} in {wait_s:g} s", err=True)
        return NOTHING_CAME
    return MISSING


def _is_done(kind: "Kind", wish: "Wish", found: "Arrived") -> bool:
    from trivet.console.connect import checks

    return found.itself and checks.verdict(checks.checks(kind, wish, found)) == checks.ARRIVED


def _found(key_id: int, wish: "Wish") -> "Arrived":
    from trivet import db
    from trivet.console.connect.arrived import arrived
    from trivet.identity.models import ApiKey
    from trivet.kit.clock import utc_now

    with db.transaction() as session:
        key = session.get_one(ApiKey, key_id)
        return arrived(session, key.id, wish, since=key.created_at, now=utc_now())


def _table(every: "Iterable[Check]") -> None:
    for each in every:
        value = f" = {each.value}" if each.value else ""
        optional = "" if each.needed or each.state != "missing" else " (not needed)"
        typer.echo(f"{MARKS[each.state]}  {each.name}{value}{optional}")
        if each.state != "arrived":
            typer.echo(f"    {each.why} {each.line}".rstrip())
