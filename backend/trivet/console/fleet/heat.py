"""Cards as cells, in groups of pools: utilisation as a shade and a number, instances inside their card. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from trivet.console.tongue import _

SHADES: Final = 10
FRESH: Final = timedelta(minutes=2)  # older than that, a card is said to be silent


@dataclass(frozen=True, slots=True)
class Card:
    """One card, or one instance of a divided one, as it is kept. `used`: its mean utilisation, None where nobody read it."""

    id: int
    uuid: str
    host: str
    parent: str
    pool: str
    seen_at: datetime | None
    used: float | None


@dataclass(frozen=True, slots=True)
class Cell:
    """`shade` 0 to 9, -1 where nothing is known; `parts` are the instances inside."""

    anchor: str
    number: str
    shade: int
    silent: bool
    words: str
    parts: tuple["Cell", ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """One pool's cells."""

    pool: str
    cells: tuple[Cell, ...]
    cards: int
    used: float | None


def groups(cards: Sequence[Card], now: datetime) -> tuple[Group, ...]:
    """By pool, each card once; an instance whose card was never heard of stands by itself."""
    known = {card.uuid for card in cards}
    inside: dict[str, list[Card]] = {}
    whole: dict[str, list[Card]] = {}
    for card in cards:
        if card.parent and card.parent in known:
            inside.setdefault(card.parent, []).append(card)
        else:
            whole.setdefault(card.pool, []).append(card)
    return tuple(_group(pool, whole[pool], inside, now) for pool in sorted(whole, key=lambda pool: (not pool, pool)))


def _group(pool: str, cards: Sequence[Card], inside: Mapping[str, Sequence[Card]], now: datetime) -> Group:
    cells = tuple(_cell(card, now, inside.get(card.uuid, ())) for card in cards)
    read = [card.used for card in cards if card.used is not None]
    return Group(pool, cells, len(cards), sum(read) / len(read) if read else None)


def _cell(card: Card, now: datetime, inside: Sequence[Card] = ()) -> Cell:
    silent = card.seen_at is None or now - card.seen_at > FRESH
    number = "–" if card.used is None else f"{card.used * 100:.0f}"
    shade = -1 if card.used is None else min(int(card.used * SHADES), SHADES - 1)
    where = f"{card.uuid}, {card.host}" if card.host else card.uuid
    if silent:
        words = _("{card}: silent", card=where)
    elif card.used is None:
        words = _("{card}: it says no utilisation", card=where)
    else:
        words = _("{card}: {used} % utilised", card=where, used=number)
    return Cell(f"gpu-{card.uuid}", number, shade, silent, words, tuple(_cell(each, now) for each in inside))
