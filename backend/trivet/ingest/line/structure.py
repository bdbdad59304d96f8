"""How many elements a JSON body has, found out before it is parsed.

`{},` takes three bytes on the wire and seventy once parsed, so a body within its limit could still fill the memory. This
counts what opens or follows an element (`{`, `[`, `,`) outside strings, in pieces of bounded size, and stops at the
limit. A body that is no JSON is left for the parser to refuse.
"""

from collections.abc import Iterator

from trivet.ingest.errors import TooManyItems

PIECE_BYTES = 1 << 18
_MARKS = (b"{", b"[", b",")


def check_elements(body: bytes, limit: int) -> None:
    """`TooManyItems` where a body in UTF-8 has more than `limit` elements."""
    if len(body) <= limit or _marks(body) <= limit:
        return  # with the marks inside strings, which is quick to know and nearly always enough
    count = 0
    for outside in _outside_strings(body):
        count += _marks(outside)
        if count > limit:
            raise too_many(limit)


def too_many(limit: int) -> TooManyItems:
    return TooManyItems(f"At most {limit} elements (attributes, values …) are taken at once. Send smaller batches.")


def _marks(text: bytes) -> int:
    return sum(map(text.count, _MARKS))


def _outside_strings(body: bytes) -> Iterator[bytes]:
    """What lies outside strings, piece by piece. Outside them a backslash is no JSON, so where one stands is no matter."""
    inside, rest = 0, b""
    for start in range(0, len(body), PIECE_BYTES):
        piece = (rest + body[start : start + PIECE_BYTES]).replace(rb"\\", b"")
        rest = b"\\" if piece.endswith(b"\\") else b""  # escapes the first byte of the next piece
        parts = piece.replace(rb"\"", b"").split(b'"')
        yield b"".join(parts[inside::2])
        inside ^= (len(parts) - 1) & 1
