"""The page of commands."""

from datetime import datetime
from urllib.parse import quote

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet import db
from trivet.card import service as cards
from trivet.command import learning
from trivet.command import scope as scopes
from trivet.command.models import BackendHolding, BackendPoll, Command, PolicyGeneration
from trivet.console.control.control_views import BackendRow, CommandRow, ControlPage
from trivet.console.control.control_words import MARKS, Told, held_after, sentence, tracks
from trivet.console.door import Looking
from trivet.console.pages import show
from trivet.console.views import Reader
from trivet.fleet.models import Backend
from trivet.settings import get_settings
from trivet.tenant.models import Scenario, Tenant

router = APIRouter()
COMMANDS_SHOWN, BACKENDS_SHOWN, BEHIND_NAMED = 50, 200, 3


@router.get("/commands")
def commands(looking: Looking) -> HTMLResponse:
    """Backends and the generations they hold, and the newest commands."""
    with db.transaction() as session:
        return show("control/page.html", _page(session, looking))


def _page(session: Session, looking: Reader) -> ControlPage:
    names = {card.scenario_id: card.scenario for card in cards.active(session).values()}
    backends = _backends(session, names, looking.now)
    rows = _commands(session)
    drawn, height = tracks(
        [Told(f"{c.kind} · {s}", c.status, c.created_at, c.observed_at, c.ended_at) for c, s, _, _ in rows], looking.now
    )
    there = [row for row in backends if row.learns != "silent"]
    waiting = sum(1 for c, *_ in rows if c.status == "pending" and c.ended_at is None)
    may = sorted(names.values()) if looking.may_command else []
    return ControlPage(
        reader=looking,
        sentence=sentence([row.learns for row in backends], waiting, sum(1 for row in there if row.behind)),
        tracks=drawn,
        height=height,
        backends=tuple(backends),
        commands=tuple(_command(*row) for row in rows),
        scenarios=tuple((name, f"/scenarios/{quote(name, safe='')}/command") for name in may),
    )


def _backends(session: Session, names: dict[int, str], now: datetime) -> list[BackendRow]:
    settings = get_settings()
    ways = learning.how(session, now, settings.backend_seen_s)
    wanted = dict(session.execute(select(PolicyGeneration.scenario_id, PolicyGeneration.generation)).all())
    query = (
        select(Backend, BackendPoll.polled_at)
        .outerjoin(BackendPoll, BackendPoll.backend_id == Backend.id)
        .order_by(BackendPoll.polled_at.desc().nulls_last(), Backend.name)
        .limit(BACKENDS_SHOWN)
    )
    rows = session.execute(query).all()
    held = scopes.holdings(session, list(names))
    return [
        _backend(row, seen_at, names=names, wanted=wanted, held=held, way=ways.get(row.id, "silent"))
        for row, seen_at in rows
    ]


def _backend(
    row: Backend,
    seen_at: datetime | None,
    *,
    names: dict[int, str],
    wanted: dict[int, int],
    held: dict[tuple[int, int], BackendHolding],
    way: str,
) -> BackendRow:
    """Beside each scenario that is behind: the generation it holds of the one it should."""
    served = [id_ for id_ in names if not row.scenario_ids or id_ in row.scenario_ids]
    behind = []
    for id_ in served:
        holding = held.get((row.id, id_))
        has = max(holding.observed_generation, holding.effective_generation) if holding else -1
        if has < wanted.get(id_, 0):
            behind.append(f"{names[id_]} {max(has, 0)} of {wanted.get(id_, 0)}")
    more = f" and {len(behind) - BEHIND_NAMED} more" if len(behind) > BEHIND_NAMED else ""
    said = ", ".join(behind[:BEHIND_NAMED]) + more
    words = learning.WORDS[way]
    return BackendRow(row.name, way, words, seen_at, len(served) - len(behind), len(served), said)


def _commands(session: Session) -> list[tuple[Command, str, str | None, str | None]]:
    query = (
        select(Command, Scenario.name, Tenant.name, Backend.name)
        .join(Scenario, Scenario.id == Command.scenario_id)
        .outerjoin(Tenant, Tenant.id == Command.tenant_id)
        .outerjoin(Backend, Backend.id == Command.backend_id)
        .order_by(Command.id.desc())
        .limit(COMMANDS_SHOWN)
    )
    return [tuple(row) for row in session.execute(query)]  # type: ignore[misc]  # four columns


def _command(row: Command, scenario: str, tenant: str | None, backend: str | None) -> CommandRow:
    level = f" to level {row.level}" if row.kind == "degrade" else ""
    return CommandRow(
        id=row.id,
        what=f"{row.kind}{level}",
        scope=" · ".join(part for part in (scenario, tenant, backend) if part),
        generation=row.generation,
        status=row.status,
        mark=MARKS.get(row.status, "missing"),
        held=held_after((row.observed_at - row.created_at).total_seconds()) if row.observed_at else "",
        outcome=row.outcome or "",
        by=row.actor,
        reason=row.reason,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )
