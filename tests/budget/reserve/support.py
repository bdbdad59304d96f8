"""Budgets and operations for tests of reservations."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select

from trivet import db
from trivet.budget.models import Budget, BudgetTerms, BudgetWindow
from trivet.budget.reserve import commit
from trivet.budget.reserve.ask import Caller, Costs, Hold, Post, Void
from trivet.kit.errors import TrivetError
from trivet.pricing.estimate import Bound

EARLIER = datetime(2026, 1, 1, tzinfo=UTC)
CALLER = Caller("key:test", 1)


def budget(name="all", limit="10", *, scope="global", measure="money", currency="USD", window="month", hard=True,
           subject_id=0, tenant_id=0, unknown_price="closed"):  # fmt: skip
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
                unreachable="closed", ended=False, author="finance", reason="",
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


def do(*operations):
    """What came of each, after one commit."""
    [came] = commit.run([operations])
    return came


def one(operation):
    """What came of one; a refusal is raised."""
    [came] = do(operation)
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


def is_id(text):
    return UUID(text)


def month():
    now = datetime.now(UTC)
    return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0), timedelta(days=1)
