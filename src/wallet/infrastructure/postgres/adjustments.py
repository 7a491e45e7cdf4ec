"""Adjustments on PostgreSQL."""

from collections.abc import Sequence
from uuid import UUID

from wallet.domain.adjustments import Adjustment, AdjustmentAlreadyDecided, AdjustmentStatus
from wallet.domain.money import Currency
from wallet.infrastructure.postgres.errors import translated
from wallet.infrastructure.postgres.pool import Connection, Record

COLUMNS = """
SELECT id, account_id, owner_id, currency, amount, reason, requested_by, requested_at, status,
       decided_by, decided_at, decision_reason
FROM adjustments
"""

GET = COLUMNS + "WHERE id = $1"

AT = (
    COLUMNS  # noqa: S608 - constants alone
    + "WHERE (account_id, id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))"
)

PAGE = COLUMNS + "WHERE id < $1 ORDER BY id DESC LIMIT $2"

PAGE_OF_STATUS = COLUMNS + "WHERE id < $1 AND status = $3 ORDER BY id DESC LIMIT $2"

SAVE = """
INSERT INTO adjustments (id, account_id, owner_id, currency, amount, reason, requested_by,
                         requested_at, status, decided_by, decided_at, decision_reason)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT ON CONSTRAINT adjustments_id_unique DO UPDATE
SET status = EXCLUDED.status, decided_by = EXCLUDED.decided_by, decided_at = EXCLUDED.decided_at,
    decision_reason = EXCLUDED.decision_reason
WHERE adjustments.status = 'pending'
RETURNING id
"""

LAST_ID = UUID(int=2**128 - 1)


def adjustment_of(row: "Record") -> Adjustment:
    """Map a row to an adjustment."""
    return Adjustment(
        id=row["id"],
        account_id=row["account_id"],
        owner_id=row["owner_id"],
        currency=Currency(row["currency"]),
        amount=row["amount"],
        reason=row["reason"],
        requested_by=row["requested_by"],
        requested_at=row["requested_at"],
        status=AdjustmentStatus(row["status"]),
        decided_by=row["decided_by"],
        decided_at=row["decided_at"],
        decision_reason=row["decision_reason"],
    )


async def save_adjustment(connection: Connection, adjustment: Adjustment) -> bool:
    """Write a new adjustment or a decision; False if it had been decided before."""
    saved = await connection.fetchval(
        SAVE,
        adjustment.id,
        adjustment.account_id,
        adjustment.owner_id,
        adjustment.currency,
        adjustment.amount,
        adjustment.reason,
        adjustment.requested_by,
        adjustment.requested_at,
        adjustment.status.value,
        adjustment.decided_by,
        adjustment.decided_at,
        adjustment.decision_reason,
    )
    return saved is not None


class PostgresAdjustments:
    """Adjustments, inside the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get(self, adjustment_id: UUID) -> Adjustment | None:
        """Return one adjustment, or None."""
        with translated():
            row = await self._connection.fetchrow(GET, adjustment_id)
        return None if row is None else adjustment_of(row)

    async def page(
        self, status: AdjustmentStatus | None, *, before: UUID | None, limit: int
    ) -> Sequence[Adjustment]:
        """Return the next `limit` adjustments with an id below `before`, newest first."""
        place = before or LAST_ID
        with translated():
            if status is None:
                rows = await self._connection.fetch(PAGE, place, limit)
            else:
                rows = await self._connection.fetch(PAGE_OF_STATUS, place, limit, status.value)
        return [adjustment_of(row) for row in rows]

    async def reject(self, adjustment: Adjustment) -> None:
        """Write a rejection; the wallet is locked."""
        with translated():
            if not await save_adjustment(self._connection, adjustment):
                raise AdjustmentAlreadyDecided
