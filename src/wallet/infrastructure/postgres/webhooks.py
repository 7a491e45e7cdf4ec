"""Webhook endpoints on PostgreSQL, as their owners see them, and the log of deliveries."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from wallet.domain.webhooks import (
    WOKEN_ATTEMPTS_MAX,
    Answer,
    Cause,
    Delivery,
    DisabledReason,
    Endpoint,
)
from wallet.infrastructure.postgres.errors import translated
from wallet.infrastructure.postgres.pool import Connection, Record

ADD_ENDPOINT = """
INSERT INTO webhook_endpoints (id, owner_id, url, description, event_types, secret, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""

# It begins with what happens from now on.
ADD_CURSORS = """
INSERT INTO webhook_cursors (endpoint_id, stream_id, active, version, target, due_at)
SELECT $1::uuid, w.account_id, true, a.version, a.version, clock_timestamp()
FROM wallets w JOIN accounts a ON a.id = w.account_id WHERE w.owner_id = $2
UNION ALL
SELECT $1, $2::uuid, true, s.version, s.version, clock_timestamp()
FROM (
    SELECT coalesce((SELECT version FROM event_streams WHERE person_id = $2), 0) AS version
) AS s
"""

FOLLOW = """
INSERT INTO webhook_cursors (endpoint_id, stream_id, active, version, target, due_at)
SELECT id, $2::uuid, disabled_at IS NULL, 0, 0, clock_timestamp() FROM webhook_endpoints
WHERE owner_id = $1
"""

OF_OWNER = """
SELECT e.id, e.owner_id, e.url, e.description, e.event_types, e.secret, e.created_at,
       e.disabled_reason, e.disabled_at, e.previous_secret, e.previous_secret_until,
       e.failing_since, w.waiting
FROM webhook_endpoints e
CROSS JOIN LATERAL (
    SELECT coalesce(sum(
        greatest(c.target, a.version, s.version, c.version) - c.version
    ), 0)::bigint AS waiting
    FROM webhook_cursors c
    LEFT JOIN accounts a ON a.id = c.stream_id
    LEFT JOIN event_streams s ON s.person_id = c.stream_id
    WHERE c.endpoint_id = e.id
) AS w
WHERE e.owner_id = $1 AND ($2::uuid IS NULL OR e.id = $2)
ORDER BY e.created_at, e.id
"""

AFTER_ENDPOINT = """
SELECT id, owner_id, url, description, event_types, secret, created_at, disabled_reason,
       disabled_at, previous_secret, previous_secret_until, failing_since
FROM webhook_endpoints
WHERE $1::uuid IS NULL OR id > $1
ORDER BY id
LIMIT $2
"""

SAVE_ENDPOINT = """
UPDATE webhook_endpoints
SET url = $2, description = $3, event_types = $4, secret = $5, previous_secret = $6,
    previous_secret_until = $7
WHERE id = $1
"""

LOCK_CURSORS = """
SELECT stream_id, version FROM webhook_cursors WHERE endpoint_id = $1
ORDER BY stream_id FOR NO KEY UPDATE
"""

LOCK_ENDPOINT = "SELECT id FROM webhook_endpoints WHERE id = $1 FOR NO KEY UPDATE"

ENABLE_CURSORS = """
UPDATE webhook_cursors c
SET active = true, attempts = 0, tried_since = NULL, due_at = clock_timestamp(),
    target = h.head, version = CASE WHEN $2 THEN h.head ELSE c.version END
FROM (
    SELECT c.stream_id, greatest(c.target, a.version, s.version) AS head
    FROM webhook_cursors c
    LEFT JOIN accounts a ON a.id = c.stream_id
    LEFT JOIN event_streams s ON s.person_id = c.stream_id
    WHERE c.endpoint_id = $1
) AS h
WHERE c.endpoint_id = $1 AND c.stream_id = h.stream_id
"""

ENABLE = """
UPDATE webhook_endpoints
SET disabled_reason = NULL, disabled_at = NULL, failing_since = NULL, due_at = clock_timestamp()
WHERE id = $1
"""

DISABLE_CURSORS = "UPDATE webhook_cursors SET active = false WHERE endpoint_id = $1"

DISABLE = """
UPDATE webhook_endpoints SET disabled_reason = $2, disabled_at = $3
WHERE id = $1 AND disabled_at IS NULL RETURNING id
"""

REMOVE = "DELETE FROM webhook_endpoints WHERE id = $1"

REMOVE_DELIVERIES = """
DELETE FROM webhook_deliveries WHERE (endpoint_id, id) IN (
    SELECT endpoint_id, id FROM webhook_deliveries WHERE endpoint_id = $1 LIMIT 5000
)
"""

IDS_OF_OWNER = "SELECT id FROM webhook_endpoints WHERE owner_id = $1 ORDER BY id"

REWIND = """
UPDATE webhook_cursors c
SET version = w.version, attempts = 0, tried_since = NULL, due_at = clock_timestamp()
FROM unnest($2::uuid[], $3::bigint[]) AS w (stream_id, version)
WHERE c.endpoint_id = $1 AND c.stream_id = w.stream_id AND w.version < c.version
"""

WAKE_CURSORS = """
UPDATE webhook_cursors SET due_at = clock_timestamp()
WHERE endpoint_id = $1 AND target > version AND due_at > clock_timestamp() AND attempts <= $2
"""

LOG = """
INSERT INTO webhook_deliveries (endpoint_id, id, event_id, event_type, cause, attempt, succeeded,
                                sent_at, duration_ms, url, body, answer_status, answer_body,
                                failure, next_attempt_at)
SELECT $1::uuid, $2::uuid, $3::text, $4::text, $5::text, $6::integer, $7::boolean,
       $8::timestamptz, $9::integer, $10::text, $11::text, $12::smallint, $13::text, $14::text,
       $15::timestamptz
WHERE EXISTS (SELECT FROM webhook_endpoints WHERE id = $1)
"""

DELIVERIES = """
SELECT endpoint_id, id, event_id, event_type, cause, attempt, sent_at, duration_ms, url, body,
       answer_status, answer_body, failure, next_attempt_at
FROM webhook_deliveries
WHERE endpoint_id = $1 AND ($2::uuid IS NULL OR id < $2)
  AND ($3::boolean IS NULL OR succeeded = $3)
ORDER BY id DESC LIMIT $4
"""

FAILED_DELIVERIES = """
SELECT endpoint_id, id, event_id, event_type, cause, attempt, sent_at, duration_ms, url, body,
       answer_status, answer_body, failure, next_attempt_at
FROM webhook_deliveries
WHERE endpoint_id = $1 AND ($2::uuid IS NULL OR id < $2) AND NOT succeeded
ORDER BY id DESC LIMIT $3
"""

DELIVERY = """
SELECT endpoint_id, id, event_id, event_type, cause, attempt, sent_at, duration_ms, url, body,
       answer_status, answer_body, failure, next_attempt_at
FROM webhook_deliveries WHERE endpoint_id = $1 AND id = $2
"""


LOCK_ENDPOINTS = """
SELECT id FROM webhook_endpoints WHERE id = ANY ($1::uuid[]) ORDER BY id FOR NO KEY UPDATE
"""

WAKE_ENDPOINTS = """
UPDATE webhook_endpoints SET due_at = clock_timestamp()
WHERE id = ANY ($1::uuid[]) AND (due_at IS NULL OR due_at > clock_timestamp())
"""


def endpoint_of(row: "Record", waiting: int = 0) -> Endpoint:
    """Map a row to an endpoint."""
    reason = row["disabled_reason"]
    return Endpoint(
        id=row["id"],
        owner_id=row["owner_id"],
        url=row["url"],
        description=row["description"],
        event_types=tuple(row["event_types"]),
        secret=row["secret"],
        created_at=row["created_at"],
        disabled_reason=None if reason is None else DisabledReason(reason),
        disabled_at=row["disabled_at"],
        previous_secret=row["previous_secret"],
        previous_secret_until=row["previous_secret_until"],
        failing_since=row["failing_since"],
        waiting=waiting,
    )


def delivery_of(row: "Record") -> Delivery:
    """Map a row to a delivery."""
    answer = Answer(
        duration_ms=row["duration_ms"],
        status=row["answer_status"],
        body=row["answer_body"],
        failure=row["failure"],
    )
    return Delivery(
        id=row["id"],
        endpoint_id=row["endpoint_id"],
        event_id=row["event_id"],
        event_type=row["event_type"],
        cause=Cause(row["cause"]),
        attempt=row["attempt"],
        sent_at=row["sent_at"],
        url=row["url"],
        body=row["body"],
        answer=answer,
        next_attempt_at=row["next_attempt_at"],
    )


async def wake_endpoints(connection: Connection, endpoint_ids: Sequence[UUID]) -> None:
    """Let endpoints be due now; the caller has locked their cursors.

    The lock comes first, in a statement of its own: whoever gives a lease back meanwhile must see
    what the caller has written, or the caller what they have.
    """
    if endpoint_ids:
        await connection.fetch(LOCK_ENDPOINTS, endpoint_ids)
        await connection.execute(WAKE_ENDPOINTS, endpoint_ids)


class PostgresWebhooks:
    """Endpoints and their log, inside the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, endpoint: Endpoint) -> None:
        """Add an endpoint, which begins behind everything that its owner's streams hold now."""
        with translated():
            await self._connection.execute(
                ADD_ENDPOINT,
                endpoint.id,
                endpoint.owner_id,
                endpoint.url,
                endpoint.description,
                list(endpoint.event_types),
                endpoint.secret,
                endpoint.created_at,
            )
            await self._connection.execute(ADD_CURSORS, endpoint.id, endpoint.owner_id)

    async def of_owner(self, owner_id: UUID) -> Sequence[Endpoint]:
        """Return somebody's endpoints, oldest first."""
        with translated():
            rows = await self._connection.fetch(OF_OWNER, owner_id, None)
        return [endpoint_of(row, row["waiting"]) for row in rows]

    async def get(self, owner_id: UUID, endpoint_id: UUID) -> Endpoint | None:
        """Return an endpoint of this owner, or None."""
        with translated():
            row = await self._connection.fetchrow(OF_OWNER, owner_id, endpoint_id)
        return None if row is None else endpoint_of(row, row["waiting"])

    async def save(self, endpoint: Endpoint) -> None:
        """Write URL, description, types and secrets of an endpoint whose owner is locked."""
        with translated():
            await self._connection.execute(
                SAVE_ENDPOINT,
                endpoint.id,
                endpoint.url,
                endpoint.description,
                list(endpoint.event_types),
                endpoint.secret,
                endpoint.previous_secret,
                endpoint.previous_secret_until,
            )

    async def after(self, endpoint_id: UUID | None, limit: int) -> Sequence[Endpoint]:
        """Return the next endpoints of anybody, in order of id."""
        with translated():
            rows = await self._connection.fetch(AFTER_ENDPOINT, endpoint_id, limit)
        return [endpoint_of(row) for row in rows]

    async def enable(self, endpoint_id: UUID, now: datetime, *, skip: bool) -> None:
        """Let an endpoint go on where it stopped, or (`skip`) behind everything there is."""
        with translated():
            await self._connection.fetch(LOCK_CURSORS, endpoint_id)
            await self._connection.execute(ENABLE_CURSORS, endpoint_id, skip)
            await self._connection.fetch(LOCK_ENDPOINT, endpoint_id)
            await self._connection.execute(ENABLE, endpoint_id)

    async def disable(self, endpoint_id: UUID, reason: DisabledReason, now: datetime) -> bool:
        """Send nothing more to an endpoint; return False if that was so already."""
        with translated():
            await self._connection.fetch(LOCK_CURSORS, endpoint_id)
            await self._connection.execute(DISABLE_CURSORS, endpoint_id)
            row = await self._connection.fetchrow(DISABLE, endpoint_id, reason.value, now)
        return row is not None

    async def remove(self, endpoint_id: UUID) -> None:
        """Remove an endpoint, with what is to be sent to it."""
        with translated():
            await self._connection.fetch(LOCK_CURSORS, endpoint_id)
            await self._connection.execute(REMOVE_DELIVERIES, endpoint_id)
            await self._connection.execute(REMOVE, endpoint_id)

    async def remove_all(self, owner_id: UUID) -> None:
        """Remove everything that somebody's endpoints are and were told."""
        with translated():
            rows = await self._connection.fetch(IDS_OF_OWNER, owner_id)
        for row in rows:
            await self.remove(row["id"])

    async def follow(self, owner_id: UUID, account_id: UUID) -> None:
        """Let the owner's endpoints hear of an account that is being opened."""
        with translated():
            await self._connection.execute(FOLLOW, owner_id, account_id)

    async def rewind(self, endpoint_id: UUID, places: Mapping[UUID, int]) -> int:
        """Go back to these numbers of streams, never forward; return how many events come again."""
        with translated():
            rows = await self._connection.fetch(LOCK_CURSORS, endpoint_id)
            await self._connection.execute(REWIND, endpoint_id, list(places), list(places.values()))
            await wake_endpoints(self._connection, [endpoint_id])
        return sum(max(0, row["version"] - places.get(row["stream_id"], 2**63)) for row in rows)

    async def wake(self, endpoint_id: UUID) -> None:
        """Try at once what waits for its next attempt, because the endpoint is there again."""
        with translated():
            await self._connection.fetch(LOCK_CURSORS, endpoint_id)
            await self._connection.execute(WAKE_CURSORS, endpoint_id, WOKEN_ATTEMPTS_MAX)
            await wake_endpoints(self._connection, [endpoint_id])

    async def log(self, delivery: Delivery) -> None:
        """Keep what was sent and answered, if the endpoint is still there."""
        answer = delivery.answer
        with translated():
            await self._connection.execute(
                LOG,
                delivery.endpoint_id,
                delivery.id,
                delivery.event_id,
                delivery.event_type,
                delivery.cause.value,
                delivery.attempt,
                answer.succeeded,
                delivery.sent_at,
                answer.duration_ms,
                delivery.url,
                delivery.body,
                answer.status,
                answer.body,
                answer.failure,
                delivery.next_attempt_at,
            )

    async def deliveries(
        self, endpoint_id: UUID, *, before: UUID | None, succeeded: bool | None, limit: int
    ) -> Sequence[Delivery]:
        """Return deliveries with a lower id, the newest first."""
        with translated():
            if succeeded is False:
                # Failures may be rare among what succeeded: they have an index of their own.
                rows = await self._connection.fetch(FAILED_DELIVERIES, endpoint_id, before, limit)
            else:
                rows = await self._connection.fetch(
                    DELIVERIES, endpoint_id, before, succeeded, limit
                )
        return [delivery_of(row) for row in rows]

    async def delivery(self, endpoint_id: UUID, delivery_id: UUID) -> Delivery | None:
        """Return one delivery of an endpoint, or None."""
        with translated():
            row = await self._connection.fetchrow(DELIVERY, endpoint_id, delivery_id)
        return None if row is None else delivery_of(row)
