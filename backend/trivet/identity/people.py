"""What becomes of people after they were added: another name, role, tenant or password; disabled, and let in again.

Whatever changes what somebody may do gives their sessions new tokens; what keeps them out ends their sessions at once.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from trivet.identity import audit, sessions
from trivet.identity.models import ROLES, User
from trivet.identity.service import check_password, check_scope, hashed, right_password, tenant_name, tenant_named
from trivet.kit.errors import Conflict, Forbidden, Invalid, NotFound
from trivet.kit.ids import new_token, secret_hash
from trivet.kit.locks import Lock

LINK_FOR = timedelta(hours=24)
LINK_PATH = "/sign-in/link"
LINK_DEAD = "This link is not good: it was used, a newer one was made, or its day has passed. Ask an admin for another."
KEPT: Any = object()  # what a change leaves as it is
PREFIX = "user:"


@dataclass(frozen=True, slots=True)
class Link:
    """A one-time link to a new password: the token is in it and nowhere else."""

    token: str
    expires_at: datetime


def find(session: Session, user_id: int, *, changes: bool = True) -> User:
    """Somebody by number; `NotFound` for nobody. `changes` false: to look only, which holds nobody up."""
    user = session.get(User, user_id, with_for_update=changes)
    if user is None:
        raise NotFound(f"There is nobody with the number {user_id}.")
    return user


def subject(user: User) -> str:
    """What the audit log calls somebody."""
    return f"{PREFIX}{user.email}"


def change(
    session: Session,
    user_id: int,
    *,
    actor: str,
    now: datetime,
    name: str = KEPT,
    role: str = KEPT,
    tenant: str | None = KEPT,
) -> User:
    """Another name, role or tenant; what is not named stays. `Conflict` where nobody would be left to administer."""
    _one_at_a_time(session)
    user = find(session, user_id)
    before = _told(session, user)
    wanted = before | {
        key: value for key, value in (("name", name), ("role", role), ("tenant", tenant)) if value is not KEPT
    }
    if wanted == before:
        return user
    if wanted["role"] not in ROLES:
        raise Invalid(f"Role is one of {', '.join(ROLES)}.", field="role")
    check_scope(wanted["role"], wanted["tenant"])
    if wanted["role"] != "admin":
        _keep_an_admin(session, user, "role")
    user.name, user.role = wanted["name"], wanted["role"]
    user.tenant_id = tenant_named(session, wanted["tenant"]) if wanted["tenant"] else None
    if (wanted["role"], wanted["tenant"]) != (before["role"], before["tenant"]):
        sessions.rotate_soon(session, user.id, now)
    changed = [key for key in wanted if wanted[key] != before[key]]
    session.flush()
    audit.record(
        session, actor=actor, action="user.change", subject=subject(user),
        before={key: before[key] for key in changed}, after={key: wanted[key] for key in changed},
    )  # fmt: skip
    return user


def disable(session: Session, user_id: int, *, actor: str, reason: str, now: datetime) -> User:
    """Keep somebody out from now on. Their sessions end at once; keys they made stay, for machines live on those."""
    _one_at_a_time(session)
    user = find(session, user_id)
    if user.disabled_at is not None:
        raise Conflict(f"{user.email} is disabled already.")
    _keep_an_admin(session, user, "user")
    user.disabled_at, user.link_hash, user.link_expires_at = now, None, None
    ended = sessions.end_all(session, user.id)
    session.flush()
    audit.record(
        session, actor=actor, action="user.disable", subject=subject(user), after={"ended_sessions": ended},
        reason=_reason(reason),
    )  # fmt: skip
    return user


def enable(session: Session, user_id: int, *, actor: str) -> User:
    """Let somebody in again, with what they had."""
    user = find(session, user_id)
    if user.disabled_at is None:
        raise Conflict(f"{user.email} is not disabled.")
    user.disabled_at = None
    session.flush()
    audit.record(session, actor=actor, action="user.enable", subject=subject(user))
    return user


def end_sessions(session: Session, user_id: int, *, actor: str, but: str = "") -> int:
    """End all of somebody's sessions, except the family `but`; how many tokens went."""
    user = find(session, user_id)
    ended = sessions.end_all(session, user.id, but=but)
    audit.record(session, actor=actor, action="user.end_sessions", subject=subject(user), after={"ended": ended})
    return ended


