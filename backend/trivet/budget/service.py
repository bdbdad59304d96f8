"""Budgets: the limits that a call falls under."""

from datetime import datetime

from sqlalchemy.orm import Session

from trivet.budget import kept, opening
from trivet.budget.book import Standing, book
from trivet.budget.centres import centres_of
from trivet.budget.limits import Limit, Subject, WindowKey, falls_under, window_key


def limits_of(session: Session, subject: Subject, at: datetime) -> list[Limit]:
    """All limits that a call falls under at an instant, in the order in which their windows must be locked.

    Windows that are not there yet are made, with what was spent in them before. Limits that judge each request on its
    own come first and have no window.
    """
    standings = list(book(session).at(at))
    centres = centres_of(session, subject.tenant_id, at) if any(s.scope == "cost_centre" for s in standings) else ()
    found = [
        (standing, window_key(standing, subject_id, subject.interaction, at))
        for standing, subject_id in falls_under(standings, subject, centres)
    ]
    ids = windows_of(session, {key: standing for standing, key in found if key is not None})
    limits = [_limit(standing, None if key is None else ids[key]) for standing, key in found]
    return sorted(limits, key=lambda each: (each.window_id or 0, each.budget_id))


def windows_of(session: Session, wanted: dict[WindowKey, Standing]) -> dict[WindowKey, int]:
    """Ids of windows, made where they are not there."""
    found = kept.ids_of(session, wanted)
    missing = {key: standing for key, standing in wanted.items() if key not in found}
    if missing:
        opening.open_windows(session, missing)
        found |= kept.ids_of(session, missing)
    return found


def _limit(standing: Standing, window_id: int | None) -> Limit:
    terms = standing.terms
    return Limit(
        window_id, standing.id, standing.name, standing.scope, standing.measure, standing.currency, terms.limit,
        terms.hard, terms.unknown_price, terms.unreachable,
    )  # fmt: skip
