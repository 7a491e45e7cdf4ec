"""What is to be sent to webhook endpoints, on PostgreSQL, and which process sends it.

A lease of an endpoint stands in its row, so its streams are sent by one process at a time, and
several processes share the endpoints. Leases and waits are by the database's clock.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from wallet.domain.webhook_repository import Look
from wallet.domain.webhooks import RECOVERED_AFTER, Cursor, Endpoint
from wallet.infrastructure.postgres.errors import translated
from wallet.infrastructure.postgres.pool import Connection, Record
from wallet.infrastructure.postgres.webhooks import endpoint_of, wake_endpoints

BEHIND_MAX = 5_000

# Without endpoints this reads two empty indexes; with them, one row of a head for each cursor.
LOOK = """
SELECT EXISTS (SELECT FROM webhook_cursors WHERE active) AS watched,
       EXISTS (
           SELECT FROM webhook_endpoints
           WHERE disabled_at IS NULL AND due_at <= clock_timestamp()
             AND (holder IS NULL OR held_until < clock_timestamp())
       ) AS due,
       ARRAY(
           (SELECT c.stream_id FROM webhook_cursors c JOIN accounts a ON a.id = c.stream_id
            WHERE c.active AND a.version > c.target LIMIT $1)
           UNION ALL
           (SELECT c.stream_id FROM webhook_cursors c
            JOIN event_streams s ON s.person_id = c.stream_id
            WHERE c.active AND s.version > c.target LIMIT $1)
       ) AS behind
"""

FOLLOWED = """
SELECT DISTINCT stream_id FROM webhook_cursors WHERE stream_id = ANY ($1::uuid[]) AND active
"""

LOCK_FOLLOWED = """
SELECT endpoint_id, stream_id FROM webhook_cursors WHERE stream_id = ANY ($1::uuid[]) AND active
ORDER BY endpoint_id, stream_id FOR NO KEY UPDATE
"""

# Those that were locked and no others: one that was enabled a moment later would be out of order.
# What is not finished keeps its time: it may be waiting for its next attempt.
RAISE_TARGETS = """
UPDATE webhook_cursors c
SET target = h.version,
    due_at = CASE WHEN c.target > c.version THEN c.due_at ELSE clock_timestamp() END
FROM unnest($1::uuid[], $2::uuid[]) AS locked (endpoint_id, stream_id)
CROSS JOIN LATERAL (
    SELECT version FROM accounts WHERE id = locked.stream_id
    UNION ALL
    SELECT version FROM event_streams WHERE person_id = locked.stream_id
) AS h
WHERE c.endpoint_id = locked.endpoint_id AND c.stream_id = locked.stream_id
  AND h.version > c.target
RETURNING c.endpoint_id, c.due_at <= clock_timestamp() AS due
"""

FREE_ENDPOINTS = """
SELECT id FROM webhook_endpoints
WHERE disabled_at IS NULL AND due_at <= clock_timestamp()
  AND (holder IS NULL OR held_until < clock_timestamp())
ORDER BY due_at LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED
"""

CLAIM = """
UPDATE webhook_endpoints SET holder = $2, held_until = clock_timestamp() + $3::interval
WHERE id = ANY ($1::uuid[])
RETURNING id, owner_id, url, description, event_types, secret, created_at, disabled_reason,
          disabled_at, previous_secret, previous_secret_until, failing_since
"""

RENEW = """
UPDATE webhook_endpoints SET held_until = clock_timestamp() + $3::interval
WHERE id = $1 AND holder = $2 AND disabled_at IS NULL
RETURNING id, owner_id, url, description, event_types, secret, created_at, disabled_reason,
          disabled_at, previous_secret, previous_secret_until, failing_since
"""

LOCK_HELD = "SELECT id FROM webhook_endpoints WHERE id = $1 AND holder = $2 FOR NO KEY UPDATE"

# Read under the lock, in a statement of its own: whoever has something new waits for it, or came
# before.
RELEASE = """
UPDATE webhook_endpoints
SET holder = NULL, held_until = NULL,
    due_at = (
        SELECT min(due_at) FROM webhook_cursors
        WHERE endpoint_id = $1 AND active AND target > version
    )
WHERE id = $1
"""

DUE = """
SELECT endpoint_id, stream_id, version, target, attempts, tried_since FROM webhook_cursors
WHERE endpoint_id = $1 AND active AND target > version AND due_at <= clock_timestamp()
  AND stream_id <> ALL ($2::uuid[])
ORDER BY due_at LIMIT $3
"""

ADVANCE = """
UPDATE webhook_cursors c
SET version = $4, attempts = 0, tried_since = NULL, due_at = clock_timestamp()
WHERE c.endpoint_id = $1 AND c.stream_id = $2 AND c.version = $3
  AND EXISTS (SELECT FROM webhook_endpoints WHERE id = $1 AND holder = $5)
RETURNING endpoint_id, stream_id, version, target, attempts, tried_since, active
"""

POSTPONE = """
UPDATE webhook_cursors c
SET attempts = $4, tried_since = coalesce(tried_since, $5),
    due_at = clock_timestamp() + $6::interval
