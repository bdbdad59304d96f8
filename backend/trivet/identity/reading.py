"""Lists of people, keys and changes, each with a bound: what the API tells and the pages show."""

from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from trivet.identity import service
from trivet.identity.models import ApiKey, Audit, User
from trivet.kit.interval import Interval

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Asked:
    """Which changes: by whom, what was done, to what, when. Empty: any."""

    actor: str = ""
    action: str = ""
    subject: str = ""
    within: Interval | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, with the name of the tenant whose rows alone they see."""

    user: User
    tenant: str


@dataclass(frozen=True, slots=True)
class Key:
    """A key, with the name of the tenant it is bound to."""

    key: ApiKey
    tenant: str


def people(session: Session, limit: int, after: int = 0, find: str = "") -> list[Person]:
    """By number. `find`: those with this in their name or address."""
    query = select(User).where(User.id > after).order_by(User.id).limit(limit)
    if find:
        query = query.where(or_(_has(User.email, find), _has(User.name, find)))
    users = session.scalars(query).all()
    names = service.tenant_names(session, {user.tenant_id for user in users if user.tenant_id})
    return [Person(user, names.get(user.tenant_id or 0, "")) for user in users]


def keys(session: Session, limit: int, *, after: int = 0, before: int = 0, live: bool | None = None) -> list[Key]:
    """By number, upwards after one or downwards before one. `live`: those in force, or those revoked."""
    query = select(ApiKey).where(ApiKey.id > after)
    query = query.order_by(ApiKey.id.desc() if before else ApiKey.id).limit(limit)
    if before:
        query = query.where(ApiKey.id < before)
    if live is not None:
        query = query.where(ApiKey.revoked_at.is_(None) if live else ApiKey.revoked_at.is_not(None))
    found = session.scalars(query).all()
    names = service.tenant_names(session, {key.tenant_id for key in found if key.tenant_id})
    return [Key(key, names.get(key.tenant_id or 0, "")) for key in found]


def changes(session: Session, asked: Asked, limit: int, before: int = 0) -> list[Audit]:
    """Newest first."""
    query = narrowed(select(Audit), asked).order_by(Audit.id.desc()).limit(limit)
    return list(session.scalars(query.where(Audit.id < before) if before else query))


def narrowed(query: Select[T], asked: Asked) -> Select[T]:
    """A question about changes, of those asked for alone."""
    for column, value in ((Audit.actor, asked.actor), (Audit.action, asked.action), (Audit.subject, asked.subject)):
        query = query.where(column == value) if value else query
    if asked.within is not None:
        query = query.where(Audit.at >= asked.within.start, Audit.at < asked.within.end)
    return query


def counts(session: Session) -> dict[str, int]:
    """How many keys are in force and how many revoked: `live`, `revoked`."""
    live, total = session.execute(select(func.count().filter(ApiKey.revoked_at.is_(None)), func.count())).one()
    return {"live": live, "revoked": total - live}


def roles(session: Session) -> dict[str, int]:
    """How many people that may come in each role has."""
    rows = session.execute(select(User.role, func.count()).where(User.disabled_at.is_(None)).group_by(User.role))
    return dict(rows.all())


def disabled(session: Session) -> int:
    """How many are kept out."""
    return session.scalar(select(func.count()).where(User.disabled_at.is_not(None))) or 0


def _has(column: InstrumentedAttribute[str], part: str) -> ColumnElement[bool]:
    return func.strpos(func.lower(column), part.lower()) > 0
