"""Breaches as the API answers them."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from trivet.card.presets import catalogue
from trivet.command.models import Command
from trivet.evidence.carriers import Carrier, Carriers
from trivet.evidence.case import Case
from trivet.evidence.excess import Kind
from trivet.evidence.measured import Carried
from trivet.evidence.models import BreachTimes
from trivet.evidence.times import Times, quantile
from trivet.kit.clock import rfc3339, when
from trivet.kit.interval import Interval
from trivet.kit.money import EXACT, plain


def breach(case: Case, row: BreachTimes, carried: Carried, tenants: Mapping[int, str]) -> dict[str, Any]:
    """The whole answer of one breach."""
    found, guard = case.breach, case.guard
    kind = catalogue().get(guard.metric) if guard else None
    return {
        "id": found.id, "scenario": case.scenario, "guard": found.guard, "metric": guard.metric if guard else None,
        "runbook": kind.runbook if kind else None, "revision": found.revision, "shadow": bool(found.shadow),
        "reason": found.reason, "value": found.value, "worst_value": found.worst_value, "threshold": found.threshold,
        "sample": found.sample, "numbers": found.numbers, "opened_at": rfc3339(found.opened_at),
        "closed_at": when(found.closed_at), "closed_reason": found.closed_reason, "times": taken(row),
        "carriers": carriers(carried), "commands": [command(each, tenants) for each in case.caused],
        "alerts": [
            {
                "id": each.id, "severity": each.severity, "drill": "drill" in each.labels,
                "started_at": rfc3339(each.started_at), "ended_at": when(each.ended_at),
                "acknowledged_by": each.acknowledged_by,
            }
            for each in case.alerts
        ],
    }  # fmt: skip


def times_of(row: BreachTimes) -> Times:
    """The row's instants."""
    return Times(
        row.began_at, row.detected_at, row.acted_at, row.observed_at, row.effective_at, row.closed_at, row.recovered_at,
        row.command_id,
    )  # fmt: skip


def taken(row: BreachTimes) -> dict[str, Any]:
    """How long it took and what it cost."""
    names = ("began_at", "detected_at", "acted_at", "observed_at", "effective_at", "closed_at", "recovered_at")
    return {
        "instants": {name: when(getattr(row, name)) for name in names},
        "seconds": times_of(row).seconds(),
        "requests_under": row.requests_under,
        "saved": {
            "amount": amount(row.saved), "low": amount(row.saved_low), "high": amount(row.saved_high),
            "currency": row.currency, "words": row.saved_words,
        },
        "lost": {"points": row.lost, "low": row.lost_low, "high": row.lost_high, "words": row.lost_words},
        "computed_at": rfc3339(row.computed_at),
        "again_at": when(row.again_at),
    }  # fmt: skip


def carriers(carried: Carried) -> dict[str, Any]:
    """Who carries it, by dimension."""
    kind, usual = carried.kind, carried.usual
    return {
        "missing": carried.missing,
        "during": _stretch(carried.during),
        "before": _stretch(carried.before),
        "of": kind.of if kind else "",
        "unit": kind.unit if kind else "",
        "note": kind.note if kind else "",
        "reference": {"share": None if usual.share is None else float(usual.share), "words": usual.words} if usual else None,
        "by": {name: _dimension(carried, name, found, kind) for name, found in (carried.by or {}).items() if kind},
    }  # fmt: skip


def _dimension(carried: Carried, name: str, found: Carriers, kind: Kind) -> dict[str, Any]:
    return {
        "excess": _sum(found.excess, kind),
        "relief": _sum(found.relief, kind),
        "carry": [_carrier(carried.label(name, each.key), each, kind) for each in found.carry],
        "relieve": [_carrier(carried.label(name, each.key), each, kind) for each in found.relieve],
        "left_out": found.left_out,
    }


def _carrier(label: str, each: Carrier, kind: Kind) -> dict[str, Any]:
    return {
        "name": label, "n": float(each.n), "bad": _sum(each.bad, kind), "excess": _sum(each.excess, kind),
        "traffic_share": each.traffic_share, "excess_share": each.excess_share, "claimed": each.claimed,
        "low": each.low, "high": each.high,
    }  # fmt: skip


def _sum(value: Fraction, kind: Kind) -> float | str:
    return plain(decimal(value)) if kind.money else float(value)


def decimal(value: Fraction) -> Decimal:
    """A sum of money again."""
    return EXACT.divide(Decimal(value.numerator), Decimal(value.denominator))


def command(row: Command, tenants: Mapping[int, str]) -> dict[str, Any]:
    """A command that a breach caused."""
    return {
        "id": row.id, "kind": row.kind, "level": row.level, "tenant": tenants.get(row.tenant_id or 0),
        "status": row.status, "outcome": row.outcome, "actor": row.actor, "reason": row.reason,
        "created_at": rfc3339(row.created_at), "expires_at": when(row.expires_at),
    }  # fmt: skip


def summary(rows: Sequence[tuple[BreachTimes, str]]) -> list[dict[str, Any]]:
    """Of each scenario and guard how long it took, as quantiles of whole breaches, and what was saved."""
    by: dict[tuple[str, str], list[BreachTimes]] = {}
    for row, scenario in rows:
        by.setdefault((scenario, row.guard), []).append(row)
    return [_row(scenario, guard, found) for (scenario, guard), found in sorted(by.items())]


def _row(scenario: str, guard: str, found: Sequence[BreachTimes]) -> dict[str, Any]:
    seconds = [times_of(row).seconds() for row in found]
    saved: dict[str, Decimal] = {}
    for row in found:
        if row.saved is not None:
            saved[row.currency] = EXACT.add(saved.get(row.currency, Decimal(0)), row.saved)
    return {
        "scenario": scenario, "guard": guard, "breaches": len(found),
        "not_recovered": sum(row.recovered_at is None for row in found),
        **{f"{name}_s": _quantiles([s[name] for s in seconds]) for name in ("detect", "act", "recover")},
        "saved": {currency: plain(total) for currency, total in sorted(saved.items())},
        "saved_measured": sum(row.saved is not None for row in found),
    }  # fmt: skip


def _quantiles(values: Sequence[float | None]) -> dict[str, Any]:
    known = [value for value in values if value is not None]
    return {"p50": quantile(known, 0.5), "p95": quantile(known, 0.95), "count": len(known)}


def _stretch(interval: Interval | None) -> dict[str, str] | None:
    return {"start": rfc3339(interval.start), "end": rfc3339(interval.end)} if interval else None


def amount(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)
