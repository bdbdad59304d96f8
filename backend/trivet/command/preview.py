"""What a command would change, for whom, said before it is given.

Whoever says it in another language hands in what translates: each text is whole, with named holes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.card import service as cards
from trivet.card.content import Card, parse
from trivet.card.models import CardRevision
from trivet.card.service import ActiveCard
from trivet.command import learning
from trivet.command import scope as scopes
from trivet.command.models import DesiredState
from trivet.command.service import HOLD_S, Scope, check, level_of
from trivet.kit.clock import floor
from trivet.kit.errors import Conflict, Invalid
from trivet.kit.interval import Interval
from trivet.kit.marked import N_, Say, english
from trivet.rollup import read
from trivet.settings import get_settings
from trivet.tenant.models import Tenant

RECENT_S = 60
NOTHING = N_("as the app wishes")
UNATTRIBUTED = "unattributed"  # requests of no tenant: nobody to break


@dataclass(frozen=True, slots=True)
class Cost:
    """What was spent in the scope in the last hour, and its share of everything that was spent in that currency."""

    amount: Decimal
    share: float


@dataclass(frozen=True, slots=True)
class Preview:
    """One sentence, and the facts it rests on. Rates are of the last minute."""

    sentence: str
    level_from: int
    level_to: int
    revision_from: int
    revision_to: int
    flags: dict[str, dict[str, Any]]
    backends: list[str]
    requests_per_s: float
    tenants: list[str]
    learn: dict[str, str] = field(default_factory=dict)  # how each backend would learn of it
    overrides: list[str] = field(default_factory=list)  # tenants with a state of their own, which stays
    requests_last_hour: int = 0
    share_last_hour: float = 0.0  # of all requests of that hour
    costs_last_hour: dict[str, "Cost"] = field(default_factory=dict)  # by currency


def preview(
    session: Session,
    *,
    kind: str,
    scenario_id: int,
    level: int | None = None,
    tenant_id: int | None = None,
    backend_id: int | None = None,
    reason: str = "",
    expires_in_s: float | None = None,
    to: int | None = None,
    although_rolled_back: bool = False,
    now: datetime,
    _: Say = english,
) -> Preview:
    """Refuses what `issue` would refuse, except a reason still to come. `to` names the revision of a rollback."""
    scope = Scope(scenario_id, tenant_id or 0, backend_id or 0)
    card = cards.active(session, [scenario_id]).get(scenario_id)
    if card is None:
        raise Conflict("This scenario has no active card, so there is nothing to command. Register it first.")
    check(kind, scope, card, level=level, reason=reason or "preview", expires_in_s=expires_in_s)
    before, after = level_of(session, scope), _level_after(session, scope, kind, level)
    if to is not None and kind != "rollback":
        raise Invalid("Only a rollback goes `to` a revision.", field="to")
    if to is not None:
        cards.may_return(session, card, to, although_rolled_back=although_rolled_back)
    new = (
        _card_after(session, card, card.previous_number if to is None else to)
        if kind == "rollback"
        else (card.number, card.card)
    )
    tenant = session.scalar(select(Tenant.name).where(Tenant.id == tenant_id)) if tenant_id else None
    rate, tenants = _recent(session, scope, now)
    backends = _backends(session, scope, now)
    flags = difference(card.card.flags_at(before), new[1].flags_at(after))
    if kind == "break":
        flags["admission"] = {"from": "admit", "to": "reject"}
    facts = Preview("", before, after, card.number, new[0], flags, backends, round(rate, 3), tenants)
    said = sentence(kind, card.scenario, tenant, facts=facts, card=new[1], expires_in_s=expires_in_s, _=_)
    ways = learning.how(session, now, get_settings().backend_seen_s)
    requests, share, costs = _last_hour(session, scope, now)
    return replace(
        facts,
        sentence=said,
        learn={b.name: ways.get(b.id, "silent") for b in _present(session, scope, now)},
        overrides=_overrides(session, scope),
        requests_last_hour=requests,
        share_last_hour=round(share, 4),
        costs_last_hour=costs,
    )


WHAT = {
    "degrade": N_("{who} goes from level {before} to {after} ({name})"),
    "restore": N_("{who} goes from level {before} back to {after} ({name})"),
    "rollback": N_("{who} goes back from revision {old} to revision {new}"),
    "break": N_("every request of {who} is turned away"),
}


def sentence(
    kind: str,
    scenario: str,
    tenant: str | None,
    *,
    facts: Preview,
    card: Card,
    expires_in_s: float | None,
    _: Say = english,
) -> str:
    """One sentence: what, where, for whom, until when."""
    named = scenario.replace("-", " ").replace("_", " ").strip() or scenario
    what = _(
        WHAT[kind], who=_("{tenant} in {scenario}", tenant=tenant, scenario=named) if tenant else named,
        before=facts.level_from, after=facts.level_to, name=_name(card, facts.level_to, _), old=facts.revision_from,
        new=facts.revision_to,
    )  # fmt: skip
    backends, tenants = len(facts.backends), len(facts.tenants)
    where = _("on {n} backend", n=backends) if backends == 1 else _("on {n} backends", n=backends)
    touched = N_("{rate} requests/s of {n} tenant") if tenants == 1 else N_("{rate} requests/s of {n} tenants")
    return _(
        "{what}, {where}; it touches {touched}{until}.", what=f"{what[0].upper()}{what[1:]}",
        where=where if backends else _("as soon as a backend asks (none does now)"),
        touched=_(touched, rate=f"{facts.requests_per_s:.1f}", n=tenants), until=_until(kind, tenant, expires_in_s, _),
    )  # fmt: skip


def about(session: Session, scope: Scope, now: datetime) -> set[str]:
    """Tenants whom a command for one of them may be about: seen in the last minute, or with a state of their own."""
    return {*_recent(session, scope, now)[1], *_overrides(session, scope)} - {UNATTRIBUTED}


def reach(facts: Preview, _: Say = english) -> str:
    """What of the last hour it would have touched, in requests and in money."""
    if not facts.requests_last_hour:
        return _("Nothing of the last hour would have been touched.")
    requests = f"{facts.requests_last_hour:,}"
    said = [_("{n} requests, {share} of all", n=requests, share=_share(facts.share_last_hour, _))]
    said += [
        _(
            "{amount} {currency}, {share} of what was spent", amount=f"{cost.amount:,.2f}", currency=currency,
            share=_share(cost.share, _),
        )
        for currency, cost in facts.costs_last_hour.items()
    ]  # fmt: skip
    return _("Of the last hour it would have touched {what}.", what=_("; ").join(said))


def _share(share: float, _: Say) -> str:
    return _("under 1 %") if 0 < share < 0.01 else f"{share:.0%}".replace("%", " %")


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Flags that change, each with from and to."""
    keys = sorted({*before, *after})
    return {
        key: {"from": before.get(key, NOTHING), "to": after.get(key, NOTHING)}
        for key in keys
        if before.get(key) != after.get(key)
    }


