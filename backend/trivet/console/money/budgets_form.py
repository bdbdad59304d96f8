"""The form that makes a budget: what it says, what it would be, and what the service is asked."""

from datetime import date, datetime, time
from typing import Final, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field

from trivet.budget.draft import Asked, Identity, check
from trivet.budget.windows import zone_of
from trivet.console.money import budgets_words as words
from trivet.console.money.budgets_views import BudgetForm
from trivet.console.tongue import N_, _
from trivet.console.views import Choice, Reader
from trivet.kit.errors import Invalid, TrivetError
from trivet.kit.money import plain_amount

SCOPES: Final = {
    "tenant": N_("Tenant"), "cost_centre": N_("Cost centre"), "scenario": N_("Scenario"), "key": N_("API key"),
    "end_user": N_("End user"), "global": N_("Everyone together"), "request": N_("Request"),
    "interaction": N_("Interaction"),
}  # fmt: skip
WINDOWS: Final = {"day": N_("Day"), "week": N_("Week, from Monday"), "month": N_("Month")}
ACTIONS: Final = {
    "": N_("Tell the owners, stop nothing"), "refuse": N_("Refuse reservations beyond it"),
    "1": N_("Degrade to level 1"), "2": N_("Degrade to level 2"), "3": N_("Degrade to level 3"),
    "break": N_("Cut calls off"),
}  # fmt: skip
WAYS_BACK: Final = {"next_window": N_("in the next window"), "manual": N_("when somebody restores it")}


class Asking(BaseModel):
    """What the form says, also in the address. Empty is not said yet."""

    name: str = Field("", max_length=256)
    scope: Literal["tenant", "cost_centre", "scenario", "key", "end_user", "global", "request", "interaction"] = (
        "tenant"
    )
    subject: str = Field("", max_length=256)
    tenant: str = Field("", max_length=256)
    scenario: str = Field("", max_length=256)
    measure: Literal["money", "tokens", "requests"] = "money"
    currency: str = Field("USD", max_length=3)
    limit: str = Field("", max_length=40)
    window: Literal["day", "week", "month"] = "month"
    zone: str = Field("", max_length=64)
    begins: str = Field("", max_length=10)
    action: Literal["", "refuse", "1", "2", "3", "break"] = ""
    way_back: Literal["next_window", "manual"] = "next_window"
    owners: str = Field("", max_length=2_000)
    reason: str = Field("", max_length=500)


class Given(Asking):
    """The same, to be made."""

    csrf_token: str = Field(max_length=200)


def made(asking: Asking, looking: Reader, errors: dict[str, str]) -> BudgetForm:
    return BudgetForm(
        name=asking.name,
        scopes=_choices(SCOPES, asking.scope),
        subject=asking.subject,
        tenant=asking.tenant,
        scenario=asking.scenario,
        measures=_choices(words.MEASURES, asking.measure),
        currency=asking.currency,
        limit=asking.limit,
        windows=_choices(WINDOWS, asking.window),
        zone=asking.zone or str(looking.zone),
        begins=asking.begins,
        actions=_choices(ACTIONS, asking.action),
        ways_back=_choices(WAYS_BACK, asking.way_back),
        owners=asking.owners,
        reason=asking.reason,
        preview=_preview(asking, looking),
        errors=errors,
    )


def _choices(words_of: dict[str, str], chosen: str) -> tuple[Choice, ...]:
    return tuple(Choice(value, _(label), "", value == chosen) for value, label in words_of.items())


def _preview(asking: Asking, looking: Reader) -> str:
    """What it would be, in a sentence; where it makes no sense yet, why."""
    if not asking.limit:
        return _("Say how much, for whom and how long: what it will do is said here first.")
    try:
        identity, asked = identity_of(asking, looking), asked_of(asking)
        check(identity, asked)
        return words.preview(identity, asked, starts_at=begins_at(asking, identity))
    except TrivetError as refused:
        return refused.detail


def identity_of(asking: Asking, looking: Reader) -> Identity:
    single = asking.scope in ("request", "interaction")
    return Identity(
        name=asking.name.strip(),
        scope=asking.scope,
        measure=asking.measure,
        window=asking.scope if single else asking.window,
        zone=asking.zone.strip() or str(looking.zone),
        subject=asking.subject.strip(),
        tenant=asking.tenant.strip(),
        scenario=asking.scenario.strip(),
        currency=asking.currency.strip().upper() if asking.measure == "money" else "",
    )


def asked_of(asking: Asking) -> Asked:
    try:
        limit = plain_amount(asking.limit.strip())
    except ValueError as wrong:
        raise Invalid(str(wrong), field="limit") from wrong
    levels = asking.action.isdigit()
    return Asked(
        limit=limit,
        hard=bool(asking.action),
        action=("degrade" if levels else asking.action) or None,
        level=int(asking.action) if levels else None,
        way_back=asking.way_back,
        owners=tuple(asking.owners.replace(",", " ").split()),
        reason=asking.reason.strip(),
    )


def begins_at(asking: Asking, identity: Identity) -> datetime | None:
    """Midnight of the day that was named, by the budget's own clock; None: now."""
    if not asking.begins:
        return None
    try:
        day = date.fromisoformat(asking.begins)
    except ValueError as wrong:
        raise Invalid("Write the day such as 2026-12-01.", field="effective_from") from wrong
    zone: ZoneInfo = zone_of(identity.zone)
    return datetime.combine(day, time(), zone)
