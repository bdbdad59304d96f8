"""People, keys and sign-ins: make them, check them, end them."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from sqlalchemy import column, func, select, table, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet.identity import audit, sessions
from trivet.identity.models import PLATFORM_WIDE, ROLES, SCOPES, ApiKey, User
from trivet.identity.sessions import SignIn
from trivet.kit.errors import Conflict, Invalid, NotFound
from trivet.kit.ids import KEY_PREFIX, new_key, new_token, secret_hash
from trivet.kit.locks import Lock
from trivet.settings import get_settings

_hasher = PasswordHasher()
PASSWORD_LENGTH_MIN = 8
USED_EVERY = timedelta(minutes=1)
SHARED_TENANT = "overflow"  # whoever a key names past its limit is counted under it: nobody's to read
# Named by string, like the foreign key: tenants are a later context.
_tenant = table("tenant", column("id"), column("name"))


@dataclass(frozen=True)
class NewKey:
    """A key as it is shown once."""

    id: int
    secret: str


def create_user(
    session: Session,
    *,
    email: str,
    name: str,
    role: str,
    password: str,
    actor: str,
    tenant: str | None = None,
    signs_in_here: bool = True,
) -> User:
    """Add a person, of one tenant where one is named. `Conflict` where the address is taken.

    Whoever does not sign in here has no password: they come from the provider, or by a one-time link first.
    """
    email = email.strip().lower()
    if role not in ROLES:
        raise Invalid(f"Role is one of {', '.join(ROLES)}.", field="role")
    if "@" not in email:
        raise Invalid("Give a mail address.", field="email")
    if signs_in_here:
        check_password(password)
    if session.scalar(select(User.id).where(User.email == email)):
        raise Conflict(f"{email} has an account already.", field="email")
    check_scope(role, tenant)
    tenant_id = tenant_named(session, tenant) if tenant else None
    kept = hashed(password) if signs_in_here else ""
    user = User(email=email, name=name, role=role, password_hash=kept, tenant_id=tenant_id)
    session.add(user)
    session.flush()
    after = {"email": email, "name": name, "role": role} | ({"tenant": tenant} if tenant else {})
    audit.record(session, actor=actor, action="user.create", subject=f"user:{email}", after=after)
    return user


def check_password(password: str) -> None:
    """`Invalid` for one that is too short."""
    if len(password) < PASSWORD_LENGTH_MIN:
        raise Invalid(f"A password has at least {PASSWORD_LENGTH_MIN} characters.", field="password")


def hashed(password: str) -> str:
    """How a password is kept."""
    return _hasher.hash(password)


def check_scope(role: str, tenant: str | None) -> None:
    """`Invalid` where a role concerns the platform as a whole and a tenant is named, or where it is nobody's tenant."""
    if tenant and role in PLATFORM_WIDE:
        said = f"{role.title()} concerns the platform as a whole: somebody of one tenant cannot have that role."
        raise Invalid(said, field="tenant")
    if tenant == SHARED_TENANT:
        raise Invalid(f"{tenant!r} is many tenants: those that keys had too many of. Choose another.", field="tenant")


def has_users(session: Session) -> bool:
    return session.scalar(select(User.id).limit(1)) is not None


def find_user(session: Session, email: str) -> User | None:
    return session.scalar(select(User).where(User.email == email.strip().lower()))


@lru_cache
def _nobody() -> str:
    """Checked when nobody has that address, so that a wrong address takes as long as a wrong password.

    Made on first use: a hash takes a fifth of a second, which every process would pay when it starts.
    """
    return _hasher.hash(new_token())


def right_password(session: Session, email: str, password: str) -> User | None:
    """The person whose address and password these are; None for anything else, after the same work."""
    user = find_user(session, email)
    kept = user.password_hash if user and user.password_hash else _nobody()
    try:
        _hasher.verify(kept, password)
    except VerificationError:
        return None
    return user if user is not None and user.password_hash and user.disabled_at is None else None


def sign_in(
    session: Session, *, email: str, password: str, now: datetime, hours: int, browser: str = ""
) -> SignIn | None:
    """A session of at most `hours` for the right password; None for anything else, after the same work."""
    user = right_password(session, email, password)
    if user is None:
        return None
    rules = replace(sessions.rules_of(get_settings()), most=timedelta(hours=hours))
    made = sessions.begin(session, user, now, rules, browser)
    audit.record(session, actor=user.email, action="user.sign_in", subject=f"user:{user.email}", reason="by password")
    return made


def sign_out(session: Session, token: str, *, actor: str) -> None:
    """End the session that a token is of."""
    sessions.end(session, token)
    audit.record(session, actor=actor, action="user.sign_out", subject=f"user:{actor}")


