"""What instructions of staff read under the locks and write beside money, on PostgreSQL."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from wallet.domain.adjustments import Adjustment
from wallet.domain.ledger import Book, LedgerInvariantBroken
from wallet.infrastructure.postgres.adjustments import AT, adjustment_of, save_adjustment
from wallet.infrastructure.postgres.audit_trail import PostgresAuditTrail
from wallet.infrastructure.postgres.pool import Connection

REFUNDED = """
SELECT wanted.transfer_id, sum(r.amount)::bigint AS amount
FROM unnest($1::uuid[], $2::uuid[]) AS wanted (account_id, transfer_id)
JOIN refunds r ON r.account_id = wanted.account_id AND r.transfer_id = wanted.transfer_id
GROUP BY wanted.transfer_id
"""

ADD_REFUND = """
INSERT INTO refunds (account_id, transfer_id, id, source_id, amount, booked_at)
VALUES ($1, $2, $3, $4, $5, $6)
"""

# Before the balances: each statement checks how far below its floor an account is.
ALLOW_DEBT = "UPDATE accounts SET debt = greatest(debt, $2) WHERE id = $1"


async def refunded(
    connection: Connection, places: Sequence[tuple[UUID, UUID]]
) -> Mapping[UUID, int]:
    """Return how much was refunded of the transfers at these (payer's account id, id)."""
    distinct = list(dict.fromkeys(places))
    rows = await connection.fetch(
        REFUNDED, [account for account, _ in distinct], [id_ for _, id_ in distinct]
    )
    return {row["transfer_id"]: row["amount"] for row in rows}


async def adjustments_at(
    connection: Connection, places: Sequence[tuple[UUID, UUID]]
) -> Mapping[UUID, Adjustment]:
    """Return the adjustments at these (account id, adjustment id)."""
    rows = await connection.fetch(
        AT, [account for account, _ in places], [id_ for _, id_ in places]
    )
    return {row["id"]: adjustment_of(row) for row in rows}


async def allow_debts(connection: Connection, book: Book) -> None:
    """Write how far a batch takes accounts below their floors, before the money that does."""
    for account_id, debt in book.new_debts.items():
        await connection.execute(ALLOW_DEBT, account_id, debt)


async def save_staff_changes(connection: Connection, book: Book) -> None:
    """Write refunds, adjustments and acts; they are few, so one by one."""
    for refund in book.new_refunds:
        await connection.execute(
            ADD_REFUND,
            refund.account_id,
            refund.transfer_id,
            refund.id,
            refund.source_id,
            refund.amount,
            refund.booked_at,
        )
    for adjustment in book.changed_adjustments.values():
        if not await save_adjustment(connection, adjustment):
            raise LedgerInvariantBroken("an adjustment was decided twice")
    trail = PostgresAuditTrail(connection)
    for act in book.acts:
        await trail.add(act)
