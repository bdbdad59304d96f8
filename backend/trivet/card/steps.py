"""The ladder's levels: what they do, to whom, how long, and how a scenario comes back from them. Pure."""

from typing import Literal, Self

from pydantic import Field, model_validator

from trivet.card.terms import LEVEL_MAX, Flags, Name, Part, Share, Words

WAYS_BACK = ("recovered", "next_budget_day", "manual", "regression_passed")


class Audience(Part):
    """For these tenants and service tiers, these flags lie over the level's: VIPs kept, new users limited."""

    tiers: tuple[Name, ...] = Field((), max_length=50)
    tenants: tuple[Words, ...] = Field((), max_length=200)
    flags: Flags

    @model_validator(mode="after")
    def _is_somebody(self) -> Self:
        if not (self.tiers or self.tenants):
            raise ValueError("an audience names tiers or tenants")
        if not self.flags:
            raise ValueError("an audience without flags changes nothing: give it flags or take it away")
        return self


class Probe(Part):
    """Recovery by probe: which shares of conversations go back first, and how long each step is watched."""

    shares: tuple[Share, ...] = Field(
        default=(0.05, 0.2, 0.5), max_length=8
    )  # the last step, all of them, goes without saying
    step_s: float = Field(default=20, ge=0, le=86_400)

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if list(self.shares) != sorted(set(self.shares)):
            raise ValueError("shares grow from step to step")
        return self


class Steadiness(Part):
    """A ladder that changes direction more often than this freezes where it is safer, and a person is called."""

    turns_max: int = Field(default=4, ge=1, le=100)
    within_s: int = Field(default=3600, ge=60, le=7 * 86_400)


class Level(Part):
    """One level of the ladder: what it does, how long it stays at least, how much calm it needs to step back."""

    level: int = Field(ge=1, le=LEVEL_MAX)
    name: Words
    flags: Flags
    min_stay_s: float = Field(ge=0, le=86_400)
    recover_after_s: float = Field(gt=0, le=86_400)
    shares: dict[str, Share] = Field(
        default_factory=dict
    )  # an action named here applies to this share of conversations
    audiences: tuple[Audience, ...] = Field((), max_length=20)  # the first that a call belongs to counts
    way_back: Literal["recovered", "next_budget_day", "manual", "regression_passed"] = "recovered"
    probe: Probe = Probe()

    @model_validator(mode="after")
    def _acts(self) -> Self:
        if not self.flags:
            raise ValueError("a level without actions changes nothing: give it flags or take it away")
        if self.flags.get("admission") == "reject":
            raise ValueError("a level that rejects every request could never see its way back: use `limit` with a rate")
        if self.flags.get("admission") == "limit" and not (
            self.flags.get("admission.limit_rps") or self.flags.get("admission.daily_requests")
        ):
            raise ValueError("`admission` limit needs `admission.limit_rps` or `admission.daily_requests`")
        strange = sorted(set(self.shares) - set(self.flags))
        if strange:
            raise ValueError(f"shares.{strange[0]}: the level does not set this flag")
        return self
