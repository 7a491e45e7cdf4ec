"""Fundings on PostgreSQL: written under their wallet's lock, read without it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from wallet.domain.funding import Funding, FundingStatus
from wallet.infrastructure.postgres.errors import translated
from wallet.infrastructure.postgres.pool import Connection, Record

SAVE_FUNDINGS = """
INSERT INTO fundings (id, account_id, owner_id, amount, currency, source, status, reason,
                      created_at, decided_at)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::text[], $6::text[],
                     $7::text[], $8::text[], $9::timestamptz[], $10::timestamptz[])
ON CONFLICT (account_id, id) DO UPDATE
SET status = excluded.status, reason = excluded.reason, decided_at = excluded.decided_at
WHERE fundings.status = 'pending'
"""

# The columns are named: one that a later migration adds must not spoil a prepared statement.
GET = """
SELECT id, account_id, owner_id, amount, currency, source, status, reason, created_at,
       decided_at
FROM fundings WHERE account_id = $1 AND id = $2
"""

PENDING = """
SELECT id, account_id, owner_id, amount, currency, source, status, reason, created_at,
       decided_at
FROM fundings
WHERE status = 'pending' AND created_at < $1 AND (created_at, id) > ($2, $3)
ORDER BY created_at, id LIMIT $4
"""


_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


def funding_of(row: "Record") -> Funding:
    """Map a row to a funding."""
    return Funding(
        id=row["id"],
        account_id=row["account_id"],
        owner_id=row["owner_id"],
        amount=row["amount"],
        currency=row["currency"],
        source=row["source"],
        status=FundingStatus(row["status"]),
        created_at=row["created_at"],
        decided_at=row["decided_at"],
        reason=row["reason"],
    )


class PostgresFundings:
    """Reads fundings in the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get(self, account_id: UUID, funding_id: UUID) -> Funding | None:
        """Return one funding, or None."""
        with translated():
            row = await self._connection.fetchrow(GET, account_id, funding_id)
        return None if row is None else funding_of(row)

    async def pending(
        self, *, before: datetime, after: Funding | None, limit: int
    ) -> Sequence[Funding]:
        """Return pending fundings created before a moment, oldest first, beyond another one."""
        place = (_BEGINNING, UUID(int=0)) if after is None else (after.created_at, after.id)
        with translated():
            rows = await self._connection.fetch(PENDING, before, *place, limit)
        return [funding_of(row) for row in rows]
