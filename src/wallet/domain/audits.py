"""The self-audit: how far a round over all accounts has come, and what one slice of it reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from wallet.domain.invariants import AccountState, AccountStream, StoredEntry, Violation
from wallet.domain.journal import NOBODY, Entry


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a round has come: everything before this version of this account is checked."""

    account_id: UUID = NOBODY
    version: int = 0
    entries: int = 0
    began_at: datetime | None = None
    completed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AuditedEntry:
    """An entry, and by how much the other leg of its instruction changed the account there."""

    stored: StoredEntry | Violation
    other_delta: int | None


@dataclass(frozen=True, slots=True)
class AuditedAccount:
    """Some entries of one account, going on after `before`; `whole` if they are all there are."""

    account: AccountState
    before: Entry | None
    entries: Sequence[AuditedEntry]
    whole: bool


def slice_violations(accounts: Sequence[AuditedAccount]) -> list[Violation]:
    """Return what is wrong with a slice, which must be of one snapshot."""
    found: list[Violation] = []
    for audited in accounts:
        stream = AccountStream(audited.account, audited.before)
        for entry in audited.entries:
            if isinstance(entry.stored, Violation):
                found.append(entry.stored)
                continue
            found += stream.check(entry.stored)
            found += _leg_violations(entry.stored.entry, entry.other_delta)
        if audited.whole:
            found += stream.finish()
    return found


def _leg_violations(entry: Entry, other_delta: int | None) -> list[Violation]:
    if entry.counterparty_id is None or other_delta == -entry.posted_delta:
        return []
    message = f"instruction {entry.instruction_id} by {entry.posted_delta} and {other_delta}"
    return [Violation("legs-sum-to-zero", entry.account_id, entry.version, message)]


class Audits(Protocol):
    """Where the progress of the self-audit is kept; one process audits at a time."""

    async def lease(self, holder: UUID, lease_s: float) -> Progress | None:
        """Lock the progress for `holder`; None if somebody else audits, or did within a lease."""
        ...

    async def progress(self) -> Progress:
        """Return how far the round has come, without leasing it."""
        ...

    async def advance(self, progress: Progress) -> None:
        """Keep how far the round has come."""
        ...


class Slices(Protocol):
    """Reads slices of the books, each in one snapshot."""

    async def read(
        self, after: Progress, entries_max: int
    ) -> tuple[Sequence[AuditedAccount], bool]:
        """Return what comes next, and whether that is the end of the round."""
        ...
