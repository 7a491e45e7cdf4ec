"""What live streams read, on PostgreSQL: entries by primary key, and batches by their time."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from wallet.domain.history import Line
from wallet.infrastructure.postgres.errors import translated
from wallet.infrastructure.postgres.lines import LINE_COLUMNS, LINE_PARTS, line_of
from wallet.infrastructure.postgres.pool import Connection

OVERLAP = timedelta(seconds=10)
"""How long a batch may take from its time until it is seen; deadlines end it sooner."""

LINES_AFTER = (
    "SELECT"  # noqa: S608 - constants alone
    + LINE_COLUMNS
    + """
FROM unnest($1::uuid[], $2::bigint[]) AS w (account_id, version)
CROSS JOIN LATERAL (
    SELECT * FROM entries
    WHERE account_id = w.account_id AND version > w.version ORDER BY version LIMIT $3
) AS e
"""
    + LINE_PARTS
    + "ORDER BY e.account_id, e.version"
)

NOW = "SELECT clock_timestamp()"

CHANGED = """
SELECT named.account_id, max(named.version) AS version
FROM batches b
CROSS JOIN LATERAL unnest(b.account_ids, b.versions) AS named (account_id, version)
WHERE b.booked_at >= $1 AND named.account_id = ANY ($2::uuid[])
GROUP BY named.account_id
"""


class PostgresStreams:
    """Reads what live streams show; each statement stands alone."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def lines_after(self, places: Mapping[UUID, int], limit: int) -> Sequence[Line]:
        """Return each account's first `limit` entries after a version, in order of version."""
        with translated():
            rows = await self._connection.fetch(
                LINES_AFTER, list(places), list(places.values()), limit
            )
        return [line_of(row) for row in rows]

    async def changed_since(
        self, since: datetime | None, account_ids: Collection[UUID]
    ) -> tuple[datetime, Mapping[UUID, int]]:
        """Return the database's time, and those accounts that batches name since some time before.

        Each with the highest version named.
        """
        with translated():
            now: datetime = await self._connection.fetchval(NOW)
            rows = await self._connection.fetch(
                CHANGED, (since or now) - OVERLAP, list(account_ids)
            )
        return now, {row["account_id"]: row["version"] for row in rows}
