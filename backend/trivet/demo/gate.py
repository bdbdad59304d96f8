"""Admission: whether a call is let in, and what one that is not is told. Pure: `now` comes in."""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from trivet.demo.obey import Flags

CALLERS_MAX = 10_000
RETRY_AFTER_DEFAULT_S = 30


@dataclass(frozen=True)
class Refusal:
    """Why a call was not let in, what to tell the caller, and when to come back."""

    reason: str
    message: str
    retry_after_s: int


@dataclass
class _Caller:
    tokens: float
    filled_at: datetime
    day: datetime
    today: int = 0


class Gate:
    """Counts each caller's calls, for `admission.limit_rps` (burst: one second of it) and `admission.daily_requests`.

    A caller is a tenant in a scenario. The least recently seen is forgotten first. Counts live as long as the process.
    """

    def __init__(self) -> None:
        self._callers: OrderedDict[str, _Caller] = OrderedDict()

    def refusal(self, caller: str, flags: Flags, now: datetime) -> Refusal | None:
        """None: come in. The wish of the policy is heard first, then the caller's own counts."""
        if flags["admission"] == "reject":
            return _refusal(flags, "rejected", "This service is closed for now.", RETRY_AFTER_DEFAULT_S)
        if flags["cache.only"]:
            return _refusal(flags, "cache_only", "Only stored answers are given now, and there is none.", 60)
        known = self._known(caller, flags, now)
        daily = int(flags["admission.daily_requests"])
        if daily and known.today >= daily:
            wait_s = int((known.day + timedelta(days=1) - now).total_seconds()) + 1
            return _refusal(flags, "daily_limit", f"The limit of {daily} calls a day is reached.", wait_s)
        if flags["admission"] == "limit" and known.tokens < 1:
            return _refusal(flags, "rate_limit", "Too many calls a second.", 1)
        known.tokens -= 1
        known.today += 1
        return None

    def _known(self, caller: str, flags: Flags, now: datetime) -> _Caller:
        day = now.replace(hour=0, minute=0, second=0, microsecond=0)
        rate = float(flags["admission.limit_rps"])
        burst = max(1.0, rate)
        known = self._callers.setdefault(caller, _Caller(burst, now, day))
        self._callers.move_to_end(caller)
        if len(self._callers) > CALLERS_MAX:
            self._callers.popitem(last=False)
        if known.day != day:
            known.day, known.today = day, 0
        known.tokens = min(burst, max(0.0, known.tokens) + rate * (now - known.filled_at).total_seconds())
        known.filled_at = now
        return known


def _refusal(flags: Flags, reason: str, message: str, retry_after_s: int) -> Refusal:
    """What the policy says to the caller goes before what we would say."""
    return Refusal(
        reason, str(flags["admission.message"]) or message, int(flags["admission.retry_after_s"]) or retry_after_s
    )
