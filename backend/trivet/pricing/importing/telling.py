"""A preview as lines for a terminal. Pure."""

from collections.abc import Iterator

from trivet.pricing.dated import plain
from trivet.pricing.importing.preview import CHANGED, NEW, Change, Move, Preview

SHOWN = 200  # lines of a kind; the rest is counted


def lines(seen: Preview, *, applied: bool) -> Iterator[str]:
    """What a list would change, or has changed: each new and changed price, what is left out and why, and the sum of it."""
    moving = [*seen.of(NEW), *seen.of(CHANGED)]
    yield from map(_line, moving[:SHOWN])
    if len(moving) > SHOWN:
        yield f"… and {len(moving) - SHOWN} more"
    yield from (f"left out   {each.name}: {each.reason}" for each in seen.unsayable[:SHOWN])
    if len(seen.unsayable) > SHOWN:
        yield f"… and {len(seen.unsayable) - SHOWN} more left out"
    yield summary(seen, applied=applied)


def summary(seen: Preview, *, applied: bool) -> str:
    """The counts in one sentence."""
    counts = seen.counts
    over = f" {counts['overridden']} of them lie beneath a price that a person entered." if counts["overridden"] else ""
    did = "Entered" if applied else "Would enter"
    return (
        f"{did} {counts['new']} new and {counts['changed']} changed prices from {seen.source}; "
        f"{counts['unchanged']} are as they were and {counts['unsayable']} entries are left out.{over}"
    )


def moved(move: Move) -> str:
    """`input 2.5 → 2 (-20.0 %)`."""
    beyond = f" beyond {move.over:,} tokens" if move.over else ""
    if move.old is None:
        return f"{move.kind}{beyond} {plain(move.new)}"
    percent = "" if move.percent is None else f" ({move.percent:+} %)"
    will = "none" if move.new is None else plain(move.new)
    return f"{move.kind}{beyond} {plain(move.old)} → {will}{percent}"


def _line(change: Change) -> str:
    sold = change.offer.sold
    tier = f" [{sold.tier}]" if sold.tier else ""
    beneath = " (beneath an override)" if change.overridden else ""
    return f"{change.state:10} {sold.provider} {sold.model}{tier}: {', '.join(map(moved, change.moves))}{beneath}"
