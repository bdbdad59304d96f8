"""What a check of a promise comes to."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether the promise holds, and what was looked at; where it does not hold, what was found."""

    holds: bool
    detail: str
