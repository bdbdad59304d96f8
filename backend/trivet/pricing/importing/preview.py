"""What a price list would change. Pure: offers held against what was imported before and what people entered."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from trivet.kit.money import EXACT
from trivet.pricing.book import ENTERED, IMPORTED, Key, PriceBook, PriceLine
from trivet.pricing.importing.offer import Offer, PriceList, Unsayable
from trivet.pricing.rate import KINDS, SAME_AS, Rates, Steps

NEW, CHANGED, UNCHANGED = "new", "changed", "unchanged"
STATES = (NEW, CHANGED, UNCHANGED)
_TENTH = Decimal("0.1")
_HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class Move:
    """One rate, per million tokens, of a kind beyond so many input tokens: None where there was or will be none."""

    kind: str
    over: int
    old: Decimal | None
    new: Decimal | None

    @property
    def percent(self) -> Decimal | None:
        """By how much it moves, to a tenth; None where there is nothing to compare with."""
        if not self.old or self.new is None:
            return None
        moved = EXACT.divide(EXACT.subtract(self.new, self.old), self.old)
        return EXACT.quantize(EXACT.multiply(moved, _HUNDRED), _TENTH)


@dataclass(frozen=True, slots=True)
class Change:
    """What an offer comes to. `overridden`: a person's price lies above it and goes on to hold."""

    offer: Offer
    state: str
    moves: tuple[Move, ...]
    overridden: bool


@dataclass(frozen=True, slots=True)
class Preview:
    """Everything a list would do from an instant on."""

    source: str
    effective_from: datetime
    changes: tuple[Change, ...]
    unsayable: tuple[Unsayable, ...]

    def of(self, state: str) -> list[Change]:
        """Changes of one state, in the order of what they are of."""
        return [change for change in self.changes if change.state == state]

    @property
    def counts(self) -> Mapping[str, int]:
        """How many offers are new, changed, unchanged; how many of them overridden; how many entries are left out."""
        counted = {state: len(self.of(state)) for state in STATES}
        overridden = sum(change.overridden for change in self.changes)
        return counted | {"overridden": overridden, "unsayable": len(self.unsayable)}


def preview(offered: PriceList, book: PriceBook, effective_from: datetime) -> Preview:
    """Each offer held against the imported price that holds at `effective_from`, and whether a person's lies above it."""
    changes = []
    for offer in offered.offers:
        held = _held(book, offer, IMPORTED, effective_from)
        new = Rates.parse(offer.rates)
        if held is None:
            state = NEW
        else:
            state = UNCHANGED if (held.list_rates, held.currency) == (new, offer.currency) else CHANGED
        old = held.list_rates if held and held.currency == offer.currency else None
        moves = () if state == UNCHANGED else tuple(_moves(old, new, offer))
        changes.append(Change(offer, state, moves, _held(book, offer, ENTERED, effective_from) is not None))
    return Preview(offered.source, effective_from, tuple(changes), offered.unsayable)


def _held(book: PriceBook, offer: Offer, layer: int, at: datetime) -> PriceLine | None:
    sold = offer.sold
    series = book.by_key.get(Key(sold.provider, sold.model, tier=sold.tier, layer=layer))
    return series.at(at) if series else None


def _moves(old: Rates | None, new: Rates, offer: Offer) -> Iterator[Move]:
    for kind in KINDS:
        if kind not in offer.rates and _follows(old, kind):
            continue
        after: Steps = getattr(new, kind)
        before: Steps = getattr(old, kind) if old else ()
        for over in sorted({start for start, _ in (*before, *after)}):
            was, will = _beyond(before, over), _beyond(after, over)
            if was != will:
                yield Move(kind, over, was, will)


def _follows(old: Rates | None, kind: str) -> bool:
    """Whether a kind that an offer leaves out was another's before, too: what the other does says it."""
    return old is None or getattr(old, kind) == getattr(old, SAME_AS[kind])


def _beyond(steps: Steps, over: int) -> Decimal | None:
    """The rate that holds just beyond so many input tokens."""
    return next((price for start, price in reversed(steps) if start <= over), None)
