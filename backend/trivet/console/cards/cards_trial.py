"""The trial of a card's revision, as its page tells it."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from trivet.card.models import CardTrial
from trivet.console.cards import cards_read
from trivet.console.cards import cards_words as words
from trivet.console.cards.cards_views import MeasureRow, TrialPart
from trivet.console.tongue import N_, _
from trivet.console.views import Reader

AMOUNTS = (N_("cost per request"), N_("quality"))
TRIED = (
    N_("errors"), N_("timeouts"), N_("refusals"), N_("slower than the P95 target"), N_("cost per request"),
    N_("quality"),
)  # fmt: skip


def part(session: Session, row: CardTrial, looking: Reader) -> TrialPart:
    """How far it is, what each step said, and how the two arms measure."""
    served = cards_read.tried_requests(session, row, looking.now) if row.state == "running" else None
    numbers: list[dict[str, Any]] = row.steps[-1]["numbers"] if row.steps else []
    return TrialPart(
        number=row.number,
        against=row.against,
        running=row.state == "running",
        shares=(*(f"{100 * share:g} %" for share in row.shares), _("all")),
        at=row.step if row.state == "running" else len(row.shares) if row.state == "activated" else -1,
        said=row.said,
        progress=words.progress(served, row.minimum_sample) if served is not None else "",
        steps=tuple((datetime.fromisoformat(step["at"]), step["words"]) for step in reversed(row.steps)),
        measures=tuple(map(_measure, numbers)),
    )


def _measure(said: dict[str, Any]) -> MeasureRow:
    name = str(said["measure"])
    amount = name in AMOUNTS

    def written(value: float | None) -> str:
        return "?" if value is None else f"{value:.4g}" if amount else f"{100 * value:.1f} %"

    state = "expired" if said["worse"] else "effective" if said["holds"] else "missing"
    word = _("worse") if said["worse"] else _("not worse") if said["holds"] else _("cannot be told")
    bounds = _("{low} to {high}", low=written(said["low"]), high=written(said["high"]))
    return MeasureRow(
        _(name) if name in TRIED else name,
        written(said["new"]),
        written(said["old"]),
        bounds,
        state,
        word,
    )
