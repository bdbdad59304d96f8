"""People as pages show them."""

from typing import Annotated
from urllib.parse import urlencode

from pydantic import Field
from sqlalchemy.orm import Session

from trivet.console.address import Times, number_after, settle
from trivet.console.people import people_words as words
from trivet.console.people.people_views import Once, PeoplePage, PersonPage, PersonRow, RoleRow
from trivet.console.people.yourself import sessions_of
from trivet.console.tongue import _
from trivet.console.views import Choice, Reader
from trivet.identity import answers, reading, service
from trivet.identity import people as acts
from trivet.identity.models import PLATFORM_WIDE, ROLES
from trivet.kit.body import Asked
from trivet.kit.page import INT4, to_cursor

SHOWN = 50


class Query(Times):
    """The address of /people. `q`: a part of a name or an address."""

    q: Annotated[Asked, Field(max_length=256)] = ""
    cursor: Annotated[str, Field(max_length=200)] = ""


def people(
    session: Session,
    looking: Reader,
    query: Query,
    *,
    given: dict[str, str] | None = None,
    once: Once | None = None,
    problems: dict[str, str] | None = None,
) -> PeoplePage:
    """Everybody, `SHOWN` at once."""
    address = settle("/people", query, looking.now, looking.zone)
    found = reading.people(session, SHOWN + 1, number_after(query.cursor, INT4) or 0, query.q)
    roles = reading.roles(session)
    said = given or {"email": "", "name": "", "role": "viewer", "tenant": ""}
    return PeoplePage(
        reader=looking, address=address, sentence=words.people(roles, reading.disabled(session)),
        roles=tuple(RoleRow(words.ROLE_WORDS[role], roles.get(role, 0), words.rights(role)) for role in ROLES),
        people=tuple(row(each) for each in found[:SHOWN]), find=query.q,
        next_url=address.url(cursor=to_cursor([found[SHOWN - 1].user.id])) if len(found) > SHOWN else "",
        choices=choices(said["role"]), given=said, once=once, problems=problems or {},
    )  # fmt: skip


def person(
    session: Session,
    looking: Reader,
    user_id: int,
    *,
    once: Once | None = None,
    problems: dict[str, str] | None = None,
) -> PersonPage:
    """One of them; `NotFound` for nobody."""
    user = acts.find(session, user_id, changes=False)
    shown = row(reading.Person(user, service.tenant_name(session, user.tenant_id)))
    disabled = words.day(user.disabled_at, looking.zone) if user.disabled_at else ""
    return PersonPage(
        reader=looking, sentence=words.person(shown.name, shown.role, shown.tenant, disabled), person=shown,
        choices=choices(shown.role), sessions=sessions_of(session, user.id, looking),
        changes_url=f"/audit?{urlencode({'subject': acts.subject(user), 'range': '90d'})}",
        by_provider=user.provider_subject is not None, once=once,
        problems=problems or {},
    )  # fmt: skip


def row(found: reading.Person) -> PersonRow:
    """Somebody, for a table."""
    user = found.user
    return PersonRow(
        user.id, user.name, user.email, user.role, found.tenant, words.SIGNS_IN[answers.signs_in(found)],
        user.last_seen_at, user.disabled_at,
    )  # fmt: skip


def choices(chosen: str) -> tuple[Choice, ...]:
    """The five roles, with what each may do."""
    return tuple(
        Choice(
            role, _(words.ROLE_WORDS[role]),
            _(", ").join(_(right.words) for right in words.rights(role) if right.may)
            + ("" if role not in PLATFORM_WIDE else _("; for everybody's rows only")),
            role == chosen,
        )
        for role in ROLES
    )  # fmt: skip
