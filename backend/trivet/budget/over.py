"""Requests and interactions judged one by one as their telemetry arrives: those over their budget are counted, listed, told
of once a day, and lead to a command where the budget is hard. Bounded: of many at once the first of each place command.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet import db
from trivet.budget import arrivals, interactions, kept, words
from trivet.budget.arrivals import Arrived
from trivet.budget.book import Standing, book
from trivet.budget.limits import WindowKey
from trivet.budget.models import BudgetOver, BudgetOverDay
from trivet.budget.refresh import ALONE
from trivet.budget.sums import Part, converted, figures
from trivet.budget.windows import ALWAYS
from trivet.card import service as cards
from trivet.command import service as commands
from trivet.command.models import DesiredState
from trivet.kit.clock import floor
from trivet.kit.errors import TrivetError
from trivet.kit.money import EXACT
from trivet.notify import service as notify
from trivet.pricing.exchange import Exchange, rates

DAY_S = 86_400
HOLD_S = 900.0  # how long a request that was over keeps its scenario down: the next one over begins it again
PLACES_MAX = 20  # scenarios and tenants commanded in one run
LISTED_MAX = 1_000  # of one budget


@dataclass(frozen=True, slots=True)
class Over:
    """One request or interaction over its budget."""

    standing: Standing
    what: str
    tenant_id: int
    scenario_id: int
    amount: Decimal
    at: datetime
    received_at: datetime


def judge(now: datetime) -> int:
    """Look at what arrived since the last look; how many were found over that were not known."""
    with db.transaction() as session:
        standings = [each for each in book(session).at(now) if each.scope in ("request", "interaction")]
        if not standings:
            return 0
        arrived = arrivals.next_slice(session)
        if arrived is None:
            return 0
        exchange = rates(session)
        found = [over for each in standings for over in _found(session, each, arrived, exchange)]
        new = _keep(session, found, now)
        _tell(session, new, now)
    _command(new, now)
    return len(new)


def _found(session: Session, standing: Standing, arrived: Arrived, exchange: Exchange) -> Iterable[Over]:
    if standing.scope == "request":
        return [
            Over(standing, each.what, each.tenant_id, each.scenario_id, amount, each.ended_at, each.received_at)
            for each in arrivals.requests(session, arrived, standing, exchange)
            if (amount := _amount(standing, [each.part], exchange)) > standing.terms.limit
        ]
    return _interactions(session, standing, arrived, exchange)


def _amount(standing: Standing, parts: Iterable[Part], exchange: Exchange) -> Decimal:
    sums = figures(standing, parts)
    return EXACT.add(sums.own, converted(sums.foreign, standing.currency, exchange)[0])


def _interactions(session: Session, standing: Standing, arrived: Arrived, exchange: Exchange) -> Iterable[Over]:
    touched = {each.name: each for each in arrivals.interactions(session, arrived, standing)}
    if not touched:
        return []
    spent = interactions.spent(session, list(touched))
    _recount(session, standing, {name: spent[name] for name in touched}, exchange)
    return [
        Over(standing, name[1], name[0], each.scenario_id, amount, each.ended_at, each.received_at)
        for name, each in touched.items()
        if (amount := _amount(standing, spent[name], exchange)) > standing.terms.limit
    ]


def _recount(
    session: Session, standing: Standing, spent: dict[interactions.Name, list[Part]], exchange: Exchange
) -> None:
    """Bring up the windows that reservations made of interactions of which nothing is held.

    Where something is held, the refresh does, in the same moment in which it releases that.
    """
    keys = {WindowKey(standing.id, name[0], name[1], ALWAYS.start, ALWAYS.end): name for name in spent}
    if not kept.by_key(session, keys):
        return
    session.execute(ALONE)
    windows = {key: window for key, window in kept.by_key(session, keys).items() if not window.held}
    for key, window in windows.items():
        whole = figures(standing, spent[keys[key]])
        window.restart(whole)
        kept.forget_foreign(session, [window.id])
        kept.add_foreign(session, [(window.id, whole.foreign)])
    kept.convert(session, [(window, standing.currency) for window in windows.values()], exchange)
    kept.write(session, windows.values(), arrivals.clock(session))


def _keep(session: Session, found: Iterable[Over], now: datetime) -> list[Over]:
    """List and count those not known; an interaction that goes on has its newest amount."""
    new = []
    for over in found:
        limit = over.standing.terms.limit
        values = {
            "budget_id": over.standing.id, "what": over.what, "tenant_id": over.tenant_id,
            "scenario_id": over.scenario_id, "amount": over.amount, "limit": limit, "at": over.at,
            "received_at": over.received_at, "seen_at": now,
        }  # fmt: skip
        put = insert(BudgetOver).values(values).on_conflict_do_nothing().returning(BudgetOver.id)
        if session.scalar(put) is not None:
            new.append(over)
            _count(session, over, floor(over.at, DAY_S))
        else:
            mine = (BudgetOver.budget_id == over.standing.id, BudgetOver.what == over.what)
            session.execute(update(BudgetOver).where(*mine).values(amount=over.amount, at=over.at))
    return new


def _count(session: Session, over: Over, day: datetime) -> None:
    beyond = EXACT.subtract(over.amount, over.standing.terms.limit)
    put = insert(BudgetOverDay).values(budget_id=over.standing.id, day=day, items=1, over=beyond)
    session.execute(
        put.on_conflict_do_update(
            index_elements=["budget_id", "day"],
            set_={"items": BudgetOverDay.items + 1, "over": BudgetOverDay.over + put.excluded.over},
        )
    )


def _tell(session: Session, new: Iterable[Over], now: datetime) -> None:
    """One message a budget and day: the list has the rest."""
    first = {over.standing.id: over for over in reversed(list(new))}
    count = Counter(over.standing.id for over in new)
    for budget_id, over in first.items():
        standing = over.standing
        if standing.terms.owners:
            notify.enqueue(
                session,
                key=f"budget:{budget_id}:over:{now:%Y-%m-%d}",
                to=standing.terms.owners,
                subject=f"Budget {standing.name}: {words.over_subject(standing, over.amount)}",
                text=f"{reason(over)}.\nSo far {count[budget_id]} in this moment. The list grows at /budgets: "
                "this is told once a day.\n",
                topic="budgets",
                now=now,
            )


def reason(over: Over) -> str:
    """`Budget calls: request 0af7…/b7ad… came to 2.10 USD, over 1.00 USD a request`."""
    standing = over.standing
    return (
        f"Budget {standing.name}: {standing.scope} {over.what} came to {words.amount(over.amount, standing)}, over "
        f"{words.amount(standing.terms.limit, standing)} a {standing.scope}"
    )


def _command(new: Iterable[Over], now: datetime) -> None:
    """Degrade or cut off where it came from; one command for each scenario and tenant that stands already is enough."""
    places: dict[tuple[int, int], Over] = {}
    for over in new:
        if over.standing.terms.hard and over.standing.terms.action != "refuse" and over.tenant_id:
            places.setdefault((over.scenario_id, over.tenant_id), over)
    for place in sorted(places)[:PLACES_MAX]:
        over = places[place]
        try:
            with db.transaction() as session:
                _issue(session, over, now)
        except TrivetError:  # a scenario without a card: the list says that nothing was commanded
            continue


def _issue(session: Session, over: Over, now: datetime) -> None:
    commands.lock_generation(session, over.scenario_id, now, step=0)
    card = cards.active(session, [over.scenario_id]).get(over.scenario_id)
    terms = over.standing.terms
    held = session.get(DesiredState, (over.scenario_id, over.tenant_id, 0))
    level = min(terms.level or 0, card.card.top) if card else terms.level
    breaks = terms.action == "break"
    if held is not None and (held.broken or (not breaks and held.level >= (level or 0))):
        return
    command = commands.issue(
        session, kind=terms.action, scenario_id=over.scenario_id, tenant_id=over.tenant_id,
        level=None if breaks else level, reason=reason(over), actor=f"budget:{over.standing.name}",
        expires_in_s=float(commands.EXPIRES_MAX_S) if terms.way_back == "manual" else HOLD_S, now=now,
    )  # fmt: skip
    mine = (BudgetOver.budget_id == over.standing.id, BudgetOver.what == over.what)
    session.execute(update(BudgetOver).where(*mine).values(command_id=command.id))


# What no open window can need any more: by the hour, a bounded part of it.
PRUNED_MAX = 50_000
KEPT_DAYS = 120  # of counters: spans come at most 90 days late
QUIET_DAYS = 62  # of windows in which no line was crossed
INTERACTION_DAYS = 8
_QUIET = """
    SELECT w.id FROM budget_window w
    WHERE (w.ends_at < :quiet OR (w.interaction <> '' AND coalesce(w.refreshed_at, w.opened_at) < :idle)) AND w.held = 0
      AND NOT EXISTS (SELECT FROM budget_line l WHERE l.window_id = w.id)
      AND NOT EXISTS (SELECT FROM reservation_hold h WHERE h.window_id = w.id)
    ORDER BY w.id LIMIT :most
"""
_PRUNE = (
    """DELETE FROM spend_counter WHERE ctid = ANY(ARRAY(
           SELECT ctid FROM spend_counter WHERE quarter < :counted ORDER BY quarter LIMIT :most))""",
    """DELETE FROM budget_over WHERE id IN (
           SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY budget_id ORDER BY id DESC) AS n FROM budget_over)
           AS o WHERE n > :listed LIMIT :most)""",
)


def prune(now: datetime) -> int:
    """Forget old counters, windows in which nothing happened, and all but the newest of what was over; how many rows."""
    given: dict[str, Any] = {
        "counted": now - timedelta(days=KEPT_DAYS), "quiet": now - timedelta(days=QUIET_DAYS),
        "idle": now - timedelta(days=INTERACTION_DAYS), "listed": LISTED_MAX, "most": PRUNED_MAX,
    }  # fmt: skip
    with db.transaction() as session:
        gone = sum(session.execute(text(statement), given).rowcount for statement in _PRUNE)  # type: ignore[attr-defined]  # of a DELETE
        ids = list(session.scalars(text(_QUIET), given))
        kept.forget_foreign(session, ids)
        kept.forget(session, ids)
    return gone + len(ids)
