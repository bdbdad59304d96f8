"""The body of an export: read and inflated in pieces, so that memory stays bounded while its size is found out."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable

from starlette.requests import ClientDisconnect, Request

from trivet.ingest.errors import BodyTooLarge, Malformed, TooSlow, UnknownEncoding

STEP_BYTES = 1 << 20  # inflated at once; between steps others get their turn
MEMBERS_MAX = 1_000  # of one gzip body; empty ones cost work and give nothing
PATIENCE_S = 10.0  # for the whole body
_WINDOW = {"gzip": 31, "x-gzip": 31, "deflate": 15}  # zlib's wbits


async def read(request: Request, limit: int, grow: Callable[[int], None]) -> bytes:
    """The body, decompressed; `BodyTooLarge` as soon as either form of it goes over `limit` bytes.

    `grow` is told how many bytes are kept more, and may refuse.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in _WINDOW and encoding not in ("identity", ""):
        raise UnknownEncoding(f"Content-Encoding {encoding[:40]!r} is not understood; use gzip, deflate or none.")
    _check_stated_length(request, limit)
    try:
        async with asyncio.timeout(PATIENCE_S):
            if encoding in _WINDOW:
                return await _inflate(request.stream(), _WINDOW[encoding], limit, grow)
            return await _collect(request.stream(), limit, grow)
    except TimeoutError as slow:
        raise TooSlow(f"The body took longer than {PATIENCE_S:.0f} s.", retry_after_s=2) from slow
    except ClientDisconnect as gone:
        raise Malformed("The sender went away in the middle of the body.") from gone


def too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body is larger than {limit} bytes after decompression. Send smaller batches.")


def _check_stated_length(request: Request, limit: int) -> None:
    stated = request.headers.get("content-length", "")
    if stated.isascii() and stated.isdigit() and int(stated[:20]) > limit:
        raise too_large(limit)


async def _collect(stream: AsyncIterator[bytes], limit: int, grow: Callable[[int], None]) -> bytes:
    body = bytearray()
    async for chunk in stream:
        if len(body) + len(chunk) > limit:
            raise too_large(limit)
        grow(len(chunk))
        body += chunk
    return bytes(body)


async def _inflate(stream: AsyncIterator[bytes], window: int, limit: int, grow: Callable[[int], None]) -> bytes:
    body = bytearray()
    raw_bytes = 0
    members = 1
    inflater = zlib.decompressobj(window)
    async for chunk in stream:
        raw_bytes += len(chunk)
        if raw_bytes > limit:
            raise too_large(limit)
        waiting = chunk
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
            if len(body) + len(more) > limit:
                raise too_large(limit)
            grow(len(more))
            body += more
            waiting = inflater.unconsumed_tail or inflater.unused_data
            await asyncio.sleep(0)
    if raw_bytes and not inflater.eof:
        raise Malformed("The compressed body ends too early.")
    return bytes(body)
