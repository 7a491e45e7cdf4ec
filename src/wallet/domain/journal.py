"""The journal: append-only entries, one gap-free and hash-chained stream per account.

The hash is final from day one: what it covers, in which order and in which width, never changes.
Test vectors are committed in `tests/unit/journal_vectors.json`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from hashlib import sha256
from struct import Struct
from uuid import UUID

from wallet.domain.money import Currency

HASH_DOMAIN = b"wallet-entry-v1"
SEAL_DOMAIN = b"wallet-instruction-v1"
NOBODY = UUID(int=0)
_NOBODY = NOBODY.bytes
NO_DETAILS = bytes(32)
_canonical_text = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, check_circular=False
).encode
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LENGTH = Struct(">I")
_NOTHING_REFUSED = bytes(8)
"""Two texts without a letter: the code and the facts of no refusal."""
_SEAL_LAYOUT = Struct(">16sH16sQQ?")
_ENTRY_LAYOUT = Struct(">15s32s16sQ16sH3sqqqq16sQ32s")


class Kind(IntEnum):
    """What an instruction does. The numbers are hashed and stored: they never change."""

    TRANSFER = 1
    TOP_UP_REQUEST = 2
    TOP_UP = 3
    TOP_UP_DECLINE = 4
    TRANSFER_BATCH = 5
    REFUND = 6
    ADJUSTMENT = 7
    ADJUSTMENT_REQUEST = 8

    @property
    def word(self) -> str:
        """The word for it on the wire, such as `top-up`."""
        return _WORDS[self]


_WORDS = {kind: kind.name.lower().replace("_", "-") for kind in Kind}
MOVING_KINDS = (Kind.TRANSFER, Kind.TOP_UP, Kind.REFUND, Kind.ADJUSTMENT)
"""The kinds that move money when they are accepted: what can be a line of history."""


@dataclass(frozen=True, slots=True)
class Details:
    """What people wrote about a movement; the only part of the journal that can be erased."""

    salt: bytes
    note: str | None = None
    reference: str | None = None
    metadata: Mapping[str, str] | None = None

    @property
    def digest(self) -> bytes:
        """SHA-256 over the 32-byte salt and the canonical note, reference and metadata."""
        return sha256(
            self.salt + canonical_details(self.note, self.reference, self.metadata)
        ).digest()


def canonical_details(
    note: str | None, reference: str | None, metadata: Mapping[str, str] | None
) -> bytes:
    """Return the one byte form of these details: sorted, compact JSON in UTF-8."""
    return canonical({"metadata": dict(metadata or {}), "note": note, "reference": reference})


def canonical(value: object) -> bytes:
    """Return the one byte form of a JSON value: keys sorted, no spaces, UTF-8."""
    return _canonical_text(value).encode()


@dataclass(frozen=True, slots=True)
class Posting:
    """One leg of a movement, before it is booked: deltas in minor units."""

    account_id: UUID
    posted_delta: int
    held_delta: int = 0
    counterparty_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One booked change of one account. Amounts are minor units; `booked_at` is UTC."""

    account_id: UUID
    version: int
    instruction_id: UUID
    kind: Kind
    currency: Currency
    posted_delta: int
    held_delta: int
    posted_after: int
    held_after: int
    counterparty_id: UUID | None
    booked_at: datetime
    details_digest: bytes | None
    hash: bytes

    @property
    def event_id(self) -> str:
        """The id of this entry as an event: `<account>:<version>`."""
        return f"{self.account_id}:{self.version}"


def facts_text(facts: Mapping[str, object]) -> str:
    """Return a refusal's facts as they are stored and sealed: JSON, in the order of the answer."""
    return json.dumps(dict(facts))


def instruction_seal(
    id_: UUID,
    kind: int,
    scope: str,
    key_digest: bytes,
    fingerprint: bytes,
    account_id: UUID,
    currency: str,
    amount: int,
    parties: Sequence[UUID | None],
    booked_at_us: int,
    refusal: tuple[str, str] | None,
) -> bytes:
    """Return the SHA-256 over everything an instruction's row says.

    Texts are preceded by their length; `parties` are owner, counterparty and its owner, and
    `refusal` is the code and the text of the facts. Raises `struct.error` for what does not fit.
    """
    content = [
        SEAL_DOMAIN,
        _SEAL_LAYOUT.pack(
            id_.bytes, kind, account_id.bytes, amount, booked_at_us, refusal is not None
        ),
        key_digest,
        fingerprint,
        *[_NOBODY if party is None else party.bytes for party in parties],
        _measured(scope),
        _measured(currency),
    ]
    if refusal is None:
        content.append(_NOTHING_REFUSED)
    else:
        content += map(_measured, refusal)
    return sha256(b"".join(content)).digest()


def _measured(text: str) -> bytes:
    content = text.encode()
    return _LENGTH.pack(len(content)) + content


def microseconds(moment: datetime) -> int:
    """Return whole microseconds since 1970 in UTC; exact, which a float would not be."""
    return (moment - _EPOCH) // _MICROSECOND


def entry_hash(
    previous_hash: bytes,
    account_id: UUID,
    version: int,
    instruction_id: UUID,
    kind: int,
    currency: str,
    posted_delta: int,
    held_delta: int,
    posted_after: int,
    held_after: int,
    counterparty_id: UUID | None,
    booked_at_us: int,
    details_digest: bytes | None,
) -> bytes:
    """Return the SHA-256 that chains an entry to the one before it: fixed width, big endian."""
    return sha256(
        _ENTRY_LAYOUT.pack(
            HASH_DOMAIN,
            previous_hash,
            account_id.bytes,
            version,
            instruction_id.bytes,
            kind,
            currency.encode(),
            posted_delta,
            held_delta,
            posted_after,
            held_after,
            _NOBODY if counterparty_id is None else counterparty_id.bytes,
            booked_at_us,
            details_digest or NO_DETAILS,
        )
    ).digest()
