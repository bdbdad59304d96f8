"""Sessions: they begin at a sign-in, their token is replaced while they are used, and they end.

A token that was replaced stays good until the next one was first used, and seconds longer for requests in flight: an
answer that got lost on its way signs nobody out. Tokens that followed each other are one `family`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from trivet.identity.models import User, WebSession
from trivet.kit.ids import new_token, secret_hash
from trivet.settings import Settings

IN_FLIGHT = timedelta(seconds=10)  # how long a replaced token lives once the next one came back
NOT_MET = timedelta(seconds=60)  # the next one did not come back within that: it got lost, another is made
SEEN_EVERY = timedelta(minutes=1)  # `last_seen_at` is no finer
LISTED_MAX = 100  # sessions of one person that a page shows


@dataclass(frozen=True, slots=True)
class Rules:
    """How long a session lasts: at most so long, unused so long, one token so long."""

    most: timedelta
    idle: timedelta
    rotate: timedelta


@dataclass(frozen=True, slots=True)
class SignIn:
    """A fresh session: the token goes into the cookie and nowhere else."""

    token: str
    user: User
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Open:
    """A session as its person sees it."""

    family: str
    since: datetime
    last_seen_at: datetime
    browser: str


def rules_of(settings: Settings) -> Rules:
    """As the settings say."""
    return Rules(
        timedelta(hours=settings.session_hours),
        timedelta(minutes=settings.session_idle_minutes),
        timedelta(minutes=settings.session_rotate_minutes),
    )


def begin(session: Session, user: User, now: datetime, rules: Rules, browser: str = "") -> SignIn:
    """A new session of a person, with a token of its own."""
    session.execute(delete(WebSession).where(WebSession.expires_at < now))
    token = new_token()
    session.add(
        WebSession(
            token_hash=secret_hash(token), user_id=user.id, csrf_token=new_token(), created_at=now, started_at=now,
            expires_at=now + rules.most, rotates_at=now + rules.rotate, family=new_token(), browser=browser,
        )
    )  # fmt: skip
    return SignIn(token, user, now + rules.most)


def who(session: Session, token: str, now: datetime, rules: Rules) -> tuple[User, WebSession] | None:
    """The person behind a cookie: not disabled, and the session neither ended nor unused for too long."""
    found = session.execute(
        select(User, WebSession)
        .join(WebSession, WebSession.user_id == User.id)
        .where(
            WebSession.token_hash == secret_hash(token),
            WebSession.expires_at > now,
            func.coalesce(WebSession.last_seen_at, WebSession.created_at) > now - rules.idle,
            User.disabled_at.is_(None),
        )
    ).first()
    return (found[0], found[1]) if found else None


def use(
    session: Session, user: User, held: WebSession, now: datetime, rules: Rules, *, counts: bool = True
) -> str | None:
    """Note that a token was used; the next token, where it was time for one.

    `counts` false: a page asked by itself, which shows no person in front of it.
    """
    first = held.last_seen_at is None
    if first and held.started_at != held.created_at:
        _end_before(session, held, now)
    if not (first or counts):
        return None
    if held.last_seen_at is None or now - held.last_seen_at >= SEEN_EVERY:
        _see(session, user, held, now)
    due = held.rotates_at if held.replaced_at is None else held.replaced_at + NOT_MET
    return _replace(session, held, now, rules) if counts and due <= now else None


def _see(session: Session, user: User, held: WebSession, now: datetime) -> None:
    """In statements of their own: somebody else may be ending this session right now."""
    unsynchronised = {"synchronize_session": False}
    mine, self_ = WebSession.token_hash == held.token_hash, User.id == user.id
    session.execute(update(WebSession).where(mine).values(last_seen_at=now).execution_options(**unsynchronised))
    session.execute(update(User).where(self_).values(last_seen_at=now).execution_options(**unsynchronised))


def _replace(session: Session, held: WebSession, now: datetime, rules: Rules) -> str | None:
    """The next token; None where another request was quicker."""
    won = session.execute(
        update(WebSession)
        .where(WebSession.token_hash == held.token_hash, WebSession.replaced_at.is_not_distinct_from(held.replaced_at))
        .values(replaced_at=now)
        .returning(WebSession.token_hash)
        .execution_options(synchronize_session=False)
    ).first()
    if won is None:
        return None
    lost = (WebSession.family == held.family, WebSession.token_hash != held.token_hash)
    session.execute(delete(WebSession).where(*lost, WebSession.last_seen_at.is_(None)))
    token = new_token()
    session.add(
        WebSession(
            token_hash=secret_hash(token), user_id=held.user_id, csrf_token=held.csrf_token, created_at=now,
            started_at=held.started_at, expires_at=held.expires_at, rotates_at=now + rules.rotate, family=held.family,
            browser=held.browser,
        )
    )  # fmt: skip
    return token


def _end_before(session: Session, held: WebSession, now: datetime) -> None:
    """The next token came back: those before it have seconds left."""
    others = (WebSession.family == held.family, WebSession.token_hash != held.token_hash)
    ends = func.least(WebSession.expires_at, now + IN_FLIGHT)
    session.execute(
        update(WebSession).where(*others).values(expires_at=ends).execution_options(synchronize_session=False)
    )


def rotate_soon(session: Session, user_id: int, now: datetime) -> None:
    """What somebody may do has changed: each of their sessions gets a new token when it is used next."""
    session.execute(update(WebSession).where(WebSession.user_id == user_id).values(rotates_at=now))


def listed(session: Session, user_id: int, now: datetime, rules: Rules) -> list[Open]:
    """Somebody's open sessions, the one used last first, at most `LISTED_MAX`."""
    seen = func.max(func.coalesce(WebSession.last_seen_at, WebSession.created_at))
    rows = session.execute(
        select(WebSession.family, func.min(WebSession.started_at), seen, func.max(WebSession.browser))
        .where(WebSession.user_id == user_id, WebSession.expires_at > now)
        .group_by(WebSession.family)
        .having(seen > now - rules.idle)
        .order_by(seen.desc(), WebSession.family)
        .limit(LISTED_MAX)
    )
    return [Open(*row) for row in rows]


def end(session: Session, token: str) -> None:
    """Sign out here: the token and those around it are no longer good."""
    family = select(WebSession.family).where(WebSession.token_hash == secret_hash(token)).scalar_subquery()
    session.execute(
        delete(WebSession).where(or_(WebSession.token_hash == secret_hash(token), WebSession.family == family))
    )


def end_family(session: Session, user_id: int, family: str) -> int:
    """End one session of a person; how many tokens went with it."""
    return _deleted(session, WebSession.user_id == user_id, WebSession.family == family)


def end_all(session: Session, user_id: int, *, but: str = "") -> int:
    """End every session of a person, except the family `but`; how many tokens went with them."""
    return _deleted(session, WebSession.user_id == user_id, WebSession.family != but)


def _deleted(session: Session, *where: object) -> int:
    gone = session.execute(delete(WebSession).where(*where).returning(WebSession.token_hash))  # type: ignore[arg-type]  # columns' own expressions
    return len(gone.all())


def clear(session: Session, now: datetime) -> int:
    """Forget tokens that ended; how many."""
    return _deleted(session, WebSession.expires_at < now)
