"""The list of cards as a file: the rows of the page, in keys instead of words."""

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from trivet import db
from trivet.console import files
from trivet.console.cards import cards_read
from trivet.console.cards.cards_read import Standing
from trivet.console.door import Looking
from trivet.kit.clock import rfc3339
from trivet.report.files.table import Column

router = APIRouter()
FILE_MAX = 5_000
COLUMNS = (
    Column("scenario"), Column("criticality"), Column("gives_way_first"), Column("revision", "count"), Column("since"),
    Column("guards", "count"), Column("in_shadow", "count"), Column("on_trial", "count"), Column("share", "number"),
    Column("waiting"), Column("scheduled", "count"), Column("scheduled_for"), Column("review_owed"),
)  # fmt: skip


@router.get("/cards.csv")
def file(_: Looking) -> StreamingResponse:
    """Every scenario with its card; numbers of revisions, several with a space between."""
    with db.transaction() as session:
        found, _more = cards_read.standings(session, FILE_MAX)
        rows = [_line(one) for one in found]
    return files.csv_answer("cards", COLUMNS, rows)


def _line(one: Standing) -> tuple[object, ...]:
    card, trial, planned = one.active, one.trial, one.schedule
    guards = card.card.guards if card else []
    return (
        one.scenario.name, one.scenario.criticality,
        card.card.gives_way[0] if card and card.card.gives_way else "",
        card.number if card else None, rfc3339(card.active_from) if card else "",
        len(guards) if card else None, sum(guard.shadow for guard in guards) if card else None,
        trial.number if trial else None, trial.shares[trial.step] if trial else None,
        " ".join(str(row.number) for row in one.waiting),
        planned.number if planned else None, rfc3339(planned.at) if planned else "",
        " ".join(str(row.number) for row in one.owed),
    )  # fmt: skip
