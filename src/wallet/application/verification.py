"""Verification: reads the whole of the books in one snapshot and names everything wrong."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from wallet.domain.invariants import (
    AccountState,
    StoredEntry,
    Violation,
    stream_violations,
    unbalanced_violations,
)

VIOLATIONS_MAX = 10_000


class Books(Protocol):
    """One consistent snapshot of everything that is checked."""

    def streams(self) -> AsyncIterator[tuple[AccountState, Sequence[StoredEntry]]]:
        """Return each account with all of its entries, by account id and version."""
        ...

    async def unbalanced(self) -> dict[tuple[UUID, str], int]:
        """Return (instruction, currency) → sum for the legs that do not sum to zero."""
        ...

    def cross_checks(self) -> AsyncIterator[Violation]:
        """Return what is wrong between tables: instructions, entries, details, fundings."""
        ...

    async def totals(self) -> dict[str, int]:
        """Return the sum of all accounts by currency, each of which must be zero."""
        ...


@dataclass(slots=True)
class Report:
    """What was read and what is wrong; `complete` is False if there was too much to list."""

    accounts: int = 0
    entries: int = 0
    violations: list[Violation] = field(default_factory=list)
    complete: bool = True

    @property
    def intact(self) -> bool:
        """Whether nothing is wrong."""
        return not self.violations

    def add(self, violation: Violation) -> None:
        """Add a violation, up to `VIOLATIONS_MAX`."""
        if len(self.violations) < VIOLATIONS_MAX:
            self.violations.append(violation)
        else:
            self.complete = False


async def verify(books: Books) -> Report:
    """Check every invariant over one snapshot of the books."""
    report = Report()
    async for account, entries in books.streams():
        report.accounts += 1
        report.entries += len(entries)
        for violation in stream_violations(account, entries):
            report.add(violation)
    for violation in unbalanced_violations(await books.unbalanced()):
        report.add(violation)
    for currency, total in (await books.totals()).items():
        if total:
            report.add(Violation("money-conserved", None, None, f"{total} {currency}"))
    async for violation in books.cross_checks():
        report.add(violation)
    return report
