"""Usage by the dimensions people ask for: one query path for the API, the page and the export."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from trivet.kit.clock import rfc3339
from trivet.kit.errors import Invalid
from trivet.kit.interval import Interval
from trivet.kit.money import money
from trivet.report import limits, names
from trivet.report.limits import TooManyGroups
from trivet.rollup import read
from trivet.rollup.read import Usage

GRAINS_S = {"10s": 10, "1m": 60, "1h": 3600, "1d": 86_400}
BUCKETS_MAX = 5_000
WIDER, NARROWER = 4, 8  # how a page's reach grows where few names had usage, and shrinks where one read was too many
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
    """All rows in key order. With a grain they are by bucket as well, its start last in the key.

    `TooManyGroups` above `limits.GROUPS_MAX`.
    """
    return _labelled(session, group_by, _read(session, interval, group_by, where, grain_seconds(interval, grain)))


def page(
    session: Session,
    interval: Interval,
    group_by: Sequence[str],
    where: Mapping[str, Collection[Any]],
    grain: str | None,
    *,
    after: Sequence[Any] | None,
    count: int,
) -> list[UsageRow]:
    """The same rows from behind the key (and currency) `after` on: at least `count` where there are as many.

    Only names that the page may show are read: a page costs what it shows, and not what the whole would.
    """
    grain_s = grain_seconds(interval, grain)
    if not group_by or group_by[0] not in names.TABLES:
        whole = _labelled(session, group_by, _read(session, interval, group_by, where, grain_s))
        return _behind(whole, after)
    first = names.column(group_by[0])
    width = max(1, int(count * grain_s / interval.seconds)) if grain_s else count
    start, past = (str(after[0]), False) if after else ("", False)
    rows: list[UsageRow] = []
    while len(rows) < count:
        near = names.stretch(session, group_by[0], width, start=start, after=past, among=where.get(first))
        if near is None:
            break
        try:
            found = _read(session, interval, group_by, {**where, first: near.ids}, grain_s)
        except TooManyGroups:
            width = min(width, len(near.ids))
            if width == 1:
                raise
            width = max(1, width // NARROWER)
            continue
        rows += _behind(_labelled(session, group_by, found), after)
        start, past, width = near.last, True, width * WIDER
    return rows


def _behind(rows: list[UsageRow], after: Sequence[Any] | None) -> list[UsageRow]:
    return rows if after is None else [row for row in rows if [*row.key, row.currency] > [*after]]


def _read(
    session: Session,
    interval: Interval,
    group_by: Sequence[str],
    where: Mapping[str, Collection[Any]],
    grain_s: int | None,
) -> list[tuple[dict[str, Any], Usage]]:
    """Usage by ids."""
    by = [*names.columns(group_by), "currency", *([names.BUCKET] if grain_s else [])]
    found = read.usage(session, interval, by, where, grain_s, limit=limits.GROUPS_MAX + 1)
    limits.check(found, limits.GROUPS_MAX)
    scored = SCORED_BY.issuperset(group_by)
    return [(dict(zip(by, key, strict=True)), each) for key, each in found.items() if scored or not _only_scores(each)]


def _labelled(session: Session, group_by: Sequence[str], rows: list[tuple[dict[str, Any], Usage]]) -> list[UsageRow]:
    labels = names.labels(session, group_by, [ids for ids, _ in rows])
    groups: dict[tuple[Any, ...], dict[str, Usage]] = {}
    for ids, each in rows:
        key = labels.key(group_by, ids) + ((rfc3339(ids[names.BUCKET]),) if names.BUCKET in ids else ())
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
