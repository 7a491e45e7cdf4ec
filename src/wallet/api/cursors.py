"""Cursors of the history: opaque to callers, a last version per wallet to us."""

import base64
import binascii
from collections.abc import Mapping
from hashlib import sha256
from struct import Struct
from uuid import UUID

from wallet.domain.history import CursorInvalid

_PLACE = Struct(">16sQ")
_CHECK_LENGTH = 6
CURSOR_LENGTH_MAX = 6_000


def encode_cursor(versions: Mapping[UUID, int], search: bytes = b"") -> str:
    """Return the cursor that goes on at these versions, for the search of this digest only."""
    raw = b"".join(_PLACE.pack(id_.bytes, version) for id_, version in sorted(versions.items()))
    return base64.urlsafe_b64encode(_check(raw, search) + raw).rstrip(b"=").decode()


def decode_cursor(cursor: str, search: bytes = b"") -> dict[UUID, int]:
    """Return the versions in a cursor; raise `CursorInvalid` for anything not made here.

    A cursor of another search is none of this one.
    """
    try:
        decoded = base64.b64decode(
            cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True
        )
    except (binascii.Error, ValueError):
        raise CursorInvalid from None
    check, raw = decoded[:_CHECK_LENGTH], decoded[_CHECK_LENGTH:]
    if not raw or len(raw) % _PLACE.size or check != _check(raw, search):
        raise CursorInvalid
    versions = {UUID(bytes=id_): version for id_, version in _PLACE.iter_unpack(raw)}
    if any(version >= 2**63 for version in versions.values()):
        raise CursorInvalid
    return versions


def _check(raw: bytes, search: bytes) -> bytes:
    """Return a few bytes that tell a mistyped cursor; it is no secret and guards nothing."""
    return sha256(b"history-cursor" + search + raw).digest()[:_CHECK_LENGTH]
