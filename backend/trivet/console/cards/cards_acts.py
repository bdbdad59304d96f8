"""What may be done with a revision from its page, each with a reason and through the same door as the API."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from trivet.card import glass, observed, schedules, solo
from trivet.card import service as revisions
from trivet.card.models import CardRevision
from trivet.command import card_changes, service, trials
from trivet.console.cards.cards_read import Standing
from trivet.console.cards.cards_views import Act
from trivet.console.tongue import N_
from trivet.console.views import Reader
from trivet.identity.auth import person
from trivet.kit.body import is_storable
from trivet.kit.errors import Invalid

SUBMIT = Act("submit", N_("Submit"), N_("From then on it does not change; two people approve it."))
CANCEL = Act("cancel", N_("Call it off"), N_("The activation that waits is put aside."), ("reason",))
ACTIVATE = Act("activate", N_("Activate"), N_("It governs at once, for everyone."), ("reason",), meant=True)
TRY = Act(
    "try",
    N_("Try with 5 %"),
    N_("5, 20 and 50 % of conversations, compared; it grows or goes back by itself."),
    ("reason",),
)
SCHEDULE = Act(
    "schedule", N_("Schedule"), N_("It governs from an instant on, if both have approved by then."), ("at", "reason")
)
END = Act("end", N_("End the trial"), N_("Nobody is served by it any more."), ("reason",))
GLASS = Act(
    "glass",
    N_("Break glass"),
    N_("It governs at once without approvals; another person reviews it afterwards."),
    ("reason",),
)
PROPOSE = Act(
    "propose",
    N_("Propose thresholds from the data"),
    N_(
        "A draft of this card with thresholds from the last 7 days at level 0, every guard in shadow: it says what it would do."
    ),
)
LEAVE_SHADOW = Act("out_of_shadow", N_("Take the guards out of shadow"), N_("A draft of this card whose guards act."))
PROPOSAL_DAYS = 7
REVIEW = Act("review", N_("Review"), N_("Your word as the second person closes what is owed."), ("reason",))


class Given(BaseModel):
    """What a form says."""

    act: str = Field(max_length=20)
    revision: int = Field(ge=0, lt=2**31)
    reason: str = Field("", max_length=500)
    at: str = Field("", max_length=40)
    although: bool = False
    csrf_token: str = Field(max_length=200)


class Switch(BaseModel):
    """What the form of solo mode says."""

    on: bool
    reason: str = Field("", max_length=500)
    csrf_token: str = Field(max_length=200)


@dataclass(frozen=True, slots=True)
class Doing:
    """One act: who, on what, why."""

    session: Session
    looking: Reader
    name: str
    given: Given

    @property
    def common(self) -> dict[str, object]:
        """What most service functions take."""
        return {
            "scenario": self.name,
            "number": self.given.revision,
            "actor": self.looking.email,
            "now": self.looking.now,
        }


def offered(row: CardRevision, one: Standing, looking: Reader) -> tuple[Act, ...]:
    """What this reader may do with this revision now, in the order it is done."""
    if not looking.may_command:
        return ()
    if row.glass_broken_at is not None and row.reviewed_at is None and row.glass_broken_by != looking.email:
        return (REVIEW,)
    if row.status == "draft":
        return SUBMIT, GLASS
    if row.status != "in_review":
        return ()
    if one.trial and one.trial.number == row.number:
        return (END,)
    acts = [_approve(side) for side in _may_approve(row, looking)]
    approved = row.approved_product_by is not None and row.approved_operations_by is not None
    acts += [ACTIVATE] if approved else []
    acts += [TRY] if approved and one.trial is None and one.active else []
    acts += (
        [CANCEL] if one.schedule and one.schedule.number == row.number else [SCHEDULE] if one.schedule is None else []
    )
    return (*acts, *(() if approved else (GLASS,)))


def of_card(one: Standing, looking: Reader) -> tuple[Act, ...]:
    """What this reader may do with the card as a whole: drafts that its data or its shadow lead to."""
    if not looking.may_command:
        return ()
    in_shadow = one.active is not None and any(guard.shadow for guard in one.active.card.guards)
    return (PROPOSE, LEAVE_SHADOW) if in_shadow else (PROPOSE,)


def _approve(side: str) -> Act:
    verb = N_("Approve for product") if side == "product" else N_("Approve for operations")
    return Act(
        f"approve_{side}", verb, N_("Your consent, in your own name; the other side's comes from another person.")
    )


def _may_approve(row: CardRevision, looking: Reader) -> list[str]:
    who = person(looking.email, looking.role, looking.tenant_id)
    return [side for side in revisions.SIDES if getattr(row, f"approved_{side}_by") is None and who.may(side)]


def do(session: Session, looking: Reader, name: str, given: Given) -> int:
    """One act, in the caller's transaction; what refuses raises. The revision that it was done with, or made."""
    chosen = ACTS.get(given.act)
    if chosen is None or not is_storable(given.reason):
        raise Invalid("This page has no such button. Reload it and try again.", field="act")
    return chosen(Doing(session, looking, name, given)) or given.revision


