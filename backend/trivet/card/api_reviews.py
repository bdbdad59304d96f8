"""Who agreed to a card and who still has to: solo mode, reviews that are owed, trials, drafts out of the data."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from sqlalchemy import select

from trivet import db
from trivet.card import answers, glass, observed, service, solo
from trivet.card.api_revisions import revision_body
from trivet.card.api_texts import NewProposal
from trivet.card.models import CardTrial, SoloMode
from trivet.identity.auth import Principal, platform
from trivet.kit.answer import answers as answer
from trivet.kit.body import Body, Words
from trivet.kit.clock import rfc3339, utc_now, when
from trivet.kit.page import INT8, from_cursor, page

router = APIRouter(tags=["card"])
Read = Annotated[Principal, Depends(platform("read"))]
Admin = Annotated[Principal, Depends(platform("admin"))]
Write = Annotated[Principal, Depends(platform("product", "operations"))]
Number = Annotated[int, Path(ge=1, lt=2**31)]
Limit = Annotated[int, Query(ge=1, le=500)]
DRAFTED: dict[int | str, dict[str, Any]] = {201: {"model": answers.Revision}}


class Switch(Body):
    on: bool
    reason: Words


class Review(Body):
    reason: Words


@router.get("/solo-mode", responses=answer(answers.Solo))
def solo_mode(_: Read) -> dict[str, Any]:
    """Whether one person may give both approvals."""
    with db.transaction() as session:
        return _solo(solo.newest(session))


@router.post("/solo-mode", responses=answer(answers.Solo))
def switch_solo_mode(body: Switch, principal: Admin) -> dict[str, Any]:
    """For a team of one. What is approved alone says so for ever."""
    with db.transaction() as session:
        return _solo(solo.switch(session, on=body.on, actor=principal.actor, reason=body.reason, now=utc_now()))


@router.get("/owed-reviews", responses=answer(answers.OwedReviews))
def owed_reviews(_: Read) -> dict[str, Any]:
    """Revisions that were activated by break-glass and await another person's look, oldest first."""
    now = utc_now()
    with db.transaction() as session:
        items = [
            {
                "scenario": scenario, "revision": row.number, "glass_broken_by": row.glass_broken_by,
                "glass_broken_at": when(row.glass_broken_at), "reason": row.glass_reason,
                "owed_for_s": int((now - (row.glass_broken_at or now)).total_seconds()),
            }
            for scenario, row in glass.owed(session)
        ]  # fmt: skip
        return {
            "items": items,
            "next_cursor": None,
            "broken_in_30_days": glass.count(session, now - timedelta(days=30)),
        }


@router.post("/cards/{scenario}/revisions/{number}/review", responses=answer(answers.Revision))
def review(scenario: str, number: Number, body: Review, principal: Write) -> dict[str, Any]:
    """Another person's word on a revision that was activated by break-glass."""
    with db.transaction() as session:
        done = glass.review(
            session, scenario=scenario, number=number, words=body.reason, principal=principal, now=utc_now()
        )
        return revision_body(done, scenario)


@router.post("/cards/{scenario}/proposal", status_code=201, responses=DRAFTED)
def draft_proposed(scenario: str, body: NewProposal, principal: Write) -> dict[str, Any]:
    """A draft with the thresholds proposed from the scenario's own data, all guards in shadow."""
    with db.transaction() as session:
        made = observed.draft_proposed(session, scenario=scenario, days=body.days, actor=principal.actor, now=utc_now())
        return revision_body(made, scenario)


@router.post("/cards/{scenario}/out-of-shadow", status_code=201, responses=DRAFTED)
def draft_out_of_shadow(scenario: str, principal: Write) -> dict[str, Any]:
    """A draft of the governing card whose guards act."""
    with db.transaction() as session:
        made = observed.draft_out_of_shadow(session, scenario=scenario, actor=principal.actor, now=utc_now())
        return revision_body(made, scenario)


@router.get("/cards/{scenario}/trials", responses=answer(answers.Trials))
def trials(scenario: str, _: Read, limit: Limit = 50, cursor: str | None = None) -> dict[str, Any]:
    """Revisions that served a share of conversations first, newest first."""
    with db.transaction() as session:
        row = service.scenario_named(session, scenario)
        query = select(CardTrial).where(CardTrial.scenario_id == row.id)
        if cursor:
            query = query.where(CardTrial.id < from_cursor(cursor, INT8)[0])
        rows = session.scalars(query.order_by(CardTrial.id.desc()).limit(limit + 1)).all()
        return page([_trial(r, scenario) for r in rows], limit, lambda item: [item["id"]])


def _trial(row: CardTrial, scenario: str) -> dict[str, Any]:
    return {
        "id": row.id, "scenario": scenario, "revision": row.number, "against": row.against, "state": row.state,
        "share": row.shares[row.step], "shares": row.shares, "step_s": row.step_s, "minimum_sample": row.minimum_sample,
        "actor": row.actor, "reason": row.reason, "said": row.said, "steps": row.steps,
        "started_at": rfc3339(row.started_at), "step_since": rfc3339(row.step_since), "ended_at": when(row.ended_at),
    }  # fmt: skip


def _solo(row: SoloMode | None) -> dict[str, Any]:
    if row is None:
        return {"on": False, "actor": None, "reason": None, "at": None}
    return {"on": row.on, "actor": row.actor, "reason": row.reason, "at": rfc3339(row.at)}
