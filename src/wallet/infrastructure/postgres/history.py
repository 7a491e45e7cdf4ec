"""A person's history on PostgreSQL: each wallet's newest lines by primary key, merged here."""

from collections.abc import Mapping
from uuid import UUID

from wallet.domain.history import Line, Page, merged_page
from wallet.domain.search import Count, Search
from wallet.infrastructure.postgres.errors import translated
from wallet.infrastructure.postgres.lines import LINE_COLUMNS, LINE_PARTS, line_of
from wallet.infrastructure.postgres.pool import Connection
from wallet.infrastructure.postgres.search import PostgresSearch

# A first page begins at what is there now: what is booked later belongs on a first page of its own.
HEADS = """
SELECT a.id, a.version + 1 AS before_version
FROM wallets w JOIN accounts a ON a.id = w.account_id
WHERE w.owner_id = $1
"""

PAGE = (
    "SELECT"  # noqa: S608 - constants alone
    + LINE_COLUMNS
    + """
FROM (
    SELECT own.* FROM unnest($1::uuid[], $2::bigint[]) AS w (account_id, before_version)
    CROSS JOIN LATERAL (
        SELECT * FROM entries
        WHERE account_id = w.account_id AND version < w.before_version AND posted_delta <> 0
        ORDER BY version DESC LIMIT $3
    ) AS own
    ORDER BY own.booked_at DESC, own.account_id DESC, own.version DESC LIMIT $3
) AS e
"""
    + LINE_PARTS
    + "ORDER BY e.account_id, e.version DESC"
)

LINE = (
    "SELECT"
    + LINE_COLUMNS
    + """
FROM wallets w
JOIN entries e ON e.account_id = w.account_id AND e.instruction_id = $2
"""
    + LINE_PARTS
    + """
WHERE w.owner_id = $1 AND e.posted_delta <> 0
ORDER BY e.posted_delta LIMIT 1
"""
)


class PostgresHistory:
    """Reads history in the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._search = PostgresSearch(connection)

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

    async def search(
        self,
        owner_id: UUID,
        search: Search,
        *,
        next_versions: Mapping[UUID, int] | None,
        limit: int,
    ) -> Page:
        """Return the next `limit` lines that a search asks for, as far as one page looks."""
        with translated():
            return await self._search.page(owner_id, search, next_versions, limit)

    async def count(self, owner_id: UUID, search: Search) -> Count:
        """Return how many lines a search finds, up to what is looked at to count."""
        with translated():
            return await self._search.count(owner_id, search)

    async def line(self, owner_id: UUID, instruction_id: UUID) -> Line | None:
        """Return the owner's line of one instruction, or None."""
        with translated():
            row = await self._connection.fetchrow(LINE, owner_id, instruction_id)
        return None if row is None else line_of(row)
