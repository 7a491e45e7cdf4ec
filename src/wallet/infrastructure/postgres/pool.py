"""Connection pools with a role, deadlines and no surprises.

Every connection takes on a role of least privilege and carries the deadlines of the house: a
statement 2 s, a lock 1 s, an idle transaction 5 s, and 3 s on our side of the socket, without which
a black-holed connection would hang for ever. Nothing is reset between users of a connection (that
would cost half of each acquire), so nobody may leave session state behind.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    BorrowedConnection = PoolConnectionProxy[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]
    Record = asyncpg.Record
else:
    Connection = asyncpg.Connection
    BorrowedConnection = object
    Pool = asyncpg.Pool
    Record = asyncpg.Record

APPLICATION = "wallet_application"
VERIFIER = "wallet_verifier"
JANITOR = "wallet_janitor"
READY_TIMEOUT_S = 1.0
QUERIES_MAX = 1_000_000
"""After so many a connection is replaced, which gives back what its server process has gathered."""

READY = "SELECT count(*) FROM wallets WHERE false"


class PooledConnection(asyncpg.Connection):
    """A connection that is handed on as it is."""

    def get_reset_query(self) -> str:
        """Return nothing to run between two users of the connection."""
        return ""


class FairPool(asyncpg.Pool):
    """A pool whose connections go to those who wait in the order in which they came.

    asyncpg's own lets a newcomer take a connection from under somebody who was just woken for it,
    and sends that one to the end of the line: of 64 who read at once a few never got their turn.
    """

    def __init__(self, *args: Any, max_size: int, **options: Any) -> None:
        super().__init__(*args, max_size=max_size, **options)
        self._turns = asyncio.Semaphore(max_size)
        self._lent: dict[Any, float | None] = {}

    async def _acquire(self, timeout: float | None) -> Any:
        # `timeout` is for one's turn. A new connection has the deadline of connecting: given up
        # earlier, it would be lost, and under load a pool that has to grow never would.
        async with asyncio.timeout(timeout):
            await self._turns.acquire()
        try:
            connection = await super()._acquire(None)  # type: ignore[misc]
        except BaseException:
            self._turns.release()
            raise
        self._lent[connection] = timeout
        return connection

    async def release(self, connection: Any, *, timeout: float | None = None) -> None:
        """Take a connection back, and let the next in line have it.

        One that is cut off in a statement may take as long as it took to get, or is thrown away.
        """
        lent = connection in self._lent
        wait_s = self._lent.pop(connection, None)
        try:
            await super().release(connection, timeout=wait_s if timeout is None else timeout)
        finally:
            if lent:
                self._turns.release()


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long the database may take, in seconds; see DESIGN.md on why they nest."""

    acquire_s: float = 0.5
    connect_s: float = 2.0
    statement_s: float = 2.0
    lock_s: float = 1.0
    idle_in_transaction_s: float = 5.0
    command_s: float = 3.0


DEADLINES = Deadlines()


async def create_pool(
    url: str,
    *,
    role: str | None = APPLICATION,
    size_min: int = 1,
    size_max: int = 10,
    generic_plans: bool = False,
    read_only: bool = False,
    deadlines: Deadlines = DEADLINES,
) -> "Pool":
    """Open a pool on `url`, acting as `role` (None: as whoever logs in).

    `generic_plans` fits connections that run the same set-based statements for ever: it saves
    planning them anew for each batch. On a `read_only` pool the database
    refuses every change. Raises what asyncpg raises if the server cannot be reached.
    """
    settings = {
        "application_name": "wallet",
        "timezone": "UTC",
        "jit": "off",
        "statement_timeout": _milliseconds(deadlines.statement_s),
        "lock_timeout": _milliseconds(deadlines.lock_s),
        "idle_in_transaction_session_timeout": _milliseconds(deadlines.idle_in_transaction_s),
    }
    if role is not None:
        settings["role"] = role
    if read_only:
        settings["default_transaction_read_only"] = "on"
    if generic_plans:
        settings["plan_cache_mode"] = "force_generic_plan"
    return await FairPool(
        url,
        min_size=size_min,
        max_size=size_max,
        max_queries=QUERIES_MAX,
        max_inactive_connection_lifetime=300.0,
        connect=None,
        setup=None,
        init=None,
        reset=None,
        loop=None,
        connection_class=PooledConnection,
        record_class=asyncpg.Record,
        command_timeout=deadlines.command_s,
        timeout=deadlines.connect_s,
        server_settings=settings,
    )


async def database_ready(pool: "Pool") -> Mapping[str, str]:
    """Return {"database": "ok"} if the tables can be read; raise what the driver raises."""
    wait_s = READY_TIMEOUT_S
    async with asyncio.timeout(wait_s), pool.acquire(timeout=wait_s) as connection:
        await connection.fetchval(READY)
    return {"database": "ok"}


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))
