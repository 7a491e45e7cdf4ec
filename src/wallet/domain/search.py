"""Searching one's history: what is asked for, and how far one page looks.

A page examines a bounded number of lines of each wallet, a *stretch* of its versions, so that it
costs the same however long the history is and however rare the lines are that are asked for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from uuid import UUID

from wallet.domain.journal import Details, Entry, Kind

LINES_EXAMINED_MAX = 10_000
"""How many lines one page looks at, over all wallets."""
DETAILS_EXAMINED_MAX = 4_000
"""How many, if each line's details must be read, which costs five times as much."""
NAMES_EXAMINED_MAX = 1_000
"""How many, if each line's counterparty must be read as well, which costs twice as much again."""
COUNT_MAX = 10_000
"""Up to this many lines are counted one by one."""
COUNT_EXAMINED_MAX = 100_000
"""How many lines are looked at to count, over all wallets."""
WORDS_MAX = 8


class Direction(StrEnum):
    """Which way the money went, as the wallet's owner sees it."""

    IN = "in"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class Search:
    """Which lines are asked for; a line must meet everything that is given.

    Amounts are minor units without a sign. `since` is inclusive, `until` is not. `counterparty` is
    a user id or a handle; `words` must each stand in the note, or in what is seen of the
    counterparty, whatever their case.
    """

    kinds: tuple[Kind, ...] = ()
    direction: Direction | None = None
    amount_min: int | None = None
    amount_max: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    currency: str | None = None
    wallet_id: UUID | None = None
    counterparty: UUID | str | None = None
    reference: str | None = None
    metadata_key: str | None = None
    metadata_value: str | None = None
    words: tuple[str, ...] = ()
    oldest_first: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether nothing in particular is asked for, newest first."""
        return self == EVERYTHING

    @property
    def reads_details(self) -> bool:
        """Whether only lines with details can be found."""
        return self.reference is not None or self.metadata_key is not None

    @property
    def lines_examined_max(self) -> int:
        """How many lines a page of this search looks at, so that any search costs the same."""
        if self.words:
            return NAMES_EXAMINED_MAX
        return DETAILS_EXAMINED_MAX if self.reads_details else LINES_EXAMINED_MAX

    @property
    def digest(self) -> bytes:
        """What tells this search from others: a cursor belongs to one of them."""
        return b"" if self.is_plain else sha256(repr(self).encode()).digest()[:8]

    def admits(
        self,
        entry: Entry,
        details: Details | None,
        seen: Sequence[str],
        counterparty_account_ids: Sequence[UUID] | None,
    ) -> bool:
        """Tell whether a line is asked for.

        `seen` is what its owner sees of the counterparty; `counterparty_account_ids` are the
        wallets of the one that is asked for, or None if nobody is.
        """
        amount = abs(entry.posted_delta)
        direction = Direction.IN if entry.posted_delta > 0 else Direction.OUT
        return (
            amount > 0
            and (not self.kinds or entry.kind in self.kinds)
            and self.direction in (None, direction)
            and (self.amount_min is None or amount >= self.amount_min)
            and (self.amount_max is None or amount <= self.amount_max)
            and (self.since is None or entry.booked_at >= self.since)
            and (self.until is None or entry.booked_at < self.until)
            and self.currency in (None, entry.currency)
            and self.wallet_id in (None, entry.account_id)
            and (
                counterparty_account_ids is None
                or entry.counterparty_id in counterparty_account_ids
            )
            and self._admits_details(details)
            and self._admits_words(details, seen)
        )

    def _admits_details(self, details: Details | None) -> bool:
        metadata = (details.metadata if details is not None else None) or {}
        if self.reference is not None and (details is None or details.reference != self.reference):
            return False
        if self.metadata_key is None:
            return True
        if self.metadata_value is None:
            return self.metadata_key in metadata
        return metadata.get(self.metadata_key) == self.metadata_value

    def _admits_words(self, details: Details | None, seen: Sequence[str]) -> bool:
        note = (details.note if details is not None else None) or ""
        text = "\n".join((note, *seen)).lower()
        return all(word.lower() in text for word in self.words)


EVERYTHING = Search()


@dataclass(frozen=True, slots=True)
class Stretch:
    """The versions of one wallet from `low` up to, but not including, `high`."""

    wallet_id: UUID
    low: int
    high: int

    def first(self, lines_max: int, *, oldest_first: bool) -> "Stretch":
        """Return the part of at most `lines_max` versions that comes first in a search."""
        if oldest_first:
            return Stretch(self.wallet_id, self.low, min(self.high, self.low + lines_max))
        return Stretch(self.wallet_id, max(self.low, self.high - lines_max), self.high)

    def after(self, part: "Stretch", *, oldest_first: bool) -> "Stretch":
        """Return what is left of this stretch after its first part."""
        if oldest_first:
            return Stretch(self.wallet_id, part.high, self.high)
        return Stretch(self.wallet_id, self.low, part.low)

    def last_version(self, *, oldest_first: bool) -> int:
        """Return the version that a search comes to last."""
        return self.high - 1 if oldest_first else self.low

    def next_version(self, *, oldest_first: bool) -> int:
        """Return where a search of this stretch begins, as a cursor holds it."""
        return self.low if oldest_first else self.high

    def holds(self, version: int) -> bool:
        """Whether a version is in it."""
        return self.low <= version < self.high

    @property
    def is_empty(self) -> bool:
        """Whether there is no version in it."""
        return self.low >= self.high


@dataclass(frozen=True, slots=True)
class Count:
    """How many lines a search finds; `exact` is whether that is all of them."""

    lines: int
    exact: bool


def stretches_of(
    heads: Mapping[UUID, int],
    versions_before: Mapping[tuple[UUID, datetime], int],
    search: Search,
    next_versions: Mapping[UUID, int] | None,
) -> list[Stretch]:
    """Return what a page may look at in each wallet.

    `heads` are the wallets' last versions, `versions_before` the last version before an instant,
    and `next_versions` a cursor's: a wallet that it does not know was opened after the first page
    and is left out.
    """
    found = []
    for wallet_id, head in heads.items():
        low, high = 1, head + 1
        if search.since is not None:
            low = versions_before[wallet_id, search.since] + 1
        if search.until is not None:
            high = versions_before[wallet_id, search.until] + 1
        if next_versions is not None:
            if wallet_id not in next_versions:
                continue
            if search.oldest_first:
                low = max(low, next_versions[wallet_id])
            else:
                high = min(high, next_versions[wallet_id])
        found.append(Stretch(wallet_id, low, high))
    return found
