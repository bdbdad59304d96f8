"""What the template of a command that is about to be given gets."""

from dataclasses import dataclass

from trivet.console.views import Choice, Reader


@dataclass(frozen=True, slots=True)
class CommandPanel:
    """templates/overview/command.html: a command before it is given."""

    reader: Reader
    kind: str
    verb: str
    title: str
    preview: str
    notes: tuple[str, ...]
    tenant: str
    tenants: tuple[str, ...]  # whom the field offers
    everyone: str  # the field of one tenant: "required", "optional" (empty is everyone), or "" where there is none
    levels: tuple[Choice, ...]
    limits: tuple[Choice, ...]
    reason: str
    errors: dict[str, str]
    action: str
