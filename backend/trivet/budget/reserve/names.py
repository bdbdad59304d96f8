"""Whose calls a hold is of, by ids: names that were never met are made as ingest makes them, with its limits of each key.

In short transactions of their own, before the one that holds.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from trivet import db
from trivet.budget.limits import Subject
from trivet.budget.reserve.ask import Hold, Operation
from trivet.budget.reserve.costs import named as model_named
from trivet.budget.reserve.rooms import tenants_of_keys
from trivet.budget.reserve.work import Named
from trivet.ingest.request.identity import end_user_of
from trivet.ingest.request.rules import rules
from trivet.ingest.store import users
from trivet.ingest.store.names import KINDS, OVERFLOW, ids_of
from trivet.kit.errors import Invalid, TrivetError

TENANT, SCENARIO = KINDS.index("tenant"), KINDS.index("scenario")
_Sender = tuple[int, int | None]


def named(operations: Sequence[Operation]) -> list[Named | TrivetError]:
    """Each operation with the subject of its calls; a refusal where it names what is not its own."""
    holds = [(n, op) for n, op in enumerate(operations) if isinstance(op, Hold)]
    found: list[Named | TrivetError] = [Named(op) for op in operations]
    if not holds:
        return found
    ids = _ids(holds)
    tellers = _tellers(op for _, op in holds)
    people = _users(holds, ids)
    for n, op in holds:
        teller = op.caller.key_id if op.teller_id is None else op.teller_id
        bound = op.caller.tenant_id
        if op.teller_id is not None and (teller not in tellers or bound not in (None, tellers[teller])):
            found[n] = Invalid(f"There is no API key {teller} of yours: leave it out for the one you use.", field="key")
            continue
        tenant = bound or ids[n][TENANT]
        subject = Subject(tenant, ids[n][SCENARIO], teller, people.get((tenant, op.end_user), 0), op.interaction)
        found[n] = Named(op, subject)
    return found


def _ids(holds: Iterable[tuple[int, Hold]]) -> dict[int, tuple[int, ...]]:
    """Ids of names of each hold, by its number; of each sender at once."""
    by_sender: dict[_Sender, list[tuple[int, Hold]]] = {}
    for n, op in holds:
        by_sender.setdefault((op.caller.key_id, op.caller.tenant_id), []).append((n, op))
    found: dict[int, tuple[int, ...]] = {}
    for (key_id, tenant_id), own in sorted(by_sender.items(), key=lambda item: (item[0][0], item[0][1] or 0)):
        ids, _ = ids_of([_names(op) for _, op in own], key_id, tenant_id)
        found |= {n: each for (n, _), each in zip(own, ids, strict=True)}
    return found


def _names(op: Hold) -> tuple[Any, ...]:
    """In the order of `KINDS`."""
    model = model_named(op.costs)
    own: dict[str, Any] = {
        "tenant": op.tenant,
        "scenario": op.scenario,
        "model": model if model[1] else ("", ""),
        "pool": op.costs.pool,
    }
    return tuple(own.get(kind, "") for kind in KINDS)


def _tellers(holds: Iterable[Hold]) -> dict[int, int | None]:
    wanted = [op.teller_id for op in holds if op.teller_id is not None]
    if not wanted:
        return {}
    with db.transaction() as session:
        return tenants_of_keys(session, wanted)


def _users(holds: Iterable[tuple[int, Hold]], ids: dict[int, tuple[int, ...]]) -> dict[tuple[int, str], int]:
    """Ids of end users by tenant and the name that was given."""
    how = rules()[0]
    kept = {
        (op.caller.tenant_id or ids[n][TENANT], op.end_user): end_user_of(op.end_user, how.end_users, how.hash_key)
        for n, op in holds
        if op.end_user
    }
    found: dict[tuple[int, str], int] = {}
    for tenant_id in sorted({tenant_id for tenant_id, _ in kept}):
        own = {given: name for (tenant, given), name in kept.items() if tenant == tenant_id and name}
        if not own:
            continue
        with db.transaction() as session:
            made = users.ids_of(session, tenant_id, own.values())
        found |= {(tenant_id, given): made.get(name) or made[OVERFLOW] for given, name in own.items()}
    return found
