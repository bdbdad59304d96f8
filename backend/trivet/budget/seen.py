"""What a process applied of terms and rates, so that it looks at windows again only where some are new."""

from dataclasses import dataclass, field

from trivet.pricing.exchange import Exchange


@dataclass(frozen=True, slots=True)
class Seen:
    """Terms by budget, and the rates that amounts were converted by."""

    terms: dict[int, int] = field(default_factory=dict)
    exchange: Exchange | None = None
