"""What the address of the search says. What cannot be understood is not asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Annotated, Final

from pydantic import Field
from sqlalchemy.orm import Session

from trivet.console.address import Address, Link, Name, Times, settle
from trivet.console.tongue import N_, _
from trivet.console.views import Reader
from trivet.ingest.models import OUTCOMES
from trivet.kit.errors import Invalid
from trivet.report import names
from trivet.report.search import Sought, trace_id

RANGES: Final = ("15m", "1h", "6h", "24h", "7d")
DEFAULT, ANY_TIME = "1h", "90d"
DIMENSIONS: Final = ("tenant", "scenario", "model", "backend")
NUMBERS: Final = ("level", "revision")
NUMBER_MAX: Final = {"level": 2**15 - 1, "revision": 2**31 - 1}
OUTCOME_WORDS: Final = (N_("ok"), N_("error"), N_("timeout"), N_("refused"), N_("rejected"))
WORDS: Final[Mapping[str, str]] = {
    "tenant": N_("Tenant"), "scenario": N_("Scenario"), "model": N_("Model"), "backend": N_("Backend"),
    "outcome": N_("Outcome"), "level": N_("Level"), "revision": N_("Revision"), "slower": N_("At least, ms"),
    "dearer": N_("Cost at least"), "trace": N_("Trace id"), "response": N_("Request id"), "session": N_("Conversation"),
}  # fmt: skip
PREFIX: Final = "*"  # at the end of a conversation's id: whatever begins so


class Query(Times):
    """Filters as people type them. `session` may end in an asterisk."""

    tenant: Name = ""
    scenario: Name = ""
    model: Name = ""
    backend: Name = ""
    outcome: Annotated[str, Field(max_length=20)] = ""
    level: Annotated[str, Field(max_length=10)] = ""
    revision: Annotated[str, Field(max_length=12)] = ""
    slower: Annotated[str, Field(max_length=20)] = ""
    dearer: Annotated[str, Field(max_length=40)] = ""
    trace: Annotated[str, Field(max_length=64)] = ""
    response: Name = ""
    session: Name = ""
    cursor: Annotated[str, Field(max_length=400)] = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """The question: its address, what it seeks, its filters as the reader may take them away."""

    address: Address
    query: Query
    sought: Sought
    filters: tuple[Link, ...]


def asked(query: Query, looking: Reader) -> Asked:
    """A query settled at an instant. Ids are looked for in all the time that requests are kept."""
    sought = _sought(query)
    address = settle("/requests", query, looking.now, looking.zone, ANY_TIME if sought.by_id else DEFAULT)
    filters = tuple(
        Link(_("{name}: {value}", name=_(WORDS[name]), value=value), address.url(**{name: "", "cursor": ""}))
        for name in WORDS
        if (value := getattr(query, name))
    )
    return Asked(address, query, sought, filters)


def _sought(query: Query) -> Sought:
    conversation, prefix = query.session, ""
    if conversation.endswith(PREFIX):
        conversation, prefix = "", conversation.removesuffix(PREFIX)
    return Sought(
        outcomes=(query.outcome,) if query.outcome in OUTCOMES else (),
        latency_ms=_number(query.slower),
        cost=_amount(query.dearer),
        trace=_trace(query.trace),
        response=query.response,
        conversation=conversation,
        conversation_prefix=prefix,
    )


def _number(text: str) -> float | None:
    found = _amount(text)
    return None if found is None else min(float(found), 1e9)


def _amount(text: str) -> Decimal | None:
    try:
        found = Decimal(text)
    except InvalidOperation:
        return None
    return found if found.is_finite() and found >= 0 else None


def _trace(text: str) -> str:
    try:
        return trace_id(text).hex if text else ""
    except Invalid:
        return ""


def where(session: Session, query: Query, looking: Reader) -> dict[str, list[int]]:
    """Filters as ids by column; somebody of one tenant sees that one's, whatever the address asks for."""
    given: dict[str, list[str] | list[int]] = {name: [value] for name in DIMENSIONS if (value := getattr(query, name))}
    given |= {
        name: [int(value)]
        for name in NUMBERS
        if (value := getattr(query, name)).isascii() and value.isdigit() and int(value) <= NUMBER_MAX[name]
    }
    return own(names.where(session, given), looking)


def own(found: dict[str, list[int]], looking: Reader) -> dict[str, list[int]]:
    """The same, of the reader's tenant alone where they are of one."""
    if looking.tenant_id is not None:
        wanted = found.get("tenant_id", [looking.tenant_id])
        found["tenant_id"] = [id_ for id_ in wanted if id_ == looking.tenant_id]
    return found
