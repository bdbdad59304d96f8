"""What a card that is being written must hold beyond its form: it can be left, it is measured, each level costs less. Pure.

`content.parse` says what a kept card is; these complaints are made of new ones alone, so that a stricter release never
takes a governing card away.
"""

from collections.abc import Iterator
from typing import Any

from trivet.card.content import Card, Guard, Level, parse
from trivet.card.order import Prices, loosened
from trivet.kit.errors import Invalid

Complaint = tuple[str, str]  # the field, and what is wrong with it
# A guard on these needs its target in the card: without one nobody promised that the scenario streams.
NEEDS_TARGET = {"ttft": "ttft_p95_ms", "inter_token": "inter_token_p95_ms"}
NO_WAY_BACK = (
    "level {} ends when the metrics recover, but no guard moves the ladder: give one a `raises_to`, or let the level end by "
    "`manual`, `regression_passed` or `next_budget_day`"
)
STARVED = "{:g} requests/s leave {} nothing to measure: it needs {} in {} s, so level {} could not be left. Allow {:.2g} or more"
NO_TARGET = "{} is measured of answers that stream, and the card has no latency.{}: set it, or take the guard away"
# These are judged on requests, and so need enough of them at every level they hold at.
ON_REQUESTS = ("_latency_ms", "_ttft_ms", "_inter_token_ms", "_rate", "cost_per_request", "cache_hit_rate")


def checked(body: Any, prices: Prices | None = None) -> Card:
    """A card from JSON values, checked as a whole. `Invalid` names the first wrong field and how many more there are."""
    card = parse(body)
    found = list(complaints(card, prices or {}))
    if found:
        field, words = found[0]
        more = f" ({len(found) - 1} more)" if len(found) > 1 else ""
        raise Invalid(f"{field}: {words}{more}", field=field)
    return card


def complaints(card: Card, prices: Prices | None = None) -> Iterator[Complaint]:
    """(field, words) of everything that a new card may not be."""
    yield from _cannot_be_left(card)
    yield from _unmeasured(card)
    yield from _costs_more(card, prices or {})


def _cannot_be_left(card: Card) -> Iterator[Complaint]:
    movers = [guard for guard in card.guards if guard.raises_to]
    for number, step in enumerate(card.ladder):
        if step.way_back == "recovered" and not movers:
            yield (
                f"ladder.{number}.way_back",
                NO_WAY_BACK.format(step.level),
            )
        if step.way_back == "recovered":
            yield from _starved(card, number, step, movers)


def _starved(card: Card, number: int, step: Level, movers: list[Guard]) -> Iterator[Complaint]:
    """Where a level lets in fewer requests than its guards need, calm can never be seen."""
    flags = card.flags_at(step.level)
    rate = flags.get("admission.limit_rps")
    if flags.get("admission") != "limit" or not rate:
        return
    for guard in movers:
        needs = guard.minimum_sample / guard.window_s
        if guard.metric.endswith(ON_REQUESTS) and float(rate) < needs:
            yield (
                f"ladder.{number}.flags.admission.limit_rps",
                STARVED.format(float(rate), guard.name, guard.minimum_sample, guard.window_s, step.level, needs),
            )
            return


def _unmeasured(card: Card) -> Iterator[Complaint]:
    for guard in card.guards:
        for part, target in NEEDS_TARGET.items():
            if f"_{part}_" in guard.metric and getattr(card.latency, target) is None:
                yield (
                    f"guards.{guard.name}.metric",
                    NO_TARGET.format(guard.metric, target),
                )
        if guard.metric == "cost_per_tenant_day" and card.cost.per_tenant_day is None:
            yield f"guards.{guard.name}.metric", "the card has no cost.per_tenant_day to hold a tenant to"


def _costs_more(card: Card, prices: Prices) -> Iterator[Complaint]:
    for number, step in enumerate(card.ladder):
        before, now = card.flags_at(step.level - 1), card.flags_at(step.level)
        for flag, words in loosened(before, now, prices):
            yield f"ladder.{number}.flags.{flag}", f"{words}: a level may not loosen what the one below sets"
        yield from _for_fewer(card, number, step)


def _for_fewer(card: Card, number: int, step: Level) -> Iterator[Complaint]:
    """The same action for a smaller share than the level below is looser too."""
    below = card.level(step.level - 1)
    if below is None:
        return
    for flag, share in step.shares.items():
        had = below.shares.get(flag, 1.0) if flag in below.flags else 0.0
        if share < had:
            yield (
                f"ladder.{number}.shares.{flag}",
                f"{share:g} of conversations, where the level below has {had:g}: a level may not loosen what the one below sets",
            )
