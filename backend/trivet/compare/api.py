"""Baselines and comparisons over REST."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field, StringConstraints

from trivet import db
from trivet.compare import answers, service
from trivet.compare import measured as measures
from trivet.compare.models import Baseline
from trivet.compare.service import Side
from trivet.identity.auth import Principal, platform
from trivet.kit.answer import answers as answer
from trivet.kit.body import Asked, Body, Instant, Name
from trivet.kit.clock import rfc3339, utc_now
from trivet.kit.errors import Invalid
from trivet.kit.page import from_cursor, page

router = APIRouter(tags=["compare"])
Read = Annotated[Principal, Depends(platform("read"))]
Write = Annotated[Principal, Depends(platform("product", "operations"))]
Limit = Annotated[int, Query(ge=1, le=200)]
Id = Annotated[int, Path(ge=1, lt=2**63)]
NOW = "now"


class NewBaseline(Body):
    """A time that is over, in whole ten seconds; one of two days and more in whole hours."""

    scenario: Name
    name: Name
    start: Instant = Field(alias="from")
    end: Instant = Field(alias="to")
    reason: Annotated[Name, StringConstraints(max_length=service.REASON_MAX)]


@router.post("/baselines", status_code=201, responses={201: {"model": answers.Frozen}})
def freeze(body: NewBaseline, principal: Write) -> dict[str, Any]:
    """Keeps how a scenario stood. Baselines do not change and are not deleted."""
    with db.transaction() as session:
        made = service.freeze(
            session, scenario=body.scenario, name=body.name, start=body.start, end=body.end, reason=body.reason,
            actor=principal.actor, now=utc_now(),
        )  # fmt: skip
        return frozen(made, body.scenario)


@router.get("/baselines", responses=answer(answers.FrozenList))
def baselines(_: Read, scenario: Asked | None = None, limit: Limit = 50, cursor: str | None = None) -> dict[str, Any]:
    """Newest first."""
    before = from_cursor(cursor, int)[0] if cursor else None
    with db.transaction() as session:
        rows = service.some(session, scenario=scenario, before=before, limit=limit)
        return page([frozen(row, name) for row, name in rows], limit, lambda item: [item["id"]])


@router.get("/baselines/{baseline}", responses=answer(answers.Frozen))
def baseline(baseline: Id, _: Read) -> dict[str, Any]:
    with db.transaction() as session:
        return frozen(*service.one(session, baseline))


@router.get("/comparisons", responses=answer(answers.Compared))
def comparison(
    _: Read,
    baseline: Annotated[int, Query(ge=1, lt=2**63)],
    with_: Annotated[str, Query(alias="with", max_length=20, pattern=r"^(now|[0-9]+)$")] = NOW,
) -> dict[str, Any]:
    """A baseline with another of the same scenario, or with as long a time up to now."""
    with db.transaction() as session:
        found = service.compared(session, baseline, other(with_), utc_now())
    return {
        "scenario": found.scenario,
        "before": _side(found.before),
        "after": _side(found.after),
        "currency": found.currency,
        "terms_words": measures.TERMS_WORDS,
        "measures": [
            {
                "measure": d.measure.key, "leg": d.measure.leg, "unit": d.measure.unit, "before": d.before.value,
                "after": d.after.value, "before_sample": d.before.sample, "after_sample": d.after.sample,
                "difference": d.difference, "relative": d.relative, "verdict": d.verdict,
            }
            for d in found.differences
        ],
    }  # fmt: skip


def other(text: str) -> int | None:
    """Which baseline, None for now."""
    if text == NOW:
        return None
    if not 0 < int(text) < 2**63:
        raise Invalid("Name a baseline by its id, or `now`.", field="with")
    return int(text)


def frozen(row: Baseline, scenario: str) -> dict[str, Any]:
    """As `answers.Frozen` describes it."""
    found = measures.read(row.measured)
    return {
        "id": row.id,
        "scenario": scenario,
        "name": row.name,
        "reason": row.reason,
        "actor": row.actor,
        "start": rfc3339(row.start),
        "end": rfc3339(row.end),
        "created_at": rfc3339(row.created_at),
        "terms": row.terms,
        "terms_words": measures.TERMS_WORDS,
        "currency": measures.currency_of(found),
        "requests": found.requests,
        "measures": [
            {
                "measure": v.measure.key, "leg": v.measure.leg, "unit": v.measure.unit, "worse": v.measure.worse,
                "value": v.value, "sample": v.sample,
            }
            for v in measures.values(found)
        ],
        "models": dict(found.models),
        "revisions": dict(found.revisions),
        "levels": dict(found.levels),
    }  # fmt: skip


def _side(side: Side) -> dict[str, Any]:
    return {
        "id": side.id,
        "name": side.name or None,
        "start": rfc3339(side.interval.start),
        "end": rfc3339(side.interval.end),
        "requests": side.measured.requests,
        "models": dict(side.measured.models),
    }
