"""A person's history: the lines of all their wallets, newest first, read by keyset.

Lines are merged by (booked_at, wallet, version). A cursor holds the last version shown of each
wallet, so that every page walks primary keys, whatever is inserted meanwhile.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from typing import Protocol
from uuid import UUID

from wallet.domain.errors import Invalid, NotFound
from wallet.domain.journal import Details, Entry
from wallet.domain.search import Count, Search, Stretch

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

    @property
    def seen(self) -> tuple[str, ...]:
        """What a search for words finds of the counterparty."""
        party = self.counterparty
        return () if party is None else tuple(filter(None, (party.first_name, party.handle)))


@dataclass(frozen=True, slots=True)
class Page:
    """Some lines, and where each wallet goes on if there are more.

    `scanned_to` is how far the page has looked if that, and not its limit, is what ended it.
    """

    lines: Sequence[Line]
    next_versions: Mapping[UUID, int] | None
    scanned_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """Where a page had to stop looking: the last version examined of a wallet, and its time."""

    wallet_id: UUID
    booked_at: datetime


@dataclass(frozen=True, slots=True)
class Look:
    """What a page of a search may look at in each wallet, and the part of it that it looks at."""

    stretches: Sequence[Stretch]
    parts: Sequence[Stretch]
    oldest_first: bool

    @classmethod
    def of(cls, stretches: Sequence[Stretch], lines_max: int, *, oldest_first: bool) -> "Look":
        """Divide `lines_max` lines among the wallets."""
        open_ones = [stretch for stretch in stretches if not stretch.is_empty]
        share = max(1, lines_max // max(1, len(open_ones)))
        parts = [stretch.first(share, oldest_first=oldest_first) for stretch in open_ones]
        return cls(open_ones, parts, oldest_first)

    @property
    def unfinished(self) -> Sequence[Stretch]:
        """The parts that end before their wallet's stretch does."""
        return [
            part for part, whole in zip(self.parts, self.stretches, strict=True) if part != whole
        ]

    def edge(self, times: Mapping[UUID, datetime]) -> Edge:
        """Return the first place where a part ends; `times` are those of their last versions."""
        edges = [Edge(part.wallet_id, times[part.wallet_id]) for part in self.unfinished]
        nearest = min if self.oldest_first else max
        return nearest(edges, key=lambda edge: (edge.booked_at, edge.wallet_id))

    def within(self, edge: Edge, lines: Sequence[Line]) -> Sequence[Line]:
        """Return the lines that come before the edge: beyond it other wallets may have more."""
        if self.oldest_first:
            return [line for line in lines if line.entry.booked_at <= edge.booked_at]
        return [line for line in lines if line.entry.booked_at >= edge.booked_at]

    def beyond(self, edge: Edge, positions: Mapping[UUID, int]) -> Mapping[UUID, int]:
        """Return where each wallet goes on behind the edge.

        `positions` are, by wallet, how many versions are before the edge's time (not after it, if
        the oldest come first).
        """
        places = {}
        for part, whole in zip(self.parts, self.stretches, strict=True):
            if part.wallet_id == edge.wallet_id:
                rest = whole.after(part, oldest_first=self.oldest_first)
                place = rest.next_version(oldest_first=self.oldest_first)
            else:
                place = positions[part.wallet_id] + 1
                place = min(max(place, whole.low), whole.high)
            places[part.wallet_id] = place
        return places

    def behind(self, lines: Sequence[Line]) -> Mapping[UUID, int]:
        """Return where each wallet goes on behind these lines, which are the first ones found."""
        places = {
            stretch.wallet_id: stretch.next_version(oldest_first=self.oldest_first)
            for stretch in self.stretches
        }
        for line in lines:
            entry = line.entry
            places[entry.account_id] = entry.version + (1 if self.oldest_first else 0)
        return places


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

    async def search(
        self,
        owner_id: UUID,
        search: Search,
        *,
        next_versions: Mapping[UUID, int] | None,
        limit: int,
    ) -> Page:
        """Return the next `limit` lines that a search asks for, as far as one page looks."""
        ...

    async def count(self, owner_id: UUID, search: Search) -> Count:
        """Return how many lines a search finds, up to what is looked at to count."""
        ...

    async def line(self, owner_id: UUID, instruction_id: UUID) -> Line | None:
        """Return the owner's line of one instruction, or None."""
        ...
