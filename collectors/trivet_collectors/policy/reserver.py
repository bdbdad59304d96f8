"""Reserves budget for calls before they are made, without a round trip for each.

Holds are taken ahead, in blocks of some calls; a call draws from a block in this process's memory and names it on its span.
A daemon thread asks for more before blocks run out, posts what calls came to, and gives back what was not drawn. Nothing is
kept over a restart: holds of a process that is gone expire by themselves.

Where the service cannot be reached, what is held goes on being drawn. After that it is as the budgets of such calls last
said: `closed` refuses the call, `open` lets it pass without a hold; before anything was heard of them, as `unreachable` says
here. Either is counted, and logged once an outage.
"""

import asyncio
import logging
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, Literal, Protocol

from trivet_collectors import semconv
from trivet_collectors.policy.blocks import LANES_MAX, Block, Lane
from trivet_collectors.policy.lane import Call, Due, Refusal, Usage
from trivet_collectors.policy.reserve_transport import BATCH_MAX, Answered, Away, ReserveTransport

log = logging.getLogger("trivet.policy")

DUE_MAX: Final = 10_000  # reservations with calls to post; beyond it posts are dropped, and what they hold expires
STOP_ROUNDS: Final = 20
REFUSED_AGAIN_S: Final = 1.0  # a lane that was refused for one call is not asked for again so soon
AWAY_S: Final = 1.0  # who cannot be reached is not asked again so soon: calls do not wait for it one after the other


class RefusedError(Exception):
    """This call may not be made: its budget has no room, or nobody can say. `refusal` says why and until when."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.detail)
        self.refusal = refusal


def unreachable_by(layers: Sequence[Mapping[str, Any]]) -> str:
    """What hard limits say of when nobody can be asked: closed where any of them does; '' where there is none."""
    said = {str(layer.get("unreachable", "")) for layer in layers if layer.get("hard")}
    return "closed" if "closed" in said else "open" if "open" in said else ""


class Sends(Protocol):
    def send(self, hold: Any = (), post: Any = (), void: Any = ()) -> Answered | Away: ...

    def close(self) -> None: ...


class Held:
    """A call that may be made. Post what it came to, or give it back; whoever does neither posts it as estimated."""

    def __init__(self, reserver: "Reserver", lane: Lane, id_: str | None) -> None:
        self._reserver, self._lane = reserver, lane
        self.id = id_
        self._over = id_ is None

    @property
    def attributes(self) -> dict[str, str]:
        """What the call's span says, so that it is not counted twice; nothing where it runs without a hold."""
        return {semconv.TRIVET_RESERVATION: self.id} if self.id else {}

    def post(self, usage: Usage | None = None, requests: int = 1) -> None:
        """What the call came to; `requests` counts its retries. Sent in the background; the first post counts."""
        if self.id and not self._over:
            self._over = True
            self._reserver.post(self.id, usage, requests)

    def give_back(self) -> None:
        """The call was not made."""
        if self.id and not self._over:
            self._over = True
            self._reserver.give_back(self._lane, self.id)


