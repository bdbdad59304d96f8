"""What is in no cost: requests without a price, with the tokens they touch, and quantities without a unit price.

Each gap says why it is one and what closes it. Only reads.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from trivet.archive import facts
from trivet.ingest.request.fact import NO_PRICE, SHAPES
from trivet.kit.clock import floor, rfc3339
from trivet.kit.interval import Interval
from trivet.ledger import unit_use
from trivet.pricing import unit
from trivet.pricing.rate import KINDS
from trivet.pricing.unit import FREE_WITHOUT_PRICE, Of, UnitBook
from trivet.report import limits

GROUPS_MAX: Final = 1_000  # gaps of one answer
HOUR: Final = timedelta(hours=1)
# What closes a gap that no price closes.
TO_DO: Final[Mapping[str, str]] = {
    "no_model": "Name the model on the span: gen_ai.request.model or gen_ai.response.model.",
    "no_tokens": "Have the span count its tokens; a stream counts them with stream_options.include_usage.",
    "unknown_operation": "Name the operation as the conventions do (chat, embeddings …), or price it as a quantity.",
}

_TOKENS = ", ".join(f"sum(r.{kind}_tokens) AS {kind}" for kind in KINDS)
_UNPRICED = text(f"""
    SELECT m.provider, m.name AS model, coalesce(r.tier, '') AS tier, coalesce(o.name, '') AS pool,
        coalesce(r.shape, 0) AS shape, count(*) AS requests, min(r.started_at) AS first_seen, {_TOKENS}
    FROM request r LEFT JOIN model m ON m.id = r.model_id LEFT JOIN pool o ON o.id = r.pool_id
    WHERE r.cost_picos IS NULL AND r.repeats IS NULL AND r.started_at >= :start AND r.started_at < :end
    GROUP BY 1, 2, 3, 4, 5 ORDER BY requests DESC, 1, 2, 3, 4, 5 LIMIT :groups
""")  # noqa: S608  # constants of this project


@dataclass(frozen=True, slots=True)
class ModelGap:
    """Requests of one model in one tier and pool without a cost, why, and what they used by kind of token."""

    provider: str
    model: str
    tier: str
    pool: str
    reason: str
    requests: int
    first_seen: datetime
    tokens: Mapping[str, int]

    @property
    def total(self) -> int:
        """Tokens of every kind."""
        return sum(self.tokens.values())

    @property
    def to_do(self) -> str:
        """The command that enters the price, or what else closes the gap."""
        if self.reason in TO_DO:
            return TO_DO[self.reason]
        start = self.first_seen.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        options = ["--from", rfc3339(start), "--currency", "USD"] + (["--tier", self.tier] if self.tier else [])
        names, told = shlex.join([self.provider, self.model]), f"{shlex.join(options)} --input … --output …"
        dashed = self.provider.startswith("-") or self.model.startswith("-")  # else read as options
        return f"trivet prices enter {told} -- {names}" if dashed else f"trivet prices enter {names} {told}"


@dataclass(frozen=True, slots=True)
class UnitGap:
    """An amount of something that has no unit price."""

    of: Of
    amount: Decimal
    first_hour: datetime

    @property
    def to_do(self) -> str:
        """The command that enters the price."""
        named = ["trivet", "prices", "unit", self.of.unit, "--from", rfc3339(self.first_hour), "--currency", "USD"]
        named += ["--name", self.of.name] if self.of.name else []
        return f"{shlex.join(named)} --price …"


@dataclass(frozen=True, slots=True)
class Gaps:
    """All gaps of an interval. `whole`: no request of it was archived, so that all are counted."""

    interval: Interval
    whole: bool
    models: list[ModelGap] = field(default_factory=list)
    units: list[UnitGap] = field(default_factory=list)

    @property
    def requests(self) -> int:
        return sum(gap.requests for gap in self.models)

    @property
    def tokens(self) -> int:
        return sum(gap.total for gap in self.models)


def gaps(session: Session, interval: Interval) -> Gaps:
    """What has no price among requests that started in an interval, and quantities of its hours."""
    asked = {"start": interval.start, "end": interval.end, "groups": GROUPS_MAX + 1}
    rows = session.execute(_UNPRICED, asked).all()
    limits.check(rows, GROUPS_MAX)
    models = [
        ModelGap(
            row.provider or "",
            row.model or "",
            row.tier,
            row.pool,
            SHAPES[row.shape] or NO_PRICE,
            row.requests,
            row.first_seen,
            {kind: int(getattr(row, kind)) for kind in KINDS},
        )
        for row in rows
    ]
    return Gaps(interval, not facts.rows_gone(session, interval), models, _units(session, interval))


def _units(session: Session, interval: Interval) -> list[UnitGap]:
    start = floor(interval.start, 3600)
    hours = Interval(start, max(floor(interval.end, 3600), start + HOUR))
    found = unpriced(unit_use.read(session, hours, by_user=False), unit.book(session))
    limits.check(found, GROUPS_MAX)
    return found


def unpriced(uses: list[unit_use.Use], prices: UnitBook) -> list[UnitGap]:
    """Amounts by what they are of, of hours in which it had no price, the largest first. Pure."""
    found: dict[Of, tuple[Decimal, datetime]] = {}
    for use in uses:
        if use.of.unit in FREE_WITHOUT_PRICE or not use.amount or prices.price_at(use.of, use.hour) is not None:
            continue
        amount, first = found.get(use.of, (Decimal(0), use.hour))
        found[use.of] = (amount + use.amount, min(first, use.hour))
    ordered = sorted(found.items(), key=lambda item: (-item[1][0], item[0]))
    return [UnitGap(of, amount, first) for of, (amount, first) in ordered]
