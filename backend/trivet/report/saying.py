"""Answers about money, as JSON: amounts as text, shares and ratios as numbers. Pure."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from trivet.kit.clock import rfc3339, when
from trivet.kit.interval import Interval
from trivet.kit.money import EXACT, money, plain
from trivet.report.asking import share
from trivet.report.models import Anomaly, BusinessValue
from trivet.report.moved import Moved, PerToken
from trivet.report.outlook import Outlook
from trivet.report.pools import PoolFigures
from trivet.report.quadrant import Quadrants
from trivet.report.unit import UnitCost
from trivet.report.value import Held


def maybe(amount: Decimal | None) -> str | None:
    """An amount, or nothing."""
    return None if amount is None else plain(amount)


def unit(by: Sequence[str], row: UnitCost) -> dict[str, Any]:
    return {
        **dict(zip(by, row.key, strict=True)),
        "currency": row.currency,
        "amount": plain(row.amount),
        "requests": row.counts.requests,
        "tokens": row.counts.tokens,
        "per_request": maybe(row.per_request),
        "per_million_tokens": maybe(row.per_million_tokens),
        "gpu_hours": share(row.gpu_hours),
        "per_gpu_hour": maybe(row.per_gpu_hour),
        "kwh_per_million_tokens": share(row.kwh_per_million_tokens),
    }


def formula(pool: str, of: PoolFigures) -> dict[str, Any]:
    planned = of.planned
    return {
        "pool": pool,
        "currency": of.currency,
        "planned": {
            "price_per_gpu_hour": maybe(planned.price_per_gpu_hour),
            "load_test_tokens_per_gpu_hour": share(planned.load_test_per_gpu_hour),
            "utilisation": share(planned.utilisation),
            "per_million": maybe(planned.per_million),
        },
        "actual": {
            "capacity_cost": plain(of.cost),
            **{part: plain(getattr(of, part)) for part in ("used", "headroom", "idle", "down")},
            "gpu_hours": share(of.gpu_hours),
            "price_per_gpu_hour": maybe(of.price_per_gpu_hour),
            "tokens": of.counts.tokens,
            "work": share(of.work),
            "utilisation": share(of.utilisation),
            "per_million": maybe(of.per_million),
            "per_million_work": maybe(of.per_million_work),
        },
    }


def moved(by: Sequence[str], row: Moved) -> dict[str, Any]:
    return {
        **(dict(zip(by, row.key, strict=True)) if row.key is not None else {}),
        "currency": row.currency,
        "before": plain(row.before),
        "after": plain(row.after),
        "change": plain(row.change),
        "parts": parts(row.parts),
    }


def per_token(row: PerToken) -> dict[str, Any]:
    return {
        "currency": row.currency, "before": plain(row.before), "after": plain(row.after), "parts": parts(row.parts)
    }  # fmt: skip


def parts(of: Mapping[str, Decimal]) -> dict[str, str]:
    return {name: plain(part) for name, part in of.items()}


def stretch(interval: Interval) -> dict[str, str]:
    return {"from": rfc3339(interval.start), "to": rfc3339(interval.end)}


def outlook(by: Sequence[str], row: Outlook) -> dict[str, Any]:
    month = row.month
    return {
        **dict(zip(by, row.key, strict=True)),
        "currency": row.currency,
        "spent": plain(month.spent),
        "expected": plain(month.expected),
        "total": plain(month.total),
        "low": maybe(month.low),
        "high": maybe(month.high),
        "past_forecasts": month.errors,
        "days": [{"day": day.isoformat(), "amount": plain(amount)} for day, amount in month.days],
    }


def anomaly(tenant: str, row: Anomaly) -> dict[str, Any]:
    return {
        "day": row.day.isoformat(),
        "tenant_id": row.tenant_id,
        "tenant": tenant,
        "currency": row.currency,
        "amount": plain(row.amount),
        "expected": plain(row.expected),
        "excess": plain(EXACT.subtract(row.amount, row.expected)),
        "score": float(row.score),
        "method": row.method,
        "drivers": row.drivers,
        "found_at": rfc3339(row.found_at),
        "acknowledged_at": when(row.acknowledged_at),
        "acknowledged_by": row.acknowledged_by,
        "acknowledged_reason": row.acknowledged_reason,
    }


def quadrants(currency: str, found: Quadrants) -> dict[str, Any]:
    return {
        "currency": currency,
        "median_tokens": float(found.volume),
        "median_per_million_tokens": plain(found.unit_cost),
        "left_out": found.left_out,
        "points": [
            {
                "name": str(placed.point.key),
                "tokens": placed.point.tokens,
                "amount": plain(placed.point.amount),
                "per_million_tokens": plain(placed.point.unit_cost),
                "quadrant": placed.quadrant,
                "move": placed.move,
            }
            for placed in found.points
        ],
    }


def value(name: str, row: BusinessValue) -> dict[str, Any]:
    return {
        "id": row.id,
        "kind": row.kind,
        "name": name,
        "month": row.month,
        "amount": plain(row.amount),
        "currency": row.currency,
        "unit": row.unit,
        "note": row.note,
        "author": row.author,
        "created_at": rfc3339(row.created_at),
    }


def held(row: Held) -> dict[str, Any]:
    return {
        "kind": row.kind,
        "name": row.name,
        "month": row.value.month,
        "value": value(row.name, row.value),
        "cost": money(row.cost, row.currency),
        "ratio": share(row.ratio),
        "cost_per_unit": maybe(row.per_unit),
    }
