"""One card: in plain sentences, its revisions and what changed between two of them."""

from sqlalchemy.orm import Session

from trivet.card import diff, exchange
from trivet.card import service as revisions
from trivet.card.content import Card, parse
from trivet.card.models import CardRevision, CardSchedule, CardTrial
from trivet.card.sentences import paragraphs
from trivet.console import format as say
from trivet.console.cards import cards_acts, cards_life, cards_read, cards_trial, cards_used
from trivet.console.cards import cards_words as words
from trivet.console.cards.cards_read import Standing
from trivet.console.cards.cards_strip import draw
from trivet.console.cards.cards_views import CardPage, RevisionRow, ScheduleRow, Strip, Typed
from trivet.console.tongue import N_, _
from trivet.console.views import Choice, Reader
from trivet.kit.errors import Invalid

STATUS_WORDS = {"draft": N_("draft"), "in_review": N_("in review"), "active": N_("active"), "retired": N_("retired")}
SCHEDULE_PILLS = {"waiting": "pending", "activated": "effective", "cancelled": "superseded", "failed": "expired"}
SCHEDULE_WORDS = {
    "waiting": N_("waits"),
    "activated": N_("activated"),
    "cancelled": N_("called off"),
    "failed": N_("failed"),
}
SENTENCES_SHOWN = 20
PILLS = {"draft": "missing", "in_review": "observed", "active": "effective", "retired": "superseded"}


def page(session: Session, looking: Reader, name: str, before: int, to: int, typed: Typed) -> CardPage:  # noqa: PLR0917  # what the address and the form said
    """The card in sentences, what changed between two revisions, and each revision with what may be done with it."""
    scenario = revisions.scenario_named(session, name)
    one = cards_read.standing(session, scenario)
    rows, older = cards_read.revisions(session, scenario.id)
    tried = cards_read.trials(session, scenario.id)
    numbers = [row.number for row in rows]
    if not before and one.active and numbers:
        to = to or max(numbers)
        before = one.active.number if to != one.active.number else one.active.previous_number or to
    changes = _changes(session, name, before, to)
    gone, come = _sentences(session, name, before, to)
    life_of, life = cards_life.of(one, rows, looking)
    governed = list(dict.fromkeys(row.number for row in cards_read.activations(session, scenario.id)))
    return CardPage(
        reader=looking,
        name=name,
        url=words.address(name),
        sentence=_sentence(session, one, looking),
        strip=_strip(session, scenario.id, tried, looking),
        parts=tuple(paragraphs(one.active.card, _)) if one.active else (),
        trial=cards_trial.part(session, tried[0], looking) if tried else None,
        acts=cards_acts.of_card(one, looking),
        revisions=tuple(_revision(row, one, tried, looking) for row in rows),
        older=older,
        before=_choices(numbers, before),
        after=_choices(numbers, to),
        changes=tuple(changes),
        differ=words.differ(before, to, len(changes)),
        gone=gone,
        come=come,
        targets=_targets(one, governed) if looking.may_command else (),
        back=_back(session, one),
        life=life,
        life_of=life_of,
        schedules=tuple(_schedule(row) for row in cards_read.schedules(session, scenario.id)),
        used=cards_used.of_day(session, scenario.id, one.active.card, looking.now) if one.active else None,
        live_url=f"{words.address(name)}?from={before}&to={to}",
        typed=typed,
    )


def _sentence(session: Session, one: Standing, looking: Reader) -> str:
    card = one.active
    if card is None:
        return words.without_card(one.scenario.name)
    said = words.One(
        name=one.scenario.name,
        number=card.number,
        since=card.active_from,
        gives_way=card.card.gives_way[0] if card.card.gives_way else "",
        reason=cards_read.reason(session, card),
        trial=(one.trial.number, one.trial.shares[one.trial.step]) if one.trial else None,
        scheduled=(one.schedule.number, one.schedule.at) if one.schedule else None,
        owed=bool(one.owed),
        shadow=sum(guard.shadow for guard in card.card.guards),
    )
    return words.of_one(said, looking.now, looking.zone)


