"""Break-glass: a revision is activated at once, without approvals, with a reason; somebody else reviews it afterwards."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from trivet.card import carried, service, solo
from trivet.card.content import parse
from trivet.card.models import CardRevision
from trivet.identity import audit
from trivet.identity.approval import same_person
from trivet.identity.auth import Principal
from trivet.kit.errors import Conflict, Forbidden, Invalid
from trivet.tenant.models import Scenario

OWED_MAX = 500


def mark(session: Session, *, scenario: str, number: int, actor: str, reason: str, now: datetime) -> CardRevision:
    """The revision may be activated without approvals; a review is owed. `command` activates it in the same transaction."""
    if not reason.strip():
        raise Invalid("Say why it cannot wait for two approvals.", field="reason")
    revision = service.revision_named(session, scenario, number, lock=True)
    if revision.status not in ("draft", "in_review"):
        raise Conflict(f"Revision {number} is {revision.status}: there is no glass to break for it.")
    if revision.status == "draft":
        carried.refuse_unmeasured(session, revision.scenario_id, parse(revision.body), now)
        revision.status, revision.submitted_at = "in_review", now
    revision.glass_broken_by, revision.glass_broken_at, revision.glass_reason = actor, now, reason.strip()
    session.flush()
    return revision


def record(session: Session, scenario: str, revision: CardRevision) -> None:
    """The audit row, written last: its lock is held until commit."""
    audit.record(
        session, actor=revision.glass_broken_by or "", action="card.break_glass", reason=revision.glass_reason,
        subject=f"card:{scenario}:{revision.number}", after={"review": "owed"},
    )  # fmt: skip


def review(
    session: Session, *, scenario: str, number: int, words: str, principal: Principal, now: datetime
) -> CardRevision:
    """The second person's word on a revision that was activated by break-glass; it closes what is owed."""
    if not words.strip():
        raise Invalid("Say what you found.", field="reason")
    revision = service.revision_named(session, scenario, number, lock=True)
    if revision.glass_broken_by is None:
        raise Conflict(f"Revision {number} was not activated by break-glass: no review of it is owed.")
    if revision.reviewed_at is not None:
        raise Conflict(f"Revision {number} was reviewed already, by {revision.reviewed_by}.")
    if not (principal.may("product") or principal.may("operations")):
        raise Forbidden(f"A review takes the role product_owner, sre or admin; {principal.actor} has none of them.")
    if same_person(session, revision.glass_broken_by, principal.actor) is not None and not solo.is_on(session):
        raise Conflict(f"{principal.actor} broke the glass: the review afterwards is another person's.")
    revision.reviewed_by, revision.reviewed_at, revision.review_words = principal.actor, now, words.strip()
    session.flush()
    audit.record(
        session, actor=principal.actor, action="card.review", subject=f"card:{scenario}:{number}",
        before={"review": "owed"}, after={"review": "done"}, reason=words.strip(),
    )  # fmt: skip
    return revision


def owed(session: Session) -> list[tuple[str, CardRevision]]:
    """(scenario, revision) of every review that is owed, oldest first, up to `OWED_MAX`."""
    query = (
        select(Scenario.name, CardRevision)
        .join(Scenario, Scenario.id == CardRevision.scenario_id)
        .where(CardRevision.glass_broken_at.is_not(None), CardRevision.reviewed_at.is_(None))
        .order_by(CardRevision.glass_broken_at)
        .limit(OWED_MAX)
    )
    return [(name, revision) for name, revision in session.execute(query)]


def waiting(session: Session) -> tuple[int, datetime | None]:
    """How many reviews are owed, and since when the oldest."""
    owing = CardRevision.glass_broken_at.is_not(None), CardRevision.reviewed_at.is_(None)
    query = select(func.count(), func.min(CardRevision.glass_broken_at)).where(*owing)
    count, oldest = session.execute(query).one()
    return count, oldest


def count(session: Session, since: datetime) -> int:
    """How often the glass was broken since an instant."""
    query = select(func.count()).select_from(CardRevision).where(CardRevision.glass_broken_at >= since)
    return session.scalar(query) or 0
