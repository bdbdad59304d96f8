"""What the page of readiness says. Pure."""

from collections.abc import Sequence

from trivet.console.tongue import _, _n
from trivet.evidence.readiness import Line


def sentence(scenarios: Sequence[tuple[str, Sequence[Line]]]) -> str:
    """How many are ready, and what is missing most."""
    if not scenarios:
        return _("No scenario is registered yet, so there is nothing to be ready.")
    said = {"ready": sum(all(line.holds for line in told) for _name, told in scenarios)}
    missing: dict[str, int] = {}
    for _name, told in scenarios:
        for line in told:
            if not line.holds:
                missing[line.label] = missing.get(line.label, 0) + 1
    if not missing:
        return _n(
            "{ready} of {n} scenario is ready: every line of the checklist is verified from data.",
            "{ready} of {n} scenarios are ready: every line of the checklist is verified from data.", len(scenarios), **said,
        )  # fmt: skip
    label, count = max(missing.items(), key=lambda item: item[1])
    said |= {"count": count}
    if said["ready"] == 1:  # of several, or nothing would be missing
        return _(
            "{ready} of {n} scenarios is ready; “{line}” is missing most, for {count}.",
            n=len(scenarios), line=_(label).lower(), **said,
        )  # fmt: skip
    return _n(
        "{ready} of {n} scenario is ready; “{line}” is missing most, for {count}.",
        "{ready} of {n} scenarios are ready; “{line}” is missing most, for {count}.",
        len(scenarios), line=_(label).lower(), **said,
    )  # fmt: skip
