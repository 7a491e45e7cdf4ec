"""Events that move no money, on PostgreSQL: numbered without gaps for each person."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from wallet.domain.events import Event, Happening
from wallet.infrastructure.postgres.errors import translated
from wallet.infrastructure.postgres.pool import Connection
from wallet.infrastructure.postgres.search import versions_before

# The row stays locked until the transaction ends: the next number is given to nobody before.
NEXT_NUMBER = """
INSERT INTO event_streams AS s (person_id, version) VALUES ($1, 1)
ON CONFLICT (person_id) DO UPDATE SET version = s.version + 1
RETURNING version
"""

ADD = """
INSERT INTO events (id, person_id, version, kind, facts, happened_at)
VALUES ($1, $2, $3, $4, $5, $6)
"""

AFTER = """
SELECT e.person_id, e.version, e.kind, e.facts, e.happened_at
FROM unnest($1::uuid[], $2::bigint[]) AS w (person_id, version)
CROSS JOIN LATERAL (
    SELECT * FROM events
    WHERE person_id = w.person_id AND version > w.version ORDER BY version LIMIT $3
) AS e
ORDER BY e.person_id, e.version
"""

HEAD = "SELECT version FROM event_streams WHERE person_id = $1"

TIMES = """
SELECT e.booked_at AS happened_at
FROM unnest($1::uuid[], $2::bigint[]) AS w (stream_id, version)
JOIN entries e ON e.account_id = w.stream_id AND e.version = w.version
UNION ALL
SELECT e.happened_at
FROM unnest($1::uuid[], $2::bigint[]) AS w (stream_id, version)
JOIN events e ON e.person_id = w.stream_id AND e.version = w.version
"""

# Of these the numbers, and not the times, are in the order of commits.
FIRST_SINCE = "SELECT min(version) FROM events WHERE person_id = $1 AND happened_at >= $2"


class PostgresEvents:
    """Writes events in the caller's transaction, and reads them in order."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, event: Event) -> None:
        """Write an event under the next number of its person."""
        with translated():
            version: int = await self._connection.fetchval(NEXT_NUMBER, event.person_id)
            await self._connection.execute(
                ADD,
                event.id,
                event.person_id,
                version,
                event.kind,
                json.dumps(dict(event.facts)),
                event.happened_at,
            )

    async def after(self, places: Mapping[UUID, int], limit: int) -> Sequence[Happening]:
        """Return each person's first `limit` events after a number, in order of number."""
        with translated():
            rows = await self._connection.fetch(AFTER, list(places), list(places.values()), limit)
        return [
            Happening(
                row["person_id"],
                row["version"],
                row["kind"],
                row["happened_at"],
                facts=json.loads(row["facts"]),
            )
            for row in rows
        ]

    async def head(self, person_id: UUID) -> int:
        """Return the last number of a person's events; 0 if there is none."""
        with translated():
            return await self._connection.fetchval(HEAD, person_id) or 0

    async def times(self, places: Mapping[UUID, int]) -> Sequence[datetime]:
        """Return the times of these events of accounts and persons, as far as there are such."""
        with translated():
            rows = await self._connection.fetch(TIMES, list(places), list(places.values()))
        return [row["happened_at"] for row in rows]

    async def before(
        self, person_id: UUID, heads: Mapping[UUID, int], instant: datetime
    ) -> Mapping[UUID, int]:
        """Return the last number before an instant of a person's streams; 0 if there is none."""
        with translated():
            found = await versions_before(self._connection, heads, [instant])
            first = await self._connection.fetchval(FIRST_SINCE, person_id, instant)
            head = await self._connection.fetchval(HEAD, person_id) or 0
        places = {account_id: version for (account_id, _), version in found.items()}
        return {**places, person_id: head if first is None else first - 1}
