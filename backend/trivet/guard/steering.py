"""What people do to a ladder beside commands: thaw one that froze, and say that a regression passed or failed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from trivet.guard import moves
from trivet.guard.models import LadderState, Regression
from trivet.identity import audit
from trivet.kit.errors import Conflict, Invalid
from trivet.tenant.models import Scenario

DETAILS_MAX = 50  # keys


def thaw(session: Session, scenario: Scenario, *, actor: str, reason: str) -> LadderState:
    """Let a frozen ladder move again, from where it stands. Its turns are forgotten."""
    if not reason.strip():
        raise Invalid("Say why: thawing a ladder needs a reason.", field="reason")
    row = session.get(LadderState, scenario.id, with_for_update=True, populate_existing=True)
    if row is None or row.frozen_since is None:
        raise Conflict(f"The ladder of {scenario.name} is not frozen.")
    before = {"level": row.level, "frozen_since": row.frozen_since.isoformat(), "frozen_reason": row.frozen_reason}
    for name, value in moves.AFRESH.items():
        setattr(row, name, value)
    row.reason = f"{actor} thawed it: {reason.strip()}"
    audit.record(
        session, actor=actor, action="ladder.thaw", subject=f"scenario:{scenario.name}", before=before,
        after={"level": row.level}, reason=reason.strip(),
    )  # fmt: skip
    return row


def regression(
    session: Session, scenario: Scenario, *, passed: bool, source: str, reference: str, revision: int | None,
    details: Mapping[str, Any], now: datetime,
) -> Regression:  # fmt: skip
    """Keep that a regression passed or failed. A level whose way back it is opens with the next look."""
    if len(details) > DETAILS_MAX:
        raise Invalid(
            f"Details have at most {DETAILS_MAX} keys; put the rest where `reference` points.", field="details"
        )
    row = Regression(
        scenario_id=scenario.id, revision=revision, passed=passed, source=source, reference=reference,
        details=dict(details), created_at=now,
    )  # fmt: skip
    session.add(row)
    session.flush()
    audit.record(
        session, actor=source, action="regression.passed" if passed else "regression.failed",
        subject=f"scenario:{scenario.name}", after={"id": row.id, "reference": reference, "revision": revision},
    )  # fmt: skip
    return row
