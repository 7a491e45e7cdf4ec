"""Identifiers and secrets made here: time and randomness of this machine."""

import os
import secrets
import time
from datetime import UTC, datetime
from uuid import UUID

from wallet.domain.ids import RANDOM_BYTES, uuid7

_NANOSECONDS_PER_MILLISECOND = 1_000_000
_SECRET_BYTES = 32
_POOL_BYTES = 4096


class _RandomBytes:
    """Random bytes of the system, fetched many at a time: a system call each would cost more."""

    def __init__(self) -> None:
        self._pool = b""
        self._used = 0
        # Two processes must never make the same ids.
        os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """Throw away what has been fetched."""
        self._pool, self._used = b"", 0

    def take(self, count: int) -> bytes:
        """Return bytes that nobody has been given before."""
        begin = self._used
        self._used = end = begin + count
        if end > len(self._pool):
            self._pool = os.urandom(max(_POOL_BYTES, count))
            self._used = end = count
            begin = 0
        return self._pool[begin:end]


_RANDOM = _RandomBytes()


def utc_now() -> datetime:
    """Return the present time, aware and in UTC."""
    return datetime.now(UTC)


def new_id() -> UUID:
    """Return a new UUIDv7."""
    return uuid7(time.time_ns() // _NANOSECONDS_PER_MILLISECOND, _RANDOM.take(RANDOM_BYTES))


def new_secret() -> str:
    """Return an opaque token of 256 random bits, 43 characters that are safe in a URL."""
    return secrets.token_urlsafe(_SECRET_BYTES)


def new_number(bits: int) -> int:
    """Return an unpredictable whole number with so many random bits."""
    return secrets.randbits(bits)
