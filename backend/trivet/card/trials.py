"""Rows of trials: begun, looked at, moved, ended. What backends get of them is `command`'s."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from trivet.card import service
from trivet.card.content import Card
from trivet.card.governing import active, bodies
from trivet.card.models import CardRevision, CardTrial
from trivet.card.trial import Plan, Stretch, Verdict
from trivet.kit import histogram
from trivet.kit.clock import floor
from trivet.kit.errors import Conflict, Invalid
from trivet.kit.interval import Interval
from trivet.rollup import read

SHARES = (0.05, 0.2, 0.5)
STEPS_MAX = 8
STEP_MIN_S, STEP_MAX_S, STEP_S = 10.0, 7 * 86_400.0, 600.0
SAMPLE = 200
SAMPLE_MAX = 1_000_000
STRETCHES_MAX = 720  # of one look; longer steps are read in longer stretches
GRAINS_S = (10, 60, 600, 3600)


@dataclass(frozen=True, slots=True)
class Running:
    """A revision that serves a share of conversations now."""

    number: int
    card: Card
    share: float


def checked(shares: Collection[float], step_s: float, minimum_sample: int) -> tuple[float, ...]:
    """Shares that grow, or `Invalid` with the field."""
    steps = tuple(shares)
    if not 1 <= len(steps) <= STEPS_MAX or any(not 0 < share < 1 for share in steps):
        raise Invalid(
            f"A trial has 1 to {STEPS_MAX} shares between 0 and 1; the whole comes by itself.", field="shares"
        )
    if list(steps) != sorted(set(steps)):
        raise Invalid("Shares grow from step to step.", field="shares")
    if not STEP_MIN_S <= step_s <= STEP_MAX_S:
        raise Invalid(f"A step lasts {STEP_MIN_S:.0f} s to {STEP_MAX_S / 86_400:.0f} days.", field="step_s")
    if not 1 <= minimum_sample <= SAMPLE_MAX:
        raise Invalid(f"A step takes 1 to {SAMPLE_MAX:,} requests.", field="minimum_sample")
    return steps


def begin(
    session: Session, revision: CardRevision, scenario: str, *, shares: Collection[float], step_s: float,
    minimum_sample: int, actor: str, reason: str, now: datetime,
) -> CardTrial:  # fmt: skip
    """A row for an approved revision, at its first share. Only `command.trials` calls this, with the generation locked."""
    steps = checked(shares, step_s, minimum_sample)
    if revision.status != "in_review":
        words = f"Revision {revision.number} is {revision.status}: only one that is in review can be tried."
        raise Conflict(words.replace("_", " "))
    service.must_be_approved(revision)
    governing = active(session, [revision.scenario_id]).get(revision.scenario_id)
    if governing is None:
        raise Conflict(f"{scenario} has no active card to be compared with: activate the revision instead.")
    if (other := running_row(session, revision.scenario_id)) is not None:
        raise Conflict(f"Revision {other.number} is on trial in {scenario} already: end that first.")
    row = CardTrial(
        scenario_id=revision.scenario_id, number=revision.number, against=governing.number, state="running",
        shares=list(steps), step=0, step_s=step_s, minimum_sample=minimum_sample, actor=actor, reason=reason.strip(),
        said=f"Begun at {100 * steps[0]:g} % of conversations.", steps=[], started_at=now, step_since=now,
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


def running_row(session: Session, scenario_id: int, *, lock: bool = False) -> CardTrial | None:
    """The trial that runs in a scenario, if any."""
    query = select(CardTrial).where(CardTrial.scenario_id == scenario_id, CardTrial.state == "running")
    return session.scalar(query.with_for_update().execution_options(populate_existing=True) if lock else query)


def running(session: Session, scenario_ids: Collection[int] | None = None) -> dict[int, Running]:
    """The revision on trial in each scenario that has one. One whose card cannot be read is left out."""
    query = (
        select(CardTrial, CardRevision.id)
        .join(
            CardRevision,
            (CardRevision.scenario_id == CardTrial.scenario_id) & (CardRevision.number == CardTrial.number),
        )
        .where(CardTrial.state == "running")
    )
    if scenario_ids is not None:
        query = query.where(CardTrial.scenario_id.in_(scenario_ids))
    rows = session.execute(query).all()
    cards = bodies(session, [revision_id for _, revision_id in rows])
    return {
        row.scenario_id: Running(row.number, card, row.shares[row.step])
        for row, revision_id in rows
        if (card := cards[revision_id]) is not None
    }


def plan(session: Session, row: CardTrial) -> Plan | None:
    """What `trial.judge` asks; None where a card cannot be read or does not govern any more."""
    governing = active(session, [row.scenario_id]).get(row.scenario_id)
    tried = running(session, [row.scenario_id]).get(row.scenario_id)
    if governing is None or tried is None or governing.number != row.against:
        return None
    return Plan(
        row.number, row.against, tuple(row.shares), row.step, row.step_s, row.step_since, row.minimum_sample, tried.card,
        governing.card,
    )  # fmt: skip


def arms(session: Session, scenario_id: int, of: Plan, now: datetime) -> tuple[list[Stretch], list[Stretch]]:
    """What ran under the revision on trial and under the one that governs, at level 0, since the step began."""
    grain_s = next((g for g in GRAINS_S if (now - of.step_since).total_seconds() / g < STRETCHES_MAX), GRAINS_S[-1])
    # The bucket that the change fell into holds some of both: it counts for the new share's arm only from the next on.
    start, end = floor(of.step_since, grain_s) + timedelta(seconds=grain_s), floor(now, grain_s)
    if end <= start:
        return [], []
    where = {"scenario_id": [scenario_id], "revision": [of.number, of.against], "level": [0]}
    found = read.usage(session, Interval(start, end), ["revision", "bucket", "currency"], where, grain_s)
    target_us = round(of.card.latency.p95_ms * 1000)
    by_arm: dict[int, dict[datetime, Stretch]] = {of.number: {}, of.against: {}}
    for (revision, bucket, currency), usage in found.items():
        stretch = _stretch(usage, target_us, priced=currency == of.card.cost.currency)
        known = by_arm[revision].get(bucket)
        by_arm[revision][bucket] = _add(known, stretch) if known else stretch
    return list(by_arm[of.number].values()), list(by_arm[of.against].values())


def _stretch(usage: read.Usage, target_us: int, *, priced: bool) -> Stretch:
    timed = histogram.total(usage.latency)
    over = (histogram.share_above(usage.latency, target_us) or 0.0) * timed
    count = usage.priced if priced else 0
    return Stretch(
        usage.served, usage.errors, usage.timeouts, usage.refusals, timed, over, count,
        float(usage.cost) if priced else 0.0, usage.scores, usage.score_total,
    )  # fmt: skip


def _add(one: Stretch, other: Stretch) -> Stretch:
    return replace(one, **{name: getattr(one, name) + getattr(other, name) for name in Stretch.__slots__})


def note(row: CardTrial, verdict: Verdict, now: datetime) -> None:
    """Keep what was decided and the numbers behind it. Waiting is only said, not kept."""
    row.said = verdict.words
    if verdict.action == "wait":
        return
    share = row.shares[row.step]
    kept = {
        "at": now.isoformat(),
        "share": share,
        "action": verdict.action,
        "words": verdict.words,
        "numbers": list(verdict.numbers),
    }
    row.steps = [*row.steps, kept]
    if verdict.action == "grow":
        row.step, row.step_since = row.step + 1, now
    elif verdict.action == "back":
        row.state, row.ended_at = "stopped", now


def due(session: Session, limit: int = 200) -> list[int]:
    """Scenarios with a trial."""
    return list(session.scalars(select(CardTrial.scenario_id).where(CardTrial.state == "running").limit(limit)))
