"""Usage by the dimensions people ask for: one query path for the API, the page and the export."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from trivet.kit.clock import rfc3339
from trivet.kit.errors import Invalid
from trivet.kit.interval import Interval
from trivet.kit.money import money
from trivet.report import names
from trivet.rollup import read
from trivet.rollup.read import Usage

GRAINS_S = {"10s": 10, "1m": 60, "1h": 3600, "1d": 86_400}
BUCKETS_MAX = 5_000
SCORED_BY = frozenset({"tenant", "scenario", "level", "revision"})  # what a score names; of the rest it knows nothing


@dataclass(frozen=True, slots=True)
class UsageRow:
    """Usage of one group, in one currency ('' where nothing was priced)."""

    key: tuple[Any, ...]
    currency: str
    usage: Usage


def usage(
    session: Session,
    interval: Interval,
    group_by: Sequence[str],
    where: Mapping[str, Collection[Any]],
    grain: str | None = None,
) -> list[UsageRow]:
    """Rows in key order. With a grain they are by bucket as well, its start last in the key."""
    grain_s = grain_seconds(interval, grain)
    by = [*names.columns(group_by), "currency", *(["bucket"] if grain_s else [])]
    found = read.usage(session, interval, by, where, grain_s)
    scored = SCORED_BY.issuperset(group_by)
    rows = [(dict(zip(by, key, strict=True)), each) for key, each in found.items() if scored or not _only_scores(each)]
    labels = names.labels(session, group_by, [ids for ids, _ in rows])
    groups: dict[tuple[Any, ...], dict[str, Usage]] = {}
    for ids, each in rows:
        key = labels.key(group_by, ids) + ((rfc3339(ids["bucket"]),) if grain_s else ())
        by_currency = groups.setdefault(key, {})
        before = by_currency.get(ids["currency"])
        by_currency[ids["currency"]] = before + each if before else each
    return [row for key in sorted(groups) for row in _rows(key, groups[key])]


def _only_scores(usage: Usage) -> bool:
    """Scores stand under no model, backend or pool: by those they would be a row of nothing."""
    return not (usage.requests or usage.unpriced_requests or usage.cost)


def grain_seconds(interval: Interval, grain: str | None) -> int | None:
    """Seconds of a grain; `Invalid` for an unknown one and where it would give too many buckets."""
    if grain is None:
        return None
    if grain not in GRAINS_S:
        raise Invalid(f"`grain` is one of {', '.join(GRAINS_S)}.", field="grain")
    if interval.seconds / GRAINS_S[grain] > BUCKETS_MAX:
        raise Invalid(f"That is more than {BUCKETS_MAX} buckets: choose a coarser grain.", field="grain")
    return GRAINS_S[grain]


def _rows(key: tuple[Any, ...], by_currency: dict[str, Usage]) -> list[UsageRow]:
    """One row a currency; what was not priced belongs to the first of them, and stands alone where there is none."""
    unpriced = by_currency.pop("", None)
    if not by_currency:
        return [UsageRow(key, "", unpriced or Usage())]
    first, *others = sorted(by_currency)
    whole = by_currency[first] + unpriced if unpriced else by_currency[first]
    return [UsageRow(key, first, whole), *(UsageRow(key, currency, by_currency[currency]) for currency in others)]


def item(group_by: Sequence[str], row: UsageRow) -> dict[str, Any]:
    """A row as JSON. A group in which no request has a price has no cost: null, never zero."""
    each = row.usage
    return {
        **dict(zip([*group_by, names.BUCKET], row.key, strict=False)),
        "requests": each.requests,
        "errors": each.errors,
        "timeouts": each.timeouts,
        "refusals": each.refusals,
        "rejections": each.rejections,
        "tokens": {
            "input": each.input_tokens,
            "output": each.output_tokens,
            "cache_read": each.cache_read_tokens,
            "cache_write": each.cache_write_tokens,
            "reasoning": each.reasoning_tokens,
        },
        "cost": money(each.cost, row.currency) if row.currency else None,
        "unpriced_requests": each.unpriced_requests,
        "scores": each.scores,
        "score": each.score,
        "latency_ms": each.quantiles_ms("latency"),
        "ttft_ms": each.quantiles_ms("ttft"),
        "inter_token_ms": each.quantiles_ms("inter_token"),
    }
