"""Commands: the one door through which what should hold is changed, by a person or by the ladder.

`issue` locks the scenario's generation first, so changes of one scenario come one after another; everything it writes
(generation, desired state, card, ladder hold, command, audit) commits together.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet import outbox, wake
from trivet.card import service as cards
from trivet.card.service import ActiveCard
from trivet.command.models import KINDS, BackendWebhook, Command, DesiredState, PolicyGeneration
from trivet.guard import moved, moves
from trivet.guard.models import Breach, LadderState
from trivet.identity import audit
from trivet.kit.errors import Conflict, Invalid
from trivet.tenant.models import Tenant

LADDER = "ladder"
AUTOMATIC = frozenset({LADDER, "expiry"})
HOLD_S = 1800  # how long a person's command without an end keeps the ladder off
EXPIRES_MAX_S = 30 * 86_400
OVERRIDES_MAX = 10_000  # tenants of one scenario with a state of their own


@dataclass(frozen=True, slots=True)
class Scope:
    """Scenario, optionally one tenant and one backend; 0 means all."""

    scenario_id: int
    tenant_id: int = 0
    backend_id: int = 0

    @property
    def whole(self) -> bool:
        return not (self.tenant_id or self.backend_id)


def issue(
    session: Session,
    *,
    kind: str,
    scenario_id: int,
    level: int | None = None,
    tenant_id: int | None = None,
    backend_id: int | None = None,
    reason: str,
    actor: str,
    expires_in_s: float | None = None,
    breach_id: int | None = None,
    message: str | None = None,
    revision: int | None = None,
    share: float | None = None,
    arm_level: int | None = None,
    although_rolled_back: bool = False,
    now: datetime,
) -> Command:
    """Change what should hold, and leave a pending command that says who, why and since which generation.

    Kinds: `degrade` to a level, `restore` to level 0 (a tenant: as everyone), `rollback` to the previous revision or to
    `revision`, `break` one tenant off, `activate` an approved `revision`, `trial` of one with a `share` of conversations
    (0: no more). With an `arm_level`, the `share` of conversations is at that level instead: a probe. A `restore` then brings
    only them there, and leaves the others where they are.
    """
    scope = Scope(scenario_id, tenant_id or 0, backend_id or 0)
    generation = lock_generation(session, scenario_id, now)
    card = _card_of(session, scenario_id, revision)
    check(kind, scope, card, level=level, reason=reason, expires_in_s=expires_in_s)
    before = describe(session, scope, card)
    number = _change_card(
        session, kind, card, revision, actor=actor, reason=reason, now=now, although_rolled_back=although_rolled_back
    )
    expires_at = now + timedelta(seconds=expires_in_s) if expires_in_s else None
    command = Command(
        kind=kind, scenario_id=scenario_id, tenant_id=tenant_id or None, backend_id=backend_id or None,
        level=_level(kind, level, arm_level), revision=revision or number, share=share, generation=generation.generation, status="pending", actor=actor,
        reason=reason.strip(), breach_id=breach_id, created_at=now, expires_at=expires_at,
    )  # fmt: skip
    session.add(command)
    session.flush()
    _supersede(session, command, scope, now)
    generation.revision = number
    if kind in ("degrade", "restore", "break"):
        _desire(session, command, scope, message, arm_level)
    if scope.whole:
        _hold(session, command, now)
    after = describe(session, scope, _card_of(session, scenario_id)) | {"generation": command.generation}
    audit.record(
        session, actor=actor, action=f"command.{kind}", subject=f"scenario:{card.scenario}", before=before, after=after,
        reason=command.reason,
    )  # fmt: skip
    return command


def check(
    kind: str, scope: Scope, card: ActiveCard, *, level: int | None, reason: str, expires_in_s: float | None
) -> None:
    """Refuse what makes no sense, naming the field."""
    if kind not in KINDS:
        raise Invalid(f"A command is one of {', '.join(KINDS)}.", field="kind")
    if not reason.strip():
        raise Invalid("Say why: a command needs a reason.", field="reason")
    if kind == "degrade" and (level is None or not 1 <= level <= card.card.top):
        raise Invalid(f"The ladder of {card.scenario} has levels 1 to {card.card.top}.", field="level")
    if kind != "degrade" and level is not None:
        raise Invalid(f"Only degrade takes a level, not {kind}.", field="level")
    if kind == "break" and not scope.tenant_id:
        raise Invalid("Break cuts one tenant off: name it.", field="tenant")
    if kind in ("rollback", "activate", "trial") and not scope.whole:
        raise Invalid("A card changes for everyone, not for one tenant or backend.", field="tenant")
    if kind in ("rollback", "activate", "restore", "trial") and expires_in_s is not None:
        raise Invalid(f"A {kind} does not expire: it is an end itself.", field="expires_in_s")
    if expires_in_s is not None and not 1 <= expires_in_s <= EXPIRES_MAX_S:
        raise Invalid(f"A command ends after 1 to {EXPIRES_MAX_S} seconds.", field="expires_in_s")


def describe(session: Session, scope: Scope, card: ActiveCard) -> dict[str, Any]:
    """What should hold for the scope now, as the audit keeps it."""
    row = session.get(DesiredState, (scope.scenario_id, scope.tenant_id, scope.backend_id), populate_existing=True)
    return {
        "revision": card.number,
        "level": row.level if row else 0,
        "broken": row.broken if row else False,
        **({"share": row.arm_share, "share_level": row.arm_level} if row and row.arm_share else {}),
        "until": row.until.isoformat() if row and row.until else None,
        "tenant_id": scope.tenant_id or None,
        "backend_id": scope.backend_id or None,
    }


def level_of(session: Session, scope: Scope) -> int:
    """The level that should hold for the scope."""
    query = select(DesiredState.level).where(
        DesiredState.scenario_id == scope.scenario_id,
        DesiredState.tenant_id == scope.tenant_id,
        DesiredState.backend_id == scope.backend_id,
    )
    return session.scalar(query) or 0


def follow_ladder(session: Session, scenario_id: int, breach_id: int | None, now: datetime) -> Command | None:
    """Bring what should hold to where the ladder stands, with the share that is on its way back. Asked twice, the second
    finds nothing to do.
    """
    lock_generation(session, scenario_id, now, step=0)
    ladder = session.scalar(select(LadderState).where(LadderState.scenario_id == scenario_id).with_for_update())
    if ladder is None or ladder.held_until is not None:
        return None
    card = _card_of(session, scenario_id)
    level = min(ladder.level, card.card.top)
    share = ladder.probe_share if level == ladder.level else None
    held = session.get(DesiredState, (scenario_id, 0, 0), populate_existing=True)
    before, back = (held.level, held.arm_share or 0.0) if held else (0, 0.0)
    if (level, share or 0.0) == (before, back):
        return None
    grows = level == before and (share or 0.0) > back
    move = moved.that_made(session, ladder)
    if breach_id is None and level > before:
        breach_id = (move.breach_id if move else None) or _newest_open_breach(session, scenario_id)
    return issue(
        session, kind="restore" if grows or not level else "degrade", scenario_id=scenario_id,
        level=None if grows else level or None, share=share, arm_level=level - 1 if share else None,
        reason=move.reason if move else ladder.reason, actor=LADDER, breach_id=breach_id, now=now,
    )  # fmt: skip


def _newest_open_breach(session: Session, scenario_id: int) -> int | None:
    """What made the ladder climb, where the sweep got here before the hand-off that names it."""
    query = select(func.max(Breach.id)).where(Breach.scenario_id == scenario_id, Breach.closed_at.is_(None))
    return session.scalar(query)


def auto_rollback(session: Session, scenario_id: int, revision: int, breach_id: int, now: datetime) -> Command | None:
    """Go back from a revision whose quality broke the floor. Asked again, the revision governs no more."""
    lock_generation(session, scenario_id, now, step=0)
    card = cards.active(session, [scenario_id]).get(scenario_id)
    if card is None or card.number != revision or card.previous_number is None:
        return None
    breach = session.get(Breach, breach_id)
    why = breach.reason if breach else "the quality floor broke"
    reason = f"{why} under revision {revision}"
    return issue(
        session, kind="rollback", scenario_id=scenario_id, reason=reason, actor=LADDER, breach_id=breach_id, now=now
    )


def end_desired(session: Session, row: DesiredState, now: datetime) -> Command:
    """A desired state reached its time limit: close the books of its command and go back to level 0."""
    command = session.get(Command, row.command_id)
    ended = "its time was up"
    if command is not None and command.ended_at is None:
        unobserved = command.status == "pending"
        command.ended_at = now
        command.status = "expired" if unobserved else command.status
        command.outcome = "Ended before any backend was seen to hold it." if unobserved else _ended(command, now)
        ended = f"command {command.id} ended after {(now - command.created_at).total_seconds():.0f} s"
    return issue(
        session, kind="restore", scenario_id=row.scenario_id, tenant_id=row.tenant_id or None,
        backend_id=row.backend_id or None, reason=ended, actor="expiry", now=now,
    )  # fmt: skip


def _ended(command: Command, now: datetime) -> str:
    return f"{command.outcome or ''} Ended after {(now - command.created_at).total_seconds():.0f} s as asked.".strip()


def lock_generation(session: Session, scenario_id: int, now: datetime, step: int = 1) -> PolicyGeneration:
    """The scenario's counter, locked; made with its first command."""
    first = {"scenario_id": scenario_id, "generation": 0, "revision": 0, "changed_at": now}
    session.execute(insert(PolicyGeneration).values(first).on_conflict_do_nothing())
    row = session.scalars(
        select(PolicyGeneration)
        .where(PolicyGeneration.scenario_id == scenario_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
    if step:
        row.generation += step
        row.changed_at = now
        wake.tell(session, wake.POLICY, scenario_id)
        _tell_webhooks(session)
    return row


def _tell_webhooks(session: Session) -> None:
    """Backends that cannot poll are told after the commit, where there are any."""
    if session.scalar(select(BackendWebhook.backend_id).limit(1)) is not None:
        outbox.send(session, "command.call_webhooks", queue="control")


def _card_of(session: Session, scenario_id: int, to_come: int | None = None) -> ActiveCard:
    """The active card; where it cannot be read, revision `to_come` stands in, so that it can be activated."""
    card = cards.active(session, [scenario_id]).get(scenario_id)
    if card is None and to_come is not None:
        card = cards.standing_in(session, scenario_id, to_come)
    if card is None:
        raise Conflict("This scenario has no active card, so there is nothing to command. Register it first.")
    return card


def _change_card(
    session: Session,
    kind: str,
    card: ActiveCard,
    revision: int | None,
    *,
    actor: str,
    reason: str,
    now: datetime,
    although_rolled_back: bool,
) -> int:
    """The number of the revision that governs after the command."""
    if kind == "rollback":
        return cards.rollback(
            session, scenario_id=card.scenario_id, actor=actor, reason=reason, now=now, to=revision,
            although_rolled_back=although_rolled_back,
        )[1]  # fmt: skip
    if kind == "activate":
        if revision is None:
            raise Invalid("Name the revision to activate.", field="revision")
        made = cards.activate(session, scenario=card.scenario, number=revision, actor=actor, reason=reason, now=now)
        return made.number
    return card.number


def _level(kind: str, level: int | None, arm_level: int | None) -> int | None:
    return {"degrade": level, "restore": arm_level or 0}.get(kind)


def _supersede(session: Session, command: Command, scope: Scope, now: datetime) -> None:
    """Only the newest command of a scope counts; what an older one came to stays written."""
    older = (
        update(Command)
        .where(Command.scenario_id == scope.scenario_id, Command.id != command.id, Command.ended_at.is_(None))
        .where(func.coalesce(Command.tenant_id, 0) == scope.tenant_id)
        .where(func.coalesce(Command.backend_id, 0) == scope.backend_id)
        .values(ended_at=now)
    )
    words = f" Superseded by generation {command.generation}."
    session.execute(
        older.where(Command.status != "effective").values(
            status="superseded", outcome=func.coalesce(Command.outcome, "No backend was seen to hold it.") + words
        )
    )
    session.execute(older.values(outcome=func.coalesce(Command.outcome, "") + words))


def _desire(session: Session, command: Command, scope: Scope, message: str | None, arm_level: int | None) -> None:
    partly = command.kind == "restore" and arm_level is not None
    values = {
        "scenario_id": scope.scenario_id,
        "tenant_id": scope.tenant_id,
        "backend_id": scope.backend_id,
        "level": level_of(session, scope) if partly else command.level or 0,
        "arm_level": arm_level,
        "arm_share": command.share if arm_level is not None else None,
        "broken": command.kind == "break",
        "message": message,
        "command_id": command.id,
        "cause": command.reason,
        "until": command.expires_at,
    }
    key = ("scenario_id", "tenant_id", "backend_id")
    if command.kind == "restore" and not scope.whole:
        row = session.get(DesiredState, (scope.scenario_id, scope.tenant_id, scope.backend_id))
        if row is not None:
            session.delete(row)
            session.flush()
        return
    if scope.tenant_id:
        _bound_overrides(session, scope)
    statement = insert(DesiredState).values(values)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=key, set_={c: statement.excluded[c] for c in values if c not in key}
        )
    )


