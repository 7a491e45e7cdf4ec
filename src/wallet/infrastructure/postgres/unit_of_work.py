"""The unit of work on PostgreSQL: one connection, one READ COMMITTED transaction."""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self

import asyncpg

from wallet.application.unit_of_work import Interrupted
from wallet.domain.errors import OutcomeUnknown
from wallet.infrastructure.postgres.adjustments import PostgresAdjustments
from wallet.infrastructure.postgres.api_keys import PostgresApiKeys
from wallet.infrastructure.postgres.audit_trail import PostgresAuditTrail
from wallet.infrastructure.postgres.audits import PostgresAudits
from wallet.infrastructure.postgres.back_office import PostgresBackOffice
from wallet.infrastructure.postgres.browser_sessions import (
    PostgresLiveTickets,
    PostgresSessionCookies,
)
from wallet.infrastructure.postgres.errors import UNCERTAIN_AT_COMMIT, translated, translated_commit
from wallet.infrastructure.postgres.events import PostgresEvents
from wallet.infrastructure.postgres.fundings import PostgresFundings
from wallet.infrastructure.postgres.history import PostgresHistory
from wallet.infrastructure.postgres.insights import PostgresInsights
from wallet.infrastructure.postgres.ledger import PostgresLedger
from wallet.infrastructure.postgres.live import PostgresStreams
from wallet.infrastructure.postgres.log import PostgresLog
from wallet.infrastructure.postgres.movements import PostgresMovements
from wallet.infrastructure.postgres.pool import DEADLINES, BorrowedConnection, Pool
from wallet.infrastructure.postgres.safe_mode import PostgresSafeModes
from wallet.infrastructure.postgres.second_factors import PostgresSecondFactors
from wallet.infrastructure.postgres.sendings import PostgresSendings
from wallet.infrastructure.postgres.sessions import PostgresMailTokens, PostgresSessions
from wallet.infrastructure.postgres.statements import PostgresStatements
from wallet.infrastructure.postgres.tallies import PostgresTallies
from wallet.infrastructure.postgres.users import PostgresUsers
from wallet.infrastructure.postgres.wallets import PostgresWallets
from wallet.infrastructure.postgres.webhooks import PostgresWebhooks


class PostgresUnitOfWork:
    """One transaction on a pooled connection; leaving it without `commit()` rolls back.

    With `transaction=False` it only reads: each statement stands alone, as it would in a READ
    COMMITTED transaction, and two of three round trips are saved. Its pool must be read-only.
    """

    ledger: PostgresLedger
    wallets: PostgresWallets
    fundings: PostgresFundings
    history: PostgresHistory
    statements: PostgresStatements
    insights: PostgresInsights
    streams: PostgresStreams
    users: PostgresUsers
    sessions: PostgresSessions
    session_cookies: PostgresSessionCookies
    live_tickets: PostgresLiveTickets
    second_factors: PostgresSecondFactors
    api_keys: PostgresApiKeys
    mail_tokens: PostgresMailTokens
    events: PostgresEvents
    webhooks: PostgresWebhooks
    sendings: PostgresSendings
    log: PostgresLog
    safe_modes: PostgresSafeModes
    audits: PostgresAudits
    audit_trail: PostgresAuditTrail
    adjustments: PostgresAdjustments
    back_office: PostgresBackOffice
    movements: PostgresMovements
    tallies: PostgresTallies

    def __init__(
        self,
        pool: "Pool",
        *,
        acquire_timeout_s: float = DEADLINES.acquire_s,
        transaction: bool = True,
    ) -> None:
        self._pool = pool
        self._transaction = transaction
        self._acquire_timeout_s = acquire_timeout_s
        self._connection: BorrowedConnection | None = None
        self._open = False

    async def __aenter__(self) -> Self:
        """Take a connection and begin; raise `Interrupted` if that fails or takes too long."""
        with translated():
            connection = await self._pool.acquire(timeout=self._acquire_timeout_s)
        self._connection = connection
        if self._transaction:
            await self._begin(connection)
        self.ledger = PostgresLedger(connection)
        self.wallets = PostgresWallets(connection)
        self.fundings = PostgresFundings(connection)
        self.history = PostgresHistory(connection)
        self.statements = PostgresStatements(connection)
        self.insights = PostgresInsights(connection)
        self.streams = PostgresStreams(connection)
        self.users = PostgresUsers(connection)
        self.sessions = PostgresSessions(connection)
        self.session_cookies = PostgresSessionCookies(connection)
        self.live_tickets = PostgresLiveTickets(connection)
        self.second_factors = PostgresSecondFactors(connection)
        self.api_keys = PostgresApiKeys(connection)
        self.mail_tokens = PostgresMailTokens(connection)
        self.events = PostgresEvents(connection)
        self.webhooks = PostgresWebhooks(connection)
        self.sendings = PostgresSendings(connection)
        self.log = PostgresLog(connection)
        self.safe_modes = PostgresSafeModes(connection)
        self.audits = PostgresAudits(connection)
        self.audit_trail = PostgresAuditTrail(connection)
        self.adjustments = PostgresAdjustments(connection)
        self.back_office = PostgresBackOffice(connection)
        self.movements = PostgresMovements(connection)
        self.tallies = PostgresTallies(connection)
        return self

    async def _begin(self, connection: BorrowedConnection) -> None:
        try:
            with translated():
                await connection.execute("BEGIN")
        except BaseException:
            await self._discard(connection)
            raise
        self._open = True

    async def commit(self) -> None:
        """Commit; raise `OutcomeUnknown` if the answer to COMMIT did not come back."""
        if not self._transaction:
            raise TypeError("a unit of work that only reads has nothing to commit")
        assert self._connection is not None  # noqa: S101 - entered, or there is nothing to commit
        self._open = False
        with translated_commit():
            answer = await self._connection.execute("COMMIT")
        if answer != "COMMIT":
            raise Interrupted("The transaction was rolled back by the database.")

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Roll back what was not committed and give the connection back, or throw it away."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if isinstance(error, (Interrupted, OutcomeUnknown, asyncio.CancelledError, TimeoutError)):
            # Whatever the server is still doing on this connection is none of the next user's.
            await self._discard(connection)
            return
        try:
            if self._open:
                await connection.execute("ROLLBACK")
        except UNCERTAIN_AT_COMMIT:
            await self._discard(connection)
        except BaseException:
            await self._discard(connection)
            raise
        else:
            # What goes wrong in giving a connection back says nothing about what was done on it.
            with suppress(Exception):
                await self._pool.release(connection)

    async def _discard(self, connection: "BorrowedConnection") -> None:
        # A connection that was lost has left the pool by itself and cannot be ended any more.
        with suppress(asyncpg.InterfaceError):
            connection.terminate()
        with suppress(Exception):
            await self._pool.release(connection)
