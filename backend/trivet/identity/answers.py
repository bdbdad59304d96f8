"""What the endpoints about people, keys and the audit log answer."""

from typing import Any

from trivet.identity.chain import Standing
from trivet.identity.models import Audit
from trivet.identity.reading import Key, Person
from trivet.kit.answer import Answer, Page
from trivet.kit.clock import rfc3339, when


class UserBody(Answer):
    """A person. `signs_in`: `password`, `provider`, `both`, or `not_yet`."""

    id: int
    email: str
    name: str
    role: str
    tenant: str | None
    signs_in: str
    created_at: str
    last_seen_at: str | None
    disabled_at: str | None


class UsersBody(Page):
    """People."""

    items: list[UserBody]


class LinkBody(Answer):
    """A one-time link; it is in this answer and nowhere else."""

    url: str
    expires_at: str


class EndedBody(Answer):
    """How many tokens of sessions were ended."""

    ended: int


class MadeKeyBody(Answer):
    """A key; it is in this answer and nowhere else."""

    id: int
    key: str


class KeyBody(Answer):
    """A key without its secret; `last_used_at` to the minute."""

    id: int
    name: str
    prefix: str
    tenant: str | None
    scopes: list[str]
    created_at: str
    created_by: str
    last_used_at: str | None
    revoked_at: str | None
    revoked_by: str | None
    revoked_reason: str | None


class KeysBody(Page):
    """Keys."""

    items: list[KeyBody]


class ChangeBody(Answer):
    """One change, and its place in the chain."""

    id: int
    at: str
    actor: str
    action: str
    subject: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    reason: str | None
    hash: str


class ChangesBody(Page):
    """Changes, newest first."""

    items: list[ChangeBody]


class ChainBody(Answer):
    """How much of the chain is verified. `intact`: none of the `verified` rows of `rows` fails to fit; else the first."""

    intact: bool
    first_broken: int | None
    rows: int
    verified: int
    since: str | None
    began_at: str | None
    verified_at: str | None
    whole_at: str | None


def signs_in(person: Person) -> str:
    """How somebody comes in: `password`, `provider`, `both`, or `not_yet`."""
    user = person.user
    if user.provider_subject is not None:
        return "both" if user.password_hash else "provider"
    return "password" if user.password_hash else "not_yet"


def user(person: Person) -> dict[str, Any]:
    """`UserBody`."""
    it = person.user
    return {
        "id": it.id, "email": it.email, "name": it.name, "role": it.role, "tenant": person.tenant or None,
        "signs_in": signs_in(person), "created_at": rfc3339(it.created_at),
        "last_seen_at": when(it.last_seen_at), "disabled_at": when(it.disabled_at),
    }  # fmt: skip


def key(found: Key) -> dict[str, Any]:
    """`KeyBody`."""
    it = found.key
    return {
        "id": it.id, "name": it.name, "prefix": it.prefix, "tenant": found.tenant or None, "scopes": it.scopes,
        "created_at": rfc3339(it.created_at), "created_by": it.created_by,
        "last_used_at": when(it.last_used_at), "revoked_at": when(it.revoked_at),
        "revoked_by": it.revoked_by, "revoked_reason": it.revoked_reason,
    }  # fmt: skip


def change(row: Audit) -> dict[str, Any]:
    """`ChangeBody`."""
    return {
        "id": row.id, "at": rfc3339(row.at), "actor": row.actor, "action": row.action, "subject": row.subject,
        "before": row.before, "after": row.after, "reason": row.reason, "hash": row.hash.hex(),
    }  # fmt: skip


def chain(found: Standing) -> dict[str, Any]:
    """`ChainBody`."""
    return {
        "intact": found.broken_id is None, "first_broken": found.broken_id, "rows": found.rows,
        "verified": found.verified, "since": when(found.since),
        "began_at": when(found.began_at), "verified_at": when(found.verified_at),
        "whole_at": when(found.whole_at),
    }  # fmt: skip
