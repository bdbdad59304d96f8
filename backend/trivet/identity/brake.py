"""How often somebody may try to sign in, counted in the database for all processes: it makes guessing slow.

From one address, and at one account from everywhere. Nobody can lock an account for good: a browser that signed in there
before has a count of its own, each address one, and a count begins again after its stretch. The table is bounded: when
it is full, whoever is new shares one count.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address

from prometheus_client import Counter
from sqlalchemy import case, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet import db
from trivet.identity.models import SignInTry
from trivet.kit.errors import TrivetError

LONGEST = timedelta(minutes=15)
ROWS_MAX = 10_000
SWEPT_MAX = 500  # rows of the past that one try clears away
NETWORK_BITS = 64  # of IPv6, that one customer has to themselves
refused = Counter("trivet_sign_ins_refused", "Tries to sign in that came too often, by what was counted.", ["counted"])


class TooOften(TrivetError):
    """Too many tries at a password, whether it was right or not."""

    status = 429


@dataclass(frozen=True, slots=True)
class Count:
    """One thing that is counted: `most` tries within a stretch."""

    kind: str
    key: str
    most: int
    within: timedelta


def from_address(address: str) -> Count:
    """Everybody at one address, in IPv6 one network."""
    return Count("address", f"address:{_network(address)}", 10, timedelta(minutes=1))


def there_and_back(address: str) -> Count:
    """Ways to the provider and back, from one address: each may call out."""
    return Count("provider", f"provider:{_network(address)}", 30, timedelta(minutes=1))


def at_account(email: str) -> Count:
    """Everybody who tries one account, from wherever."""
    return Count("account", f"account:{_digest(email.strip().lower())}", 30, LONGEST)


def known_browser(email: str) -> Count:
    """Browsers that signed in to this account before: what strangers try does not count against them."""
    return Count("known", f"known:{_digest(email.strip().lower())}", 30, timedelta(minutes=5))


def allows(session: Session, counts: Iterable[Count], now: datetime) -> bool:
    """Count one try; False once one of the counts is full."""
    wanted = sorted(counts, key=lambda count: count.key)
    _sweep(session, now)
    room = session.scalar(select(func.count()).select_from(SignInTry)) or 0
    full = [count.kind for count in wanted if _tries(session, count, now, is_room=room < ROWS_MAX) > count.most]
    for kind in full:
        refused.labels(kind).inc()
    return not full


def check(counts: Sequence[Count], now: datetime) -> None:
    """`allows` in a transaction of its own, so that no refusal that comes later takes the try back; `TooOften`."""
    with db.transaction() as session:
        allowed = allows(session, counts, now)
    if not allowed:
        said = "Too many tries at a password, from here or at this account. Nothing was changed; wait a few minutes."
        raise TooOften(said, retry_after_s=60)


def give_back(session: Session, counts: Iterable[Count]) -> None:
    """A right password is no guess: its own try is not counted. Earlier ones are, whoever made them."""
    for count in sorted(counts, key=lambda count: count.key):
        mine = (SignInTry.key == count.key, SignInTry.tries > 0)
        session.execute(update(SignInTry).where(*mine).values(tries=SignInTry.tries - 1))


def _tries(session: Session, count: Count, now: datetime, *, is_room: bool) -> int:
    """How many there were within the stretch, this one included."""
    key = count.key
    if not is_room and session.get(SignInTry, key) is None:
        key = f"{count.kind}:others"
    over = SignInTry.began_at < now - count.within
    again = {
        "tries": case((over, 1), else_=SignInTry.tries + 1),
        "began_at": case((over, now), else_=SignInTry.began_at),
    }
    new = insert(SignInTry).values(key=key, began_at=now, tries=1)
    counted = new.on_conflict_do_update(index_elements=["key"], set_=again).returning(SignInTry.tries)
    return int(session.scalar(counted) or 0)


def _sweep(session: Session, now: datetime) -> None:
    past = select(SignInTry.key).where(SignInTry.began_at < now - LONGEST).order_by(SignInTry.began_at)
    some = past.limit(SWEPT_MAX).with_for_update(skip_locked=True)
    session.execute(delete(SignInTry).where(SignInTry.key.in_(some)).execution_options(synchronize_session=False))


def _network(address: str) -> str:
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address[:100]
    return str(IPv6Address(int(found) >> NETWORK_BITS << NETWORK_BITS)) if found.version == 6 else str(found)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()
