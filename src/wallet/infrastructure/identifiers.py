"""Identifiers and secrets made here: time and randomness of this machine."""

import os
import secrets
import time
from datetime import UTC, datetime
from uuid import UUID

from wallet.domain.ids import RANDOM_BYTES, uuid7

_NANOSECONDS_PER_MILLISECOND = 1_000_000
_SECRET_BYTES = 32


def utc_now() -> datetime:
    """Return the present time, aware and in UTC."""
    return datetime.now(UTC)


def new_id() -> UUID:
    """Return a new UUIDv7."""
    return uuid7(time.time_ns() // _NANOSECONDS_PER_MILLISECOND, os.urandom(RANDOM_BYTES))


def new_secret() -> str:
    """Return an opaque token of 256 random bits, 43 characters that are safe in a URL."""
    return secrets.token_urlsafe(_SECRET_BYTES)
