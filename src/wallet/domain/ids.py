"""Identifiers: UUIDs of version 7 (RFC 9562), made of a time and randomness that come in."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

RANDOM_BYTES = 10
_TIME_MAX_MS = 1 << 48
_YEAR_9999_MS = 253_370_764_800_000


def uuid7(now_ms: int, random: bytes) -> UUID:
    """Return a UUIDv7 of a time (ms since 1970, UTC) and 10 random bytes.

    Ids made later sort later, to the millisecond; 74 of the random bits are kept. Raises
    `ValueError` for a time that does not fit 48 bits or for another number of bytes.
    """
    if not 0 <= now_ms < _TIME_MAX_MS:
        raise ValueError("the time does not fit a UUIDv7")
    if len(random) != RANDOM_BYTES:
        raise ValueError(f"a UUIDv7 needs {RANDOM_BYTES} random bytes")
    bits = int.from_bytes(random, "big")
    high = (now_ms << 16) | 0x7000 | (bits >> 62 & 0x0FFF)
    low = 0x8000_0000_0000_0000 | (bits & 0x3FFF_FFFF_FFFF_FFFF)
    return UUID(int=high << 64 | low)


def instant_of(id_: UUID) -> datetime | None:
    """Return when a UUIDv7 was made, to the millisecond.

    None for any other id, and for a time that lies beyond the year 9998.
    """
    milliseconds = id_.int >> 80
    if id_.version != 7 or milliseconds >= _YEAR_9999_MS:
        return None
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)


def first_id_at(moment: datetime) -> UUID:
    """Return the lowest UUIDv7 that may have been made at a moment, to compare others with."""
    milliseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    return UUID(int=milliseconds << 80)
