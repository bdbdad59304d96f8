"""Every place of the console, once: the rail, the line of pages above a sentence, the keys, and who may see what.

`roles` empty: everybody. `own`: also for somebody who is of one tenant, and then it shows that tenant's rows alone; every
other place concerns the platform as a whole, and so does an address that is no place.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from trivet.console.tongue import N_
from trivet.kit.errors import Forbidden

ROLE_WORDS: Final = (N_("admin"), N_("finance"), N_("sre"), N_("product owner"), N_("viewer"))
SEES_CHANGES: Final = ("admin", "sre", "finance")


@dataclass(frozen=True, slots=True)
class Place:
    """One page. `beside` are addresses that belong to it: its forms, its parts, what it leads into."""

    path: str
    words: str
    roles: tuple[str, ...] = ()
    own: bool = False
    beside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A line of the rail. `letter` goes there after `g`; `icon` is its path in a box of 16."""

    key: str
    words: str
    letter: str
    icon: str
    places: tuple[Place, ...]


SECTIONS: Final[tuple[Section, ...]] = (
    Section("overview", N_("Overview"), "o", "M8 2 14.5 13.5h-13Z", (Place("/", N_("Overview"), own=True, beside=("/overview",)),)),
    Section(
        "costs", N_("Costs"), "c", "M2 4h12M2 8h8M2 12h5",
        (
            Place("/costs", N_("Costs"), own=True),
            Place("/statements", N_("Statements")),
            Place("/budgets", N_("Budgets")),
            Place("/unit-costs", N_("Unit costs"), own=True),
            Place("/bills", N_("Bills")),
            Place("/periods", N_("Periods")),
            Place("/prices", N_("Prices")),
            Place("/exports", N_("Exports"), own=True),
        ),
    ),
    Section(
        "guard", N_("Guard"), "a", "M8 1.5 13.5 3.5v4.2c0 3-2.3 5.4-5.5 6.8-3.2-1.4-5.5-3.8-5.5-6.8V3.5Z",
        (
            Place("/breaches", N_("Breaches")),
            Place("/alerts", N_("Alerts"), beside=("/runbooks",)),
            Place("/drills", N_("Drills")),
        ),
    ),
    Section(
        "control", N_("Control"), "k", "M2 3h4v4h4v4h4v2.5",
        (
            Place("/commands", N_("Commands"), beside=("/scenarios",)),
            Place("/ladder", N_("Ladder")),
            Place("/backends", N_("Backends")),
            Place("/gpus", N_("GPUs")),
        ),
    ),
    Section(
        "cards", N_("Cards"), "t", "M3 2h10v12H3ZM5.5 5.5h5M5.5 8h5M5.5 10.5h3",
        (Place("/cards", N_("Cards")), Place("/scores", N_("Scores")), Place("/baselines", N_("Baselines"))),
    ),
    Section(
        "evidence", N_("Evidence"), "e", "m2 4 1.5 1.5L6 3M2 11l1.5 1.5L6 10M8.5 4.5H14M8.5 11.5H14",
        (
            Place("/requests", N_("Requests"), own=True),
            Place("/interactions", N_("Conversations"), own=True),
            Place("/proofs", N_("Proofs")),
            Place("/readiness", N_("Readiness")),
        ),
    ),
    Section(
        "settings", N_("Settings"), "s", "M2 4.5h6M12 4.5h2M8 2.8v3.4M2 11.5h2M8 11.5h6M6 9.8v3.4",
        (
            Place("/settings", N_("Yourself"), own=True),
            Place("/tenants", N_("Tenants")),
            Place("/cost-centres", N_("Cost centres")),
            Place("/scenarios-served", N_("Scenarios")),
            Place("/pools", N_("Pools")),
            Place("/connect", N_("Connect")),
            Place("/channels", N_("Channels"), roles=("admin", "sre")),
            Place("/people", N_("People"), roles=("admin",)),
            Place("/keys", N_("Keys"), roles=("admin",)),
            Place("/jobs", N_("Jobs"), own=True),
            Place("/audit", N_("Audit"), roles=SEES_CHANGES),
        ),
    ),
)  # fmt: skip
# No place of their own, and for everybody who is signed in.
OPEN: Final = ("/live", "/live-events", "/sign-out", "/language", "/search")


def shown(role: str, *, scoped: bool) -> tuple[Section, ...]:
    """The sections that somebody sees, each with the places open to them."""
    sections = (
        replace(each, places=tuple(place for place in each.places if is_open(place, role, scoped=scoped)))
        for each in SECTIONS
    )
    return tuple(each for each in sections if each.places)


def is_open(place: Place, role: str, *, scoped: bool) -> bool:
    """Whether a role may see a place; `scoped`: that of somebody of one tenant."""
    return (not place.roles or role in place.roles) and (place.own or not scoped)


def section_of(at: str) -> str:
    """The key of the section that a place is in; "" for none."""
    return next((each.key for each in SECTIONS if any(place.path == at for place in each.places)), "")


def at_address(path: str) -> Place | None:
    """The place an address belongs to: its own, one within it, or one beside it."""
    every = [(prefix, place) for each in SECTIONS for place in each.places for prefix in (place.path, *place.beside)]
    within = [(prefix, place) for prefix, place in every if _within(path, prefix)]
    return max(within, key=lambda found: len(found[0]), default=("", None))[1]


def check_role(role: str, whose: str, *, may: bool) -> None:
    """`Forbidden` to a role that may not; `whose` says who may: `Bills are for finance and admin`."""
    if not may:
        raise Forbidden(f"{whose}; you are {role.replace('_', ' ')}.")


def admit(path: str, role: str, *, tenant: str) -> None:
    """`Forbidden`, in words, where somebody may not see an address. `tenant`: whose rows alone they see, "" for all."""
    if _is_any(path, OPEN):
        return
    place = at_address(path)
    if place is not None and place.roles:
        check_role(role, f"This page is for {_named(place.roles)}", may=role in place.roles)
    if tenant and (place is None or not place.own):
        raise Forbidden(f"You see what concerns {tenant}; this page concerns the platform as a whole.")


def _is_any(path: str, prefixes: Sequence[str]) -> bool:
    return any(_within(path, prefix) for prefix in prefixes)


def _within(path: str, prefix: str) -> bool:
    return path == prefix or (prefix != "/" and path.startswith((f"{prefix}/", f"{prefix}.")))


def _named(roles: Sequence[str]) -> str:
    words = [role.replace("_", " ") for role in roles]
    return words[0] if len(words) == 1 else " and ".join((", ".join(words[:-1]), words[-1]))
