"""What pages about people say. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo

from trivet.console import format as say
from trivet.console.people.people_views import Right
from trivet.console.tongue import N_, _, _n
from trivet.identity.auth import ROLE_SCOPES
from trivet.identity.chain import Standing
from trivet.identity.models import ROLES

# What a scope lets a person do.
RIGHTS = {
    "read": N_("see"),
    "command": N_("give commands"),
    "product": N_("speak for product"),
    "operations": N_("speak for operations"),
    "finance": N_("book and close"),
    "admin": N_("administer"),
}
ROLE_WORDS = {role: role.replace("_", " ") for role in ROLES}
SIGNS_IN = {
    "password": N_("password"), "provider": N_("provider"), "both": N_("password or provider"), "not_yet": N_("not yet"),
}  # fmt: skip
STOPS = {
    "ingest": N_("nothing it sends is measured any more"),
    "policy": N_("backends that ask with it keep the policy they hold, and learn of no other"),
    "read": N_("whoever reads with it gets 401"),
    "finance": N_("nothing is booked with it any more"),
    "admin": N_("nothing is administered with it any more"),
}


def rights(role: str) -> tuple[Right, ...]:
    """What a role may do."""
    scopes = ROLE_SCOPES.get(role, frozenset())
    return tuple(Right(words, scope in scopes or "admin" in scopes) for scope, words in RIGHTS.items())


def yourself(name: str, role: str, tenant: str, sessions: int) -> str:
    """`You are Robin, sre, for everybody's rows; you are signed in twice.`"""
    who = {"name": name, "role": _(ROLE_WORDS[role]), "tenant": tenant}
    seen = (
        _("You are {name}, {role}, and see what concerns {tenant}.", **who)
        if tenant
        else _("You are {name}, {role}.", **who)
    )
    return f"{seen} " + _n("You are signed in at {n} place.", "You are signed in at {n} places.", sessions)


def people(roles: Mapping[str, int], disabled: int) -> str:
    """`7 people may come in, 2 of them admins; 1 is kept out.`"""
    total = sum(roles.values())
    known = _n("{n} person may come in", "{n} people may come in", total)
    admins = _n("{n} of them administers", "{n} of them administer", roles.get("admin", 0))
    out = _n("{n} is kept out", "{n} are kept out", disabled) if disabled else _("nobody is kept out")
    return _("{known}, {admins}; {out}.", known=known, admins=admins, out=out)


def person(name: str, role: str, tenant: str, disabled: str) -> str:
    """`Ana is a viewer of acme alone.`"""
    said = {"name": name, "role": _(ROLE_WORDS[role]), "tenant": tenant, "since": disabled}
    if disabled:
        return _("{name} is kept out since {since}; their role is {role}.", **said)
    if tenant:
        return _("{name} comes in as {role} and sees what concerns {tenant}.", **said)
    return _("{name} comes in as {role} and sees what concerns everybody.", **said)


def keys(live: int, revoked: int, idle: int) -> str:
    """`12 keys are in force, 2 of them unused for a month; 3 are revoked.`"""
    force = _n("{n} key is in force", "{n} keys are in force", live)
    ended = _n("{n} is revoked", "{n} are revoked", revoked)
    if not idle:
        return _("{force}; {ended}.", force=force, ended=ended)
    unused = _n("{n} of those shown unused for a month", "{n} of those shown unused for a month", idle)
    return _("{force}, {unused}; {ended}.", force=force, unused=unused, ended=ended)


def stops(name: str, scopes: Sequence[str], tenant: str, used: str) -> str:
    """What ending a key stops, and whether anybody would notice."""
    what = "; ".join(_(STOPS[scope]) for scope in STOPS if scope in scopes)
    whose = _("the key {name} of {tenant}", name=name, tenant=tenant) if tenant else _("the key {name}", name=name)
    said = _("Once {key} is revoked: {what}.", key=whose, what=what)
    noticed = _("It was last used {when}.", when=used) if used else _("Nobody has used it yet.")
    return f"{said} {noticed} " + _("It takes two seconds at most everywhere, and cannot be taken back.")


def chain(found: Standing, zone: tzinfo) -> str:
    """How much of the chain is verified, since when, and the first row that does not fit."""
    if not found.rows:
        return _("Nothing was changed yet; the chain begins with the first change.")
    since = day(found.since, zone) if found.since else ""
    if found.broken_id is not None:
        return _(
            "Row {row} does not fit the chain: it, or one before it, was changed behind the log's back. Before it, {n} fit.",
            row=say.count(found.broken_id), n=say.count(found.verified),
        )  # fmt: skip
    rest = found.rows - found.verified
    if rest:
        return _(
            "{n} of {rows} rows are verified, since {since}; {rest} are still to be looked at.",
            n=say.count(found.verified), rows=say.count(found.rows), since=since, rest=say.count(rest),
        )  # fmt: skip
    return _(
        "All {n} rows are verified, since {since}: none was changed behind the log's back.",
        n=say.count(found.rows),
        since=since,
    )


def changes(shown: int, more: bool, asked: bool) -> str:
    """How many changes the page shows."""
    if not shown:
        return _("Nothing like that was changed in this time.") if asked else _("Nothing was changed in this time.")
    if more:
        return _("The newest {n} changes of this time, and there are older ones.", n=shown)
    return _n("{n} change in this time.", "{n} changes in this time.", shown)


def day(at: datetime, zone: tzinfo) -> str:
    """A day and its clock, in the reader's zone."""
    there = at.astimezone(zone)
    return f"{there:%Y-%m-%d %H:%M}"