def create_key(
    session: Session,
    *,
    name: str,
    scopes: list[str],
    tenant: str | None,
    actor: str,
    secret: str | None = None,
) -> NewKey:
    """A new key, bound to a tenant where one is named. `secret` only for the bootstrap key, which a person chose."""
    wrong = sorted(set(scopes) - set(SCOPES))
    for scope in PLATFORM_WIDE:
        if tenant and scope in scopes:
            said = f"{scope.title()} concerns the platform as a whole: a key of one tenant cannot have it."
            raise Invalid(said, field="scopes")
    if tenant == SHARED_TENANT:
        raise Invalid(f"{tenant!r} is many tenants: those that keys had too many of. Choose another.", field="tenant")
    if wrong or not scopes:
        raise Invalid(f"Scopes are some of {', '.join(SCOPES)}.", field="scopes")
    secret = secret or new_key()
    if not secret.startswith(KEY_PREFIX) or len(secret) < len(KEY_PREFIX) + 16:
        raise Invalid(f"A key starts with {KEY_PREFIX} and has at least 16 characters after it.", field="key")
    tenant_id = tenant_named(session, tenant) if tenant else None
    key = ApiKey(
        name=name, scopes=sorted(set(scopes)), tenant_id=tenant_id, created_by=actor,
        key_hash=secret_hash(secret), prefix=secret[: len(KEY_PREFIX) + 4],
    )  # fmt: skip
    session.add(key)
    session.flush()
    after = {"name": name, "scopes": key.scopes, "tenant": tenant}
    audit.record(session, actor=actor, action="key.create", subject=f"key:{key.id}", after=after)
    return NewKey(key.id, secret)


def tenant_named(session: Session, name: str) -> int | None:
    """The number of a tenant; one never met is added."""
    session.execute(insert(_tenant).values(name=name).on_conflict_do_nothing())
    return session.scalar(select(_tenant.c.id).where(_tenant.c.name == name))


def tenant_names(session: Session, ids: set[int]) -> dict[int, str]:
    """Names of the tenants that keys and people are bound to."""
    return dict(session.execute(select(_tenant.c.id, _tenant.c.name).where(_tenant.c.id.in_(ids))).all())


def tenant_name(session: Session, tenant_id: int | None) -> str:
    """Whose rows alone somebody sees; "" for the rows of all."""
    return tenant_names(session, {tenant_id})[tenant_id] if tenant_id else ""


def revoke_key(session: Session, key_id: int, *, actor: str, now: datetime, reason: str | None = None) -> None:
    """End a key. Processes that hold it in memory let it go within `auth.KEY_CACHE_S`."""
    ends = {"revoked_at": now, "revoked_by": actor, "revoked_reason": reason}
    ended = session.execute(update(ApiKey).where(ApiKey.id == key_id, ApiKey.revoked_at.is_(None)).values(ends))
    if not ended.rowcount:  # type: ignore[attr-defined]  # an UPDATE's result is a CursorResult
        raise NotFound(f"There is no live key {key_id}.")
    audit.record(session, actor=actor, action="key.revoke", subject=f"key:{key_id}", reason=reason)


def note_use(session: Session, key: ApiKey, now: datetime) -> None:
    """When a key was last used, to the minute; whoever changes the key at this moment is not waited for."""
    if key.last_used_at is not None and now - key.last_used_at < USED_EVERY:
        return
    free = select(ApiKey.id).where(ApiKey.id == key.id).with_for_update(skip_locked=True).scalar_subquery()
    used = update(ApiKey).where(ApiKey.id == free).values(last_used_at=now)
    session.execute(used.execution_options(synchronize_session=False))


def is_good(session: Session, key_id: int) -> bool:
    """Whether a key that was good still is."""
    return session.scalar(select(ApiKey.id).where(ApiKey.id == key_id, ApiKey.revoked_at.is_(None))) is not None


def find_key(session: Session, secret: str) -> ApiKey | None:
    """The live key behind a secret."""
    return session.scalar(select(ApiKey).where(ApiKey.key_hash == secret_hash(secret), ApiKey.revoked_at.is_(None)))


def bootstrap(session: Session, *, email: str, password: str, key: str) -> list[str]:
    """First start: the person and the admin key that the settings name. Says what it made; nothing the second time."""
    session.execute(select(func.pg_advisory_xact_lock(Lock.BOOTSTRAP)))
    made = []
    if email and password and not has_users(session):
        create_user(session, email=email, name="Administrator", role="admin", password=password, actor="bootstrap")
        made.append(f"person {email}")
    if key and session.scalar(select(ApiKey.id).where(ApiKey.key_hash == secret_hash(key))) is None:
        create_key(session, name="bootstrap", scopes=["admin"], tenant=None, actor="bootstrap", secret=key)
        made.append("admin key")
    return made
