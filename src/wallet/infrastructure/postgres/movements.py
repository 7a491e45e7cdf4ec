"""Movements on PostgreSQL, found by their id alone and shown with both sides.

The books are keyed by account and have no index of ids: an id begins with the time it was made at,
and what was booked around that time names its accounts. So nothing is paid for it per transfer.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from wallet.domain.accounts import Purpose
from wallet.domain.back_office import Movement, MovementSide
from wallet.domain.ids import instant_of
from wallet.domain.refunds import Refund
from wallet.infrastructure.postgres.cards import CARD_COLUMNS, card_of
from wallet.infrastructure.postgres.ledger import details_of
from wallet.infrastructure.postgres.lines import entry_of
from wallet.infrastructure.postgres.pool import Connection, Record

WINDOWS = (
    (timedelta(seconds=0.02), timedelta(seconds=0.1)),
    (timedelta(seconds=0.5), timedelta(seconds=2)),
    (timedelta(seconds=5), timedelta(seconds=15)),
    (timedelta(minutes=2), timedelta(minutes=5)),
)
"""How long before and after its id was made something is looked for; the last leaves room for
clocks that differ.
"""

# What staff did, and what a funding source decided late, is booked long after its id was made.
BOOKED_LATER = """
SELECT account_id FROM adjustments WHERE id = $1
UNION ALL SELECT source_id FROM refunds WHERE id = $1
UNION ALL SELECT account_id FROM fundings WHERE id = $1 AND created_at BETWEEN $2 AND $3
LIMIT 1
"""

BOOKED_AROUND = """
SELECT e.account_id
FROM (
    SELECT DISTINCT unnest(account_ids) AS account_id FROM batches
    WHERE booked_at BETWEEN $2 AND $3
) AS named
CROSS JOIN LATERAL (
    SELECT account_id FROM entries
    WHERE account_id = named.account_id AND instruction_id = $1 OFFSET 0
) AS e
LIMIT 1
"""

SIDES = (
    """
SELECT e.account_id, e.version, e.instruction_id, e.kind, e.currency, e.posted_delta, e.held_delta,
       e.posted_after, e.held_after, e.counterparty_id, e.booked_at, e.details_digest, e.hash,
       d.salt, d.note, d.reference, d.metadata, a.purpose,
"""  # noqa: S608 - constants alone
    + CARD_COLUMNS
    + """
FROM (
    SELECT unnest(ARRAY[account_id, counterparty_id]) AS account_id FROM entries
    WHERE account_id = $1 AND instruction_id = $2
) AS w
JOIN entries e ON e.account_id = w.account_id AND e.instruction_id = $2
JOIN accounts a ON a.id = e.account_id
LEFT JOIN users u ON u.id = a.owner_id
LEFT JOIN details d ON d.account_id = e.account_id AND d.instruction_id = e.instruction_id
WHERE e.posted_delta <> 0
ORDER BY e.posted_delta
"""
)

REFUNDS = """
SELECT account_id, transfer_id, id, source_id, amount, booked_at FROM refunds
WHERE account_id = $1 AND transfer_id = $2 ORDER BY booked_at, id
"""

REFUND_OF = "SELECT transfer_id FROM refunds WHERE id = $1"

# A reference belongs to both sides; the newest ids come last in the order of the index of details.
REFERENCED = """
SELECT DISTINCT instruction_id FROM (
    SELECT instruction_id FROM details WHERE reference = $1 LIMIT $2
) AS found
ORDER BY instruction_id DESC LIMIT $3
"""
REFERENCED_MAX = 1_000


def side_of(row: "Record") -> MovementSide:
    """Map a row of SIDES."""
    owner = None if row["person_id"] is None else card_of(row)
    return MovementSide(entry_of(row), Purpose(row["purpose"]), owner)


async def movement(connection: Connection, movement_id: UUID) -> Movement | None:
    """Return what moved under an id, or None."""
    account_id = await _account_of(connection, movement_id)
    if account_id is None:
        return None
    rows = await connection.fetch(SIDES, account_id, movement_id)
    if len(rows) != 2:
        return None
    source, target = map(side_of, rows)
    details = details_of(rows[0]) or details_of(rows[1])
    found = Movement(source, target, details)
    refunds = await connection.fetch(REFUNDS, source.entry.account_id, movement_id)
    refund_of = await connection.fetchval(REFUND_OF, movement_id)
    return replace(found, refunds=[Refund(*row) for row in refunds], refund_of=refund_of)


async def referenced(connection: Connection, reference: str, limit: int) -> Sequence[UUID]:
    """Return the ids of movements with this reference, the newest of those looked at first."""
    rows = await connection.fetch(REFERENCED, reference, REFERENCED_MAX, limit)
    return [row["instruction_id"] for row in rows]


async def _account_of(connection: Connection, movement_id: UUID) -> UUID | None:
    made_at = instant_of(movement_id)
    if made_at is None:
        return None
    before, after = WINDOWS[-1]
    found: UUID | None = await connection.fetchval(
        BOOKED_LATER, movement_id, made_at - before, made_at + after
    )
    for before, after in WINDOWS:
        if found is not None:
            break
        found = await connection.fetchval(
            BOOKED_AROUND, movement_id, made_at - before, made_at + after
        )
    return found
