"""Cards out to YAML files and in from them: a file that says what governs changes nothing, another becomes a draft."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.card import diff, service, yaml_form
from trivet.card.content import parse
from trivet.card.governing import active
from trivet.card.models import CardRevision
from trivet.kit.errors import Invalid, NotFound


@dataclass(frozen=True, slots=True)
class BroughtIn:
    """What came of a file: the revision that says what it says, and how it differs from what governs."""

    scenario: str
    changed: bool
    revision: int
    changes: tuple[str, ...]


def decoded(data: bytes) -> str:
    """UTF-8, with or without a byte order mark; `Invalid` for anything else."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as bad:
        raise Invalid("A card in YAML is UTF-8 text.", field="yaml") from bad


def export(session: Session, scenario: str, revision: int | None = None) -> str:
    """YAML of the governing card, or of one revision."""
    if revision is not None:
        return yaml_form.dump(parse(service.revision_named(session, scenario, revision).body), scenario)
    row = service.scenario_named(session, scenario)
    found = active(session, [row.id]).get(row.id)
    if found is None:
        raise NotFound(f"Scenario {scenario!r} has no active card. Register it: POST /api/v1/scenarios.")
    return yaml_form.dump(found.card, scenario)


def compare(session: Session, text: str, scenario: str | None = None) -> tuple[str, list[str]]:
    """(scenario, words) of how the governing card would change."""
    named, body = _read(text, scenario)
    row = service.scenario_named(session, named)
    found = active(session, [row.id]).get(row.id)
    if found is None:
        raise NotFound(f"Scenario {named!r} has no active card. Register it: POST /api/v1/scenarios.")
    return named, [
        change.words for change in diff.changes(found.card.model_dump(mode="json"), parse(body).model_dump(mode="json"))
    ]


def bring_in(session: Session, text: str, *, actor: str, now: datetime, scenario: str | None = None) -> BroughtIn:
    """A draft of what the file says; none where that governs already or the newest draft says it."""
    named, body = _read(text, scenario)
    card = service.check(session, body, now)
    row = service.scenario_named(session, named, lock=True)
    governing = active(session, [row.id]).get(row.id)
    if governing is not None and governing.card == card:
        return BroughtIn(named, False, governing.number, ())
    before = governing.card.model_dump(mode="json") if governing else {}
    words = tuple(change.words for change in diff.changes(before, card.model_dump(mode="json")))
    newest = session.scalar(
        select(CardRevision).where(CardRevision.scenario_id == row.id).order_by(CardRevision.number.desc()).limit(1)
    )
    if newest is not None and newest.status in ("draft", "in_review") and parse(newest.body) == card:
        return BroughtIn(named, False, newest.number, words)
    made = service.draft(session, scenario=named, body=body, actor=actor, now=now)
    return BroughtIn(named, True, made.number, words)


def values(session: Session, scenario: str, number: int) -> dict[str, Any]:
    """A revision as JSON values of today's form, so that two of different releases differ in what they say alone."""
    body: dict[str, Any] = service.revision_named(session, scenario, number).body
    try:
        return parse(body).model_dump(mode="json")
    except Invalid:  # it cannot be read any more: as it was kept
        return body


def _read(text: str, scenario: str | None) -> tuple[str, object]:
    named, body = yaml_form.load(text)
    if scenario is not None and scenario != named:
        raise Invalid(f"The file is of {named!r}, and was sent to {scenario!r}.", field="scenario")
    return named, body
