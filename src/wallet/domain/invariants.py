"""What must hold of the books at every instant, as named checks that say where it does not.

The same code runs in the tests and in `wallet verify`.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from wallet.domain.accounts import GENESIS_HASH
from wallet.domain.journal import Details, Entry, Kind, entry_hash, microseconds
from wallet.domain.money import BALANCE_MAX

DIGEST_LENGTH = 32
_KINDS = frozenset(map(int, Kind))


@dataclass(frozen=True, slots=True)
class Violation:
    """One place where the books are not what they should be."""

    invariant: str
    account_id: UUID | None
    version: int | None
    message: str

    def __str__(self) -> str:
        place = "" if self.account_id is None else f" account {self.account_id}"
        place += "" if self.version is None else f" version {self.version}"
        return f"{self.invariant}:{place}: {self.message}"


@dataclass(frozen=True, slots=True)
class AccountState:
    """An account as its row says it is."""

    id: UUID
    currency: str
    posted: int
    held: int
    version: int
    head_hash: bytes
    head_booked_at: datetime | None
    floor: int
    debt: int = 0
    balance_max: int = BALANCE_MAX


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry as its row says it is, with what is kept of its details.

    `details_state` is `none`, `kept` or `erased`.
    """

    entry: Entry
    details: Details | None
    details_state: str


class EntryRow:
    """A row of the journal that nobody has looked at yet.

    `columns` unpack like a tuple: the fields of `Entry` from account to counterparty, then digest,
    hash, `booked_at`, and whether details stand beside it; what follows is for `read` alone.
    """

    __slots__ = ("_read", "columns")

    def __init__(self, columns: Any, read: "Callable[[Any], StoredEntry | Violation]") -> None:
        self.columns = columns
        self._read = read

    def read(self) -> "StoredEntry | Violation":
        """Return the entry; a violation if the row cannot be read as one."""
        return self._read(self.columns)


class AccountStream:
    """Checks one account against its entries as they come, in order of version, holding none."""

    def __init__(self, account: AccountState, after: Entry | None = None) -> None:
        """Begin at the first entry, or after one that has been checked before."""
        self._account = account
        self._posted = self._held = self._version = 0
        self._hash = GENESIS_HASH
        self._booked_at: datetime | None = None
        if after is not None:
            self._go_on(after)

    def check(self, stored: StoredEntry) -> Iterator[Violation]:
        """Yield what is wrong with the next entry."""
        entry, account = stored.entry, self._account
        self._version += 1
        if entry.version != self._version:
            yield Violation(
                "versions-gap-free", account.id, entry.version, f"expected {self._version}"
            )
        posted, held = self._posted + entry.posted_delta, self._held + entry.held_delta
        yield from _entry_violations(account, stored, posted, held, self._hash)
        if self._booked_at is not None and entry.booked_at < self._booked_at:
            yield Violation(
                "time-non-decreasing", account.id, entry.version, "booked before the last"
            )
        # Go on from what the entry says, so that one tampered row is one violation.
        self._go_on(entry)

    def follows(self, row: EntryRow) -> bool:
        """Whether a row is the next entry and nothing is wrong with it; if so, go on from it.

        Most of a ledger is such rows, and this takes half as long as `check`, which must be asked
        about every other one: those that have details, and those that are wrong.
        """
        (
            account_id,
            version,
            instruction_id,
            kind,
            currency,
            posted_delta,
            held_delta,
            posted_after,
            held_after,
            counterparty_id,
            details_digest,
            hash_,
            booked_at,
            has_details,
            *_,
        ) = row.columns
        account = self._account
        if (
            has_details
            or details_digest is not None
            or version != self._version + 1
            or kind not in _KINDS
            or currency != account.currency
            or posted_after != self._posted + posted_delta
            or held_after != self._held + held_delta
            or held_after < 0
            or not -account.balance_max <= posted_after <= account.balance_max
            or (self._booked_at is not None and booked_at < self._booked_at)
        ):
            return False
        try:
            expected = entry_hash(
                self._hash,
                account_id,
                version,
                instruction_id,
                kind,
                currency,
                posted_delta,
                held_delta,
                posted_after,
                held_after,
                counterparty_id,
                microseconds(booked_at),
                None,
            )
        except (struct.error, ValueError):
            return False
        if hash_ != expected:
            return False
        self._version, self._hash, self._booked_at = version, hash_, booked_at
        self._posted, self._held = posted_after, held_after
        return True

    def _go_on(self, entry: Entry) -> None:
        self._version = entry.version
        self._posted, self._held = entry.posted_after, entry.held_after
        self._hash, self._booked_at = entry.hash, entry.booked_at

    def finish(self) -> Iterator[Violation]:
        """Yield what is wrong with the account after its last entry."""
        account = self._account
        if (account.posted, account.held) != (self._posted, self._held):
            yield Violation(
                "balance-equals-entries",
                account.id,
                None,
                f"the account says {account.posted}/{account.held}, "
                f"its entries {self._posted}/{self._held}",
            )
        if account.version != self._version:
            yield Violation(
                "version-equals-entries",
                account.id,
                None,
                f"{account.version}, not {self._version}",
            )
        if account.head_hash != self._hash:
            yield Violation("head-hash", account.id, None, "is not that of the last entry")
        if account.head_booked_at != self._booked_at:
            yield Violation("head-booked-at", account.id, None, "is not that of the last entry")
        short = max(0, account.floor - (account.posted - account.held))
        if short > account.debt:
            yield Violation("available-not-below-floor", account.id, None, "is below")
        elif short < account.debt:
            yield Violation("debt-is-what-is-missing", account.id, None, f"{account.debt}: {short}")


