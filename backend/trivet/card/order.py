"""Whether a level is tighter than the one below it: each flag's direction as data. Pure.

A level that loosens what the level below it set would cost more where it should cost less, and climbing would not help.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from trivet_collectors.policy.evaluate import DEFAULTS, FlagValue

Flags = Mapping[str, FlagValue]
Prices = Mapping[str, Decimal]

# The smaller the tighter; 0 is "as the app wishes", which is no limit at all.
LIMITS = frozenset(
    {
        "context.max_turns",
        "context.max_tokens",
        "output.max_tokens",
        "rerank.depth",
        "retrieval.depth",
        "admission.limit_rps",
        "admission.daily_requests",
    }
)
# From loose to tight.
STEPS: dict[str, tuple[FlagValue, ...]] = {
    "tools.mode": ("all", "local", "off"),
    "admission": ("admit", "limit", "reject"),
    "cache.only": (False, True),
    "read_only": (False, True),
}
SETS = frozenset({"features.off"})  # comma-separated: the more the tighter
MODEL = "model.route"
# Where only the cache answers, no model is asked: what it would have been asked does not matter.
ASKS_A_MODEL = frozenset(
    {"context.max_turns", "context.max_tokens", "output.max_tokens", "rerank.depth", "retrieval.depth", MODEL}
)


def loosened(below: Flags, above: Flags, prices: Prices) -> Iterator[tuple[str, str]]:
    """(flag, why) of each that `above` leaves looser than `below`. `prices`: of a million tokens, by model.

    A `model.route` is compared where both are models with a price; names that the backend maps itself are not.
    """
    for flag, before in below.items():
        now = above.get(flag, DEFAULTS[flag])
        if now == before or (flag in ASKS_A_MODEL and above.get("cache.only") is True):
            continue
        words = _looser(flag, before, now, prices)
        if words:
            yield flag, words


def _looser(flag: str, before: FlagValue, now: FlagValue, prices: Prices) -> str:
    if flag in LIMITS:
        loose = bool(before) and (not now or float(now) > float(before))
        return f"{_limit(now)}, where the level below allows {before:g}" if loose else ""
    if flag in STEPS:
        order = STEPS[flag]
        return (
            f"{_said(now)}, where the level below says {_said(before)}"
            if order.index(now) < order.index(before)
            else ""
        )
    if flag in SETS:
        back = sorted(_parts(before) - _parts(now))
        return f"{', '.join(back)} would come back, which the level below turns off" if back else ""
    if flag == MODEL:
        return _dearer(str(before), str(now), prices)
    return ""


def _dearer(before: str, now: str, prices: Prices) -> str:
    if not now:
        return f"names no model, where the level below goes to {before}"
    if now in prices and before in prices and prices[now] > prices[before]:
        return f"{now} costs {prices[now]:f} a million tokens, {before} of the level below {prices[before]:f}"
    return ""


def _limit(value: FlagValue) -> str:
    return f"{value:g}" if value else "no limit"


def _said(value: FlagValue) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _parts(value: FlagValue) -> frozenset[str]:
    return frozenset(part.strip() for part in str(value).split(",") if part.strip())