def end_session(session: Session, user_id: int, family: str, *, actor: str) -> int:
    """End one of somebody's sessions; how many tokens went. One that is not there is no change."""
    user = find(session, user_id)
    ended = sessions.end_family(session, user.id, family)
    if ended:
        audit.record(session, actor=actor, action="user.end_session", subject=subject(user), after={"ended": ended})
    return ended


def change_password(
    session: Session, user_id: int, *, old: str, new: str, keep: str, actor: str, now: datetime
) -> None:
    """One's own, with the one that holds now. Every other session ends; the family `keep` gets a new token."""
    user = find(session, user_id)
    if not user.password_hash:
        raise Conflict("You sign in elsewhere, so there is no password here to change.", field="old")
    if right_password(session, user.email, old) is None:
        raise Forbidden("That is not the password that holds now.", field="old")
    check_password(new)
    user.password_hash = hashed(new)
    sessions.end_all(session, user.id, but=keep)
    sessions.rotate_soon(session, user.id, now)
    session.flush()
    audit.record(session, actor=actor, action="user.password", subject=subject(user))


def make_link(session: Session, user_id: int, *, actor: str, now: datetime) -> Link:
    """A link to a new password, good once and for a day; the one before it is dead. The old password holds until then."""
    user = find(session, user_id)
    if user.disabled_at is not None:
        raise Conflict(f"{user.email} is disabled: let them in again first.")
    token = new_token()
    user.link_hash, user.link_expires_at = secret_hash(token), now + LINK_FOR
    session.flush()
    audit.record(session, actor=actor, action="user.link", subject=subject(user))
    return Link(token, now + LINK_FOR)


def forget_provider(session: Session, user_id: int, *, actor: str) -> User:
    """Whoever comes from the provider next under this address, verified, is this person."""
    user = find(session, user_id)
    if user.provider_subject is None:
        raise Conflict(f"{user.email} never came from the provider.")
    before, user.provider_subject = user.provider_subject, None
    session.flush()
    audit.record(session, actor=actor, action="user.forget_provider", subject=subject(user), before={"subject": before})
    return user


def of_link(session: Session, token: str, now: datetime) -> User:
    """Whose link it is; `NotFound` where it is not good."""
    mine = (User.link_hash == secret_hash(token), User.link_expires_at > now, User.disabled_at.is_(None))
    user = session.scalar(select(User).where(*mine).with_for_update())
    if user is None:
        raise NotFound(LINK_DEAD)
    return user


def use_link(session: Session, token: str, new: str, now: datetime) -> User:
    """Set the password that a link is for. The link is used up, and every session of that person ends."""
    user = of_link(session, token, now)
    check_password(new)
    user.password_hash, user.link_hash, user.link_expires_at = hashed(new), None, None
    sessions.end_all(session, user.id)
    session.flush()
    audit.record(session, actor=user.email, action="user.password", subject=subject(user), reason="by a one-time link")
    return user


def _told(session: Session, user: User) -> dict[str, Any]:
    return {"name": user.name, "role": user.role, "tenant": tenant_name(session, user.tenant_id) or None}


def _reason(reason: str) -> str:
    if not reason.strip():
        raise Invalid("Say why, in a few words.", field="reason")
    return reason.strip()


def _one_at_a_time(session: Session) -> None:
    """Two admins who disable each other at the same moment would leave none."""
    session.execute(select(func.pg_advisory_xact_lock(Lock.PEOPLE)))


def _keep_an_admin(session: Session, user: User, field: str) -> None:
    """`Conflict` where somebody is the last who can administer, and sign in to do so."""
    if user.role != "admin" or user.disabled_at is not None:
        return
    others = (User.role == "admin", User.disabled_at.is_(None), User.id != user.id)
    can_come = or_(User.password_hash != "", User.provider_subject.is_not(None))
    if session.scalar(select(User.id).where(*others, can_come).limit(1)) is None:
        raise Conflict(f"{user.email} is the last admin: make somebody else one first.", field=field)
