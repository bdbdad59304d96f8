"""What the templates of proofs get."""

from dataclasses import dataclass
from datetime import datetime

from trivet.console.address import Address, Link
from trivet.console.control.control_views import Kept
from trivet.console.control.filters import Field
from trivet.console.triangle import Triangle
from trivet.console.views import Reader


@dataclass(frozen=True, slots=True)
class EffectRow:
    """One measure in words. `mark` is the shape of its verdict's pill; `exact` the difference itself."""

    measure: str
    name: str
    leg: str
    before: str
    after: str
    difference: str
    interval: str
    exact: str
    verdict: str
    said: str
    mark: str
    rests: str


@dataclass(frozen=True, slots=True)
class ProofRow:
    """One command of the list, with its verdict in a sentence."""

    id: int
    what: str
    scope: tuple[str, ...]
    at: datetime
    status: str
    sentence: str
    running: bool


@dataclass(frozen=True, slots=True)
class ProofsPage:
    """templates/evidence/proofs.html."""

    reader: Reader
    address: Address
    sentence: str
    kept: Kept
    fields: tuple[Field, ...]
    chips: tuple[Link, ...]
    picture: tuple[tuple[ProofRow, tuple[EffectRow, ...]], ...]
    rows: tuple[ProofRow, ...]
    next_url: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """One side of a proof: from when to when, and what governed."""

    start: datetime
    end: datetime
    level: int
    revision: int


@dataclass(frozen=True, slots=True)
class ProofPage:
    """templates/evidence/proof.html. `triangle` is of after; `outline` the corners of before, as an SVG's points."""

    reader: Reader
    id: int
    what: str
    status: str
    by: str
    reason: str
    breach_id: int | None
    sentence: str
    terms: str
    missing: str
    before: Stretch | None
    after: Stretch | None
    triangle: Triangle | None
    outline: str
    outline_words: str
    effects: tuple[EffectRow, ...]
    csv: str
