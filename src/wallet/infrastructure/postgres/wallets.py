"""Wallets on PostgreSQL: opened, found, read and closed."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from wallet.domain.accounts import Account, Freeze
from wallet.domain.money import Currency
from wallet.domain.wallets import WalletNotEmpty, WalletView
from wallet.infrastructure.postgres.errors import translated
from wallet.infrastructure.postgres.pool import Connection, Record

OPEN_WALLET = "INSERT INTO wallets (owner_id, currency, account_id) VALUES ($1, $2, $3)"

ADD_ACCOUNTS = """
INSERT INTO accounts (id, owner_id, purpose, currency, floor, created_at)
SELECT id, owner_id, purpose, currency, floor, $6
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bigint[])
    AS a (id, owner_id, purpose, currency, floor)
ORDER BY id
ON CONFLICT (id) DO NOTHING
"""

ADD_WALLET_ACCOUNT = """
INSERT INTO accounts (id, owner_id, purpose, currency, floor, created_at)
VALUES ($1, $2, $3, $4, $5, $6)
"""

HAVE_ACCOUNT = "SELECT EXISTS (SELECT FROM accounts WHERE id = $1)"

FIND = "SELECT account_id FROM wallets WHERE owner_id = $1 AND currency = $2"

FIND_MANY = """
SELECT w.owner_id, w.currency, w.account_id
FROM unnest($1::uuid[], $2::text[]) AS wanted (owner_id, currency)
JOIN wallets w ON w.owner_id = wanted.owner_id AND w.currency = wanted.currency
"""

DEFAULT_CURRENCIES = "SELECT id, default_currency FROM users WHERE id = ANY($1::uuid[])"

OF_OWNER = """
SELECT a.id, a.owner_id, a.currency, a.posted, a.held, a.version, a.floor, a.frozen,
       a.created_at, a.closed_at
FROM wallets w JOIN accounts a ON a.id = w.account_id
WHERE w.owner_id = $1 ORDER BY a.currency
"""

GET = """
SELECT a.id, a.owner_id, a.currency, a.posted, a.held, a.version, a.floor, a.frozen,
       a.created_at, a.closed_at
FROM wallets w JOIN accounts a ON a.id = w.account_id
WHERE w.owner_id = $1
  AND w.currency = coalesce($2, (SELECT default_currency FROM users WHERE id = $1))
"""

GET_MANY = """
SELECT wanted.owner_id AS asked_for, wanted.currency AS asked_in,
       a.id, a.owner_id, a.currency, a.posted, a.held, a.version, a.floor, a.frozen,
       a.created_at, a.closed_at
FROM unnest($1::uuid[], $2::text[]) AS wanted (owner_id, currency)
LEFT JOIN users u ON u.id = wanted.owner_id AND wanted.currency IS NULL
JOIN wallets w ON w.owner_id = wanted.owner_id
    AND w.currency = coalesce(wanted.currency, u.default_currency)
JOIN accounts a ON a.id = w.account_id
"""

LOCK_OF_OWNER = """
SELECT id, posted, held FROM accounts
WHERE id IN (SELECT account_id FROM wallets WHERE owner_id = $1)
ORDER BY id FOR NO KEY UPDATE
"""

HAS_PENDING_FUNDING = """
SELECT EXISTS (SELECT FROM fundings WHERE account_id = ANY($1::uuid[]) AND status = 'pending')
"""

CLOSE = "UPDATE accounts SET closed_at = $2 WHERE id = ANY($1::uuid[]) AND closed_at IS NULL"

CONTROL = """
UPDATE accounts
SET frozen = $2, floor = $3, closed_at = coalesce(closed_at, $4),
    debt = least(debt, greatest(0, $3 - (posted - held)))
