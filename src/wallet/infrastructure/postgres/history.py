"""A person's history on PostgreSQL: each wallet's newest lines by primary key, merged here."""

from collections.abc import Mapping
from uuid import UUID

from wallet.domain.history import Counterparty, Line, Page, merged_page
from wallet.domain.journal import Entry, Kind
from wallet.domain.money import Currency
from wallet.infrastructure.postgres.errors import translated
from wallet.infrastructure.postgres.ledger import details_of
from wallet.infrastructure.postgres.pool import Connection, Record

# A first page begins at what is there now: what is booked later belongs on a first page of its own.
HEADS = """
SELECT a.id, a.version + 1 AS before_version
FROM wallets w JOIN accounts a ON a.id = w.account_id
WHERE w.owner_id = $1
"""

PAGE = """
SELECT e.account_id, e.version, e.instruction_id, e.kind, e.currency, e.posted_delta, e.held_delta,
       e.posted_after, e.held_after, e.counterparty_id, e.booked_at, e.details_digest, e.hash,
       d.salt, d.note, d.reference, d.metadata,
       u.id AS party_id, u.handle AS party_handle, u.first_name AS party_first_name,
       left(u.last_name, 1) AS party_initial
FROM (
    SELECT own.* FROM unnest($1::uuid[], $2::bigint[]) AS w (account_id, before_version)
    CROSS JOIN LATERAL (
        SELECT * FROM entries
        WHERE account_id = w.account_id AND version < w.before_version AND posted_delta <> 0
        ORDER BY version DESC LIMIT $3
    ) AS own
    ORDER BY own.booked_at DESC, own.account_id DESC, own.version DESC LIMIT $3
) AS e
LEFT JOIN details d ON d.account_id = e.account_id AND d.instruction_id = e.instruction_id
LEFT JOIN accounts a ON a.id = e.counterparty_id
LEFT JOIN users u ON u.id = a.owner_id
ORDER BY e.account_id, e.version DESC
"""

LINE = """
SELECT e.account_id, e.version, e.instruction_id, e.kind, e.currency, e.posted_delta, e.held_delta,
       e.posted_after, e.held_after, e.counterparty_id, e.booked_at, e.details_digest, e.hash,
       d.salt, d.note, d.reference, d.metadata,
       u.id AS party_id, u.handle AS party_handle, u.first_name AS party_first_name,
       left(u.last_name, 1) AS party_initial
FROM wallets w
JOIN entries e ON e.account_id = w.account_id AND e.instruction_id = $2
LEFT JOIN details d ON d.account_id = e.account_id AND d.instruction_id = e.instruction_id
LEFT JOIN accounts a ON a.id = e.counterparty_id
LEFT JOIN users u ON u.id = a.owner_id
WHERE w.owner_id = $1 AND e.posted_delta <> 0
ORDER BY e.posted_delta LIMIT 1
"""


def entry_of(row: "Record") -> Entry:
    """Map a row to a journal entry."""
    return Entry(
        account_id=row["account_id"],
        version=row["version"],
        instruction_id=row["instruction_id"],
        kind=Kind(row["kind"]),
        currency=Currency(row["currency"]),
        posted_delta=row["posted_delta"],
        held_delta=row["held_delta"],
        posted_after=row["posted_after"],
        held_after=row["held_after"],
        counterparty_id=row["counterparty_id"],
        booked_at=row["booked_at"],
        details_digest=row["details_digest"],
        hash=row["hash"],
    )


def line_of(row: "Record") -> Line:
    """Map a row to a line of history."""
    counterparty = None
    if row["party_id"] is not None:
        counterparty = Counterparty(
            user_id=row["party_id"],
            handle=row["party_handle"],
            first_name=row["party_first_name"],
            initial=row["party_initial"],
        )
    return Line(entry_of(row), counterparty, details_of(row))


class PostgresHistory:
    """Reads history in the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def page(
        self, owner_id: UUID, *, before_versions: Mapping[UUID, int] | None, limit: int
    ) -> Page:
        """Return the next `limit` lines below these versions, newest first.

        A wallet that the cursor does not know was opened after the first page: it is left out, so
        that paging stays stable. A wallet of somebody else in a forged cursor is ignored.
        """
        with translated():
            before = {row[0]: row[1] for row in await self._connection.fetch(HEADS, owner_id)}
            if before_versions is not None:
                before = {id_: before_versions[id_] for id_ in before if id_ in before_versions}
            rows = await self._connection.fetch(
                PAGE, list(before), list(before.values()), limit + 1
            )
        lines: dict[UUID, list[Line]] = {id_: [] for id_ in before}
        for row in rows:
            lines[row["account_id"]].append(line_of(row))
        return merged_page(lines, before, limit)

    async def line(self, owner_id: UUID, instruction_id: UUID) -> Line | None:
        """Return the owner's line of one instruction, or None."""
        with translated():
            row = await self._connection.fetchrow(LINE, owner_id, instruction_id)
        return None if row is None else line_of(row)
