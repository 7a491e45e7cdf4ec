"""Proofs: a log of all entries, checkpoints of it that are signed, and receipts that show an entry.

The log is that of RFC 9162 (`merkle`): its leaves are the hashes of entries in the order in which
the sealer takes them up, after they were committed. A checkpoint says what the log was at one size.
What is signed begins with a line of its own, so that no signature passes for one of another kind;
nor for one of an access token, whose first line never ends.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from wallet.domain.errors import Invalid, NotFound, Unavailable
from wallet.domain.journal import canonical, microseconds
from wallet.domain.merkle import Place

CHECKPOINT_FORMAT = "wallet-checkpoint-v1"
RECEIPT_FORMAT = "wallet-receipt-v1"
SIGNATURE_SIZE = 64
CHECKPOINTS_LIMIT_MAX = 200


class ReceiptNotReady(Unavailable):
    """The receipt is not ready yet: the movement is sealed into the log within seconds."""

    code = "receipt-not-ready"


class CheckpointNotFound(NotFound):
    """There is no such checkpoint."""

    code = "checkpoint-not-found"


class ConsistencyInvalid(Invalid):
    """The first tree must not be larger than the second."""

    code = "consistency-invalid"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What the log was when it had `tree_size` leaves, signed by the key `key_id`.

    Checkpoints are numbered from 1 without a gap.
    """

    log_id: UUID
    number: int
    tree_size: int
    root_hash: bytes
    made_at: datetime
    key_id: str
    signature: bytes = b""

    @property
    def signed(self) -> bytes:
        """Return the bytes that are signed: six lines of text."""
        return (
            f"{CHECKPOINT_FORMAT}\n{self.log_id}\n{self.number}\n{self.tree_size}\n"
            f"{self.root_hash.hex()}\n{microseconds(self.made_at)}\n"
        ).encode()


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The public half of a P-256 key, as a JSON Web Key writes it."""

    key_id: str
    x: str
    y: str

    def document(self) -> dict[str, str]:
        """Return the key as a JSON Web Key."""
        return {
            "alg": "ES256",
            "crv": "P-256",
            "kid": self.key_id,
            "kty": "EC",
            "use": "sig",
            "x": self.x,
            "y": self.y,
        }


@dataclass(frozen=True, slots=True)
class Run:
    """Entries of one account that stand one after another in the log."""

    account_id: UUID
    first_version: int
    last_version: int
    first_position: int


@dataclass(frozen=True, slots=True)
class Unsealed:
    """How far an account is sealed, and how far it has come."""

    account_id: UUID
    sealed_version: int
    version: int


@dataclass(frozen=True, slots=True)
class LogHead:
    """Which log this is, and how many leaves it has."""

    log_id: UUID
    size: int


class Signer(Protocol):
    """Signs with the service's present key and knows its public half."""

    def public_key(self) -> PublicKey:
        """Return the public half of the key that signs now."""
        ...

    def sign(self, content: bytes) -> bytes:
        """Return the ES256 signature over `content`, r and s of 32 bytes each."""
        ...


def signed_receipt(document: Mapping[str, object]) -> bytes:
    """Return the bytes of a receipt that are signed: all but its own signature."""
    content = {name: value for name, value in document.items() if name != "signature"}
    return RECEIPT_FORMAT.encode() + b"\n" + canonical(content)


class Log(Protocol):
    """Where the log is kept; every call belongs to the unit of work that it came from."""

    async def head(self) -> LogHead | None:
        """Return what is sealed so far, or None before the first sealing."""
        ...

    async def latest(self) -> Checkpoint | None:
        """Return the newest checkpoint."""
        ...

    async def at(self, tree_size: int) -> Checkpoint | None:
        """Return the newest checkpoint of a size."""
        ...

    async def checkpoints(self, before: int | None, limit: int) -> Sequence[Checkpoint]:
        """Return checkpoints of sizes below `before`, the largest first, one for each size."""
        ...

    async def keys(self) -> Sequence[PublicKey]:
        """Return every key that has signed a checkpoint, the newest first."""
        ...

    async def tiles(self, places: Sequence[Place]) -> Mapping[Place, bytes]:
        """Return the tiles at these places that there are."""
        ...

    async def position(self, account_id: UUID, version: int) -> int | None:
        """Return where an entry stands in the log, or None if it is not sealed yet."""
        ...

    async def entry_hash(self, account_id: UUID, version: int) -> bytes | None:
        """Return the hash of an entry."""
        ...

    async def lease(self, holder: UUID, new_log_id: UUID, lease_s: float) -> LogHead | None:
        """Lock the head for `holder`; None if somebody else seals, or did within their lease.

        A log that is not there yet begins with `new_log_id`.
        """
        ...

    async def new_batches(self, after: UUID, limit: int) -> Sequence[UUID]:
        """Return the ids of the ledger's transactions after an id, in order, at most `limit`."""
        ...

    async def accounts_of(self, batch_ids: Sequence[UUID]) -> set[UUID]:
        """Return the accounts that these transactions of the ledger touched."""
        ...

    async def unsealed(self, account_ids: Sequence[UUID]) -> Sequence[Unsealed]:
        """Return those of these accounts that have entries which are not sealed."""
        ...

    async def accounts_after(self, after: UUID, limit: int) -> Sequence[UUID]:
        """Return the next accounts by their id, whatever they hold."""
        ...

    async def hashes(self, stretches: Sequence[Unsealed]) -> Sequence[tuple[UUID, int, bytes]]:
        """Return (account, version, hash) of all entries in these stretches, in their order."""
        ...

    async def append(self, size: int, tiles: Mapping[Place, bytes], runs: Sequence[Run]) -> None:
        """Write what was taken up; `size` is that of the log from now on."""
        ...

    async def add_checkpoint(self, checkpoint: Checkpoint, key: PublicKey) -> None:
        """Write a checkpoint and the key that signed it."""
        ...
