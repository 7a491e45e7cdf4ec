"""Guards on PostgreSQL: one upsert each, committed by itself, exact over all processes.

Times are the database's own. Whoever conflicts waits for the row and then sees its latest state, so
attempts sent at once are counted one after the other.
"""

from math import ceil

from wallet.domain.guards import (
    DELAY_FIRST_S,
    DELAY_MAX_S,
    FAILURES_FORGOTTEN_AFTER,
    FREE_FAILURES,
    Guard,
    GuardTripped,
    LogInDelayed,
)
from wallet.infrastructure.postgres.errors import translated
from wallet.infrastructure.postgres.pool import DEADLINES, Pool

COUNT = """
INSERT INTO guards AS g (bucket, window_start, count)
VALUES ($1, to_timestamp(floor(extract(epoch FROM now()) / $2::integer) * $2::integer), 1)
ON CONFLICT (bucket, window_start) DO UPDATE SET count = g.count + 1
RETURNING count,
    extract(epoch FROM window_start - clock_timestamp())::float8 + $2::integer AS rest_s
"""

CHECK = """
SELECT count, extract(epoch FROM window_start - clock_timestamp())::float8 + $2::integer AS rest_s
FROM guards
WHERE bucket = $1
  AND window_start = to_timestamp(floor(extract(epoch FROM now()) / $2::integer) * $2::integer)
"""

# The attempt is counted as a failure before anything is verified; while one must wait, no row
# comes back and nothing is counted, so that waiting it out always helps.
BEGIN_ATTEMPT = """
INSERT INTO login_delays AS d (account_digest, failures, blocked_until, last_failure_at)
VALUES ($1, 1, clock_timestamp(), clock_timestamp())
ON CONFLICT (account_digest) DO UPDATE SET
    failures = CASE
        WHEN d.last_failure_at < clock_timestamp() - $2::interval THEN 1
        ELSE d.failures + 1
    END,
    blocked_until = clock_timestamp() + make_interval(secs => CASE
        WHEN d.last_failure_at < clock_timestamp() - $2::interval THEN 0
        WHEN d.failures + 1 < $3::integer THEN 0
        ELSE least($4::integer * power(2, least(d.failures + 1 - $3::integer, 20)), $5::integer)
    END),
    last_failure_at = clock_timestamp()
WHERE d.blocked_until <= clock_timestamp()
RETURNING failures
"""

BLOCKED_FOR = """
SELECT extract(epoch FROM blocked_until - clock_timestamp())::float8
FROM login_delays WHERE account_digest = $1
"""

TAKE_BACK = """
UPDATE login_delays SET failures = greatest(failures - 1, 0), blocked_until = clock_timestamp()
WHERE account_digest = $1
"""

SUCCEED = "DELETE FROM login_delays WHERE account_digest = $1"


class PostgresGuards:
    """Counters per subject in fixed windows; each call is a transaction of its own."""

    def __init__(self, pool: Pool, *, acquire_timeout_s: float = DEADLINES.acquire_s) -> None:
        self._pool = pool
        self._acquire_timeout_s = acquire_timeout_s

    async def count(self, guard: Guard, subject: str) -> None:
        """Count one; raise `GuardTripped` if that is more than the guard allows."""
        count, rest_s = await self._read(COUNT, guard, subject)
        if count > guard.limit:
            raise _tripped(guard, rest_s)

    async def check(self, guard: Guard, subject: str) -> None:
        """Raise `GuardTripped` if the limit has been reached; count nothing."""
        count, rest_s = await self._read(CHECK, guard, subject)
        if count >= guard.limit:
            raise _tripped(guard, rest_s)

    async def _read(self, sql: str, guard: Guard, subject: str) -> tuple[int, float]:
        bucket = f"{guard.name}:{subject}"
        with translated():
            async with self._pool.acquire(timeout=self._acquire_timeout_s) as connection:
                row = await connection.fetchrow(sql, bucket, guard.window_s)
        return (0, 0.0) if row is None else (row["count"], row["rest_s"])


class PostgresLogInDelays:
    """Failures in a row per account; each call is a transaction of its own."""

    def __init__(self, pool: Pool, *, acquire_timeout_s: float = DEADLINES.acquire_s) -> None:
        self._pool = pool
        self._acquire_timeout_s = acquire_timeout_s

    async def begin(self, account: bytes) -> int:
        """Count an attempt as failed until `succeed`; return how many have failed with it.

        Raises `LogInDelayed` while one must wait.
        """
        with translated():
            async with self._pool.acquire(timeout=self._acquire_timeout_s) as connection:
                failures: int | None = await connection.fetchval(
                    BEGIN_ATTEMPT,
                    account,
                    FAILURES_FORGOTTEN_AFTER,
                    FREE_FAILURES,
                    DELAY_FIRST_S,
                    DELAY_MAX_S,
                )
                if failures is not None:
                    return failures
                rest_s = await connection.fetchval(BLOCKED_FOR, account)
        wait_s = max(1, ceil(rest_s or 0))
        raise LogInDelayed(retry_after_s=wait_s, wait_s=wait_s)

    async def succeed(self, account: bytes) -> None:
        """Forget an account's failures."""
        with translated():
            async with self._pool.acquire(timeout=self._acquire_timeout_s) as connection:
                await connection.execute(SUCCEED, account)

    async def take_back(self, account: bytes) -> None:
        """Forget the last attempt of an account."""
        with translated():
            async with self._pool.acquire(timeout=self._acquire_timeout_s) as connection:
                await connection.execute(TAKE_BACK, account)


def _tripped(guard: Guard, rest_s: float) -> GuardTripped:
    return GuardTripped(retry_after_s=max(1, ceil(rest_s)), guard=guard.name)