WHERE id = $1 AND purpose = 'wallet'
"""


def wallet_of(row: "Record") -> WalletView:
    """Map a row to what the owner sees of a wallet."""
    return WalletView(
        id=row["id"],
        owner_id=row["owner_id"],
        currency=Currency(row["currency"]),
        posted=row["posted"],
        held=row["held"],
        version=row["version"],
        floor=row["floor"],
        freeze=Freeze(row["frozen"]),
        created_at=row["created_at"],
        closed_at=row["closed_at"],
    )


class PostgresWallets:
    """Wallets, inside the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def open(self, account: Account, created_at: datetime) -> None:
        """Open a wallet; raise `WalletAlreadyOpen` if the owner has one in its currency."""
        with translated():
            await self._connection.execute(
                OPEN_WALLET, account.owner_id, account.currency, account.id
            )
            await self._connection.execute(
                ADD_WALLET_ACCOUNT,
                account.id,
                account.owner_id,
                account.purpose.value,
                account.currency,
                account.floor,
                created_at,
            )

    async def add_system_accounts(self, accounts: Sequence[Account], created_at: datetime) -> None:
        """Add those of a currency's system accounts that are not there yet."""
        with translated():
            # They are added in one statement: where one of them is, all of them are.
            if not await self._connection.fetchval(HAVE_ACCOUNT, accounts[0].id):
                await self._add(accounts, created_at)

    async def _add(self, accounts: Sequence[Account], created_at: datetime) -> None:
        await self._connection.execute(
            ADD_ACCOUNTS,
            [account.id for account in accounts],
            [account.owner_id for account in accounts],
            [account.purpose.value for account in accounts],
            [account.currency for account in accounts],
            [account.floor for account in accounts],
            created_at,
        )

    async def find(self, owner_id: UUID, currency: str) -> UUID | None:
        """Return the id of the owner's wallet in a currency, or None."""
        with translated():
            found: UUID | None = await self._connection.fetchval(FIND, owner_id, currency)
        return found

    async def find_many(
        self, places: Sequence[tuple[UUID, str]]
    ) -> Mapping[tuple[UUID, str], UUID]:
        """Return the ids of the wallets at these (owner id, currency) that there are."""
        with translated():
            rows = await self._connection.fetch(
                FIND_MANY, [owner for owner, _ in places], [code for _, code in places]
            )
        return {(row["owner_id"], row["currency"]): row["account_id"] for row in rows}

    async def default_currencies(self, owner_ids: Sequence[UUID]) -> Mapping[UUID, Currency]:
        """Return the currency of each one's default wallet; leave out who does not exist."""
        with translated():
            rows = await self._connection.fetch(DEFAULT_CURRENCIES, owner_ids)
        return {row["id"]: Currency(row["default_currency"]) for row in rows}

    async def of_owner(self, owner_id: UUID) -> Sequence[WalletView]:
        """Return the owner's wallets, by currency."""
        with translated():
            rows = await self._connection.fetch(OF_OWNER, owner_id)
        return [wallet_of(row) for row in rows]

    async def get(self, owner_id: UUID, currency: str | None) -> WalletView | None:
        """Return one wallet; a currency of None means the owner's default one."""
        with translated():
            row = await self._connection.fetchrow(GET, owner_id, currency)
        return None if row is None else wallet_of(row)

    async def get_many(
        self, places: Sequence[tuple[UUID, str | None]]
    ) -> Mapping[tuple[UUID, str | None], WalletView]:
        """Return the wallets at these (owner id, currency) that there are, as `get` would."""
        with translated():
            rows = await self._connection.fetch(
                GET_MANY, [owner for owner, _ in places], [code for _, code in places]
            )
        return {(row["asked_for"], row["asked_in"]): wallet_of(row) for row in rows}

    async def close_all(self, owner_id: UUID, closed_at: datetime) -> None:
        """Lock, check and close the owner's wallets; raise `WalletNotEmpty` if one is not."""
        with translated():
            rows = await self._connection.fetch(LOCK_OF_OWNER, owner_id)
            ids = [row["id"] for row in rows]
            if any(row["posted"] or row["held"] for row in rows):
                raise WalletNotEmpty
            if await self._connection.fetchval(HAS_PENDING_FUNDING, ids):
                raise WalletNotEmpty
            await self._connection.execute(CLOSE, ids, closed_at)

    async def control(
        self, wallet_id: UUID, freeze: Freeze, floor: int, closed_at: datetime | None
    ) -> None:
        """Write what staff decided about a locked wallet; closing is for good."""
        with translated():
            if closed_at is not None and await self._connection.fetchval(
                HAS_PENDING_FUNDING, [wallet_id]
            ):
                raise WalletNotEmpty
            await self._connection.execute(CONTROL, wallet_id, int(freeze), floor, closed_at)
