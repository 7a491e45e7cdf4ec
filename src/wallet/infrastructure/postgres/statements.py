"""What statements are made of, on PostgreSQL: versions found by halving, lines by primary key."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from wallet.domain.history import Line
from wallet.domain.money import Currency
from wallet.domain.statements import BalanceAt, Holder
from wallet.infrastructure.postgres.errors import translated
from wallet.infrastructure.postgres.lines import LINE_COLUMNS, LINE_PARTS, line_of
from wallet.infrastructure.postgres.pool import Connection
from wallet.infrastructure.postgres.search import versions_before

CHUNK = 1_000
"""How many lines are read at a time: between two chunks others get their turn."""

WALLET = """
SELECT a.currency, a.version
FROM wallets w JOIN accounts a ON a.id = w.account_id
WHERE w.owner_id = $1 AND w.account_id = $2
"""

BALANCES = """
SELECT version, posted_after, held_after, booked_at
FROM entries WHERE account_id = $1 AND version = ANY ($2::bigint[])
"""

LINES = (
    "SELECT"
    + LINE_COLUMNS
    + "FROM entries e"
    + LINE_PARTS
    + """
WHERE e.account_id = $1 AND e.version > $2 AND e.version <= $3 AND e.posted_delta <> 0
ORDER BY e.version
"""
)

HOLDER = "SELECT id, first_name, last_name, handle FROM users WHERE id = $1"


class PostgresStatements:
    """Reads what statements are made of; what is booked never changes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def balances_at(
        self, owner_id: UUID, wallet_id: UUID, instants: Sequence[datetime]
    ) -> Sequence[BalanceAt] | None:
        """Return what a wallet held right before each instant; None if it is not the owner's."""
        with translated():
            wallet = await self._connection.fetchrow(WALLET, owner_id, wallet_id)
            if wallet is None:
                return None
            found = await versions_before(
                self._connection, {wallet_id: wallet["version"]}, sorted(set(instants))
            )
            rows = await self._connection.fetch(BALANCES, wallet_id, list(found.values()))
        entries = {row["version"]: row for row in rows}
        currency = Currency(wallet["currency"])
        balances = []
        for instant in instants:
            version = found[wallet_id, instant]
            entry = entries.get(version)
            balances.append(
                BalanceAt(
                    wallet_id,
                    currency,
                    version,
                    0 if entry is None else entry["posted_after"],
                    0 if entry is None else entry["held_after"],
                    None if entry is None else entry["booked_at"],
                )
            )
        return balances

    async def lines_between(
        self, wallet_id: UUID, after_version: int, up_to_version: int
    ) -> Sequence[Line]:
        """Return the lines of these versions, oldest first."""
        lines: list[Line] = []
        with translated():
            for after in range(after_version, up_to_version, CHUNK):
                up_to = min(after + CHUNK, up_to_version)
                rows = await self._connection.fetch(LINES, wallet_id, after, up_to)
                lines += map(line_of, rows)
        return lines

    async def holder(self, owner_id: UUID) -> Holder:
        """Return whose wallet it is; nameless where nothing is known of them."""
        with translated():
            row = await self._connection.fetchrow(HOLDER, owner_id)
        if row is None:
            return Holder(owner_id, "", "", None)
        return Holder(row["id"], row["first_name"], row["last_name"], row["handle"])
