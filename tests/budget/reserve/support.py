"""Budgets and operations for tests of reservations."""

from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy import select
from tests.support.calls import call, ingest

from trivet import db
from trivet.budget import refresh as refreshing
from trivet.budget.models import Budget, BudgetTerms, BudgetWindow
from trivet.budget.reserve import commit
from trivet.budget.reserve.ask import Caller, Costs, Hold, Post, Void
from trivet.budget.reserve.models import Reservation
from trivet.kit.errors import TrivetError
from trivet.pricing import service as pricing
from trivet.pricing.estimate import Bound
from trivet.pricing.rate import canonical

EARLIER = datetime(2026, 1, 1, tzinfo=UTC)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
CALLER = Caller("key:test", 1)


def budget(name="all", limit="10", *, scope="global", measure="money", currency="USD", window="month", hard=True,
           subject_id=0, tenant_id=0, unknown_price="closed", unreachable="closed"):  # fmt: skip
    """A budget that has held since January; its id."""
    with db.transaction() as session:
        row = Budget(
            name=name, scope=scope, subject_id=subject_id, tenant_id=tenant_id, measure=measure,
            currency=currency if measure == "money" else "", window=window, zone="UTC", created_by="finance",
        )  # fmt: skip
        session.add(row)
        session.flush()
        session.add(
            BudgetTerms(
                budget_id=row.id, effective_from=EARLIER, limit=Decimal(limit), lines=[], hard=hard,
                action="refuse" if hard else "", level=None, way_back="next_window", owners=[], unknown_price=unknown_price,
                unreachable=unreachable, ended=False, author="finance", reason="",
            )
        )  # fmt: skip
        return row.id


def amount(text, currency="USD", **more):
    """Costs of a call: an amount straight away."""
    return Costs(amount=Decimal(text), currency=currency, **more)


def tokens_of(model="gpt-4o", provider="openai", **bound):
    """Costs of a call: estimate inputs."""
    return Costs(provider=provider, model=model, bound=Bound(**bound))


def hold(costs="1", *, caller=CALLER, tenant="acme", **more):
    return Hold(caller, amount(costs) if isinstance(costs, str) else costs, tenant, **more)


def post(id_, text=None, *, caller=CALLER, **more):
    given = {} if text is None else {"amount": Decimal(text), "currency": "USD"}
    return Post(caller, id_, **given, **more)


def void(id_, *, caller=CALLER):
    return Void(caller, id_)


def do(*operations, now=NOON):
    """What came of each, after one commit."""
    [came] = commit.run([operations], now=now)
    return came


def one(operation, now=NOON):
    """What came of one; a refusal is raised."""
    [came] = do(operation, now=now)
    if isinstance(came, TrivetError):
        raise came
    return came


def windows():
    """(budget, spent, held) of every window."""
    query = (
        select(Budget.name, BudgetWindow.spent, BudgetWindow.held)
        .join(Budget, Budget.id == BudgetWindow.budget_id)
        .order_by(BudgetWindow.id)
    )
    with db.transaction() as session:
        return [(name, spent, held) for name, spent, held in session.execute(query)]


def held():
    """What is held of the only window."""
    [(_, _, found)] = windows()
    return found


def dollar_tokens():
    """A model whose every token costs a dollar, so that figures can be read."""
    with db.transaction() as session:
        pricing.add_price(
            session, provider="house", model="dollar", pool="", effective_from=EARLIER, currency="USD",
            rates=canonical({"input": "1000000", "output": "1000000"}), actor="finance",
        )  # fmt: skip


def spend(dollars, reservation=None, *, tenant="acme", at=NOON, **more):
    """A call that cost so many dollars, told by its span."""
    told = call(
        at, tenant=tenant, provider="house", model="dollar", input_tokens=dollars,
        reservation=None if reservation is None else str(reservation), **more,
    )  # fmt: skip
    ingest(told, now=at)
    return told


def refresh(now=NOON):
    """One round of the budgets' refresh."""
    return refreshing.refresh(now)


def kept(id_):
    """A reservation's row."""
    with db.transaction() as session:
        return session.get(Reservation, id_)
