"""What the page of drills says. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

from trivet.console.tongue import N_, _, _n

STATES: Final[Mapping[str, str]] = {
    "running": N_("running"), "restoring": N_("restoring"), "passed": N_("passed"), "failed": N_("failed"),
    "aborted": N_("aborted"),
}  # fmt: skip
MARKS: Final = {"passed": "effective", "running": "pending", "restoring": "pending"}  # a pill's shape; else a cross
KINDS: Final[Mapping[str, str]] = {
    "trigger": N_("trigger (simulated)"), "raise": N_("raise"), "lower": N_("lower"), "roll_back": N_("roll back"),
    "side_effects": N_("side effects"),
}  # fmt: skip


def sentence(drills: Sequence[tuple[str, str]], scenarios: int) -> str:
    """How the drills of the range went. `drills`: state and scenario, newest first."""
    if not scenarios:
        return _("There is no scenario with a ladder yet, so there is nothing to drill.")
    if not drills:
        return _("No ladder was drilled in this time; one counts only once it has been run on purpose.")
    state, scenario = drills[0]
    first = _("The newest drill, of {scenario}, is {state}.", scenario=scenario, state=_(STATES[state]))
    passed = sum(1 for each, _scenario in drills if each == "passed")
    return (
        first + " " + _n("{passed} of {n} shown passed.", "{passed} of {n} shown passed.", len(drills), passed=passed)
    )


def plan(scenario: str, top: int) -> str:
    """What a drill of all levels would do, and to whom."""
    if not top:
        return _("{scenario} has no ladder to drill.", scenario=scenario)
    return _n(
        "The drill backend in sight is commanded to level {n} and back to normal, each step with its proof, for {scenario}. It serves nobody: no other backend and no other scenario changes.",  # one sentence
        "The drill backend in sight is commanded through levels 1 to {n} and back to normal, each step with its proof, for {scenario}. It serves nobody: no other backend and no other scenario changes.",  # one sentence
        top, scenario=scenario,
    )  # fmt: skip


def step(kind: str, level: int) -> str:
    """`raise, level 2`."""
    return _("{kind}, level {n}", kind=_(KINDS[kind]), n=level) if level else _(KINDS[kind])


def step_state(ok: bool | None) -> tuple[str, str]:
    """The shape and the word of a step's pill."""
    if ok is None:
        return "pending", _("under way")
    return ("effective", _("proven")) if ok else ("expired", _("failed"))
