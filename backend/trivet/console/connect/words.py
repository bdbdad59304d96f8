"""What the page of a connection says first. Pure."""

from trivet.console.connect.arrived import Arrived
from trivet.console.connect.checks import ARRIVED, MISSING, WRONG, Check, verdict
from trivet.console.tongue import _, _n


def choose() -> str:
    """Before anything is asked for."""
    return _("Pick what runs, and its exact configuration is written here; then its first call shows what arrives.")


def written(name: str, backend: str, *, key: bool) -> str:
    """The configuration is there."""
    if key:
        return _("{name} as {backend}: the key below is shown this once. Run this, then watch what arrives.", name=name, backend=backend)  # fmt: skip
    return _("{name} as {backend}: the configuration below lacks only its key.", name=name, backend=backend)


def watched(backend: str, found: Arrived, every: tuple[Check, ...]) -> str:
    """What has come, and what that is worth."""
    if not found.anything:
        return _("Nothing has come from {backend} yet. Send a test call, or its own first one.", backend=backend)
    if found.calls and not found.itself:
        return _("The test call arrived and is stored; {backend} itself has not sent one yet.", backend=backend)
    if verdict(every) == ARRIVED:
        return _("{backend} is connected: all that is needed arrives.", backend=backend)
    return _("{backend} is heard: {parts}.", backend=backend, parts=_parts(every))


def _parts(every: tuple[Check, ...]) -> str:
    missing = sum(each.state == MISSING and each.needed for each in every)
    wrong = sum(each.state == WRONG for each in every)
    parts = [_n("{n} thing it needs is missing", "{n} things it needs are missing", missing)] if missing else []
    parts += [_n("{n} is wrong", "{n} are wrong", wrong)] if wrong else []
    return _("{first} and {second}", first=parts[0], second=parts[1]) if len(parts) == 2 else parts[0]
