"""Verification: reads the whole of the books in one snapshot and names everything wrong."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from wallet.application.log_verification import Evidence, LogCheck
from wallet.domain.invariants import (
    AccountState,
    AccountStream,
    EntryRow,
    Violation,
    unbalanced_violations,
)

VIOLATIONS_MAX = 10_000


class Books(Protocol):
    """One consistent snapshot of everything that is checked."""

    def journal(self) -> AsyncIterator[AccountState | EntryRow]:
        """Return each account, followed by the rows of its entries in order of version."""
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

    def merge(self, other: "Report") -> None:
        """Add what somebody else found in the same books."""
        self.add_all(other.violations)
        self.complete = self.complete and other.complete

    def add_all(self, violations: Iterable[Violation]) -> None:
        """Add several."""
        for violation in violations:
            self.add(violation)


async def verify(books: Books, evidence: Evidence | None = None) -> Report:
    """Check every invariant over one snapshot of the books, and the log if there is one."""
    report = await verify_journal(books, evidence)
    report.merge(await verify_rest(books))
    return report


async def verify_rest(books: Books) -> Report:
    """Check what is no matter of a single account's entries."""
    report = Report()
    for violation in unbalanced_violations(await books.unbalanced()):
        report.add(violation)
    for currency, total in (await books.totals()).items():
        if total:
            report.add(Violation("money-conserved", None, None, f"{total} {currency}"))
    async for violation in books.cross_checks():
        report.add(violation)
    return report


async def verify_journal(books: Books, evidence: Evidence | None = None) -> Report:
    """Check each account against its entries, and the entries against the log."""
    report = Report()
    stream: AccountStream | None = None
    log = None if evidence is None else LogCheck(evidence)
    if log is not None:
        await log.start()
    async for item in books.journal():
        if isinstance(item, AccountState):
            report.add_all(stream.finish() if stream else ())
            stream = AccountStream(item)
            report.accounts += 1
            if log is not None:
                await log.account(item)
        elif stream is not None and (stream.follows(item) or _checked(stream, item, report)):
            report.entries += 1
            if log is not None:
                log.entry(item)
    report.add_all(stream.finish() if stream else ())
    if log is not None:
        await log.finish()
        report.add_all(log.found)
    return report


def _checked(stream: AccountStream, row: EntryRow, report: Report) -> bool:
    """Look at a row closely, and tell what is wrong with it; whether it is an entry at all."""
    stored = row.read()
    if isinstance(stored, Violation):
        report.add(stored)
        return False
    report.add_all(stream.check(stored))
    return True