def _strip(session: Session, scenario_id: int, tried: list[CardTrial], looking: Reader) -> Strip | None:
    governed = [(row.number, row.active_from) for row in cards_read.activations(session, scenario_id)]
    first = governed[0][1] if governed else looking.now
    return draw(
        governed, [(t.number, t.started_at, t.ended_at) for t in tried if (t.ended_at or looking.now) > first],
        looking.now, looking.zone,
    )  # fmt: skip


def _changes(session: Session, name: str, before: int, to: int) -> list[str]:
    if not before or not to or before == to:
        return []
    one, other = (exchange.values(session, name, number) for number in (before, to))
    return [change.words for change in diff.changes(one, other)]


def _sentences(session: Session, name: str, before: int, to: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The sentences that the first of two revisions says alone, and those of the second."""
    if not before or not to or before == to:
        return (), ()
    try:
        one, other = (_told(parse(exchange.values(session, name, number))) for number in (before, to))
    except Invalid:  # a kept card that cannot be read any more has no sentences
        return (), ()
    gone, come = [s for s in one if s not in other], [s for s in other if s not in one]
    return tuple(gone[:SENTENCES_SHOWN]), tuple(come[:SENTENCES_SHOWN])


def _told(card: Card) -> list[str]:
    return [sentence for part in paragraphs(card, _) for sentence in part.sentences]


def _back(session: Session, one: Standing) -> str:
    """What a rollback to the previous revision would do."""
    card = one.active
    if card is None or card.previous_number is None:
        return ""
    changes = _changes(session, one.scenario.name, card.number, card.previous_number)
    return words.back_to(card.number, card.previous_number, len(changes))


def _schedule(row: CardSchedule) -> ScheduleRow:
    return ScheduleRow(
        row.number,
        row.at,
        SCHEDULE_PILLS[row.state],
        _(SCHEDULE_WORDS[row.state]),
        row.actor,
        row.reason,
        row.outcome or "",
    )


def _choices(numbers: list[int], chosen: int) -> tuple[Choice, ...]:
    offered = numbers if chosen in numbers or not chosen else [*numbers, chosen]
    return tuple(Choice(str(number), _("revision {number}", number=number), "", number == chosen) for number in offered)


def _targets(one: Standing, governed: list[int]) -> tuple[Choice, ...]:
    """Revisions to roll back to, the previous one first."""
    if one.active is None:
        return ()
    previous = one.active.previous_number
    rest = [n for n in reversed(governed) if n not in (one.active.number, previous)]
    first = (
        [Choice(str(previous), _("revision {number}, the previous one", number=previous), "", True)] if previous else []
    )
    return (*first, *(Choice(str(n), _("revision {number}", number=n), "", False) for n in rest))


def _revision(row: CardRevision, one: Standing, tried: list[CardTrial], looking: Reader) -> RevisionRow:
    return RevisionRow(
        number=row.number,
        state=PILLS[row.status],
        said=_(STATUS_WORDS[row.status]),
        author=row.author,
        created_at=row.created_at,
        approvals=words.approvals(row.approved_product_by, row.approved_operations_by, solo=row.solo)
        if row.status != "draft" and not cards_life.from_preset(row) else "",
        note=_note(row, tried, looking),
        acts=cards_acts.offered(row, one, looking),
    )  # fmt: skip


def _note(row: CardRevision, tried: list[CardTrial], looking: Reader) -> str:
    parts = [row.retired_reason or ""]
    newest = next((trial for trial in tried if trial.number == row.number), None)
    if row.status == "in_review" and newest is not None and newest.state == "stopped":
        parts.append(_("tried: {said}", said=newest.said.rstrip(".")))
    if row.glass_broken_at is not None:
        at = say.day_clock(row.glass_broken_at, looking.now, looking.zone)
        parts.append(
            _("break-glass by {who} at {at}: {reason}", who=row.glass_broken_by, at=at, reason=row.glass_reason)
        )
        reviewed = _("reviewed by {who}: {words}", who=row.reviewed_by, words=row.review_words)
        parts.append(reviewed if row.reviewed_at else _("a review is owed"))
    return "; ".join(filter(None, parts))
