"""How many items a protobuf body holds, found out before it is parsed.

An empty span takes two bytes on the wire and eighty times that once parsed, so a body within its limit could still fill
the memory. This walks the lengths on the way to the items and nothing else; it stops at the limit. A body that is no
protobuf is left for the parser to refuse.
"""

from collections.abc import Collection, Iterator, Sequence

from trivet.ingest.errors import TooManyItems

Path = Sequence[Collection[int]]  # field numbers, from the outermost message to the item

SPANS: Path = ((1,), (2,), (2,))  # resource_spans, scope_spans, spans
LOG_RECORDS: Path = SPANS
DATA_POINTS: Path = ((1,), (2,), (2,), (5, 7, 9, 10, 11), (1,))  # …, metrics, gauge … summary, data_points
LEAST_BYTES = 2  # of one item: its tag and its length

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


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
        tag, at = _varint(body, at, end)
        kind = tag & 7
        if kind == _BYTES:
            length, at = _varint(body, at, end)
            if at + length > end:
                return
            yield tag >> 3, at, at + length
            at += length
        elif kind == _VARINT:
            _, at = _varint(body, at, end)
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
        else:
            return


def _varint(body: bytes, at: int, end: int) -> tuple[int, int]:
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