def _bound_overrides(session: Session, scope: Scope) -> None:
    """Every backend carries every override, so there is a limit to them."""
    query = select(func.count()).where(
        DesiredState.scenario_id == scope.scenario_id, DesiredState.tenant_id.not_in([0, scope.tenant_id])
    )
    if (session.scalar(query) or 0) >= OVERRIDES_MAX:
        raise Conflict(f"{OVERRIDES_MAX} tenants of this scenario have a state of their own: restore some first.")


def _hold(session: Session, command: Command, now: datetime) -> None:
    """The ladder stands where a command puts it. A person's degrade keeps it off for a while; a restore hands it back."""
    if command.level is None or command.actor == LADDER:
        return
    person = command.kind == "degrade" and command.actor not in AUTOMATIC
    held_until = (command.expires_at or now + timedelta(seconds=HOLD_S)) if person else None
    values = {
        "level": command.level,
        "reason": f"{command.actor}: {command.reason}",
        "held_until": held_until,
        "held_by": command.actor if person else None,
    }
    moves.put(session, command.scenario_id, values, actor=command.actor, now=now)


def tenant_id_of(session: Session, name: str) -> int:
    """Id of a tenant that is known by name."""
    found = session.scalar(select(Tenant.id).where(Tenant.name == name))
    if found is None:
        raise Invalid(f"There is no tenant {name!r}: check the name; it is case-sensitive.", field="tenant")
    return found
