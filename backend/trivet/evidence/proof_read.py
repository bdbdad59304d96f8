"""The proof of one command, out of its commands and rollups: a few bounded statements, the same for page, API and file."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from trivet import db
from trivet.command.models import Command
from trivet.evidence import proof
from trivet.evidence.models import BreachTimes
from trivet.evidence.proof_terms import Change, Terms, terms
from trivet.guard.models import Breach
from trivet.kit.errors import NotFound, TrivetError
from trivet.kit.interval import Interval
from trivet.rollup import read

EARLIER_MAX = 50  # commands of the scope that say what stood before
NAMED_MAX = 8  # tenants that are held fixed one by one; the rest is one
REST = "rest"
LATE = timedelta(minutes=10)  # after that long nothing of a proof is expected to move any more
KEPT_MAX = 2_000
_kept: dict[int, "Proof"] = {}
db.caches.append(_kept.clear)


@dataclass(frozen=True, slots=True)
class Proof:
    """What one command did. `effects` empty: `terms.missing` says why. `fixed`: tenants that were held fixed one by one."""

    command_id: int
    terms: Terms
    currency: str = ""
    fixed: int = 0
    effects: tuple[proof.Effect, ...] = ()


def of(session: Session, command_id: int, now: datetime) -> Proof:
    """`NotFound` where there is no such command. What is over is kept by this process: no late call moves it by much."""
    if command_id in _kept:
        return _kept[command_id]
    command = session.get(Command, command_id)
    if command is None:
        raise NotFound(f"There is no command {command_id}.")
    found = _measured(session, command, now)
    over = found.terms.after is not None and not found.terms.running and found.terms.after.end + LATE < now
    if over and len(_kept) < KEPT_MAX:
        _kept[command_id] = found
    return found


def _measured(session: Session, command: Command, now: datetime) -> Proof:
    found = terms(_change(command), _earlier(session, command), _next(session, command), _began(session, command), now)
    if found.before is None or found.after is None:
        return Proof(command.id, found)
    try:
        return _read(session, command, found, found.before, found.after)
    except TrivetError as refused:  # rollups that are not kept any more
        missing = Terms(
            found.level_before, found.level_after, found.revision_before, found.revision_after, missing=refused.detail
        )
        return Proof(command.id, missing)


def _read(session: Session, command: Command, found: Terms, before: Interval, after: Interval) -> Proof:
    where = _where(command)
    was = where | {"level": [found.level_before], "revision": [found.revision_before]}
    now = where | {"level": [found.level_after], "revision": [found.revision_after]}
    counted = read.counts(session, after, ["tenant_id"], ["requests"], now)
    if command.kind == "break":  # what it did to the others: it serves the one no more
        counted.pop((command.tenant_id,), None)
    order = sorted(counted, key=lambda key: (-counted[key][0], key[0]))
    named, rest = [key[0] for key in order[:NAMED_MAX]], [key[0] for key in order[NAMED_MAX:]]
    currency = _currency(session, after, now)
    money = {"currency": ["", currency]}  # what is priced in another is left out: amounts of two are never added
    sides = [
        _side(session, each, [(named, True), (rest, False)], having | money, found.grain_s)
        for each, having in ((before, was), (after, now))
    ]
    return Proof(command.id, found, currency, len(named), proof.effects(*sides))


def _where(command: Command) -> dict[str, list[Any]]:
    found = {"scenario_id": [command.scenario_id]}
    if command.tenant_id and command.kind != "break":
        found["tenant_id"] = [command.tenant_id]
    return found | ({"backend_id": [command.backend_id]} if command.backend_id else {})


def _side(
    session: Session, interval: Interval, tenants: Sequence[tuple[list[int], bool]], where: Mapping[str, list[Any]], grain_s: int
) -> proof.Side:  # fmt: skip
    """Usage by bucket of some tenants, each for itself or all as one."""
    found: dict[tuple[Hashable, datetime], read.Usage] = {}
    for ids, alone in tenants:
        if ids:
            keys = ["bucket", "tenant_id"] if alone else ["bucket"]
            usage = read.usage(session, interval, keys, {**where, "tenant_id": ids}, grain_s)
            found |= {(key[1] if alone else REST, key[0]): each for key, each in usage.items()}
    return found


def _currency(session: Session, interval: Interval, where: Mapping[str, list[Any]]) -> str:
    """The currency that most is paid in; a proof mixes none, as one scenario has one."""
    found = read.counts(session, interval, ["currency"], ["requests"], where)
    return max(((n, str(currency)) for (currency,), (n,) in found.items() if currency), default=(0, ""))[1]


def _scope(command: Command) -> tuple[ColumnElement[bool], ...]:
    """What stood, and came, for those that the command is proven by: a tenant that is broken off is not one of them."""
    tenant_id = 0 if command.kind == "break" else command.tenant_id or 0
    return (
        Command.scenario_id == command.scenario_id,
        func.coalesce(Command.tenant_id, 0).in_({0, tenant_id}),
        func.coalesce(Command.backend_id, 0).in_({0, command.backend_id or 0}),
        Command.kind != "trial",
    )


def _earlier(session: Session, command: Command) -> list[Change]:
    query = select(Command).where(*_scope(command), Command.generation < command.generation, Command.share.is_(None))
    return [_change(row) for row in session.scalars(query.order_by(Command.generation.desc()).limit(EARLIER_MAX))][::-1]


def _next(session: Session, command: Command) -> datetime | None:
    return session.scalar(
        select(func.min(Command.created_at)).where(
            *_scope(command), Command.generation > command.generation, Command.share.is_(None)
        )
    )


def _began(session: Session, command: Command) -> datetime | None:
    """When the breach it answers began, or was seen."""
    if command.breach_id is None:
        return None
    began = session.scalar(select(BreachTimes.began_at).where(BreachTimes.breach_id == command.breach_id))
    return began or session.scalar(select(Breach.opened_at).where(Breach.id == command.breach_id))


def _change(row: Command) -> Change:
    return Change(
        row.id, row.kind, row.level, row.revision, row.share, row.created_at,
        row.effective_at or row.observed_at, row.ended_at,
    )  # fmt: skip
