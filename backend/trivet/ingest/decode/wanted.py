"""What decoding keeps of an export of spans, made once for the settings that name tenants and scenarios."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from trivet.ingest.decode.memo import Memo
from trivet.ingest.dialect.table import FIRST_TOKEN_EVENTS
from trivet.ingest.dialect.vocabulary import places_of

EXCEPTION_EVENT = "exception"
EXCEPTION_TYPE, EXCEPTION_MESSAGE = "exception.type", "exception.message"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What spans and resources say, and the names of events that mark a first token."""

    span: Memo
    resource: Memo
    first_token_events: Collection[str]


@lru_cache(maxsize=8)
def wanted_of(tenant_attributes: tuple[str, ...], scenario_attributes: tuple[str, ...]) -> Wanted:
    """One for each settings, so that all exports share what is remembered."""
    names = {"tenant": tenant_attributes, "scenario": scenario_attributes}
    return Wanted(Memo(places_of(names)), Memo(places_of(names, shared=True)), FIRST_TOKEN_EVENTS)
