"""Statements, balances of the past, and monthly insight: a wallet as its owner looks back at it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import Protocol
from uuid import UUID

from wallet.application.ports import Clock
from wallet.application.unit_of_work import UnitOfWork, UnitOfWorkFactory
from wallet.domain.insights import Insight, Month, Stretch, months_between, shortened
from wallet.domain.statements import (
    LINES_MAX,
    BalanceAt,
    Period,
    Statement,
    StatementTooLong,
)
from wallet.domain.wallets import WalletNotFound


class StatementFormat(StrEnum):
    """What a statement is written as."""

    JSON = "json"
    CSV = "csv"
    CAMT_053 = "camt.053"
    PDF = "pdf"


FORMAT_LINES_MAX: Mapping[StatementFormat, int] = {StatementFormat.PDF: 2_000}
"""Pages are laid out line by line, which takes longer than writing data."""


class StatementWriter(Protocol):
    """Writes statements as files, without keeping others waiting; raises `Overloaded`."""

    async def write(self, statement: Statement, form: StatementFormat) -> bytes:
        """Return the file."""
        ...


class Statements:
    """Looks back at one wallet; raises `WalletNotFound` for what is not the person's."""

    def __init__(
        self, *, unit_of_work: UnitOfWorkFactory, writer: StatementWriter, clock: Clock
    ) -> None:
        self._unit_of_work = unit_of_work
        self._writer = writer
        self._clock = clock

    async def balance_at(self, person_id: UUID, wallet_id: UUID, instant: datetime) -> BalanceAt:
        """Return what a wallet held right before an instant, held amounts included."""
        async with self._unit_of_work() as work:
            (balance,) = await _balances(work, person_id, wallet_id, [instant])
        return balance

    async def of(
        self, person_id: UUID, wallet_id: UUID, period: Period, form: StatementFormat
    ) -> Statement:
        """Return a statement; raise `StatementTooLong`, saying how far one reaches."""
        lines_max = FORMAT_LINES_MAX.get(form, LINES_MAX)
        made_at = self._clock()
        async with self._unit_of_work() as work:
            opening, closing = await _balances(
                work, person_id, wallet_id, [period.since, period.until]
            )
            entries = closing.version - opening.version
            if entries > lines_max:
                reach = await work.statements.lines_between(
                    wallet_id, opening.version + lines_max, opening.version + lines_max + 1
                )
                until = {"booked_to": reach[0].entry.booked_at.isoformat()} if reach else {}
                raise StatementTooLong(entries=entries, lines_max=lines_max, **until)
            lines = await work.statements.lines_between(wallet_id, opening.version, closing.version)
            holder = await work.statements.holder(person_id)
        return Statement(
            holder, wallet_id, opening.currency, period, opening, closing, lines, made_at
        )

    async def written(self, statement: Statement, form: StatementFormat) -> bytes:
        """Return a statement as a file."""
        return await self._writer.write(statement, form)

    async def insight(
        self, person_id: UUID, wallet_id: UUID, first: tuple[int, int], last: tuple[int, int]
    ) -> Insight:
        """Return some months (year, month) of a wallet; raise `MonthsInvalid`."""
        months = months_between(first, last)
        periods = [Period.month(*month) for month in months]
        instants = [periods[0].since, *(period.until for period in periods)]
        async with self._unit_of_work() as work:
            balances = await _balances(work, person_id, wallet_id, instants)
            versions = [balance.version for balance in balances]
            whole = [Stretch(*pair) for pair in pairwise(versions)]
            stretches = shortened(whole)
            flows = await work.insights.flows(wallet_id, stretches)
        found = [
            Month.of(*month, flow, complete=stretch == all_of_it)
            for month, flow, stretch, all_of_it in zip(months, flows, stretches, whole, strict=True)
        ]
        return Insight(wallet_id, balances[0].currency, found)


async def _balances(
    work: UnitOfWork, person_id: UUID, wallet_id: UUID, instants: Sequence[datetime]
) -> Sequence[BalanceAt]:
    balances = await work.statements.balances_at(person_id, wallet_id, instants)
    if balances is None:
        raise WalletNotFound
    return balances
