"""The simulated models: how long a call takes, how good its answer is. Nothing here understands a word.

Pure: times are seconds of any clock that only goes forward and come in as arguments, so the serving backend runs it on the
machine's clock and the tests on their own.
"""

import heapq
import math
from bisect import bisect_right
from collections import OrderedDict
from dataclasses import dataclass

CACHE_BLOCK_TOKENS = 16
CONVERSATIONS_MAX = 20_000


@dataclass(frozen=True)
class ModelSpec:
    """Speeds of one call in one slot; `quality` is the mean score of an uncut answer, 0 to 1."""

    name: str
    pool: str  # self-hosted capacity it runs on; empty: metered by an API
    slots: int
    prefill_tokens_per_s: float
    decode_tokens_per_s: float
    quality: float

    def prefill_s(self, uncached_tokens: int) -> float:
        return uncached_tokens / self.prefill_tokens_per_s

    def decode_s(self, output_tokens: int) -> float:
        return output_tokens / self.decode_tokens_per_s


LARGE = ModelSpec("demo-large", "", slots=13, prefill_tokens_per_s=12_000, decode_tokens_per_s=400, quality=0.92)
SMALL = ModelSpec(
    "demo-small", "demo-pool", slots=10, prefill_tokens_per_s=40_000, decode_tokens_per_s=900, quality=0.84
)
MODELS = {spec.name: spec for spec in (LARGE, SMALL)}
ROUTES = {"large": LARGE.name, "small": SMALL.name} | {name: name for name in MODELS}


def score(spec: ModelSpec, *, context_kept: float, output_kept: float) -> float:
    """Quality of an answer whose context and output were cut to these shares, 0 to 1.

    A lost context hurts a little (the last turns matter most), a lost half of the answer hurts much.
    """
    return spec.quality * (1 - 0.12 * (1 - context_kept)) * (1 - 0.45 * math.pow(1 - output_kept, 1.5))


@dataclass(frozen=True)
class Place:
    """When a call is worked on. `gave_up`: its time limit came first, in the queue if it never started."""

    starts_at_s: float
    ends_at_s: float
    gave_up: bool


class Line:
    """First come, first served, on a fixed number of slots.

    As service times are known, a call's place is known when it arrives. A slot once taken is taken until its end or the
    call's time limit, also when the caller has gone: the work was begun and is paid for.
    """

    def __init__(self, slots: int) -> None:
        self._free_at = [float("-inf")] * slots
        self._starts: list[float] = []  # ascending: first come, first served

    def take(self, now_s: float, service_s: float, give_up_at_s: float) -> Place:
        starts = max(now_s, self._free_at[0])
        if starts >= give_up_at_s:
            return Place(give_up_at_s, give_up_at_s, gave_up=True)
        ends = min(starts + service_s, give_up_at_s)
        heapq.heapreplace(self._free_at, ends)
        self._starts = [*self._starts[bisect_right(self._starts, now_s) :], starts]
        return Place(starts, ends, gave_up=starts + service_s > give_up_at_s)

    def waiting(self, now_s: float) -> int:
        """Calls that have arrived and will be served, but not yet."""
        return len(self._starts) - bisect_right(self._starts, now_s)

    def busy(self, now_s: float) -> int:
        return sum(free_at > now_s for free_at in self._free_at) if self._free_at else 0


class PrefixCache:
    """What of a conversation's prompt the model has already read. Least recently used conversations are forgotten."""

    def __init__(self, conversations_max: int = CONVERSATIONS_MAX) -> None:
        self._seen: OrderedDict[str, int] = OrderedDict()
        self._max = conversations_max

    def read(self, conversation: str, input_tokens: int) -> int:
        """Tokens of this prompt served from the cache, whole blocks; the prompt is then cached itself."""
        cached = min(self._seen.get(conversation, 0), max(0, input_tokens - 1))
        if conversation:
            self._seen[conversation] = input_tokens
            self._seen.move_to_end(conversation)
        if len(self._seen) > self._max:
            self._seen.popitem(last=False)
        return cached // CACHE_BLOCK_TOKENS * CACHE_BLOCK_TOKENS
