"""What tests of budgets do: make one, spend, refresh, look."""

from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy import select
from tests.support.books import price
from tests.support.calls import call, ingest

from trivet import db
from trivet.budget import making
from trivet.budget.draft import Asked, Identity
from trivet.budget.models import BudgetAct, BudgetLine, BudgetWindow
from trivet.budget.refresh import refresh
from trivet.ingest.store.persist import store
from trivet.tenant.models import Scenario, Tenant

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
BEGIN = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


def prices():
    """gpt-4o costs 2.50 USD a million tokens in, 10 USD out."""
    price("openai", "gpt-4o", input="2.50", output="10")


def budget(name="all", *, limit="10", begin=BEGIN, scope="global", measure="money", window="day", zone="UTC", **more):
    """A budget in force since yesterday; what is not given is a soft one of everyone's, 10 USD a day."""
    identity = {key: more.pop(key) for key in ("subject", "tenant", "scenario", "currency") if key in more}
    if measure == "money":
        identity.setdefault("currency", "USD")
    with db.transaction() as session:
        return making.put(
            session, Identity(name, scope, measure, window, zone, **identity), Asked(Decimal(limit), **more),
            effective_from=begin, actor="finance", now=begin,
        ).id  # fmt: skip


def known(*names, table=Tenant):
    """Ids of tenants (or scenarios) that are met."""
    with db.transaction() as session:
        ids = db.named_ids(session, table, names)
    return [ids[name] for name in names]


def scenario(name="chat"):
    return known(name, table=Scenario)[0]


def spend(usd="1", at=NOW, key_id=0, tenant_id=None, **more):
    """One request of so much money: 4 dollars are 1.6 million tokens in."""
    tokens = int(Decimal(usd) * 400_000)
    return store(
        [call(at, input_tokens=tokens, **more)], [], tenant_id=tenant_id, key_id=key_id, now=at
    )  # fmt: skip


def windows(budget_id=None):
    with db.transaction() as session:
        query = select(BudgetWindow).order_by(BudgetWindow.budget_id, BudgetWindow.starts_at, BudgetWindow.subject_id)
        rows = session.scalars(query if budget_id is None else query.where(BudgetWindow.budget_id == budget_id))
        return list(rows)


def spent(budget_id=None):
    """What the only window holds, without its zeros."""
    [window] = windows(budget_id)
    return window.spent.normalize()


def crossed():
    with db.transaction() as session:
        return [row.line for row in session.scalars(select(BudgetLine).order_by(BudgetLine.id))]


def rows(table):
    with db.transaction() as session:
        return list(session.scalars(select(table).order_by(table.id)))


__all__ = ["BEGIN", "NOW", "BudgetAct", "budget", "crossed", "ingest", "known", "prices", "refresh", "rows", "scenario", "spend", "spent", "windows"]  # fmt: skip