class Reserver:
    """Start it in each worker process, after any fork: threads do not survive one."""

    def __init__(
        self,
        endpoint: str,
        api_key: str,
        *,
        unreachable: Literal["closed", "open"] = "closed",
        ttl_s: int = 60,
        block_calls_max: int = 256,
        every_s: float = 0.1,
        timeout_s: float = 2.0,
        transport: Sends | None = None,
    ) -> None:
        self.unreachable, self.ttl_s = unreachable, ttl_s
        self.counted: Counter[str] = (
            Counter()
        )  # drawn, round_trips, refused, without_hold, posts_dropped, posts_refused
        self.problem: str | None = None  # why the service cannot be reached, until it can
        self._calls_max, self._every_s = block_calls_max, every_s
        self._transport: Sends = transport or ReserveTransport(endpoint, api_key, timeout_s=timeout_s)
        self._lock = threading.Lock()
        self._lanes: dict[Call, Lane] = {}
        self._due: dict[str, Due] = {}
        self._leftover: list[Block] = []
        self._away_until = 0.0
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Take holds ahead and post in the background. Starting what is started changes nothing."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="trivet-reserver", daemon=True)
                self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Post what is due and give back what was not drawn, as far as the service can be reached."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
        with self._lock:
            for lane in self._lanes.values():
                self._leftover += lane.blocks
                lane.blocks = []
        for _ in range(STOP_ROUNDS):
            if self.problem is None and (self._due or self._leftover):
                self.tick(ahead=False)
        self._transport.close()

    # --- what a backend does ---
    def draw(self, call: Call) -> Held:
        """A hold for one call: from memory, but for the first of its kind. `RefusedError` where it may not be made."""
        lane, id_ = self._draw(call)
        if id_ is None:
            if self._is_away() or (self.problem is not None and lane.asking.locked()):
                return self._without(lane)  # one call at a time looks whether it is back, the others do not wait
            with lane.asking:  # those who wait for the same answer draw from it
                lane, id_ = self._draw(call)
                while id_ is None:
                    if self._is_away():
                        return self._without(lane)
                    if (passed := self._ask(lane)) is not None:
                        return passed
                    lane, id_ = self._draw(call)
        return Held(self, lane, id_)

    def _ask(self, lane: Lane) -> Held | None:
        """One round trip for a block; a hold of nothing where the service is away and that is allowed."""
        with self._lock:
            if lane.refusal is not None and time.monotonic() < lane.refused_until:
                self.counted["refused"] += 1
                raise RefusedError(lane.refusal)
            calls = lane.calls
            self.counted["round_trips"] += 1
        answer = self._transport.send(hold=[self._block(lane, calls)])
        if isinstance(answer, Away):
            self._away(answer)
            return self._without(lane)
        self._back()
        self._take(lane, calls, answer.items[0])
        return None

    @contextmanager
    def call(self, call: Call) -> Iterator[Held]:
        """A call's hold around it; not posted inside, it is posted as estimated."""
        held = self.draw(call)
        try:
            yield held
        finally:
            held.post()

    @asynccontextmanager
    async def acall(self, call: Call) -> AsyncIterator[Held]:
        """The same without holding up the loop: a thread asks where nothing is at hand."""
        held = await self.adraw(call)
        try:
            yield held
        finally:
            held.post()

    async def adraw(self, call: Call) -> Held:
        """`draw` for an event loop: from memory at once, else a thread asks."""
        lane, id_ = self._draw(call)
        return Held(self, lane, id_) if id_ else await asyncio.to_thread(self.draw, call)

    # --- what a hold does ---
    def post(self, id_: str, usage: Usage | None, requests: int) -> None:
        with self._lock:
            if id_ not in self._due and len(self._due) >= DUE_MAX:
                self.counted["posts_dropped"] += 1
                return
            due = self._due.setdefault(id_, Due())
            if usage is None:
                due.unknown += 1
            else:
                due.calls, due.requests, due.usage = due.calls + 1, due.requests + requests, due.usage + usage
        self._wake.set()

    def give_back(self, lane: Lane, id_: str) -> None:
        with self._lock:
            back = lane.give_back(id_, time.monotonic())
        if not back:  # it was closed by now, or is about to be: it came to nothing
            self.post(id_, Usage(), 0)

    # --- in the background ---
    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(self._every_s)
            self._wake.clear()
            try:
                self.tick()
            except Exception:  # a fault of ours must not end the posting
                log.exception("reserving failed unexpectedly")
            self._stop.wait(self._every_s if self.problem is None else 10 * self._every_s)

    def tick(self, *, ahead: bool = True) -> None:
        """One batch: more blocks for lanes that run low, posts that are due, blocks whose time is over."""
        now = time.monotonic()
        with self._lock:
            lanes = [(lane, lane.calls) for lane in self._lanes.values() if ahead and lane.wants(now, self.ttl_s)]
            lanes = lanes[: BATCH_MAX // 4]
            for lane, _ in lanes:
                lane.asked = True
            self._retire(now)
            leftover, self._leftover = self._leftover[: BATCH_MAX // 4], self._leftover[BATCH_MAX // 4 :]
            due = dict(list(self._due.items())[: BATCH_MAX // 8])
            for id_ in due:
                del self._due[id_]
        posts = [body for id_, each in due.items() for body in each.bodies(id_)]
        # Calls in flight still post to it: only what was never drawn is given back.
        posts += [{"id": b.id, "calls": b.left, "usage": {}, "requests": 0} for b in leftover if b.left]
        holds = [self._block(lane, calls) for lane, calls in lanes]
        if not holds and not posts:
            return
        answer = self._transport.send(hold=holds, post=posts)
        if isinstance(answer, Away):
            self._away(answer)
            self._put_back(due, leftover, lanes)
            return
        self._back()
        for (lane, calls), item in zip(lanes, answer.items, strict=False):
            self._take(lane, calls, item)
        self.counted["posts_refused"] += sum("refused" in item for item in answer.items[len(lanes) :])

    def _retire(self, now: float) -> None:
        for lane in list(self._lanes.values()):
            self._leftover += lane.over(now)
            if not lane.blocks and not lane.asked and now - lane.used_at > self.ttl_s:
                del self._lanes[lane.call]

    def _put_back(self, due: dict[str, Due], leftover: list[Block], lanes: list[tuple[Lane, int]]) -> None:
        """Nobody heard it: the same again in the next round."""
        with self._lock:
            for id_, each in due.items():
                known = self._due.setdefault(id_, Due())
                known.calls, known.requests = known.calls + each.calls, known.requests + each.requests
                known.usage, known.unknown = known.usage + each.usage, known.unknown + each.unknown
            self._leftover += leftover
            for lane, _ in lanes:
                lane.asked = False

    def _draw(self, call: Call) -> tuple[Lane, str | None]:
        key = call.lane()
        with self._lock:
            lane = self._lanes.get(key)
            if lane is None:
                if len(self._lanes) >= LANES_MAX:
                    self._drop_idlest()
                lane = self._lanes[key] = Lane(key)
            id_ = lane.draw(now := time.monotonic())
            if id_ is not None:
                self.counted["drawn"] += 1
            low = lane.wants(now, self.ttl_s)
        if low:
            self._wake.set()
        return lane, id_

    def _drop_idlest(self) -> None:
        lane = min(self._lanes.values(), key=lambda each: each.used_at)
        self._leftover += lane.blocks
        del self._lanes[lane.call]

    def _block(self, lane: Lane, calls: int) -> dict[str, Any]:
        return lane.call.body() | {"calls": calls, "ttl_s": self.ttl_s}

    def _take(self, lane: Lane, calls: int, item: dict[str, Any]) -> None:
        now = time.monotonic()
        with self._lock:
            if "granted" in item:
                lane.granted(str(item["granted"]["id"]), calls, now, self.ttl_s, self._calls_max)
                lane.unreachable = unreachable_by(item["granted"].get("layers", []))
            else:
                lane.refused(Refusal.of(item.get("refused", {})), calls, now, REFUSED_AGAIN_S)

    def _away(self, answer: Away) -> None:
        if self.problem is None:  # once per outage, not once per call
            log.warning("reservations cannot be reached: %s", answer.problem)
        self.problem, self._away_until = answer.problem, time.monotonic() + AWAY_S

    def _is_away(self) -> bool:
        return self.problem is not None and time.monotonic() < self._away_until

    def _back(self) -> None:
        if self.problem is not None:
            log.info("reservations can be reached again")
        self.problem = None

    def _without(self, lane: Lane) -> Held:
        """Nobody can say whether there is room: the stated policy decides."""
        policy = lane.unreachable or self.unreachable
        if policy == "open":
            self.counted["without_hold"] += 1
            return Held(self, lane, None)
        self.counted["refused"] += 1
        raise RefusedError(Refusal(f"The budget cannot be asked ({self.problem}), and it is closed meanwhile.", "away"))
