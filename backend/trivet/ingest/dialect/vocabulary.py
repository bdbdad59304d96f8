"""The dialects compiled for reading: attribute key -> which fields it says, at which rank, in which shape."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from trivet.ingest.dialect.fields import FIELDS, SLOTS, Said
from trivet.ingest.dialect.shapes import SHAPES, Shape
from trivet.ingest.dialect.table import NAMES

Entry = tuple[int, int, Any] | None  # slot, rank and value of what an attribute says, or nothing
MANY: Final = len(FIELDS)  # the slot of an attribute that says several fields: its value is a tuple of entries
UNSAID: Final = 1_000  # a rank behind all others


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key's value belongs. Of several keys for one field the one of the lowest `rank` counts."""

    slot: int
    rank: int
    shape: Shape
    unique: bool


Places = Mapping[str, tuple[Place, ...]]


def places_of(names: Mapping[str, tuple[str, ...]], *, shared: bool = False) -> Places:
    """The dialects' keys, and those of settings (`names`: field to keys, in order). `shared`: what a resource may say."""
    made: dict[str, tuple[Place, ...]] = {}
    for field in FIELDS:
        if shared and not field.shared:
            continue
        keys = [(key, field.shape) for key in names.get(field.name, ())]
        keys += [(name.key, name.shape or field.shape) for name in NAMES.get(field.name, ())]
        for rank, (key, shape) in enumerate(keys):
            place = Place(SLOTS[field.name], rank, SHAPES[shape], field.unique)
            made[key] = (*made.get(key, ()), place)
    return made


def entry_of(places: tuple[Place, ...], value: Any) -> Entry:
    """What one attribute says; an empty text, or one that makes no sense, says nothing."""
    if value is None or value == "":
        return None
    if len(places) == 1:
        [place] = places
        said = place.shape(value)
        return (place.slot, place.rank, said) if said is not None else None
    return MANY, 0, tuple(entry_of((place,), value) for place in places)


@dataclass(frozen=True, slots=True)
class Ranked:
    """What a resource says to begin with, for its spans to add to: values, and the ranks they were said at."""

    said: Said
    ranks: list[int]

    def add(self, entry: Entry) -> None:
        if entry is None:
            return
        slot, rank, value = entry
        if slot == MANY:
            for each in value:
                self.add(each)
        elif rank <= self.ranks[slot]:  # of one given twice the last counts
            self.said[slot], self.ranks[slot] = value, rank

    def copy(self) -> "Ranked":
        return Ranked(self.said[:], self.ranks[:])


def nothing_said() -> Ranked:
    return Ranked([None] * len(FIELDS), [UNSAID] * len(FIELDS) + [-1])  # nothing is said at MANY itself
