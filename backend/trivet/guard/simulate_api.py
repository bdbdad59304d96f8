"""A card that nobody keeps yet, over the last seven days."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field

from trivet import db
from trivet.card import service as cards
from trivet.guard import simulated
from trivet.guard.simulate import GuardRun, Simulated, Span
from trivet.guard.simulated import Beside
from trivet.identity.auth import Principal, platform
from trivet.kit import body as bodies
from trivet.kit.answer import Answer, answers
from trivet.kit.clock import rfc3339, utc_now, when

router = APIRouter(tags=["card"])
Read = Annotated[Principal, Depends(platform("read"))]
NOT_KNOWN = (
    "What the degradation itself would have done to the traffic is not simulated: each bucket counts as it was. Stalls, running "
    "calls and the room of engines are not either; evidence is weighed by window, not by second."
)


class CardOverThePast(bodies.Body):
    """`from` and `to` within the last days; left out, the last seven days."""

    card: dict[str, Any]
    since: bodies.Instant | None = Field(None, alias="from")
    until: bodies.Instant | None = Field(None, alias="to")


class Stretch(Answer):
    """`end` null: it had not ended."""

    start: str
    end: str | None


class OfGuard(Answer):
    """`left_out` says why a guard could not be run, null where it was; `window_s` is what it was run with."""

    guard: str
    metric: str
    shadow: bool
    raises_to: int
    window_s: int
    times: int
    broken_s: float
    stretches: list[Stretch]
    left_out: str | None


class OfLadder(Answer):
    """A move that the ladder would have made; `share` of conversations back at the level below."""

    at: str
    level: int
    share: float
    reason: str
    guard: str | None


class HeldLevel(Answer):
    """The level that the ladder really held from then on."""

    at: str
    level: int


class Simulation(Answer):
    """What a card would have done. `until` is before `end` where the run was cut short; seconds by level in `level_s`."""

    scenario: str
    start: str
    end: str
    until: str
    bucket_s: int
    requests: int
    degraded: int
    degraded_s: float
    level_s: dict[str, float]
    guards: list[OfGuard]
    moves: list[OfLadder]
    really: list[HeldLevel]
    words: str
    not_known: str


@router.post("/cards/{scenario}/simulate", responses=answers(Simulation))
def simulate(scenario: str, body: CardOverThePast, _: Read) -> dict[str, Any]:
    """Runs a card's guards and ladder over stored buckets; nothing is kept. A card that could not be drafted is refused."""
    now = utc_now()
    with db.transaction() as session:
        row = cards.scenario_named(session, scenario)
        card = cards.check(session, body.card, now)
        found = simulated.over_past(session, row.id, card, now, since=body.since, until=body.until)
    return _body(scenario, found)


def words(run: Simulated) -> str:
    """`would have degraded 3 times, 41 minutes`."""
    if not run.degraded:
        return "would not have degraded"
    times = "once" if run.degraded == 1 else f"{run.degraded} times"
    minutes = max(1, round(run.degraded_s / 60))
    return f"would have degraded {times}, {minutes} minute{'' if minutes == 1 else 's'}"


def _body(scenario: str, found: Beside) -> dict[str, Any]:
    run = found.run
    return {
        "scenario": scenario,
        "start": rfc3339(run.start),
        "end": rfc3339(run.end),
        "until": rfc3339(run.until),
        "bucket_s": run.grain_s,
        "requests": run.requests,
        "degraded": run.degraded,
        "degraded_s": run.degraded_s,
        "level_s": {str(level): seconds for level, seconds in run.level_s.items()},
        "guards": [_guard(each) for each in run.guards],
        "moves": [
            {"at": rfc3339(m.at), "level": m.level, "share": m.share, "reason": m.reason, "guard": m.guard}
            for m in run.moves
        ],
        "really": [{"at": rfc3339(each.at), "level": each.level} for each in found.held],
        "words": words(run),
        "not_known": NOT_KNOWN,
    }


def _guard(run: GuardRun) -> dict[str, Any]:
    return {
        "guard": run.name,
        "metric": run.metric,
        "shadow": run.shadow,
        "raises_to": run.raises_to,
        "window_s": run.window_s,
        "times": run.times,
        "broken_s": run.broken_s,
        "stretches": [_stretch(span) for span in run.spans],
        "left_out": run.left_out or None,
    }


def _stretch(span: Span) -> dict[str, Any]:
    return {"start": rfc3339(span.start), "end": when(span.end)}
