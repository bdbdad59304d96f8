"""The stretches of normal service that a proposal is made from, and the card made of it."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from trivet.card import service
from trivet.card.governing import active
from trivet.card.models import CardRevision
from trivet.card.presets import preset
from trivet.card.proposal import LENGTHS, STRETCHES_MIN, Proposal, Stretch, enough, propose
from trivet.kit.clock import floor
from trivet.kit.errors import Conflict
from trivet.kit.interval import Interval
from trivet.rollup import read
from trivet.rollup.read import Usage

HOUR_S = 3600
DAYS_MAX = 14


def proposal(session: Session, scenario: str, days: int, now: datetime) -> Proposal:
    """Thresholds from the last days, on the card that governs, or on the default preset where none does."""
    row = service.scenario_named(session, scenario)
    governing = active(session, [row.id]).get(row.id)
    base = (governing.card if governing else preset(None)).model_dump(mode="json")
    currency = base["cost"]["currency"]
    for stretch_s in sorted(LENGTHS):  # the shortest in which a scenario this busy shows enough
        seen = stretches(session, row.id, currency=currency, days=days, stretch_s=stretch_s, now=now)
        if len(enough(seen)) >= STRETCHES_MIN:
            break
    return propose(base, seen, days, stretch_s)


def stretches(
    session: Session, scenario_id: int, *, currency: str, days: int, stretch_s: int, now: datetime
) -> list[Stretch]:  # fmt: skip
    """Each whole stretch at level 0 in which anything was served."""
    end = floor(now, stretch_s)
    within = Interval(end - timedelta(days=days), end)
    where = {"scenario_id": [scenario_id], "level": [0]}
    by_stretch: dict[datetime, dict[str, Usage]] = {}
    for (bucket, code), usage in read.usage(session, within, ["bucket", "currency"], where, stretch_s).items():
        by_stretch.setdefault(bucket, {})[code] = usage
    return [_stretch(parts, currency, stretch_s) for _, parts in sorted(by_stretch.items())]


def _stretch(parts: dict[str, Usage], currency: str, stretch_s: int) -> Stretch:
    whole = sum(parts.values(), Usage())
    own = parts.get(currency, Usage())
    latency, ttft = whole.quantiles_ms("latency"), whole.quantiles_ms("ttft")
    errors, timeouts = whole.share("errors"), whole.share("timeouts")
    return Stretch(
        requests=whole.served,
        p50_latency_ms=latency["p50"],
        p95_latency_ms=latency["p95"],
        p99_latency_ms=latency["p99"],
        p95_ttft_ms=ttft["p95"],
        p95_inter_token_ms=whole.quantile_ms("inter_token", 0.95),
        error_rate=None if errors is None or timeouts is None else errors + timeouts,
        timeout_rate=timeouts,
        refusal_rate=whole.share("refusals"),
        cost_per_request=float(own.cost) / own.priced if own.priced else None,
        cost_per_hour=float(own.cost) * HOUR_S / stretch_s if own.priced else None,
        quality=whole.score,
    )


def draft_proposed(session: Session, *, scenario: str, days: int, actor: str, now: datetime) -> CardRevision:
    """A draft with the proposed thresholds, all of its guards in shadow."""
    made = proposal(session, scenario, days, now)
    return service.draft(session, scenario=scenario, body=made.card, actor=actor, now=now)


def draft_out_of_shadow(session: Session, *, scenario: str, actor: str, now: datetime) -> CardRevision:
    """A draft of the governing card in which every guard acts."""
    row = service.scenario_named(session, scenario)
    governing = active(session, [row.id]).get(row.id)
    if governing is None or not any(guard.shadow for guard in governing.card.guards):
        raise Conflict(f"No guard of the card that governs {scenario} is in shadow.")
    body: dict[str, Any] = governing.card.model_dump(mode="json")
    body["guards"] = [guard | {"shadow": False} for guard in body["guards"]]
    return service.draft(session, scenario=scenario, body=body, actor=actor, now=now)
