"""Gaps over REST: what is in no cost, and what closes it."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from trivet import db
from trivet.identity.auth import Principal, platform
from trivet.kit.answer import Answer, answers
from trivet.kit.body import Instant
from trivet.kit.clock import rfc3339
from trivet.kit.interval import Interval
from trivet.pricing.dated import plain
from trivet.report import gaps
from trivet.report.limits import Place

router = APIRouter(tags=["pricing"])


class Tokens(Answer):
    """Tokens by disjoint kinds."""

    input: int
    output: int
    cache_read: int
    cache_write: int
    reasoning: int


class ModelGap(Answer):
    """Requests without a cost. `reason`: no_price, no_model, no_tokens or unknown_operation; `to_do` closes the gap."""

    provider: str
    model: str
    tier: str | None
    pool: str | None
    reason: str
    requests: int
    tokens: Tokens
    first_seen: str
    to_do: str


class UnitGap(Answer):
    """An amount without a unit price."""

    unit: str
    name: str
    provider: str
    pool: str
    amount: str
    first_hour: str
    to_do: str


class PriceGaps(Answer):
    """What is in no cost. `whole` is false where requests of the interval were archived: those are not counted here."""

    start: str
    end: str
    whole: bool
    requests: int
    tokens: int
    models: list[ModelGap]
    units: list[UnitGap]


@router.get("/price-gaps", response_model=None, responses=answers(PriceGaps))
def price_gaps(
    principal: Annotated[Principal, Depends(platform("read"))],
    _: Place,
    from_: Annotated[Instant, Query(alias="from")],
    to: Instant,
) -> dict[str, Any]:
    """Models and quantities without a price in an interval, most requests first, and how to enter each price."""
    del principal
    with db.transaction() as session:
        found = gaps.gaps(session, Interval(from_, to))
    return {
        "start": rfc3339(from_),
        "end": rfc3339(to),
        "whole": found.whole,
        "requests": found.requests,
        "tokens": found.tokens,
        "models": [_model(gap) for gap in found.models],
        "units": [_unit(gap) for gap in found.units],
    }


def _model(gap: gaps.ModelGap) -> dict[str, Any]:
    return {
        "provider": gap.provider,
        "model": gap.model,
        "tier": gap.tier or None,
        "pool": gap.pool or None,
        "reason": gap.reason,
        "requests": gap.requests,
        "tokens": dict(gap.tokens),
        "first_seen": rfc3339(gap.first_seen),
        "to_do": gap.to_do,
    }


def _unit(gap: gaps.UnitGap) -> dict[str, Any]:
    return {
        **gap.of._asdict(),
        "amount": plain(gap.amount),
        "first_hour": rfc3339(gap.first_hour),
        "to_do": gap.to_do,
    }