def switch_solo(session: Session, looking: Reader, given: Switch) -> None:
    """Whether one person may give both approvals."""
    if not is_storable(given.reason):
        raise Invalid("A text cannot hold a NUL character.", field="reason")
    solo.switch(session, on=given.on, actor=looking.email, reason=given.reason, now=looking.now)


def _submit(doing: Doing) -> None:
    revisions.submit(doing.session, **doing.common)  # type: ignore[arg-type]  # the four that it takes


def _approve_for(side: str) -> Callable[[Doing], None]:
    def do(doing: Doing) -> None:
        who = person(doing.looking.email, doing.looking.role, doing.looking.tenant_id)
        revisions.approve(doing.session, scenario=doing.name, number=doing.given.revision, side=side, principal=who)

    return do


def _activate(doing: Doing) -> None:
    scenario = revisions.scenario_named(doing.session, doing.name)
    service.issue(
        doing.session, kind="activate", scenario_id=scenario.id, revision=doing.given.revision, reason=doing.given.reason,
        actor=doing.looking.email, now=doing.looking.now,
    )  # fmt: skip


def _try(doing: Doing) -> None:
    trials.start(doing.session, reason=doing.given.reason, **doing.common)  # type: ignore[arg-type]  # as above


def _end(doing: Doing) -> None:
    trials.stop(doing.session, reason=doing.given.reason, **doing.common)  # type: ignore[arg-type]  # as above


def _break(doing: Doing) -> None:
    card_changes.break_glass(doing.session, reason=doing.given.reason, **doing.common)  # type: ignore[arg-type]  # as above


def _schedule(doing: Doing) -> None:
    at = _instant(doing.given.at, doing.looking)
    schedules.plan(doing.session, at=at, reason=doing.given.reason, **doing.common)  # type: ignore[arg-type]  # as above


def _cancel(doing: Doing) -> None:
    schedules.cancel(doing.session, reason=doing.given.reason, **doing.common)  # type: ignore[arg-type]  # as above


def _review(doing: Doing) -> None:
    who = person(doing.looking.email, doing.looking.role, doing.looking.tenant_id)
    glass.review(
        doing.session, scenario=doing.name, number=doing.given.revision, words=doing.given.reason, principal=who,
        now=doing.looking.now,
    )  # fmt: skip


def _propose(doing: Doing) -> int:
    return observed.draft_proposed(
        doing.session, scenario=doing.name, days=PROPOSAL_DAYS, actor=doing.looking.email, now=doing.looking.now
    ).number


def _leave_shadow(doing: Doing) -> int:
    return observed.draft_out_of_shadow(
        doing.session, scenario=doing.name, actor=doing.looking.email, now=doing.looking.now
    ).number


def _roll_back(doing: Doing) -> None:
    card_changes.rollback(
        doing.session, scenario=doing.name, to=doing.given.revision or None, although_rolled_back=doing.given.although,
        reason=doing.given.reason, actor=doing.looking.email, now=doing.looking.now,
    )  # fmt: skip


def _instant(text: str, looking: Reader) -> datetime:
    """By the reader's clock."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as bad:
        raise Invalid("Name the day and the time.", field="at") from bad
    return (at if at.tzinfo else at.replace(tzinfo=looking.zone)).astimezone(UTC)


ACTS: dict[str, Callable[[Doing], int | None]] = {
    "submit": _submit,
    "approve_product": _approve_for("product"),
    "approve_operations": _approve_for("operations"),
    "activate": _activate,
    "try": _try,
    "end": _end,
    "glass": _break,
    "schedule": _schedule,
    "cancel": _cancel,
    "review": _review,
    "rollback": _roll_back,
    "propose": _propose,
    "out_of_shadow": _leave_shadow,
}
