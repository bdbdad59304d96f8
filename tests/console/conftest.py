"""People who sign in, and a scenario with something in it."""

from collections.abc import Callable

import pytest
from sqlalchemy import select

from trivet import db
from trivet.identity import service
from trivet.identity.models import WebSession
from trivet.kit.clock import utc_now

PASSWORD = "three legs stand"


@pytest.fixture
def person(database) -> Callable[..., str]:
    """`person("sre")` -> the address of a person with that role; `tenant`: who sees that tenant's rows alone."""

    def make(role: str, tenant: str | None = None) -> str:
        email = f"{role}@example.com"
        with db.transaction() as session:
            service.create_user(
                session, email=email, name=role.replace("_", " ").title(), role=role, password=PASSWORD, actor="test",
                tenant=tenant,
            )  # fmt: skip
        return email

    return make


@pytest.fixture
def sign_in(client, person):
    """`sign_in("sre")`, `sign_in("viewer", tenant="acme")` -> the client, signed in as a person with that role."""

    def enter(role: str, tenant: str | None = None):
        form = {"email": person(role, tenant), "password": PASSWORD}
        answer = client.post("/sign-in", data=form, follow_redirects=False)
        assert answer.status_code == 303
        return client

    return enter


@pytest.fixture
def scenario(database) -> str:
    """A registered scenario with the real-time-chat card."""
    from trivet.card import service as cards

    with db.transaction() as session:
        cards.register(
            session, name="support-chat", preset_name="real-time-chat", criticality="core", actor="test", now=utc_now()
        )
    return "support-chat"


def csrf_token() -> str:
    """The CSRF token of the newest session, as its forms carry it."""
    with db.transaction() as session:
        newest = select(WebSession.csrf_token).order_by(WebSession.created_at.desc()).limit(1)
        return session.scalars(newest).one()
