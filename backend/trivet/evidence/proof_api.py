"""What a command did to the triangle, over the API."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path
from pydantic import Field
from sqlalchemy.orm import Session

from trivet import db
from trivet.evidence import proof, proof_read
from trivet.evidence.proof import Effect
from trivet.evidence.proof_read import Proof
from trivet.evidence.telling import amount
from trivet.identity.auth import Principal, platform
from trivet.kit.answer import Answer, answers
from trivet.kit.clock import rfc3339, utc_now
from trivet.kit.interval import Interval

router = APIRouter(tags=["evidence"])
Read = Annotated[Principal, Depends(platform("read"))]
MONEY = "cost_per_request"


class Window(Answer):
    """A half-open stretch of time, and what governed in it: what ran under anything else is not counted."""

    start: str | None
    end: str | None
    level: int
    revision: int


class Bounds(Answer):
    value: float
    low: float
    high: float


class EffectAnswer(Answer):
    measure: str
    leg: Literal["quality", "latency", "cost"]
    n_before: int
    n_after: int
    buckets_before: int
    buckets_after: int
    least: int = Field(description="Of n that either side needs.")
    covered: float = Field(description="Of what ran after: the share that is of tenants measured on both sides.")
    before: float | str | None = Field(description="Money is text; percentiles are milliseconds.")
    after: float | str | None
    difference: float | str | None
    low: float | str | None = Field(description="95 % interval of the difference.")
    high: float | str | None
    change: Bounds | None = Field(description="The ratio less one, with its 95 % interval.")
    verdict: Literal["fell", "rose", "same", "not_enough"] = Field(
        description="same: not told apart from no difference."
    )


class ProofAnswer(Answer):
    command_id: int
    before: Window
    after: Window
    bucket_s: int
    running: bool = Field(description="The time after it still grows.")
    currency: str
    tenants_fixed: int = Field(description="Tenants held fixed one by one; the others are one.")
    missing: str = Field(description="Why nothing can be told; empty where something can.")
    effects: list[EffectAnswer]


@router.get("/commands/{command_id}/proof", responses=answers(ProofAnswer))
def one(command_id: Annotated[int, Path(ge=1, lt=2**63)], _: Read) -> dict[str, Any]:
    """What the command did to quality, latency and cost: before and after, the same tenants in the same mix."""
    with db.transaction() as session:
        return told(session, command_id)


def told(session: Session, command_id: int) -> dict[str, Any]:
    """The answer, now."""
    return answer(proof_read.of(session, command_id, utc_now()))


def answer(found: Proof) -> dict[str, Any]:
    """A proof as the API tells it."""
    terms = found.terms
    return {
        "command_id": found.command_id,
        "before": _window(terms.before, terms.level_before, terms.revision_before),
        "after": _window(terms.after, terms.level_after, terms.revision_after),
        "bucket_s": terms.grain_s,
        "running": terms.running,
        "currency": found.currency,
        "tenants_fixed": found.fixed,
        "missing": terms.missing,
        "effects": [_effect(each) for each in found.effects],
    }


def _window(interval: Interval | None, level: int, revision: int) -> dict[str, Any]:
    start, end = (rfc3339(interval.start), rfc3339(interval.end)) if interval else (None, None)
    return {"start": start, "end": end, "level": level, "revision": revision}


def _effect(each: Effect) -> dict[str, Any]:
    change = each.change
    return {
        "measure": each.measure, "leg": each.leg, "n_before": each.n_before, "n_after": each.n_after,
        "buckets_before": each.buckets_before, "buckets_after": each.buckets_after, "least": each.least,
        "covered": each.covered,
        **{name: _number(getattr(each, name)) for name in ("before", "after", "difference", "low", "high")},
        "change": {"value": change.value, "low": change.low, "high": change.high} if change else None,
        "verdict": each.verdict,
    }  # fmt: skip


def _number(value: proof.Number | None) -> float | str | None:
    return value if value is None or isinstance(value, float) else amount(value)
