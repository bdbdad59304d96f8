"""What happened on the days of a picture of costs: prices, pools' terms, closes, commands, revisions; the newest of each."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.card.models import Activation
from trivet.command.models import Command
from trivet.console.tongue import N_, _
from trivet.fleet.models import Pool, PoolTerm
from trivet.kit.interval import Interval
from trivet.ledger.models import Period
from trivet.pricing.models import Price
from trivet.tenant.models import Scenario

FLAGS_MAX = 24
SAID_MAX = 6
KINDS = (N_("price"), N_("pool"), N_("close"), N_("command"), N_("card"))


@dataclass(frozen=True, slots=True)
class Flag:
    """One day on which something happened: a short label, and all of it in words."""

    day: date
    label: str
    says: str


def flags(session: Session, interval: Interval, tenant_id: int | None = None) -> list[Flag]:
    """By day. Somebody of one tenant is told of commands for that tenant or for everybody, and of nothing else."""
    found: dict[date, dict[str, list[str]]] = {}
    sources = [_commands(session, interval, tenant_id)]
    if tenant_id is None:
        sources += [_prices(session, interval), _terms(session, interval), _closes(session, interval)]
        sources.append(_cards(session, interval))
    for source in sources:
        for at, kind, words in source:
            found.setdefault(at.date(), {}).setdefault(kind, []).append(words)
    return [_flag(day, found[day]) for day in sorted(found)]


def _flag(day: date, kinds: dict[str, list[str]]) -> Flag:
    said = list(dict.fromkeys(words for kind in sorted(kinds) for words in kinds[kind]))
    more = [_("{n} more", n=len(said) - SAID_MAX)] if len(said) > SAID_MAX else []
    return Flag(day, ", ".join(_(kind) for kind in sorted(kinds)), "; ".join([*said[:SAID_MAX], *more]))


Found = Iterator[tuple[datetime, str, str]]


def _prices(session: Session, within: Interval) -> Found:
    query = select(Price.effective_from, Price.model).where(*_in(Price.effective_from, within))
    for at, model in session.execute(query.order_by(Price.effective_from.desc()).limit(FLAGS_MAX)):
        yield at, "price", _("price of {model}", model=model)


def _terms(session: Session, within: Interval) -> Found:
    query = select(PoolTerm.effective_from, Pool.name).join(Pool, Pool.id == PoolTerm.pool_id)
    query = query.where(*_in(PoolTerm.effective_from, within)).order_by(PoolTerm.effective_from.desc())
    for at, pool in session.execute(query.limit(FLAGS_MAX)):
        yield at, "pool", _("terms of {pool}", pool=pool)


def _closes(session: Session, within: Interval) -> Found:
    query = select(Period.closed_at, Period.month).where(*_in(Period.closed_at, within))
    for at, month in session.execute(query.limit(FLAGS_MAX)):
        if at is not None:
            yield at, "close", _("{month} was closed", month=month)


def _commands(session: Session, within: Interval, tenant_id: int | None) -> Found:
    query = select(Command.created_at, Command.kind, Scenario.name).join(Scenario, Scenario.id == Command.scenario_id)
    query = query.where(*_in(Command.created_at, within)).order_by(Command.created_at.desc())
    if tenant_id is not None:
        query = query.where((Command.tenant_id == tenant_id) | Command.tenant_id.is_(None))
    for at, kind, scenario in session.execute(query.limit(FLAGS_MAX)):
        yield at, "command", _("{kind} of {scenario}", kind=_(kind), scenario=scenario)


def _cards(session: Session, within: Interval) -> Found:
    query = select(Activation.active_from, Activation.number, Scenario.name)
    query = query.join(Scenario, Scenario.id == Activation.scenario_id).where(*_in(Activation.active_from, within))
    for at, number, scenario in session.execute(query.order_by(Activation.id.desc()).limit(FLAGS_MAX)):
        yield at, "card", _("revision {number} of {scenario}", number=number, scenario=scenario)


def _in(column: Any, within: Interval) -> tuple[Any, Any]:
    return column >= within.start, column < within.end
