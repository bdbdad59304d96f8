"""Who somebody is here, whom a provider sent: found or made by their verified address, with the role it gives them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.identity import audit, people, service
from trivet.identity.models import PLATFORM_WIDE, ROLES, User
from trivet.identity.refusal import SignInRefused
from trivet.kit.body import NAME_MAX, is_storable
from trivet.kit.errors import Conflict, Invalid
from trivet.settings import Settings

GROUPS_MAX: Final = 2_000
EVERYWHERE: Final = "*"  # what the tenant's claim says of somebody of the whole platform


@dataclass(frozen=True, slots=True)
class Wanted:
    """Who comes, and as what: `role` None where the provider decides nothing about that, `tenant` None for all."""

    subject: str
    email: str
    name: str
    role: str | None
    tenant: str | None


def wanted(settings: Settings, claims: Mapping[str, Any]) -> Wanted:
    """From proven claims; `SignInRefused` where they let nobody in. Pure."""
    email = str(claims.get("email") or "").strip().lower()
    if not email or "@" not in email or not is_storable(email) or len(email) > NAME_MAX:
        raise SignInRefused("unverified", "The claims name no mail address; the scope email must be among those asked.")
    if claims.get(settings.oidc_verified_claim) not in (True, "true", 1, "1"):
        raise SignInRefused("unverified", f"{settings.oidc_verified_claim} is not true for {email}.")
    domain = email.rpartition("@")[2]
    if settings.oidc_domains and domain not in {each.lower().lstrip("@") for each in settings.oidc_domains}:
        raise SignInRefused("domain", f"{domain} is not among the domains that may sign in.")
    role = _role(settings, claims)
    name = str(claims.get("name") or "").strip()[:NAME_MAX]
    return Wanted(
        f"{claims['iss']}|{claims['sub']}", email, name if name and is_storable(name) else email, role,
        _tenant(settings, claims, role),
    )  # fmt: skip


def _role(settings: Settings, claims: Mapping[str, Any]) -> str | None:
    """The strongest role that a group gives, else the one for everybody; None where groups decide nothing."""
    if not settings.oidc_roles:
        return None
    said = at(claims, settings.oidc_groups_claim)
    groups = {str(each) for each in said[:GROUPS_MAX]} if isinstance(said, list) else {str(said)}
    given = {role for group, role in settings.oidc_roles.items() if group in groups}
    found = next((role for role in ROLES if role in given), settings.oidc_default_role)
    if not found:
        raise SignInRefused("no_role", f"No group in {settings.oidc_groups_claim} gives a role.")
    return found


def _tenant(settings: Settings, claims: Mapping[str, Any], role: str | None) -> str | None:
    """Where tenants are the provider's to say, nobody sees all of them because it said nothing."""
    if not settings.oidc_tenant_claim:
        return None
    said = at(claims, settings.oidc_tenant_claim)
    named = said if isinstance(said, str) and is_storable(said) and len(said) <= NAME_MAX else ""
    if named == EVERYWHERE or (not named and (role or settings.oidc_default_role) in PLATFORM_WIDE):
        return None
    if not named:
        raise SignInRefused("tenant", f"The claim {settings.oidc_tenant_claim} names no tenant.")
    return named


def at(claims: Mapping[str, Any], path: str) -> Any:
    """A claim by its name, else by the way to it: `realm_access.roles`."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def let_in(session: Session, settings: Settings, who: Wanted, now: datetime) -> User:
    """The person whom the provider sent: known by it, else by their address, else made where that is allowed."""
    user = session.scalar(select(User).where(User.provider_subject == who.subject).with_for_update())
    user = user or _by_address(session, who) or _made(session, settings, who)
    if user.disabled_at is not None:
        raise SignInRefused("disabled", f"{user.email} is disabled here.")
    role = who.role or user.role
    tenant = who.tenant if settings.oidc_tenant_claim else people.KEPT
    if who.role or settings.oidc_tenant_claim:
        _as_told(session, user, role, tenant, now)
    audit.record(
        session, actor=user.email, action="user.sign_in", subject=people.subject(user), reason="by the provider"
    )
    return user


def _as_told(session: Session, user: User, role: str, tenant: Any, now: datetime) -> None:
    try:
        people.change(session, user.id, actor=user.email, now=now, role=role, tenant=tenant)
    except Invalid as bad:
        raise SignInRefused("tenant", bad.detail) from bad
    except Conflict as bad:
        raise SignInRefused("no_role", bad.detail) from bad


def _by_address(session: Session, who: Wanted) -> User | None:
    user = session.scalar(select(User).where(User.email == who.email).with_for_update())
    if user is None:
        return None
    if user.provider_subject is not None:
        raise SignInRefused(
            "other_person", f"{who.email} came as somebody else before; an admin may let them come anew."
        )
    if user.disabled_at is None:
        user.provider_subject = who.subject
        session.flush()
        audit.record(
            session,
            actor=user.email,
            action="user.provider",
            subject=people.subject(user),
            after={"subject": who.subject},
        )
    return user


def _made(session: Session, settings: Settings, who: Wanted) -> User:
    if not settings.oidc_create:
        raise SignInRefused("unknown", f"{who.email} has no account here.")
    role = who.role or settings.oidc_default_role
    if not role:
        raise SignInRefused("no_role", "Nothing gives a role, and there is no default.")
    user = service.create_user(
        session, email=who.email, name=who.name, role=role, password="", actor="provider", tenant=who.tenant,
        signs_in_here=False,
    )  # fmt: skip
    user.provider_subject = who.subject
    session.flush()
    return user
