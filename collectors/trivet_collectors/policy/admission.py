"""Whether a call is let in under the policy that applies to it, and what one that is not is told. Pure: time comes in.

Counts are of this process, like the policy itself: with several workers each lets in its own share, so set
`admission.limit_rps` to the rate that one of them may take.
"""

import math
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from trivet_collectors.policy.evaluate import FlagValue

CALLERS_MAX: Final = 10_000  # counted at once; who was not seen for longest is forgotten first
RETRY_AFTER_S: Final = 30  # where the policy does not say when to come back
RATE_RETRY_AFTER_S: Final = 1
SPREAD: Final = 0.25  # added to times of our own, so that those turned away together do not come back together
URN: Final = "urn:trivet:problem:"

REJECTED: Final = "admission-rejected"
RATE_LIMIT: Final = "admission-rate-limit"
DAILY_LIMIT: Final = "admission-daily-limit"
CACHE_ONLY: Final = "cache-only"
# 429 where a policy turns callers away, which every client of a model knows how to wait for; 503 where there is nothing to
# give; 402 for money. A gateway takes a 5xx for a fault of its own and writes a traceback for each.
STATUS: Final = {REJECTED: 429, RATE_LIMIT: 429, DAILY_LIMIT: 429, CACHE_ONLY: 503, "budget-exceeded": 402, "away": 503}


@dataclass(frozen=True)
class Turned:
    """A call that is not let in: why (`kind`, one word of `STATUS`), what to tell the caller, when to come back."""

    kind: str
    message: str
    retry_after_s: int

    @property
    def status(self) -> int:
        """The HTTP status that says it."""
        return STATUS.get(self.kind, 422)

    def problem(self) -> dict[str, Any]:
        """As an RFC 9457 body."""
        said = {"type": URN + self.kind, "title": "Not let in", "status": self.status, "detail": self.message}
        return said | ({"retry_after_s": self.retry_after_s} if self.retry_after_s else {})


@dataclass
class _Counted:
    tokens: float
    filled_at: datetime
    day: datetime
    today: int = 0


class Admission:
    """Lets calls in by `admission`, `admission.limit_rps` (burst: one second of it) and `admission.daily_requests`.

    A caller is counted by whatever hashable text names it; days are of UTC. Any number of threads may ask.
    """

    def __init__(self) -> None:
        self._callers: OrderedDict[str, _Counted] = OrderedDict()
        self._lock = threading.Lock()

    def turned(self, caller: str, flags: Mapping[str, FlagValue], now: datetime, share: float = 0.0) -> Turned | None:
        """None: come in, and this call is counted. `share` in [0, 1) spreads times to come back of our own."""
        if flags["admission"] == "reject":
            return told(flags, REJECTED, "This service takes no calls for now.", RETRY_AFTER_S)
        daily = int(flags["admission.daily_requests"])
        limited = flags["admission"] == "limit" and float(flags["admission.limit_rps"]) > 0
        if not daily and not limited:
            return None
        with self._lock:
            return self._counted_turned(self._known(caller, flags, now), flags, now, limited=limited, share=share)

    def _counted_turned(
        self, known: _Counted, flags: Mapping[str, FlagValue], now: datetime, *, limited: bool, share: float
    ) -> Turned | None:
        daily = int(flags["admission.daily_requests"])
        if daily and known.today >= daily:
            # Always tomorrow, whatever the policy says of coming back: sooner is in vain.
            wait_s = (known.day + timedelta(days=1) - now).total_seconds()
            said = str(flags["admission.message"]) or f"The limit of {daily} calls a day is reached."
            return Turned(DAILY_LIMIT, said, _later(wait_s, share * min(1.0, 3600 / max(wait_s, 1))))
        if limited and known.tokens < 1:
            return told(flags, RATE_LIMIT, "Too many calls a second.", _later(RATE_RETRY_AFTER_S, share))
        known.tokens -= 1
        known.today += 1
        return None

    def _known(self, caller: str, flags: Mapping[str, FlagValue], now: datetime) -> _Counted:
        day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        rate = float(flags["admission.limit_rps"])
        burst = max(1.0, rate)
        known = self._callers.setdefault(caller, _Counted(burst, now, day))
        self._callers.move_to_end(caller)
        if len(self._callers) > CALLERS_MAX:
            self._callers.popitem(last=False)
        if known.day != day:
            known.day, known.today = day, 0
        passed_s = max(0.0, (now - known.filled_at).total_seconds())  # a clock may be set back
        known.tokens = min(burst, max(0.0, known.tokens) + rate * passed_s)
        known.filled_at = now
        return known


def told(flags: Mapping[str, FlagValue], kind: str, message: str, retry_after_s: int) -> Turned:
    """What the policy says to the caller goes before what we would say. Its time to come back is jittered already."""
    return Turned(
        kind, str(flags["admission.message"]) or message, int(flags["admission.retry_after_s"]) or retry_after_s
    )


def _later(wait_s: float, share: float) -> int:
    return max(1, math.ceil(wait_s * (1 + SPREAD * share)))
