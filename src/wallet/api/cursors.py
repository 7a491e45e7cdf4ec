"""Cursors of the history: opaque to callers, a last version per wallet to us."""

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from struct import Struct
from typing import Any
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


def encode_place(listing: str, *parts: UUID | datetime | None) -> str:
    """Return the cursor of a list that goes on behind these; `listing` names it and its filters."""
    raw = b"".join(map(_packed, parts))
    return base64.urlsafe_b64encode(_check(raw, listing.encode()) + raw).rstrip(b"=").decode()


def decode_place(listing: str, cursor: str, form: str) -> list[Any]:
    """Return what `encode_place` was given; raise `CursorInvalid` for anything not made here.

    `form` has a letter for each part: `i` is an id, `t` a time; as capitals, they may be None.
    """
    try:
        decoded = base64.b64decode(
            cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True
        )
    except (binascii.Error, ValueError):
        raise CursorInvalid from None
    check, raw = decoded[:_CHECK_LENGTH], decoded[_CHECK_LENGTH:]
    if check != _check(raw, listing.encode()) or len(raw) != _PART_LENGTH * len(form):
        raise CursorInvalid
    parts = [raw[n : n + _PART_LENGTH] for n in range(0, len(raw), _PART_LENGTH)]
    return [_unpacked(part, letter) for part, letter in zip(parts, form, strict=True)]


_PART_LENGTH = 17
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _packed(part: UUID | datetime | None) -> bytes:
    if part is None:
        return bytes(_PART_LENGTH)
    number = part.int if isinstance(part, UUID) else (part - _EPOCH) // _MICROSECOND
    return b"\x01" + number.to_bytes(16, "big")


def _unpacked(part: bytes, letter: str) -> UUID | datetime | None:
    if not part[0]:
        if letter.islower():
            raise CursorInvalid
        return None
    number = int.from_bytes(part[1:], "big")
    if letter in "iI":
        return UUID(int=number)
    try:
        return _EPOCH + number * _MICROSECOND
    except OverflowError:
        raise CursorInvalid from None