WHERE c.endpoint_id = $1 AND c.stream_id = $2 AND c.version = $3
  AND EXISTS (SELECT FROM webhook_endpoints WHERE id = $1 AND holder = $7)
"""

FAILING_SINCE = "SELECT failing_since FROM webhook_endpoints WHERE id = $1"

RECOVERED = "UPDATE webhook_endpoints SET failing_since = NULL WHERE id = $1"

FAILING = """
UPDATE webhook_endpoints SET failing_since = coalesce(failing_since, $2)
WHERE id = $1 RETURNING failing_since
"""


def cursor_of(row: "Record") -> Cursor:
    """Map a row to a cursor."""
    return Cursor(
        endpoint_id=row["endpoint_id"],
        stream_id=row["stream_id"],
        version=row["version"],
        target=row["target"],
        attempts=row["attempts"],
        tried_since=row["tried_since"],
    )


class PostgresSendings:
    """Leases and cursors, inside the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def look(self) -> Look:
        """Compare every cursor with its stream, and see what is due. It changes nothing."""
        with translated():
            row = await self._connection.fetchrow(LOOK, BEHIND_MAX)
        assert row is not None  # noqa: S101 - a statement without FROM has one row
        return Look(row["watched"], row["behind"], row["due"])

    async def followed(self, stream_ids: Collection[UUID]) -> set[UUID]:
        """Return those streams that some enabled endpoint wants to hear of."""
        with translated():
            rows = await self._connection.fetch(FOLLOWED, list(stream_ids))
        return {row["stream_id"] for row in rows}

    async def raise_targets(self, stream_ids: Collection[UUID]) -> set[UUID]:
        """Note how far these streams have come; return the endpoints that have news."""
        with translated():
            locked = await self._connection.fetch(LOCK_FOLLOWED, list(stream_ids))
            rows = await self._connection.fetch(
                RAISE_TARGETS,
                [row["endpoint_id"] for row in locked],
                [row["stream_id"] for row in locked],
            )
            woken = {row["endpoint_id"] for row in rows if row["due"]}
            await wake_endpoints(self._connection, list(woken))
        return woken

    async def claim(self, holder: UUID, limit: int, lease_s: float) -> Sequence[Endpoint]:
        """Lease endpoints that have something due and that nobody else sends to."""
        with translated():
            free = await self._connection.fetch(FREE_ENDPOINTS, limit)
            if not free:
                return []
            rows = await self._connection.fetch(
                CLAIM, [row["id"] for row in free], holder, timedelta(seconds=lease_s)
            )
        return [endpoint_of(row) for row in rows]

    async def renew(self, holder: UUID, endpoint_id: UUID, lease_s: float) -> Endpoint | None:
        """Keep a lease; return the endpoint as it is now, or None if it is not leased any more."""
        with translated():
            row = await self._connection.fetchrow(
                RENEW, endpoint_id, holder, timedelta(seconds=lease_s)
            )
        return None if row is None else endpoint_of(row)

    async def release(self, holder: UUID, endpoint_id: UUID) -> None:
        """Give a lease back, and note when the endpoint has something due again."""
        with translated():
            if await self._connection.fetchrow(LOCK_HELD, endpoint_id, holder) is not None:
                await self._connection.execute(RELEASE, endpoint_id)

    async def due(
        self, endpoint_id: UUID, besides: Collection[UUID], limit: int
    ) -> Sequence[Cursor]:
        """Return cursors that have something to send now, the longest due first."""
        with translated():
            rows = await self._connection.fetch(DUE, endpoint_id, list(besides), limit)
        return [cursor_of(row) for row in rows]

    async def advance(self, holder: UUID, cursor: Cursor, version: int) -> Cursor | None:
        """Move a cursor on to a version; None means that nothing more is sent."""
        with translated():
            row = await self._connection.fetchrow(
                ADVANCE, cursor.endpoint_id, cursor.stream_id, cursor.version, version, holder
            )
        return cursor_of(row) if row is not None and row["active"] else None

    async def postpone(self, holder: UUID, cursor: Cursor, pause_s: float, now: datetime) -> None:
        """Count a failure and wait, if the cursor is still the holder's."""
        with translated():
            await self._connection.execute(
                POSTPONE,
                cursor.endpoint_id,
                cursor.stream_id,
                cursor.version,
                cursor.attempts + 1,
                now,
                timedelta(seconds=pause_s),
                holder,
            )

    async def recovered(self, endpoint_id: UUID, now: datetime) -> bool:
        """Note a success; return whether the endpoint had failed for a while."""
        with translated():
            since: datetime | None = await self._connection.fetchval(FAILING_SINCE, endpoint_id)
            if since is None:
                return False
            await self._connection.execute(RECOVERED, endpoint_id)
        return now - since >= RECOVERED_AFTER

    async def failing(self, endpoint_id: UUID, now: datetime) -> datetime:
        """Note a failure; return since when there was no success."""
        with translated():
            found: datetime | None = await self._connection.fetchval(FAILING, endpoint_id, now)
        return found or now
