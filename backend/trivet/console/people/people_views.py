"""What the templates of the door and of pages about people get."""

from dataclasses import dataclass
from datetime import datetime

from trivet.console.address import Address, Link
from trivet.console.views import Choice, Reader


@dataclass(frozen=True, slots=True)
class SignInPage:
    """templates/sign_in/page.html. `problem` says why the last try did not work; `elsewhere` is the provider's name."""

    email: str
    problem: str | None
    next_path: str
    elsewhere: str = ""


@dataclass(frozen=True, slots=True)
class LinkPage:
    """templates/sign_in/link.html: a new password by a one-time link. `problem` is in the source language."""

    token: str
    email: str
    problem: str | None


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session of somebody. `family` names it in forms; `here`: it is the one that looks."""

    family: str
    browser: str
    since: datetime
    last_seen_at: datetime
    here: bool


@dataclass(frozen=True, slots=True)
class Right:
    """What a role may do, and whether it may."""

    words: str
    may: bool


@dataclass(frozen=True, slots=True)
class YourselfPage:
    """templates/people/yourself.html."""

    reader: Reader
    address: Address
    sentence: str
    rights: tuple[Right, ...]
    sessions: tuple[SessionRow, ...]
    has_password: bool
    said: str  # what was just done
    problems: dict[str, str]


@dataclass(frozen=True, slots=True)
class PersonRow:
    """Somebody in the list."""

    id: int
    name: str
    email: str
    role: str
    tenant: str
    signs_in: str
    last_seen_at: datetime | None
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True)
class RoleRow:
    """A role, how many have it, and what it may."""

    role: str
    people: int
    rights: tuple[Right, ...]


@dataclass(frozen=True, slots=True)
class Once:
    """What is shown this once: a link or a key."""

    words: str
    secret: str


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """templates/people/list.html. `given`: what a refused form said."""

    reader: Reader
    address: Address
    sentence: str
    roles: tuple[RoleRow, ...]
    people: tuple[PersonRow, ...]
    find: str
    next_url: str
    choices: tuple[Choice, ...]
    given: dict[str, str]
    once: Once | None
    problems: dict[str, str]


@dataclass(frozen=True, slots=True)
class PersonPage:
    """templates/people/one.html."""

    reader: Reader
    sentence: str
    person: PersonRow
    choices: tuple[Choice, ...]
    sessions: tuple[SessionRow, ...]
    changes_url: str
    by_provider: bool
    once: Once | None
    problems: dict[str, str]


@dataclass(frozen=True, slots=True)
class Life:
    """A key's time, as parts of a hundred from the oldest key shown until now: solid while known to be used."""

    begin: str
    used: str
    rest: str


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key in the list."""

    id: int
    name: str
    prefix: str
    tenant: str
    scopes: tuple[str, ...]
    created_at: datetime
    created_by: str
    last_used_at: datetime | None
    revoked_at: datetime | None
    revoked_by: str
    reason: str
    life: Life


@dataclass(frozen=True, slots=True)
class KeysPage:
    """templates/people/keys.html."""

    reader: Reader
    address: Address
    sentence: str
    states: tuple[Link, ...]
    keys: tuple[KeyRow, ...]
    next_url: str
    scopes: tuple[Choice, ...]
    given: dict[str, str]
    once: Once | None
    problems: dict[str, str]


@dataclass(frozen=True, slots=True)
class RevokePage:
    """templates/people/revoke.html: what ending a key stops, before it ends."""

    reader: Reader
    key: KeyRow
    preview: str
    problems: dict[str, str]


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that a change changed; "" where there was nothing."""

    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """A change, with addresses that narrow the list to its who, what and on what."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    differences: tuple[Difference, ...]
    more: int
    reason: str
    broken: bool
    actor_url: str
    action_url: str
    subject_url: str


@dataclass(frozen=True, slots=True)
class Bar:
    """How many changes a stretch of time had; `x`, `width` and `height` in parts of the picture."""

    x: str
    width: str
    height: str
    words: str
    url: str


@dataclass(frozen=True, slots=True)
class AuditPage:
    """templates/people/audit.html."""

    reader: Reader
    address: Address
    sentence: str
    chain: str
    is_broken: bool
    chips: tuple[Link, ...]
    asked: dict[str, str]
    bars: tuple[Bar, ...]
    picture: str  # the bars in words
    changes: tuple[ChangeRow, ...]
    next_url: str
