"""What drivers brought about: hands that obey for a backend that serves no requests itself, such as an engine behind a gateway.

An event proves what a span of a request proves: that the backend works under a generation. It is kept where that is,
`policy_seen`, and nowhere else: it is no request, and neither usage nor cost.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert

from trivet import db
from trivet.ingest.decode.span import Attributes
from trivet.ingest.models import PolicySeen
from trivet.ingest.signal.points import Place
from trivet.ingest.store import names, persist
from trivet_collectors import semconv as sc

NO_GENERATION = "applied_without_generation"
NO_NAMES = "applied_without_backend_or_scenario"
INT8_MAX, INT4_MAX, LEVEL_MAX = 2**63 - 1, 2**31 - 1, 3


@dataclass(frozen=True, slots=True)
class PolicyApplied:
    """One generation that a backend was brought under."""

    tenant: str
    scenario: str
    backend: str
    generation: int
    revision: int
    level: int


def applied_of(said: Attributes, place: Place) -> PolicyApplied | str:
    """The event as it stands; else why it is not kept. Pure."""
    if not place.backend or not place.scenario:
        return NO_NAMES
    generation = _count(said.get(sc.TRIVET_POLICY_GENERATION), INT8_MAX)
    if not generation:
        return NO_GENERATION
    return PolicyApplied(
        tenant=place.tenant,
        scenario=place.scenario,
        backend=place.backend,
        generation=generation,
        revision=_count(said.get(sc.TRIVET_POLICY_REVISION), INT4_MAX),
        level=_count(said.get(sc.TRIVET_DEGRADE_LEVEL), LEVEL_MAX),
    )


def store(found: Sequence[PolicyApplied], *, tenant_id: int | None, key_id: int, now: datetime) -> None:
    """Keep them, each once, in a transaction of its own; a key bound to a tenant speaks for that tenant alone."""
    each = list(dict.fromkeys(found))
    if not each:
        return
    ids, overflowed = names.ids_of([_names(applied) for applied in each], key_id, tenant_id)
    rows = [_row(applied, own, bound=tenant_id is not None, now=now) for applied, own in zip(each, ids, strict=True)]
    with db.transaction() as session:
        session.execute(insert(PolicySeen), rows)
        persist.deny(session, persist.over_limits(Counter(overflowed)), key_id, now)


def _names(applied: PolicyApplied) -> names.Names:
    """What an event names, in the order of `names.KINDS`."""
    return applied.tenant, applied.scenario, ("", ""), applied.backend, "", "", ""


def _row(applied: PolicyApplied, ids: names.Ids, *, bound: bool, now: datetime) -> dict[str, Any]:
    tenant, scenario, _, backend, *_ = ids
    return {
        "tenant_id": tenant, "scenario_id": scenario, "backend_id": backend, "bound": bound,
        "generation": applied.generation, "revision": applied.revision, "level": applied.level, "seen_at": now,
    }  # fmt: skip


def _count(value: Any, most: int) -> int:
    """A number that the column holds; 0, which says nothing, for anything else."""
    return value if type(value) is int and 0 <= value <= most else 0