def _until(kind: str, tenant: str | None, expires_in_s: float | None, _: Say) -> str:
    if expires_in_s is not None:
        return _("; it ends by itself in {time}", time=_span(expires_in_s, _))
    if kind == "degrade" and tenant is None:
        return _("; the ladder keeps off for {n} minutes", n=HOLD_S // 60)
    return _("; it stays until somebody restores it") if kind in ("degrade", "break") else ""


def _span(seconds: float, _: Say) -> str:
    """`90 s`, `15 min`, `1 h`, `1 h 30 min`."""
    minutes, rest = divmod(seconds, 60)
    if minutes < 1 or rest:
        return _("{n} s", n=f"{seconds:g}")
    hours, minutes = divmod(int(minutes), 60)
    return " ".join(_(words, n=count) for count, words in ((hours, N_("{n} h")), (minutes, N_("{n} min"))) if count)


def _name(card: Card, level: int, _: Say) -> str:
    step = card.level(level)
    return step.name if step else _("normal")


def _level_after(session: Session, scope: Scope, kind: str, level: int | None) -> int:
    if kind == "degrade" and level is not None:
        return level
    if kind == "restore" and not scope.whole:
        return level_of(session, Scope(scope.scenario_id))
    return 0 if kind == "restore" else level_of(session, scope)


def _card_after(session: Session, card: ActiveCard, to: int | None) -> tuple[int, Card]:
    if to is None:
        raise Conflict(f"Revision {card.number} is the first of {card.scenario}: there is none to go back to.")
    body = session.scalars(
        select(CardRevision.body).where(CardRevision.scenario_id == card.scenario_id, CardRevision.number == to)
    ).one()
    return to, parse(body)


def _recent(session: Session, scope: Scope, now: datetime) -> tuple[float, list[str]]:
    """Requests a second and tenant names of the last minute in the scope."""
    end = floor(now, 10)
    interval = Interval(end - timedelta(seconds=RECENT_S), end)
    found = read.usage(session, interval, ["tenant_id"], _where(scope), grain_s=10)
    ids = [tenant_id for (tenant_id,) in found]
    names = session.scalars(select(Tenant.name).where(Tenant.id.in_(ids)).order_by(Tenant.name)).all()
    unattributed = [UNATTRIBUTED] if 0 in ids else []
    return sum(usage.requests for usage in found.values()) / RECENT_S, [*names, *unattributed]


def _where(scope: Scope) -> dict[str, list[int]]:
    where = {"scenario_id": [scope.scenario_id]}
    if scope.tenant_id:
        where["tenant_id"] = [scope.tenant_id]
    if scope.backend_id:
        where["backend_id"] = [scope.backend_id]
    return where


def _last_hour(session: Session, scope: Scope, now: datetime) -> tuple[int, float, dict[str, Cost]]:
    """Requests of the scope in the last hour, their share of all, and the same of what they cost."""
    end = floor(now, 60)
    interval = Interval(end - timedelta(hours=1), end)
    all_ = read.usage(session, interval, ["currency"], {}, grain_s=60)
    own = read.usage(session, interval, ["currency"], _where(scope), grain_s=60)
    total, part = (sum(usage.requests for usage in found.values()) for found in (all_, own))
    costs = {
        key[0]: Cost(usage.cost, round(float(usage.cost / all_[key].cost), 4))
        for key, usage in sorted(own.items())
        if key in all_ and all_[key].cost and usage.cost
    }
    return part, part / total if total else 0.0, costs


def _overrides(session: Session, scope: Scope) -> list[str]:
    """Tenants whose own state a command for everyone leaves as it is."""
    if scope.tenant_id:
        return []
    query = select(Tenant.name).join(DesiredState, DesiredState.tenant_id == Tenant.id)
    return list(session.scalars(query.where(DesiredState.scenario_id == scope.scenario_id).order_by(Tenant.name)))


def _present(session: Session, scope: Scope, now: datetime) -> list[scopes.Present]:
    there = scopes.present(session, now, get_settings().backend_seen_s)
    return [b for b in there if b.takes(scope.scenario_id, scope.backend_id)]


def _backends(session: Session, scope: Scope, now: datetime) -> list[str]:
    return [b.name for b in _present(session, scope, now)]
