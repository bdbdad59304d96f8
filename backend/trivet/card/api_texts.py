"""Cards as people read and keep them: sentences, differences, YAML, proposals from the scenario's own data."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Path, Query, Response
from sqlalchemy.orm import Session

from trivet import db
from trivet.card import answers, carried, diff, exchange, observed, sentences, service
from trivet.card.content import parse
from trivet.card.measured import missing
from trivet.identity.auth import Principal, platform
from trivet.kit import body as bodies
from trivet.kit.answer import answers as answer
from trivet.kit.clock import utc_now

router = APIRouter(tags=["card"])
Read = Annotated[Principal, Depends(platform("read"))]
Write = Annotated[Principal, Depends(platform("product", "operations"))]
Number = Annotated[int, Query(ge=1, lt=2**31)]
Days = Annotated[int, Query(ge=1, le=observed.DAYS_MAX)]
YAML = "application/yaml"


class NewProposal(bodies.Body):
    days: int = 7


class CardToCheck(bodies.Body):
    card: dict[str, Any]


@router.get("/cards/{scenario}/diff", responses=answer(answers.Diff))
def difference(
    scenario: str, _: Read, before: Annotated[int, Query(alias="from", ge=1, lt=2**31)], to: Number
) -> dict[str, Any]:
    """What changed between any two revisions, field by field, with words."""
    with db.transaction() as session:
        found = diff.changes(*(exchange.values(session, scenario, number) for number in (before, to)))
    return {
        "scenario": scenario, "from_revision": before, "to_revision": to,
        "changes": [{"field": c.field, "before": c.before, "after": c.after, "words": c.words} for c in found],
    }  # fmt: skip


@router.get("/cards/{scenario}/revisions/{number}/sentences", responses=answer(answers.Sentences))
def in_sentences(scenario: str, number: Annotated[int, Path(ge=1, lt=2**31)], _: Read) -> dict[str, Any]:
    """The card in plain words."""
    with db.transaction() as session:
        card = parse(service.revision_named(session, scenario, number).body)
    parts = [{"title": p.title, "sentences": list(p.sentences)} for p in sentences.paragraphs(card)]
    return {"scenario": scenario, "revision": number, "parts": parts}


@router.post("/cards/{scenario}/check", responses=answer(answers.Checked))
def check(scenario: str, body: CardToCheck, _: Read) -> dict[str, Any]:
    """Whether a card could be drafted, without keeping it. What it would be refused for is refused here."""
    with db.transaction() as session:
        now = utc_now()
        card = service.check(session, body.card, now)
        row = service.scenario_named(session, scenario)
        unmeasured = missing(card, carried.of_scenario(session, row.id, now))
        return {"ok": True, "warnings": [f"guards.{name}: {why}" for name, why in unmeasured]}


@router.get("/cards/{scenario}/proposal", responses=answer(answers.Proposal))
def proposal(scenario: str, _: Read, days: Days = 7) -> dict[str, Any]:
    """Thresholds from what the scenario did in the last days, and a card in shadow with them."""
    with db.transaction() as session:
        found = observed.proposal(session, scenario, days, utc_now())
    return {
        "scenario": scenario, "days": found.days, "requests": found.requests, "stretches": found.stretches,
        "stretch_s": found.stretch_s, "words": found.words, "card": found.card,
        "thresholds": [
            {"metric": t.metric, "enter": t.enter, "leave": t.leave, "words": t.words} for t in found.thresholds
        ],
    }  # fmt: skip


@router.get("/cards/{scenario}/yaml", response_class=Response, responses={200: {"content": {YAML: {}}}})
def as_yaml(scenario: str, _: Read, revision: Annotated[int | None, Query(ge=1, lt=2**31)] = None) -> Response:
    """The governing card, or a revision, as a file to keep in git."""
    with db.transaction() as session:
        text = exchange.export(session, scenario, revision)
    return Response(text, media_type=YAML)


@router.post("/cards/{scenario}/yaml", responses=answer(answers.Imported))
def from_yaml(scenario: str, principal: Write, text: Annotated[bytes, Body(media_type=YAML)]) -> Mapping[str, Any]:
    """A YAML card becomes a draft revision, or nothing where the governing card says the same already."""
    with db.transaction() as session:
        return _imported(session, scenario, text, principal.actor)


def _imported(session: Session, scenario: str, text: bytes, actor: str) -> dict[str, Any]:
    done = exchange.bring_in(session, exchange.decoded(text), actor=actor, now=utc_now(), scenario=scenario)
    return {
        "scenario": done.scenario,
        "changed": done.changed,
        "revision": done.revision,
        "changes": list(done.changes),
    }
