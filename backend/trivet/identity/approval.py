"""Who answers for an approval. A key is not a person: behind it stands whoever made it, and whoever made their key."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.identity.models import ApiKey

KEY = "key:"


def answerable(session: Session, actor: str) -> frozenset[str]:
    """The actor and everybody behind it, up to those who are no keys.

    Keys are known by name here, and names can be shared: then all who made one of that name count, so that a name can
    only ever bring two approvals closer together.
    """
    found, new = {actor}, {actor}
    while names := {one.removeprefix(KEY) for one in new if one.startswith(KEY)}:
        makers = set(session.scalars(select(ApiKey.created_by).where(ApiKey.name.in_(names)).distinct()))
        new = makers - found
        found |= new
    return frozenset(found)


def same_person(session: Session, one: str, other: str) -> str | None:
    """Who answers for both, None where they are two. Of several the first by name, a person before a key."""
    shared = answerable(session, one) & answerable(session, other)
    return min(shared, key=lambda actor: (actor.startswith(KEY), actor), default=None)
