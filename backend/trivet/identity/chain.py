"""The audit chain, verified in steps: how far it was, by whom nothing was changed, and the first row that does not fit.

A pass goes from the first row to the newest, a bounded step at a time, and remembers where it is. At the end it goes on
with what is new; after a day another pass begins, for a row that was verified once may be changed behind our back later.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet.identity import audit
from trivet.identity.models import Audit, AuditCheck

STEP_ROWS = 10_000  # of one step that somebody waits for
BATCH_ROWS = 1_000
AGAIN_AFTER = timedelta(days=1)
ONE = 1


@dataclass(frozen=True, slots=True)
class Standing:
    """`verified` rows of `rows`, in a pass that began at `began_at`; `since`: of the first row.

    `whole_at`: when a pass last came to the end. `broken_id`: the first row that does not fit, None for none.
    """

    rows: int
    verified: int
    since: datetime | None
    began_at: datetime | None
    verified_at: datetime | None
    whole_at: datetime | None
    broken_id: int | None


def look(session: Session) -> Standing:
    """How far it is, and a step further, without keeping that."""
    mark = session.get(AuditCheck, ONE)
    verified, digest = (mark.verified_id, mark.verified_hash) if mark else (0, audit.START)
    broken = mark.broken_id if mark else None
    if broken is None:
        verified, _, broken = _walk(session, verified, digest)
    return _standing(session, verified, broken, mark)


def standing(session: Session) -> Standing:
    """How far the last step came."""
    mark = session.get(AuditCheck, ONE)
    return _standing(session, mark.verified_id if mark else 0, mark.broken_id if mark else None, mark)


def step(session: Session, now: datetime, *, again: bool = False) -> Standing:
    """Verify the next rows, at most `STEP_ROWS`, and remember how far it is. `again`: from the first row."""
    start = {"id": ONE, "verified_id": 0, "verified_hash": audit.START, "began_at": now, "verified_at": now}
    session.execute(insert(AuditCheck).values(start).on_conflict_do_nothing())
    mark = session.get_one(AuditCheck, ONE, with_for_update=True, populate_existing=True)
    if again:
        mark.verified_id, mark.verified_hash, mark.began_at, mark.broken_id = 0, audit.START, now, None
    if mark.broken_id is None:
        before = mark.verified_id
        mark.verified_id, mark.verified_hash, mark.broken_id = _walk(session, before, mark.verified_hash)
        mark.verified_at = now
        if mark.broken_id is None and mark.verified_id - before < STEP_ROWS:
            mark.whole_at = now
    session.flush()
    return _standing(session, mark.verified_id, mark.broken_id, mark)


def is_due(session: Session, now: datetime) -> bool:
    """Whether a pass that has come to the end began so long ago that another should."""
    mark = session.get(AuditCheck, ONE)
    return mark is not None and mark.whole_at is not None and now - mark.began_at >= AGAIN_AFTER


def _walk(session: Session, verified: int, digest: bytes) -> tuple[int, bytes, int | None]:
    """From a row that fits: how far it goes on to fit, and the first that does not."""
    if verified and session.scalar(select(Audit.hash).where(Audit.id == verified)) != digest:
        return verified - 1, digest, verified
    last = verified + STEP_ROWS
    while verified < last:
        some = select(Audit).where(Audit.id > verified).order_by(Audit.id).limit(min(BATCH_ROWS, last - verified))
        rows = session.scalars(some).all()
        for row in rows:
            if row.id != verified + 1 or row.previous_hash != digest or row.hash != audit.row_hash(row):
                return verified, digest, row.id
            verified, digest = row.id, row.hash
            session.expunge(row)
        if len(rows) < BATCH_ROWS:
            break
    return verified, digest, None


def _standing(session: Session, verified: int, broken: int | None, mark: AuditCheck | None) -> Standing:
    rows = session.scalar(select(func.max(Audit.id))) or 0
    since = session.scalar(select(Audit.at).order_by(Audit.id).limit(1))
    return Standing(
        max(rows, verified), verified, since, mark.began_at if mark else None, mark.verified_at if mark else None,
        mark.whole_at if mark else None, broken,
    )  # fmt: skip
