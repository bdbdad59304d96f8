"""Holds at hand, drawn from without asking anybody: how many calls are left of each, until when, and when to ask for more.

Pure but for its lock: time comes in as an argument, in seconds of the monotonic clock.
"""

import threading
from dataclasses import dataclass, field
from typing import Final

from trivet_collectors.policy.lane import Call, Refusal

FIRST_CALLS: Final = 4  # of a lane's first block; it doubles while blocks are drawn empty
LANES_MAX: Final = 1_000
MARGIN_SHARE: Final = (
    0.25  # of its time, at its end, in which a block is not drawn from: calls must end in time as well
)


@dataclass
class Block:
    """A reservation for some calls. `good_until` is when drawing ends."""

    id: str
    left: int
    good_until: float


@dataclass
class Lane:
    """The blocks of calls that are bounded alike."""

    call: Call
    calls: int = FIRST_CALLS  # to ask for next
    blocks: list[Block] = field(default_factory=list)
    drawn: int = 0  # since the last block came
    asked: bool = False  # an answer is awaited
    used_at: float = 0.0
    refusal: Refusal | None = None
    refused_until: float = 0.0
    unreachable: str = ""  # what its budgets say of when nobody can be asked, as far as was told
    asking: threading.Lock = field(default_factory=threading.Lock)

    def draw(self, now: float) -> str | None:
        """The id of a reservation with a call left, the oldest first; None where there is none."""
        self.used_at = now
        for block in self.blocks:
            if block.left and now < block.good_until:
                block.left -= 1
                self.drawn += 1
                return block.id
        return None

    def give_back(self, id_: str, now: float) -> bool:
        """A drawn call that was never made can be drawn again; False where its block is no longer drawn from."""
        for block in self.blocks:
            if block.id == id_ and now < block.good_until:
                block.left += 1
                return True
        return False

    def left(self, now: float) -> int:
        return sum(block.left for block in self.blocks if now < block.good_until)

    def wants(self, now: float, idle_s: float) -> bool:
        """Whether to ask for another block: less than half of one is left, and the lane is in use."""
        if self.asked or now < self.refused_until or now - self.used_at > idle_s:
            return False
        return 2 * self.left(now) < self.calls

    def granted(self, id_: str, calls: int, now: float, ttl_s: float, calls_max: int) -> None:
        """A block came. One that was drawn empty before its time asks for twice as many, one hardly touched for half."""
        if self.blocks:
            grown = min(calls_max, self.calls * 2) if 2 * self.drawn >= self.calls else self.calls
            self.calls = grown if self.drawn else max(1, self.calls // 2)
        self.blocks.append(Block(id_, calls, now + ttl_s * (1 - MARGIN_SHARE)))
        self.drawn, self.asked, self.refusal = 0, False, None

    def refused(self, refusal: Refusal, calls: int, now: float, again_s: float) -> None:
        """It did not fit: ask for fewer, and for one call at last. Refused for one, it is refused for a while."""
        self.asked = False
        if calls > 1 and refusal.kind == "budget-exceeded":
            self.calls = max(1, calls // 4)
            return
        self.refusal, self.refused_until = refusal, now + again_s

    def over(self, now: float) -> list[Block]:
        """Blocks that are not drawn from any more, taken off."""
        gone = [block for block in self.blocks if now >= block.good_until or (not block.left and len(self.blocks) > 1)]
        self.blocks = [block for block in self.blocks if block not in gone]
        return gone
