"""How many items and elements a protobuf body holds, found out before it is parsed.

An empty span takes two bytes on the wire and eighty times that once parsed, so a body within its limit could still fill
the memory. `check_count` walks the lengths on the way to the items and nothing else; `check_elements` walks all messages,
as the schema has them. Both stop at the limit, and a body too small to hold so many is not walked at all. A body that is
no protobuf is left for the parser to refuse: until the place where it goes wrong, both read what the parser reads.
"""

from collections.abc import Collection, Iterator, Sequence
from functools import cache
from typing import Any

from trivet.ingest.errors import TooManyItems
from trivet.ingest.line.structure import too_many

Path = Sequence[Collection[int]]  # field numbers, from the outermost message to the item

SPANS: Path = ((1,), (2,), (2,))  # resource_spans, scope_spans, spans
LOG_RECORDS: Path = SPANS
DATA_POINTS: Path = ((1,), (2,), (2,), (5, 7, 9, 10, 11), (1,))  # …, metrics, gauge … summary, data_points
LEAST_BYTES = 2  # of one item: its tag and its length

DEPTH_MAX = 100  # the parser refuses what is nested deeper

_VARINT, _FIXED64, _BYTES, _GROUP, _GROUP_END, _FIXED32 = range(6)
_SCALAR_BYTES = 8  # of one number in a packed list, once parsed


def check_count(body: bytes, path: Path, limit: int, items: str) -> None:
    """`TooManyItems` where a body has more than `limit` items at the end of `path`, or of any message on the way."""
    if len(body) <= limit * LEAST_BYTES:
        return
    counts = [0] * len(path)
    for left in _walk(body, 0, len(body), path):
        counts[-left] += 1
        if counts[-left] > limit:
            raise TooManyItems(f"At most {limit} {items} are taken at once. Send smaller batches.")


def _walk(body: bytes, start: int, end: int, path: Path) -> Iterator[int]:
    """For every message on the path, the items included, how many steps of the path are left, its own among them."""
    wanted, deeper = path[0], path[1:]
    for number, inner, after in _messages(body, start, end):
        if number in wanted:
            yield len(path)
            if deeper:
                yield from _walk(body, inner, after, deeper)


def _messages(body: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(field number, start, end) of each length-delimited field; ends early where the bytes make no sense."""
    while at < end:
        tag, at = varint(body, at, end)
        kind = tag & 7
        if kind == _BYTES:
            length, at = varint(body, at, end)
            if at + length > end:
                return
            yield tag >> 3, at, at + length
            at += length
        elif kind == _VARINT:
            _, at = varint(body, at, end)
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
        elif kind not in (_GROUP, _GROUP_END):  # no field of ours is a group: unknown ones are skipped, tag by tag
            return


class Fields:
    """What a message type's length-delimited fields hold: messages by number, and lists of strings or numbers."""

    def __init__(self) -> None:
        self.messages: dict[int, Fields] = {}
        self.strings: set[int] = set()
        self.numbers: set[int] = set()


@cache
def fields_of(descriptor: Any) -> Fields:
    """The fields of a protobuf message type that take memory by their number; types may contain themselves."""
    return _fields_of(descriptor, {})


def _fields_of(descriptor: Any, known: dict[str, Fields]) -> Fields:
    if descriptor.full_name in known:
        return known[descriptor.full_name]
    made = known[descriptor.full_name] = Fields()
    for field in descriptor.fields:
        if field.message_type is not None:
            made.messages[field.number] = _fields_of(field.message_type, known)
        elif field.is_repeated:
            (made.numbers if field.is_packed else made.strings).add(field.number)
    return made


def check_elements(body: bytes, fields: Fields, limit: int) -> None:
    """`TooManyItems` where a body has more than `limit` messages, of any kind and at any depth.

    A text in a list counts like a message; numbers in a list by the memory they take.
    """
    if len(body) <= limit * LEAST_BYTES:
        return
    try:
        count = _count(body, fields, limit)
    except IndexError:  # cut short
        return
    if count > limit:
        raise too_many(limit)


def _count(body: bytes, fields: Fields, limit: int) -> int:
    """Elements in a body, up to the first over `limit`. One loop without calls: it runs for every field."""
    outer: list[tuple[int, Fields]] = []
    at, end, count = 0, len(body), 0
    while count <= limit:
        while at >= end:
            if at > end or not outer:
                return count
            end, fields = outer.pop()
        tag = body[at]
        at += 1
        if tag > 127:
            tag, at = varint(body, at - 1, end)
        kind = tag & 7
        if kind == _BYTES:
            length = body[at]
            at += 1
            if length > 127:
                length, at = varint(body, at - 1, end)
            number = tag >> 3
            inner = fields.messages.get(number)
            if inner is not None:
                count += 1
                if len(outer) >= DEPTH_MAX or at + length > end:
                    return count
                outer.append((end, fields))
                end, fields = at + length, inner
                continue
            if number in fields.strings:
                count += 1
            elif number in fields.numbers:
                count += length // _SCALAR_BYTES
            at += length
        elif kind == _VARINT:
            while body[at] > 127:
                at += 1
            at += 1
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
        elif kind not in (_GROUP, _GROUP_END):
            return count
    return count


def varint(body: bytes, at: int, end: int) -> tuple[int, int]:
    """(value, position after it); a value that does not end is 0 at the end."""
    value = shift = 0
    while at < end and shift < 64:
        byte = body[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    return 0, end
