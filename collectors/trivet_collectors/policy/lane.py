"""What a call may cost, rounded up so that calls alike share holds: a lane. Pure.

Calls of one lane draw from the same blocks. A bound is rounded up to the next power of two, so that a hold covers every
call of its lane and few lanes are needed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

SIZE_LEAST: Final = 1_024  # tokens: shorter inputs share one lane


@dataclass(frozen=True)
class Call:
    """One call that is about to be made, as it is bounded: `POST /api/v1/reservations` says what each field means.

    Without `max_output_tokens` the model's whole context is held; without a price, or an amount, nothing can be bounded.
    """

    tenant: str = ""
    scenario: str = ""
    provider: str = ""
    model: str = ""
    input_tokens: int | None = None
    max_output_tokens: int | None = None
    n: int = 1
    cache_write_tokens: int | None = None
    tools: tuple[tuple[str, int], ...] = ()
    max_retries: int = 0
    tier: str = ""
    pool: str = ""
    end_user: str = ""
    interaction: str = ""
    amount: str | None = None
    currency: str | None = None

    def lane(self) -> "Call":
        """The call that stands for all that are bounded alike: none of them costs more."""
        return replace(self, input_tokens=size_class(self.input_tokens), cache_write_tokens=self._written())

    def _written(self) -> int | None:
        # 0 says that no cache is written, which a larger bound must not forget.
        return size_class(self.cache_write_tokens) if self.cache_write_tokens else self.cache_write_tokens

    def body(self) -> dict[str, Any]:
        """The same as JSON; what is not said is left out."""
        said = {name: value for name, value in vars(self).items() if value not in ("", None, ())}
        if self.tools:
            said["tools"] = [{"name": name, "max_calls": calls} for name, calls in self.tools]
        return said


def size_class(tokens: int | None) -> int | None:
    """The next power of two, `SIZE_LEAST` at least; None stays None."""
    return None if tokens is None else max(SIZE_LEAST, 1 << max(0, tokens - 1).bit_length())


@dataclass(frozen=True)
class Usage:
    """What calls used, for a post. Kinds of tokens are disjoint: cached ones are not in `input`."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(*(mine + theirs for mine, theirs in zip(vars(self).values(), vars(other).values(), strict=True)))


@dataclass
class Due:
    """Calls of one reservation that are over and not posted yet; those whose usage is not known are posted as estimated."""

    calls: int = 0
    requests: int = 0
    usage: Usage = field(default_factory=Usage)
    unknown: int = 0

    def bodies(self, id_: str) -> list[dict[str, Any]]:
        """Items of a batch's `post`."""
        found: list[dict[str, Any]] = []
        if self.calls:
            used = dict(vars(self.usage))
            found.append({"id": id_, "calls": self.calls, "usage": used, "requests": self.requests})
        if self.unknown:
            found.append({"id": id_, "calls": self.unknown})
        return found


@dataclass(frozen=True)
class Refusal:
    """Why the service refused a hold: its problem, in parts."""

    detail: str
    kind: str = ""
    budget: str = ""
    resets_at: str | None = None

    @classmethod
    def of(cls, problem: Mapping[str, Any]) -> "Refusal":
        kind = str(problem.get("type", "")).rpartition(":")[2]
        return cls(
            str(problem.get("detail", "refused")), kind, str(problem.get("budget", "")), problem.get("resets_at")
        )
