"""Monthly insight: how much came in and went out of a wallet, by kind and by counterparty."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from wallet.domain.errors import Invalid
from wallet.domain.history import Counterparty
from wallet.domain.journal import Kind
from wallet.domain.money import Currency

MONTHS_MAX = 24
COUNTERPARTIES_MAX = 10
"""How many counterparties are named in a month; all others are told together."""
LINES_MAX = 100_000
"""How many lines are summed up for one answer, the newest first."""


class MonthsInvalid(Invalid):
    """Months are given from the earlier to the later one, at most 24 of them."""

    code = "months-invalid"


@dataclass(frozen=True, slots=True)
class Flow:
    """Money in and out, in minor units, and in how many lines."""

    amount_in: int = 0
    lines_in: int = 0
    amount_out: int = 0
    lines_out: int = 0

    def less(self, other: "Flow") -> "Flow":
        """Return what is left of this flow without another that is part of it."""
        return Flow(
            self.amount_in - other.amount_in,
            self.lines_in - other.lines_in,
            self.amount_out - other.amount_out,
            self.lines_out - other.lines_out,
        )

    def plus(self, other: "Flow") -> "Flow":
        """Return both flows together."""
        return Flow(
            self.amount_in + other.amount_in,
            self.lines_in + other.lines_in,
            self.amount_out + other.amount_out,
            self.lines_out + other.lines_out,
        )


@dataclass(frozen=True, slots=True)
class Stretch:
    """The entries of a month: versions after `after` up to and including `up_to`."""

    after: int
    up_to: int

    @property
    def entries(self) -> int:
        """How many entries there are."""
        return max(0, self.up_to - self.after)


@dataclass(frozen=True, slots=True)
class Flows:
    """What was summed up of one month."""

    kinds: Mapping[Kind, Flow] = field(default_factory=dict)
    counterparties: Sequence[tuple[Counterparty, Flow]] = ()


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month in UTC; `complete` is whether all of its lines were summed up.

    `counterparties` are people, the largest flows first; `others` is everything else: further
    people, and money from and to the outside.
    """

    year: int
    month: int
    complete: bool
    total: Flow
    kinds: Mapping[Kind, Flow]
    counterparties: Sequence[tuple[Counterparty, Flow]]
    others: Flow

    @classmethod
    def of(cls, year: int, month: int, flows: Flows, *, complete: bool) -> "Month":
        """Put a month together."""
        total = named = Flow()
        for flow in flows.kinds.values():
            total = total.plus(flow)
        for _, flow in flows.counterparties:
            named = named.plus(flow)
        others = total.less(named)
        return cls(year, month, complete, total, flows.kinds, flows.counterparties, others)


@dataclass(frozen=True, slots=True)
class Insight:
    """Some months of one wallet, the earliest first."""

    wallet_id: UUID
    currency: Currency
    months: Sequence[Month]


def months_between(first: tuple[int, int], last: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the months (year, month) from one to another; raise `MonthsInvalid`."""
    start, end = first[0] * 12 + first[1] - 1, last[0] * 12 + last[1] - 1
    if not 0 <= end - start < MONTHS_MAX:
        raise MonthsInvalid(months_max=MONTHS_MAX)
    return [(number // 12, number % 12 + 1) for number in range(start, end + 1)]


def shortened(stretches: Sequence[Stretch], lines_max: int = LINES_MAX) -> Sequence[Stretch]:
    """Return the stretches with at most so many entries altogether; the earliest are cut."""
    kept: list[Stretch] = []
    room = lines_max
    for stretch in reversed(stretches):
        taken = min(stretch.entries, room)
        room -= taken
        kept.append(Stretch(stretch.up_to - taken, stretch.up_to))
    return kept[::-1]


class Insights(Protocol):
    """What insight is summed up from."""

    async def flows(self, wallet_id: UUID, stretches: Sequence[Stretch]) -> Sequence[Flows]:
        """Sum up each stretch of a wallet's entries."""
        ...
