"""Budgets made, given new terms, and ended. Nothing is edited: each change is a row from an instant on, by somebody."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet.budget.draft import Asked, Identity, check
from trivet.budget.models import Budget, BudgetTerms
from trivet.identity import audit
from trivet.identity.models import ApiKey
from trivet.ingest.request.identity import end_user_of
from trivet.ingest.store import users
from trivet.kit.clock import rfc3339
from trivet.kit.errors import Conflict, Invalid, NotFound
from trivet.kit.money import plain
from trivet.settings import get_settings
from trivet.tenant.models import CostCentre, Scenario, Tenant

BUDGETS_MAX = 1_000
_TABLES = {"tenant": Tenant, "scenario": Scenario, "cost_centre": CostCentre}


def put(
    session: Session, identity: Identity, asked: Asked, *, effective_from: datetime | None, actor: str, now: datetime
) -> Budget:
    """A new budget, or later terms of one that is there; `Conflict` where that one is something else."""
    check(identity, asked)
    start = effective_from or now
    if start < now:
        raise Invalid("Terms begin now or later: what held before is not changed.", field="effective_from")
    budget = _budget(session, identity, asked, actor)
    row = BudgetTerms(
        budget_id=budget.id, effective_from=start, limit=asked.limit, lines=list(asked.lines), hard=asked.hard,
        action=(asked.action or "refuse") if asked.hard else "", level=asked.level, way_back=asked.way_back,
        owners=list(asked.owners), unknown_price=asked.unknown_price or asked.policy,
        unreachable=asked.unreachable or asked.policy, ended=False, author=actor, reason=asked.reason,
    )  # fmt: skip
    _append(session, budget, row, actor, "budget.terms")
    return budget


def end(
    session: Session, name: str, *, effective_from: datetime | None, reason: str, actor: str, now: datetime
) -> Budget:
    """No terms of a budget hold from an instant on; what it commanded is taken back then. Later terms may follow."""
    budget = by_name(session, name, lock=True)
    if not reason.strip():
        raise Invalid("Say why it ends.", field="reason")
    start = effective_from or now
    if start < now:
        raise Invalid("A budget ends now or later: what held before is not changed.", field="effective_from")
    newest = _newest(session, budget.id)
    if newest.ended:
        raise Conflict(f"{name} ended at {rfc3339(newest.effective_from)} already.")
    kept = ("limit", "lines", "hard", "action", "level", "way_back", "owners", "unknown_price", "unreachable")
    row = BudgetTerms(
        budget_id=budget.id, effective_from=start, ended=True, author=actor, reason=reason.strip(),
        **{field: getattr(newest, field) for field in kept},
    )  # fmt: skip
    _append(session, budget, row, actor, "budget.end")
    return budget


def by_name(session: Session, name: str, *, lock: bool = False) -> Budget:
    """A budget by its name."""
    query = select(Budget).where(Budget.name == name)
    found = session.scalar(query.with_for_update() if lock else query)
    if found is None:
        raise NotFound(f"There is no budget {name!r}.")
    return found


def _budget(session: Session, identity: Identity, asked: Asked, actor: str) -> Budget:
    values = _row(session, identity, asked)
    if (session.scalar(select(func.count()).select_from(Budget)) or 0) >= BUDGETS_MAX:
        raise Conflict(
            f"{BUDGETS_MAX} budgets are the most there can be: a budget with no subject serves each of them."
        )
    session.execute(insert(Budget).values(**values, name=identity.name, created_by=actor).on_conflict_do_nothing())
    budget = by_name(session, identity.name, lock=True)
    differs = [key for key, value in values.items() if getattr(budget, key) != value]
    if differs:
        raise Conflict(
            f"The budget {identity.name} has another {', '.join(differs)}: that never changes. Choose another name.",
            field="name",
        )
    return budget


def _row(session: Session, identity: Identity, asked: Asked) -> dict[str, object]:
    tenant_id = _id(session, "tenant", identity.tenant)
    return {
        "scope": identity.scope, "measure": identity.measure, "currency": identity.currency, "window": identity.window,
        "zone": identity.zone, "tenant_id": tenant_id, "scenario_id": _id(session, "scenario", identity.scenario),
        "subject_id": _subject_id(session, identity, tenant_id, asked),
    }  # fmt: skip


def _subject_id(session: Session, identity: Identity, tenant_id: int, asked: Asked) -> int:
    if not identity.subject:
        return 0
    if identity.scope == "key":
        return _key_id(session, identity.subject, asked)
    if identity.scope == "end_user":
        settings = get_settings()
        name = end_user_of(identity.subject, settings.end_users, settings.secret_key.get_secret_value().encode())
        if not name:
            raise Invalid("End users are not kept here (TRIVET_END_USERS is off).", field="subject")
        found = users.ids_of(session, tenant_id, [name])
        if name not in found:
            raise Conflict("This tenant has as many end users as are counted apart.", field="subject")
        return found[name]
    return _id(session, identity.scope, identity.subject, field="subject")


def _id(session: Session, scope: str, name: str, field: str = "") -> int:
    if not name:
        return 0
    table = _TABLES[scope]
    found: int | None = session.scalar(select(table.id).where(table.name == name))  # type: ignore[attr-defined]  # each has both
    if found is None:
        raise Invalid(
            f"There is no {scope.replace('_', ' ')} {name!r}: check the name; it is case-sensitive.",
            field=field or scope,
        )
    return found


def _key_id(session: Session, name: str, asked: Asked) -> int:
    query = select(ApiKey.id, ApiKey.tenant_id).where(ApiKey.name == name, ApiKey.revoked_at.is_(None))
    found = session.execute(query.limit(2)).all()
    if len(found) != 1:
        many = "several keys" if found else "no key"
        raise Invalid(f"There is {many} of the name {name!r}: a budget of a key names exactly one.", field="subject")
    [(key_id, tenant_id)] = found
    if asked.action in ("degrade", "break") and tenant_id is None:
        raise Invalid(
            "This key is not bound to a tenant, so nobody can be degraded or cut off: only `refuse` fits.",
            field="action",
        )
    return int(key_id)


def _newest(session: Session, budget_id: int) -> BudgetTerms:
    query = select(BudgetTerms).where(BudgetTerms.budget_id == budget_id)
    return session.scalars(query.order_by(BudgetTerms.effective_from.desc()).limit(1)).one()


def _append(session: Session, budget: Budget, row: BudgetTerms, actor: str, action: str) -> None:
    """After all that were said before: the budget's row is locked."""
    query = select(func.max(BudgetTerms.effective_from)).where(BudgetTerms.budget_id == budget.id)
    last = session.scalar(query)
    if last is not None and row.effective_from <= last:
        raise Conflict(
            f"Terms of {budget.name} begin at {rfc3339(last)} already: give a later effective_from.",
            field="effective_from",
        )
    session.add(row)
    session.flush()
    after = {
        "effective_from": rfc3339(row.effective_from), "limit": plain(row.limit), "currency": budget.currency,
        "measure": budget.measure, "lines": row.lines, "hard": row.hard, "action": row.action, "ended": row.ended,
    }  # fmt: skip
    audit.record(
        session, actor=actor, action=action, subject=f"budget:{budget.name}", after=after, reason=row.reason or None
    )
