"""Second factors and recovery codes on PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from wallet.domain.second_factors import SecondFactor
from wallet.infrastructure.postgres.errors import translated
from wallet.infrastructure.postgres.pool import Connection, Record

GET = """
SELECT user_id, secret, begun_at, enabled_at, last_step FROM second_factors WHERE user_id = $1
"""

LOCK = GET + "FOR NO KEY UPDATE"

PUT = """
INSERT INTO second_factors (user_id, secret, begun_at, enabled_at, last_step)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (user_id) DO UPDATE SET
    secret = EXCLUDED.secret, begun_at = EXCLUDED.begun_at, enabled_at = EXCLUDED.enabled_at,
    last_step = EXCLUDED.last_step
"""

REMOVE = "DELETE FROM second_factors WHERE user_id = $1 RETURNING user_id"

AFTER = """
SELECT user_id, secret, begun_at, enabled_at, last_step FROM second_factors
WHERE $1::uuid IS NULL OR user_id > $1 ORDER BY user_id LIMIT $2
"""

FORGET_CODES = "DELETE FROM recovery_codes WHERE user_id = $1"

ADD_CODES = """
INSERT INTO recovery_codes (user_id, digest, made_at)
SELECT $1, digest, $3 FROM unnest($2::bytea[]) AS c (digest)
"""

TAKE_CODE = """
UPDATE recovery_codes SET used_at = $3
WHERE user_id = $1 AND digest = $2 AND used_at IS NULL
RETURNING digest
"""

CODES_LEFT = "SELECT count(*) FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL"


def second_factor_of(row: "Record") -> SecondFactor:
    """Map a row to a second factor."""
    return SecondFactor(
        row["user_id"], row["secret"], row["begun_at"], row["enabled_at"], row["last_step"]
    )


class PostgresSecondFactors:
    """Second factors, inside the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get(self, user_id: UUID) -> SecondFactor | None:
        """Return a person's second factor, on or only begun."""
        return await self._one(GET, user_id)

    async def lock(self, user_id: UUID) -> SecondFactor | None:
        """Return the same under a row lock."""
        return await self._one(LOCK, user_id)

    async def put(self, factor: SecondFactor) -> None:
        """Write a second factor in the place of whatever the person had."""
        with translated():
            await self._connection.execute(
                PUT,
                factor.user_id,
                factor.secret,
                factor.begun_at,
                factor.enabled_at,
                factor.last_step,
            )

    async def remove(self, user_id: UUID) -> bool:
        """Forget a person's second factor and recovery codes; return whether there was one."""
        with translated():
            return await self._connection.fetchval(REMOVE, user_id) is not None

    async def after(self, user_id: UUID | None, limit: int) -> Sequence[SecondFactor]:
        """Return the next second factors in the order of their owners' ids."""
        with translated():
            rows = await self._connection.fetch(AFTER, user_id, limit)
        return [second_factor_of(row) for row in rows]

    async def replace_codes(self, user_id: UUID, digests: Sequence[bytes], now: datetime) -> None:
        """Keep new recovery codes, as digests, and forget the old ones."""
        with translated():
            await self._connection.execute(FORGET_CODES, user_id)
            await self._connection.execute(ADD_CODES, user_id, digests, now)

    async def take_code(self, user_id: UUID, digest: bytes, now: datetime) -> bool:
        """Use up a recovery code; return False if it is unknown or was used before."""
        with translated():
            taken = await self._connection.fetchval(TAKE_CODE, user_id, digest, now)
        return taken is not None

    async def codes_left(self, user_id: UUID) -> int:
        """Return how many recovery codes have not been used."""
        with translated():
            return int(await self._connection.fetchval(CODES_LEFT, user_id))

    async def _one(self, sql: str, user_id: UUID) -> SecondFactor | None:
        with translated():
            row = await self._connection.fetchrow(sql, user_id)
        return None if row is None else second_factor_of(row)
