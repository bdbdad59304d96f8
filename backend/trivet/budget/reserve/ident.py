"""Ids of reservations: UUIDs of version 7, which follow their time, so that new rows lie together. Not to be guessed."""

import secrets
from datetime import datetime
from uuid import UUID


def new_id(now: datetime) -> UUID:
    """48 bits of milliseconds, then 74 of chance (RFC 9562, section 5.7)."""
    milliseconds = int(now.timestamp() * 1000) & ((1 << 48) - 1)
    chance = secrets.randbits(74)
    high, low = chance >> 62, chance & ((1 << 62) - 1)
    return UUID(int=milliseconds << 80 | 7 << 76 | high << 64 | 2 << 62 | low)
