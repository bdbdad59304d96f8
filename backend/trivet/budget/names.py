"""Names of whose a budget or a window is, for people."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.identity.models import ApiKey
from trivet.ingest.models import EndUser
from trivet.rollup.read import one_of
from trivet.tenant.models import CostCentre, Scenario, Tenant

TABLES: Mapping[str, Any] = {
    "tenant": Tenant, "interaction": Tenant, "key": ApiKey, "scenario": Scenario, "cost_centre": CostCentre,
    "end_user": EndUser,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Names:
    """Names by scope and id."""

    by: Mapping[tuple[str, int], str]

    def of(self, scope: str, id_: int) -> str:
        """`''` where nobody is meant."""
        return self.by.get((scope, id_), f"{scope} {id_}") if id_ else ""


def names(session: Session, wanted: Collection[tuple[str, int]]) -> Names:
    """Names of what is wanted, by scope."""
    ids: dict[str, set[int]] = {}
    for scope, id_ in wanted:
        if id_ and scope in TABLES:
            ids.setdefault(scope, set()).add(id_)
    found = {
        (scope, id_): name
        for scope, own in ids.items()
        for id_, name in session.execute(
            select(TABLES[scope].id, TABLES[scope].name).where(one_of(TABLES[scope].id, own))
        )
    }
    return Names(found)


def whose(scope: str, found: Names, subject_id: int, interaction: str = "") -> str:
    """Whose a window is, in words: `tenant acme`, `everyone`."""
    if scope == "interaction":
        return f"interaction {interaction}"
    if scope in ("global", "request"):
        return "everyone" if scope == "global" else "every request"
    return f"{WORDS.get(scope, scope)} {found.of(scope, subject_id)}"


WORDS = {"cost_centre": "cost centre", "end_user": "end user"}
