"""Where a revision stands on its way: draft, in review, approved, active, retired. Pure."""

from datetime import datetime

from trivet.card.models import CardRevision
from trivet.console import format as say
from trivet.console.cards.cards_read import Standing
from trivet.console.cards.cards_views import Stage
from trivet.console.tongue import N_, _
from trivet.console.views import Reader


def of(one: Standing, rows: list[CardRevision], looking: Reader) -> tuple[str, tuple[Stage, ...]]:
    """The way of the newest revision that is under way, else of the one that governs: what is behind it, what is next."""
    open_ = [row for row in rows if row.status in ("draft", "in_review")]
    governs = [row for row in rows if one.active and row.number == one.active.number]
    row = next(iter([*open_, *governs]), None)
    if row is None:
        return "", ()

    def at(when: datetime | None) -> str:
        return say.day_clock(when, looking.now, looking.zone) if when else ""

    def stage(text: str, note: str, *, done: bool) -> Stage:
        return Stage(_(text), "effective" if done else "missing", note)

    active = row.status == "active"
    waits = one.schedule.at if one.schedule and one.schedule.number == row.number else None
    stages = [
        stage(N_("draft"), _("{at}, {who}", at=at(row.created_at), who=row.author), done=True),
        stage(N_("in review"), at(row.submitted_at), done=row.submitted_at is not None),
    ]
    if not (active and from_preset(row)) and row.glass_broken_at is None:
        stages.append(
            stage(N_("approved for product"), row.approved_product_by or "", done=bool(row.approved_product_by))
        )
        stages.append(stage(N_("approved for operations"), row.approved_operations_by or "", done=bool(row.approved_operations_by)))  # fmt: skip
    if one.trial and one.trial.number == row.number:
        stages.append(Stage(_("on trial"), "observed", f"{100 * one.trial.shares[one.trial.step]:g} %"))
    since = one.active.active_from if one.active and active else waits
    stages.append(
        stage(N_("active"), at(since), done=active) if not waits else Stage(_("active"), "pending", at(since))
    )
    stages.append(stage(N_("retired"), "", done=False))
    return _("revision {number}", number=row.number), tuple(stages)


def from_preset(row: CardRevision) -> bool:
    """What a registered scenario began with was approved by nobody, and needs not be."""
    return (
        row.number == 1
        and row.approved_product_by is None
        and row.glass_broken_at is None
        and row.status != "in_review"
    )
