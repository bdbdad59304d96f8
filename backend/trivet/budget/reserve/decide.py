"""Whether a hold fits every budget it falls under. Pure: all layers or none, refused where it does not fit, never shrunk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, Context, Decimal

from trivet.budget.reserve.standing import NONE, Amounts, Measure
from trivet.kit.money import PICO

_UP = Context(prec=60, rounding=ROUND_CEILING)
ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Layer:
    """One limit that a hold falls under, and what it would take of it, in the limit's own measure and currency.

    `window_id` None: each request is judged on its own, and nothing is held. `need` None: it has no bound, and `missing`
    says why. Limits that are not hard are held as well, and refuse nothing.
    """

    window_id: int | None
    budget: str
    scope: str
    measure: Measure
    currency: str
    limit: Decimal
    hard: bool
    open_to_unknown: bool
    need: Decimal | None
    missing: str = ""
    rate: Decimal = ONE
    resets_at: datetime | None = None
    unreachable: str = "closed"  # what a client does that holds nothing and cannot ask: closed | open


@dataclass(slots=True)
class Room:
    """What is committed of a window while a group is worked on; its row is locked."""

    spent: Decimal
    held: Decimal

    @property
    def committed(self) -> Decimal:
        return self.spent + self.held


@dataclass(frozen=True, slots=True)
class Refusal:
    """The layer that a hold does not fit, and what is left of it; `unknown` where the hold has no bound."""

    layer: Layer
    remaining: Decimal
    unknown: bool = False


def refusal_of(
    layers: Sequence[Layer], rooms: Mapping[int, Room], own: Mapping[int, Decimal] | None = None
) -> Refusal | None:
    """The first hard layer, the narrowest scope first, that the hold does not fit; None where it fits them all.

    `own` is what the same reservation holds of a window already.
    """
    for layer in sorted(layers, key=lambda each: SCOPE_ORDER.index(each.scope)):
        if not layer.hard:
            continue
        before = NONE if layer.window_id is None else rooms[layer.window_id].committed
        before -= (own or {}).get(layer.window_id or 0, NONE)
        remaining = max(layer.limit - before, NONE)
        if layer.need is None:
            if not layer.open_to_unknown:
                return Refusal(layer, remaining, unknown=True)
        elif layer.need > 0 and before + layer.need > layer.limit:
            return Refusal(layer, remaining)
    return None


SCOPE_ORDER = ("request", "interaction", "end_user", "key", "scenario", "tenant", "cost_centre", "global")


def in_window(amounts: Amounts, measure: Measure, rate: Decimal) -> Decimal:
    """Amounts in a window's measure and money; another currency's is rounded up to a whole pico."""
    found = amounts.of(measure)
    if measure != "money" or rate == ONE:
        return found
    return _UP.quantize(_UP.multiply(found, rate), PICO)
