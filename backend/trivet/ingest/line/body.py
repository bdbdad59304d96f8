"""The body of an export: read and inflated in pieces, so that memory stays bounded while its size is found out."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping

from starlette.types import Receive

from trivet.ingest.errors import BodyTooLarge, Malformed, TooSlow, UnknownEncoding

STEP_BYTES = 1 << 20  # inflated at once; between steps others get their turn
SLICE_BYTES = 64 << 10  # of the packed form, given to zlib at once
MEMBERS_MAX = 1_000  # of one gzip body; empty ones cost work and give nothing
PATIENCE_S = 10.0  # for the whole body
WINDOW = {"gzip": 31, "x-gzip": 31, "deflate": 15}  # zlib's wbits

Grow = Callable[[int], None]  # told how many bytes are kept more; may refuse


async def read(headers: Mapping[str, str], receive: Receive, limit: int, grow: Grow) -> bytes:
    """The body, decompressed; `BodyTooLarge` as soon as either form of it goes over `limit` bytes.

    `headers` have their names in lower case.
    """
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in WINDOW and encoding not in ("identity", ""):
        raise UnknownEncoding(f"Content-Encoding {encoding[:40]!r} is not understood; use gzip, deflate or none.")
    stated = headers.get("content-length", "")
    if stated.isascii() and stated.isdigit() and int(stated[:20]) > limit:
        raise too_large(limit)
    try:
        async with asyncio.timeout(PATIENCE_S):
            if encoding in WINDOW:
                return await inflate(_pieces(receive), WINDOW[encoding], limit, grow)
            return await _collect(_pieces(receive), limit, grow)
    except TimeoutError as slow:
        raise too_slow() from slow


def too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body is larger than {limit} bytes after decompression. Send smaller batches.")


def too_slow() -> TooSlow:
    return TooSlow(f"The body took longer than {PATIENCE_S:.0f} s.", retry_after_s=2)


async def _pieces(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Malformed("The sender went away in the middle of the body.")
        more = message.get("more_body", False)
        if piece := message.get("body", b""):
            yield piece


async def _collect(pieces: AsyncIterator[bytes], limit: int, grow: Grow) -> bytes:
    """A body of one piece, as small ones are, is not copied."""
    kept: list[bytes] = []
    size = 0
    async for piece in pieces:
        size += len(piece)
        if size > limit:
            raise too_large(limit)
        grow(len(piece))
        kept.append(piece)
    return kept[0] if len(kept) == 1 else b"".join(kept)


async def inflate(pieces: AsyncIterator[bytes], window: int, limit: int, grow: Grow) -> bytes:
    """What is packed in `pieces`; `window` is zlib's, which says the format.

    What fits one step is inflated once. More is inflated twice, first without keeping any of it: so a body that turns
    out too large has cost memory for its packed form and one step alone.
    """
    packed = await _collect(pieces, limit, grow)
    first, size, members = await _measure(packed, window, limit)
    grow(size)
    if size == len(first):
        return first
    return await asyncio.to_thread(_inflate_whole, packed, window, size, members)


async def _measure(packed: bytes, window: int, limit: int) -> tuple[bytes, int, int]:
    """(what is packed where it fits one step, how large it is, in how many gzip members)."""
    first, size, members = b"", 0, 1
    inflater = zlib.decompressobj(window)
    for piece in _slices(packed):
        waiting: bytes | memoryview = piece
        while waiting:
            if inflater.eof:  # a gzip body may be several members, one after the other
                inflater = zlib.decompressobj(window)
                members += 1
            if members > MEMBERS_MAX:
                raise Malformed(f"The compressed body has more than {MEMBERS_MAX} members.")
            try:
                more = inflater.decompress(waiting, STEP_BYTES)
            except zlib.error as bad:
                raise Malformed("The body is not what its Content-Encoding says.") from bad
            if more:
                first = b"" if size else more  # let go as soon as there is more than one
            size += len(more)
            if size > limit:
                raise too_large(limit)
            waiting = inflater.unconsumed_tail or inflater.unused_data
            if size > STEP_BYTES:
                await asyncio.sleep(0)
    if packed and not inflater.eof:
        raise Malformed("The compressed body ends too early.")
    return first, size, members


def _slices(packed: bytes) -> Iterator[memoryview]:
    """So short that what a step leaves over costs little to carry on."""
    whole = memoryview(packed)
    return (whole[at : at + SLICE_BYTES] for at in range(0, len(whole), SLICE_BYTES))


def _inflate_whole(packed: bytes, window: int, size: int, members: int) -> bytes:
    """All of what `_measure` has seen to be sound; one member goes straight into a buffer of its size."""
    if members == 1:
        return zlib.decompress(packed, window, size)
    parts = []
    while packed:
        inflater = zlib.decompressobj(window)
        parts.append(inflater.decompress(packed))
        packed = inflater.unused_data
    return b"".join(parts)
