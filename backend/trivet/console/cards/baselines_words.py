"""Baselines and comparisons in words, and the bars of one. Pure."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from trivet.compare.measured import Difference, Value
from trivet.compare.service import Comparison
from trivet.console import format as say
from trivet.console.cards.baselines_views import Cell, MeasureRow
from trivet.console.tongue import N_, _

MIDDLE, ROW = 500, 26
REACH = 280  # of a bar, on either side
REACH_MIN = 0.1  # the share that the longest bar stands for at least
LABELS: Final[Mapping[str, str]] = {
    "quality": N_("Quality"),
    "error_rate": N_("Error rate"),
    "timeout_rate": N_("Timeout rate"),
    "refusal_rate": N_("Refusal rate"),
    "p50_latency_ms": N_("P50 latency"),
    "p95_latency_ms": N_("P95 latency"),
    "p95_ttft_ms": N_("P95 time to the first token"),
    "p95_inter_token_ms": N_("P95 time between tokens"),
    "cost_per_request": N_("Cost of a request"),
    "cost_per_1k_tokens": N_("Cost of 1,000 tokens"),
    "requests": N_("Requests"),
}
VERDICTS: Final[Mapping[str, str]] = {
    "better": N_("better"),
    "worse": N_("worse"),
    "same": N_("the same"),
    "unknown": N_("not measured in both"),
    "": "",
}
WORST_TOLD = 3
NEWS = 0.01  # a smaller share is within a histogram's own error


def cell(value: float | None, unit: str) -> Cell:
    """A value with its unit."""
    return Cell(written(value, unit), "" if value is None else f"{value!r}")


def written(value: float | None, unit: str) -> str:
    if value is None:
        return say.DASH
    if unit == "ms":
        return say.duration(value)
    if unit == "share":
        return say.share(value)
    if unit == "money":
        exact = Decimal(repr(value))
        return say.amount(exact, say.watched_places([exact]))
    return f"{value:.3f}" if unit == "score" else say.count(round(value))


def rows(found: Comparison) -> tuple[MeasureRow, ...]:
    """Each measure as a row and a bar; the longest bar is the largest change."""
    largest = max([REACH_MIN, *(abs(d.relative) for d in found.differences if d.relative is not None)])
    drawn = [d.measure.key for d in found.differences if d.relative is not None]
    return tuple(
        _row(d, drawn.index(d.measure.key) if d.measure.key in drawn else 0, min(largest, 2.0))
        for d in found.differences
    )


def _row(d: Difference, number: int, largest: float) -> MeasureRow:
    share = max(-1.0, min(1.0, (d.relative or 0.0) / largest))
    width = Decimal(abs(share) * REACH).quantize(Decimal("0.1"))
    unit, label = d.measure.unit, _(LABELS[d.measure.key])
    before, after = cell(d.before.value, unit), cell(d.after.value, unit)
    relative = _signed(d.relative)
    return MeasureRow(
        label, d.measure.leg, before, after, _difference(d), relative, _(VERDICTS[d.verdict]) if d.verdict else "",
        _("{before}, then {after}", before=say.count(d.before.sample), after=say.count(d.after.sample)),
        Decimal(MIDDLE) if share >= 0 else Decimal(MIDDLE) - width, width, number * ROW,
        _("{label}: {before}, then {after}", label=label, before=before.words, after=after.words),
    )  # fmt: skip


def _difference(d: Difference) -> str:
    if d.difference is None:
        return say.DASH
    if d.measure.unit == "share":
        points = 100 * d.difference
        return _("{points} points", points=f"{'+' if points > 0 else say.MINUS if points < 0 else ''}{abs(points):.2f}")
    words = written(abs(d.difference), d.measure.unit)
    return f"{'+' if d.difference > 0 else say.MINUS if d.difference < 0 else ''}{words}"


def _signed(relative: float | None) -> str:
    if relative is None:
        return ""
    mark = "+" if relative > 0 else say.MINUS if relative < 0 else ""
    return f"{mark}{abs(100 * relative):.1f} %"


def sentence(found: Comparison) -> str:
    """`Against “before”, now has: P95 latency better by 50.0 %, Quality worse by 5.6 %.`"""
    told = [d for d in found.differences if d.verdict in ("better", "worse") and abs(d.relative or 0.0) >= NEWS]
    told.sort(key=lambda d: -abs(d.relative or 0.0))
    given = {"name": found.before.name, "other": found.after.name}
    if not found.after.measured.requests:
        return _("Nothing was served in the time that “{name}” is held against.", **given)
    if not told:
        if found.after.id is None:
            return _("Now is as “{name}” was: nothing measured in both differs by 1 % or more.", **given)
        return _("“{other}” is as “{name}” was: nothing measured in both differs by 1 % or more.", **given)
    parts = _(", ").join(_change(d) for d in told[:WORST_TOLD])
    if found.after.id is None:
        return _("Against “{name}”, now has: {changes}.", changes=parts, **given)
    return _("Against “{name}”, “{other}” has: {changes}.", changes=parts, **given)


def _change(d: Difference) -> str:
    text = N_("{measure} worse by {share}") if d.verdict == "worse" else N_("{measure} better by {share}")
    return _(text, measure=_(LABELS[d.measure.key]), share=f"{abs(100 * (d.relative or 0)):.1f} %")


def of_key(values: tuple[Value, ...], key: str) -> Cell:
    """One measure of a time."""
    found = next(each for each in values if each.measure.key == key)
    return cell(found.value, found.measure.unit)