def stream_violations(account: AccountState, entries: Iterable[StoredEntry]) -> Iterator[Violation]:
    """Check one account against its whole stream of entries."""
    stream = AccountStream(account)
    for stored in entries:
        yield from stream.check(stored)
    yield from stream.finish()


def _entry_violations(
    account: AccountState, stored: StoredEntry, posted: int, held: int, previous_hash: bytes
) -> Iterator[Violation]:
    entry = stored.entry
    if (entry.posted_after, entry.held_after) != (posted, held):
        yield Violation(
            "running-balance", account.id, entry.version, "does not follow from the one before"
        )
    if entry.currency != account.currency:
        yield Violation("one-currency", account.id, entry.version, entry.currency)
    if abs(entry.posted_after) > account.balance_max or entry.held_after < 0:
        yield Violation("balance-in-range", account.id, entry.version, str(entry.posted_after))
    if not _hash_is_right(entry, previous_hash):
        yield Violation("hash-chain", account.id, entry.version, "the hash is not that of the row")
    yield from _details_violations(account, stored)


def _hash_is_right(entry: Entry, previous_hash: bytes) -> bool:
    if entry.details_digest is not None and len(entry.details_digest) != DIGEST_LENGTH:
        return False
    try:
        return entry.hash == expected_hash(entry, previous_hash)
    except (struct.error, ValueError):
        # A value that does not fit the hash's layout was never hashed.
        return False


def _details_violations(account: AccountState, stored: StoredEntry) -> Iterator[Violation]:
    entry = stored.entry
    place = (account.id, entry.version)
    if stored.details is not None:
        if not _digest_is_right(stored.details, entry.details_digest):
            yield Violation("details-digest", *place, "the details are not those that were hashed")
    elif entry.details_digest is not None and stored.details_state == "none":
        yield Violation("details-kept", *place, "the details are missing and were not erased")
    elif entry.details_digest is None and stored.details_state != "none":
        yield Violation("details-digest", *place, "there were no details when it was booked")


def _digest_is_right(details: Details, digest: bytes | None) -> bool:
    metadata: object = details.metadata
    if not isinstance(metadata, Mapping | None):
        return False  # An empty list would be hashed like nothing.
    try:
        return details.digest == digest
    except (TypeError, ValueError):
        # Metadata that is no mapping of texts was never hashed.
        return False


def expected_hash(entry: Entry, previous_hash: bytes) -> bytes:
    """Return the hash that an entry should have after the one before it."""
    return entry_hash(
        previous_hash,
        entry.account_id,
        entry.version,
        entry.instruction_id,
        entry.kind,
        entry.currency,
        entry.posted_delta,
        entry.held_delta,
        entry.posted_after,
        entry.held_after,
        entry.counterparty_id,
        microseconds(entry.booked_at),
        entry.details_digest,
    )


def unbalanced_violations(sums: Mapping[tuple[UUID, str], int]) -> Iterator[Violation]:
    """Check that the legs of each instruction sum to zero in each currency."""
    for (instruction_id, currency), total in sums.items():
        if total:
            yield Violation(
                "legs-sum-to-zero", None, None, f"{instruction_id} by {total} {currency}"
            )
