"""Quantities that somebody tells: bandwidth, cache storage, searches … by the hour and tenant. Each is counted once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet import db, outbox
from trivet.fleet.models import Pool
from trivet.kit.clock import floor, rfc3339
from trivet.kit.errors import Conflict, Forbidden, Invalid
from trivet.pricing import unit as units
from trivet.pricing.models import Quantity
from trivet.pricing.service import known_ids, model_ids
from trivet.tenant.models import Scenario, Tenant

HOUR = timedelta(hours=1)
TOLD_MAX = 1_000  # in one call
OLDEST = timedelta(days=400)  # told later, nothing is posted any more
_SAME = ("hour", "tenant_id", "scenario_id", "model_id", "pool_id", "unit", "name", "amount")


@dataclass(frozen=True, slots=True)
class Told:
    """How much of a unit a tenant used in an hour. `key` is the teller's own name for it. Names empty: none."""

    key: str
    hour: datetime
    tenant: str
    unit: str
    amount: Decimal
    name: str = ""
    scenario: str = ""
    provider: str = ""
    model: str = ""
    pool: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of some quantities: how many were new, and how many had been told before."""

    new: int
    known: int


def tell(session: Session, told: Sequence[Told], *, tenant_id: int | None, actor: str, now: datetime) -> Taken:
    """Keep quantities, all or none. Told again under its key one is known; another one under that key is a `Conflict`.

    A key bound to a tenant (`tenant_id`) tells of that tenant alone. The hours are due for posting.
    """
    if not 0 < len(told) <= TOLD_MAX:
        raise Invalid(f"Tell 1 to {TOLD_MAX} quantities at a time.", field="quantities")
    for number, each in enumerate(told):
        _check(each, number, now)
    rows = _rows(session, told, tenant_id, actor)
    if len(rows) < len(told):
        raise Invalid("Each quantity has a key of its own.", field="quantities")
    made = insert(Quantity).values(list(rows.values())).on_conflict_do_nothing().returning(Quantity.key)
    new = set(session.scalars(made))
    _same(session, {key: row for key, row in rows.items() if key not in new})
    hours = {each.hour for each in told if each.key in new}
    if hours:
        outbox.send(session, "ledger.hours_due", [hour.isoformat() for hour in sorted(hours)])
    return Taken(len(new), len(rows) - len(new))


def _check(told: Told, number: int, now: datetime) -> None:
    units.check(told.unit, f"quantities.{number}.unit")
    if told.hour != floor(told.hour, 3600):
        raise Invalid("An hour starts on the hour: 2026-11-21T07:00:00Z.", field=f"quantities.{number}.hour")
    if told.hour > now:
        raise Invalid("This hour has not begun.", field=f"quantities.{number}.hour")
    if told.hour < now - OLDEST:
        raise Invalid(f"This hour is more than {OLDEST.days} days ago.", field=f"quantities.{number}.hour")
    if bool(told.provider) != bool(told.model):
        raise Invalid("A model is named with its provider.", field=f"quantities.{number}.provider")


def _rows(session: Session, told: Sequence[Told], tenant_id: int | None, actor: str) -> dict[str, dict[str, object]]:
    tenants = _tenants(session, told, tenant_id)
    if tenant_id is not None:
        _must_be_known(session, told)
    scenarios = db.named_ids(session, Scenario, (each.scenario for each in told if each.scenario))
    pools = db.named_ids(session, Pool, (each.pool for each in told if each.pool))
    models = model_ids(session, ((each.provider, each.model) for each in told if each.model))
    return {
        each.key: {
            "sender": tenant_id or 0,
            "key": each.key,
            "hour": each.hour,
            "tenant_id": tenants[each.tenant],
            "scenario_id": scenarios.get(each.scenario, 0),
            "model_id": models.get((each.provider, each.model), 0),
            "pool_id": pools.get(each.pool, 0),
            "unit": each.unit,
            "name": each.name,
            "amount": each.amount,
            "author": actor,
        }
        for each in told
    }


def _tenants(session: Session, told: Iterable[Told], tenant_id: int | None) -> dict[str, int]:
    if tenant_id is None:
        return db.named_ids(session, Tenant, (each.tenant for each in told))
    own = session.scalars(select(Tenant.name).where(Tenant.id == tenant_id)).one()
    if any(each.tenant not in ("", own) for each in told):
        raise Forbidden(f"This key is bound to {own}: it tells of no other tenant.")
    return {"": tenant_id, own: tenant_id}


def _must_be_known(session: Session, told: Sequence[Told]) -> None:
    """A tenant's key makes no names here: its spans do, within the limits of a key."""
    named = {"scenario": {each.scenario for each in told}, "pool": {each.pool for each in told}}
    for field, table in (("scenario", Scenario), ("pool", Pool)):
        wanted = named[field] - {""}
        missing = wanted - set(session.scalars(select(table.name).where(table.name.in_(wanted))))
        if missing:
            raise Invalid(f"No {field} is called {min(missing)}.", field=field)
    models = {(each.provider, each.model) for each in told if each.model}
    if unknown := models - known_ids(session, sorted(models)).keys():
        raise Invalid(f"No model is called {' '.join(min(unknown))}.", field="model")


def _same(session: Session, rows: dict[str, dict[str, object]]) -> None:
    """What was told before must have been the same."""
    if not rows:
        return
    sender = next(iter(rows.values()))["sender"]
    for before in session.scalars(select(Quantity).where(Quantity.sender == sender, Quantity.key.in_(list(rows)))):
        other = [name for name in _SAME if getattr(before, name) != rows[before.key][name]]
        if other:
            raise Conflict(
                f"Key {before.key} told another quantity before, for the hour {rfc3339(before.hour)}: its "
                f"{', '.join(other)} differ. To correct it, tell the difference, below zero if need be, under a new key.",
                field="key",
            )
