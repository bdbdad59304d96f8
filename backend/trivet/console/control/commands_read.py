"""The pages of commands: read in one transaction, then put into their dataclasses."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import BeforeValidator, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.card import service as cards
from trivet.command import api, listing
from trivet.command import scope as scopes
from trivet.command.listing import PEOPLE, Row, Wanted
from trivet.command.models import Command
from trivet.console import format as say
from trivet.console import story
from trivet.console.address import Address, Times, number_after
from trivet.console.control import commands_words as words
from trivet.console.control import filters
from trivet.console.control.control_views import CommandPage, CommandRow, CommandsPage, HeldRow
from trivet.console.tongue import N_, _
from trivet.console.views import Reader
from trivet.identity.models import Audit, User
from trivet.kit.body import Asked
from trivet.kit.errors import NotFound
from trivet.kit.page import to_cursor
from trivet.settings import get_settings
from trivet.tenant.models import Scenario

SHOWN, AFTER_SHOWN, OFFERED = 50, 5, 20
WAITING_MAX = 100
RANGES = ("1h", "6h", "24h", "7d", "30d")
WHO: Mapping[str, str] = {PEOPLE: N_("people"), "ladder": N_("the ladder"), "expiry": N_("a time limit")}
NAMED = {"scenario": N_("scenario"), "kind": N_("kind"), "status": N_("state"), "who": N_("by")}
STATUSES = ("pending", "observed", "effective", "superseded", "expired")
# What the audit keeps of a command, and how it is called.
KEPT = {"level": N_("level"), "revision": N_("revision"), "broken": N_("broken off"), "until": N_("until")}
INSTANTS = ("until",)  # of these


def among(*values: str) -> BeforeValidator:
    """What is none of these is not asked for."""
    return BeforeValidator(lambda given: given if given in values else "")


class Query(Times):
    """The address of the page of commands."""

    scenario: Asked = ""
    kind: Annotated[
        Literal["", "degrade", "restore", "rollback", "break", "activate", "trial"], among(*words.KINDS)
    ] = ""
    status: Annotated[Literal["", "pending", "observed", "effective", "superseded", "expired"], among(*STATUSES)] = ""
    who: Asked = ""
    cursor: Annotated[str, Field(max_length=40)] = ""


def wanted(query: Query, address: Address) -> Wanted:
    """The address as the list of commands takes it."""
    return Wanted(query.scenario, query.kind, query.status, query.who, address.interval)


def page(session: Session, looking: Reader, query: Query, address: Address) -> CommandsPage:
    """Newest first, 50 a page."""
    rows = listing.newest(session, wanted(query, address), limit=SHOWN + 1, before_id=number_after(query.cursor))
    shown, people = rows[:SHOWN], _people(session, rows)
    told = [_row(each, people) for each in shown]
    names = sorted(session.scalars(select(Scenario.name).limit(filters.LISTED_MAX)))
    offered = sorted(card.scenario for card in cards.active(session).values()) if looking.may_command else []
    if query.scenario in offered:
        offered = [query.scenario]
    first = told[0] if told else None
    return CommandsPage(
        reader=looking,
        address=address,
        sentence=words.sentence(
            (first.what, " · ".join(first.scope), first.by, first.status) if first else None,
            _waiting(session), not scopes.present(session, looking.now, get_settings().backend_seen_s),
        ),
        live_url=address.url(),
        kept=filters.kept(address),
        fields=(
            filters.field("scenario", _(NAMED["scenario"]), [(name, name) for name in names], query.scenario),
            filters.field("kind", _(NAMED["kind"]), [(key, _(said)) for key, said in words.KINDS.items()], query.kind),
            filters.field("status", _(NAMED["status"]), [(key, _(key)) for key in STATUSES], query.status),
            filters.field("who", _(NAMED["who"]), [(key, _(said)) for key, said in WHO.items()], query.who),
        ),
        chips=filters.chips(address, {name: _(said) for name, said in NAMED.items()}),
        tracks=words.tracks([_told(each) for each in shown], looking.now),
        commands=tuple(told),
        next_url=address.url(cursor=to_cursor([shown[-1][0].id])) if len(rows) > SHOWN else "",
        scenarios=tuple((name, f"/scenarios/{quote(name, safe='')}/command") for name in offered[:OFFERED]),
        left_out=max(0, len(offered) - OFFERED),
    )  # fmt: skip


def one(session: Session, looking: Reader, command_id: int) -> CommandPage:
    """`NotFound` where there is no such command."""
    found = session.execute(listing.query().where(Command.id == command_id)).first()
    if found is None:
        raise NotFound(f"There is no command {command_id}.")
    command, scenario = found[0], found[1]
    later = listing.query().where(Command.scenario_id == command.scenario_id, Command.generation > command.generation)
    after = session.execute(later.order_by(Command.generation).limit(AFTER_SHOWN)).all()
    people = _people(session, [tuple(found), *map(tuple, after)])  # type: ignore[list-item]  # four columns each
    row = _row(tuple(found), people)  # type: ignore[arg-type]  # four columns
    held = [
        HeldRow(str(each["backend"]), int(each["generation"]), _at(each["observed_at"]), _at(each["effective_at"]))
        for each in api.backends(session, command, looking.now)
    ]
    missing = sum(1 for each in held if each.generation < command.generation)
    return CommandPage(
        reader=looking,
        row=row,
        sentence=words.of_one(row.what, " · ".join(row.scope), row.by, row.status, missing),
        live_url=f"/commands/{command_id}",
        moments=(
            (_("given"), command.created_at), (_("held by every backend in sight"), command.observed_at),
            (_("proven by telemetry"), command.effective_at), (_("over"), command.ended_at),
        ),
        changed=_changed(session, command, scenario, looking),
        backends=tuple(held),
        missing=missing,
        after=tuple(_row(tuple(each), people) for each in after),  # type: ignore[arg-type]  # four columns
    )  # fmt: skip


def _changed(session: Session, command: Command, scenario: str, looking: Reader) -> tuple[tuple[str, str, str], ...]:
    """What stood before and what it put in place, as the audit wrote it down when it was given."""
    row = session.execute(
        select(Audit.before, Audit.after)
        .where(Audit.subject == f"scenario:{scenario}", Audit.action == f"command.{command.kind}")
        .where(Audit.after["generation"].as_integer() == command.generation)
        .limit(1)
    ).first()
    before, after = (row[0] or {}, row[1] or {}) if row else ({}, {})
    return tuple(
        (_(said), _value(key, before.get(key), looking), _value(key, after.get(key), looking))
        for key, said in KEPT.items()
        if before.get(key) != after.get(key)
    )


def _value(key: str, value: Any, looking: Reader) -> str:
    if key in INSTANTS and isinstance(value, str):
        return say.day_clock(datetime.fromisoformat(value), looking.now, looking.zone, seconds=True)
    if isinstance(value, bool):
        return _("on") if value else _("off")
    return "–" if value is None else str(value)


def _at(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _waiting(session: Session) -> int:
    query = select(Command.id).where(Command.status == "pending", Command.ended_at.is_(None)).limit(WAITING_MAX)
    return len(session.scalars(query).all())


def _people(session: Session, rows: list[Row]) -> dict[str, str]:
    actors = {row[0].actor for row in rows}
    found: dict[str, str] = dict(session.execute(select(User.email, User.name).where(User.email.in_(actors))).all())
    return found


def _row(each: Row, people: Mapping[str, str]) -> CommandRow:
    row, *scope = each
    return CommandRow(
        id=row.id,
        what=words.what(row),
        scope=tuple(part for part in scope if part),
        generation=row.generation,
        status=row.status,
        held=words.held_after((row.observed_at - row.created_at).total_seconds()) if row.observed_at else "",
        outcome=row.outcome or "",
        by=_(WHO[row.actor]) if row.actor in WHO else story.person(row.actor, people),
        reason=story.why(row.actor, row.reason),
        created_at=row.created_at,
        expires_at=row.expires_at,
        breach_id=row.breach_id,
    )


def _told(each: Row) -> words.Told:
    row, scenario = each[0], each[1]
    return words.Told(
        row.id, f"{words.what(row)} · {scenario}", row.status, row.created_at, row.observed_at, row.ended_at
    )
