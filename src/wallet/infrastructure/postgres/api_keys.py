"""API keys and their secrets on PostgreSQL; a secret is looked up by its SHA-256 alone."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from wallet.domain.api_keys import SECRETS_MAX, ApiKey, Grant, KeySecret, KnownSecret
from wallet.infrastructure.postgres.errors import translated
from wallet.infrastructure.postgres.pool import Connection, Record
from wallet.infrastructure.postgres.spendings import add_spending, spending_of

ADD_KEY = """
INSERT INTO api_keys (id, owner_id, name, scopes, hint, account_id, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""

ADD_DIGEST = """
INSERT INTO api_key_secrets (digest, id, api_key_id, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5)
"""

GET = """
SELECT k.id, k.owner_id, k.name, k.scopes, k.hint, k.created_at, k.expires_at, k.last_used_at,
       s.account_id, s.api_key_id, s.currency, s.budget, s.per_payment_max, s.payee_ids, s.renews,
       s.spent, s.period_start, s.ended_at
FROM api_keys k
LEFT JOIN spendings s ON s.account_id = k.account_id AND s.api_key_id = k.id
WHERE k.owner_id = $1 AND k.id = $2 AND k.revoked_at IS NULL
"""

LOCK_KEY = """
SELECT k.id, k.owner_id, k.name, k.scopes, k.hint, k.created_at, k.expires_at, k.last_used_at,
       s.account_id, s.api_key_id, s.currency, s.budget, s.per_payment_max, s.payee_ids, s.renews,
       s.spent, s.period_start, s.ended_at
FROM api_keys k
LEFT JOIN spendings s ON s.account_id = k.account_id AND s.api_key_id = k.id
WHERE k.owner_id = $1 AND k.id = $2 AND k.revoked_at IS NULL FOR NO KEY UPDATE OF k
"""

PAGE = """
SELECT k.id, k.owner_id, k.name, k.scopes, k.hint, k.created_at, k.expires_at, k.last_used_at,
       s.account_id, s.api_key_id, s.currency, s.budget, s.per_payment_max, s.payee_ids, s.renews,
       s.spent, s.period_start, s.ended_at
FROM api_keys k
LEFT JOIN spendings s ON s.account_id = k.account_id AND s.api_key_id = k.id
WHERE k.owner_id = $1 AND k.revoked_at IS NULL AND ($2::uuid IS NULL OR k.id < $2)
ORDER BY k.id DESC LIMIT $3
"""

COUNT_LIVE = """
SELECT count(*) FROM api_keys
WHERE owner_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)
"""

SET_HINT = "UPDATE api_keys SET hint = $2 WHERE id = $1"

# The newest ones keep what they have or end with the overlap; the others end now. An end that has
# passed stays where it is.
END_OLDER = """
UPDATE api_key_secrets SET expires_at = ends.at, end_set_at = clock_timestamp()
FROM (
    SELECT digest, CASE WHEN row_number() OVER (ORDER BY created_at DESC, id DESC) < $4::integer
        THEN $2::timestamptz ELSE $3::timestamptz END AS at
    FROM api_key_secrets
    WHERE api_key_id = $1 AND (expires_at IS NULL OR expires_at > $3::timestamptz)
) AS ends
WHERE api_key_secrets.digest = ends.digest
  AND (api_key_secrets.expires_at IS NULL OR api_key_secrets.expires_at > ends.at)
RETURNING api_key_secrets.id, api_key_secrets.expires_at
"""

REVOKE = "UPDATE api_keys SET revoked_at = $2 WHERE id = ANY($1::uuid[]) AND revoked_at IS NULL"

OF_OWNER = """
SELECT id FROM api_keys WHERE owner_id = $1 AND revoked_at IS NULL ORDER BY id FOR NO KEY UPDATE
"""

END_SECRETS = """
UPDATE api_key_secrets
SET expires_at = least(expires_at, $2::timestamptz), end_set_at = clock_timestamp()
WHERE api_key_id = ANY($1::uuid[])
RETURNING id
"""

END_SPENDINGS = """
UPDATE spendings SET ended_at = $2
FROM api_keys k
WHERE k.id = ANY($1::uuid[]) AND spendings.account_id = k.account_id
  AND spendings.api_key_id = k.id AND spendings.ended_at IS NULL
"""

FIND = """
SELECT s.digest, s.id, s.expires_at, k.id AS api_key_id, k.owner_id, k.scopes, k.account_id,
       k.expires_at AS key_expires_at, k.revoked_at
FROM api_key_secrets s JOIN api_keys k ON k.id = s.api_key_id
WHERE s.digest = ANY($1::bytea[])
"""

# An end that has been reached by this clock, or a key that was revoked, has no time: so that a
# process whose own clock is behind does not wait for it.
ENDED_WITHIN = """
SELECT s.id, CASE WHEN k.revoked_at IS NULL AND s.expires_at > clock_timestamp()
    THEN s.expires_at END AS ends_at
FROM api_key_secrets s JOIN api_keys k ON k.id = s.api_key_id
WHERE s.end_set_at > clock_timestamp() - $1::interval
"""

# In order of id, so that processes which note the same keys do not wait for each other in a circle.
USED = """
WITH due AS (
    SELECT k.id, used.at
    FROM unnest($1::uuid[], $2::timestamptz[]) AS used (id, at)
    JOIN api_keys k ON k.id = used.id
    WHERE k.last_used_at IS NULL OR k.last_used_at <= used.at - interval '1 minute'
    ORDER BY k.id FOR NO KEY UPDATE OF k
)
UPDATE api_keys SET last_used_at = due.at FROM due
WHERE api_keys.id = due.id
  AND (api_keys.last_used_at IS NULL OR api_keys.last_used_at <= due.at - interval '1 minute')
"""


def api_key_of(row: "Record") -> ApiKey:
    """Map a row to an API key."""
    return ApiKey(
        id=row["id"],
        owner_id=row["owner_id"],
        name=row["name"],
        scopes=tuple(row["scopes"]),
        hint=row["hint"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        last_used_at=row["last_used_at"],
        spending=None if row["api_key_id"] is None else spending_of(row),
    )


def known_secret_of(row: "Record") -> KnownSecret:
    """Map a row of FIND to what is known of a secret."""
    spends = row["account_id"] is not None
    return KnownSecret(
        id=row["id"],
        owner_id=row["owner_id"],
        grant=Grant(row["api_key_id"], frozenset(row["scopes"]), spends),
        expires_at=row["expires_at"],
        key_expires_at=row["key_expires_at"],
        revoked=row["revoked_at"] is not None,
    )


class PostgresApiKeys:
    """API keys, inside the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, key: ApiKey, secret: KeySecret) -> None:
        """Add a key with its first secret, and its spending if it has a rule."""
        spending = key.spending
        with translated():
            await self._connection.execute(
                ADD_KEY,
                key.id,
                key.owner_id,
                key.name,
                list(key.scopes),
                key.hint,
                None if spending is None else spending.rule.account_id,
                key.created_at,
                key.expires_at,
            )
            await self._add_secret(secret)
            if spending is not None:
                await add_spending(self._connection, spending)

    async def get(self, owner_id: UUID, api_key_id: UUID) -> ApiKey | None:
        """Return one of a person's keys, expired or not, or None."""
        with translated():
            row = await self._connection.fetchrow(GET, owner_id, api_key_id)
        return None if row is None else api_key_of(row)

    async def lock(self, owner_id: UUID, api_key_id: UUID) -> ApiKey | None:
        """Return the same under a row lock."""
        with translated():
            row = await self._connection.fetchrow(LOCK_KEY, owner_id, api_key_id)
        return None if row is None else api_key_of(row)

    async def page(self, owner_id: UUID, *, before: UUID | None, limit: int) -> Sequence[ApiKey]:
        """Return a person's keys, newest first; those made before the key `before`."""
        with translated():
            rows = await self._connection.fetch(PAGE, owner_id, before, limit)
        return [api_key_of(row) for row in rows]

    async def count_live(self, owner_id: UUID, now: datetime) -> int:
        """Return how many of a person's keys are neither expired nor revoked."""
        with translated():
            return int(await self._connection.fetchval(COUNT_LIVE, owner_id, now))

    async def rotate(
        self, secret: KeySecret, hint: str, old_end: datetime, now: datetime
    ) -> Sequence[tuple[UUID, datetime]]:
        """Add a secret to a locked key; return the older ones whose end has changed, with it."""
        with translated():
            rows = await self._connection.fetch(
                END_OLDER, secret.api_key_id, old_end, now, SECRETS_MAX
            )
            await self._add_secret(secret)
            await self._connection.execute(SET_HINT, secret.api_key_id, hint)
        return [(row["id"], row["expires_at"]) for row in rows]

    async def revoke(self, api_key_ids: Sequence[UUID], now: datetime) -> Sequence[UUID]:
        """Revoke keys and return their secrets; waits for payments that are being booked."""
        if not api_key_ids:
            return []
        with translated():
            await self._connection.execute(REVOKE, api_key_ids, now)
            rows = await self._connection.fetch(END_SECRETS, api_key_ids, now)
            await self._connection.execute(END_SPENDINGS, api_key_ids, now)
        return [row["id"] for row in rows]

    async def revoke_all(self, owner_id: UUID, now: datetime) -> Sequence[UUID]:
        """Revoke all keys of a person and return their secrets."""
        with translated():
            rows = await self._connection.fetch(OF_OWNER, owner_id)
        return await self.revoke([row["id"] for row in rows], now)

    async def find(self, digests: Sequence[bytes]) -> Mapping[bytes, KnownSecret]:
        """Return what is known of these secrets, ended ones included."""
        with translated():
            rows = await self._connection.fetch(FIND, digests)
        return {row["digest"]: known_secret_of(row) for row in rows}

    async def ended_within(self, age: timedelta) -> Sequence[tuple[UUID, datetime | None]]:
        """Return the secrets that were given an end during the last `age`, with it."""
        with translated():
            rows = await self._connection.fetch(ENDED_WITHIN, age)
        return [(row["id"], row["ends_at"]) for row in rows]

    async def used(self, uses: Mapping[UUID, datetime]) -> None:
        """Note when keys were used last, unless that was noted less than a minute before."""
        with translated():
            await self._connection.execute(USED, list(uses), list(uses.values()))

    async def _add_secret(self, secret: KeySecret) -> None:
        await self._connection.execute(
            ADD_DIGEST,
            secret.digest,
            secret.id,
            secret.api_key_id,
            secret.created_at,
            secret.expires_at,
        )
