"""A person's history: the lines of all their wallets, newest first, read by keyset.

Lines are merged by (booked_at, wallet, version). A cursor holds the last version shown of each
wallet, so that every page walks primary keys, whatever is inserted meanwhile.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import merge
from typing import Protocol
from uuid import UUID

from wallet.domain.errors import Invalid, NotFound
from wallet.domain.journal import Details, Entry

PAGE_LIMIT_MAX = 200


class CursorInvalid(Invalid):
    """The cursor was not made by this service for this list."""

    code = "cursor-invalid"


class TransactionNotFound(NotFound):
    """You have no such transaction."""

    code = "transaction-not-found"


@dataclass(frozen=True, slots=True)
class Counterparty:
    """What a person sees of whoever stands on the other side."""

    user_id: UUID
    handle: str | None
    first_name: str
    initial: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a person's history."""

    entry: Entry
    counterparty: Counterparty | None
    details: Details | None


@dataclass(frozen=True, slots=True)
class Page:
    """Some lines, and the last version of each wallet shown so far if there are more."""

    lines: Sequence[Line]
    next_versions: Mapping[UUID, int] | None


def order(line: Line) -> tuple[object, ...]:
    """Return what lines are ordered by, newest first."""
    entry = line.entry
    return (entry.booked_at, entry.account_id, entry.version)


def merged_page(
    lines: Mapping[UUID, Sequence[Line]], before_versions: Mapping[UUID, int], limit: int
) -> Page:
    """Merge each wallet's newest lines into one page of at most `limit`."""
    newest = list(merge(*lines.values(), key=order, reverse=True))
    page = newest[:limit]
    if len(newest) <= limit:
        return Page(page, None)
    shown = dict(before_versions)
    for line in page:
        shown[line.entry.account_id] = line.entry.version
    return Page(page, shown)


class History(Protocol):
    """The lines of a person's wallets."""

    async def page(
        self, owner_id: UUID, *, before_versions: Mapping[UUID, int] | None, limit: int
    ) -> Page:
        """Return the next `limit` lines below these versions, newest first."""
        ...

    async def line(self, owner_id: UUID, instruction_id: UUID) -> Line | None:
        """Return the owner's line of one instruction, or None."""
        ...
