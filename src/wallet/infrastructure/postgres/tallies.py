"""Tallies on PostgreSQL: a BRIN index finds entries by time, at no cost per transfer."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from wallet.domain.accounts import Purpose
from wallet.domain.ids import first_id_at
from wallet.domain.tallies import DAY, HOURS_KEPT, KEPT, Tally, TallyProgress
from wallet.infrastructure.postgres.errors import translated
from wallet.infrastructure.postgres.pool import Connection, Record

NOW = "SELECT clock_timestamp()"

FIRST_BOOKED_AT = "SELECT min(booked_at) FROM batches"

BEGIN_PROGRESS = """
INSERT INTO tally_progress (counted_to, recounted_to) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING
"""

LOCK_PROGRESS = """
SELECT counted_to, recounted_to FROM tally_progress
WHERE holder IS NULL OR holder = $1 OR held_until < clock_timestamp()
FOR UPDATE SKIP LOCKED
"""

HOLD_PROGRESS = (
    "UPDATE tally_progress SET holder = $1, held_until = clock_timestamp() + $2::interval"
)

PROGRESS = "SELECT counted_to, recounted_to FROM tally_progress"

ADVANCE = "UPDATE tally_progress SET counted_to = $1, recounted_to = $2"

# Of each accepted instruction the one leg that receives; of each refused one its own row.
BOOKED = """
SELECT date_bin('1 minute', booked_at, '2001-01-01Z') AS minute, kind, currency,
       '' AS refusal_code, count(*) AS instructions, sum(posted_delta) AS amount
FROM entries WHERE booked_at >= $1 AND booked_at < $2 AND posted_delta > 0
GROUP BY 1, 2, 3
UNION ALL
SELECT date_bin('1 minute', booked_at, '2001-01-01Z'), kind, currency, refusal_code, count(*),
       sum(amount)
FROM instructions WHERE refusal_code IS NOT NULL AND booked_at >= $1 AND booked_at < $2
GROUP BY 1, 2, 3, 4
"""

ADD = (
    "INSERT INTO tallies (minute, kind, currency, refusal_code, instructions, amount)"
    + BOOKED
    + """
ON CONFLICT ON CONSTRAINT tallies_one_per_minute DO UPDATE
SET instructions = tallies.instructions + EXCLUDED.instructions,
    amount = tallies.amount + EXCLUDED.amount
"""
)

ADD_PEOPLE = """
INSERT INTO tally_people (day, person_id)
SELECT DISTINCT (e.booked_at AT TIME ZONE 'UTC')::date, a.owner_id
FROM entries e JOIN accounts a ON a.id = e.account_id
WHERE e.booked_at >= $1 AND e.booked_at < $2 AND a.owner_id IS NOT NULL
ON CONFLICT DO NOTHING
"""

ADD_PEOPLE_BY_HOUR = """
INSERT INTO tally_people_by_hour (hour, person_id)
SELECT DISTINCT date_bin('1 hour', e.booked_at, '2001-01-01Z'), a.owner_id
FROM entries e JOIN accounts a ON a.id = e.account_id
WHERE e.booked_at >= $1 AND e.booked_at < $2 AND a.owner_id IS NOT NULL
ON CONFLICT DO NOTHING
"""

FORGET = "DELETE FROM tallies WHERE minute >= $1 AND minute < $2"

FORGET_OLD = "DELETE FROM tallies WHERE minute < $1"

FORGET_OLD_HOURS = "DELETE FROM tally_people_by_hour WHERE hour < $1"

FORGET_OLD_PEOPLE = (
    "DELETE FROM tally_people WHERE day < ($1::timestamptz AT TIME ZONE 'UTC')::date"
)

BY_HOUR = """
SELECT date_bin('1 hour', minute, '2001-01-01Z') AS minute, kind, currency, refusal_code,
       sum(instructions)::bigint AS instructions, sum(amount) AS amount
FROM tallies WHERE minute >= $1 GROUP BY 1, 2, 3, 4
"""

BY_MINUTE = """
SELECT minute, kind, currency, refusal_code, instructions, amount
FROM tallies WHERE minute >= $1 AND minute < $2
"""

ACTIVE_PEOPLE = """
SELECT (SELECT count(*) FROM tally_people WHERE day = ($1::timestamptz AT TIME ZONE 'UTC')::date)
     + (SELECT count(DISTINCT a.owner_id)
        FROM entries e JOIN accounts a ON a.id = e.account_id
        WHERE e.booked_at >= greatest($2, $1) AND e.booked_at < $3 AND a.owner_id IS NOT NULL
          AND NOT EXISTS (SELECT FROM tally_people p
                          WHERE p.day = ($1::timestamptz AT TIME ZONE 'UTC')::date
                            AND p.person_id = a.owner_id))
"""

ACTIVE_BY_HOUR = """
SELECT hour, count(*) AS people FROM (
    SELECT hour, person_id FROM tally_people_by_hour WHERE hour >= $1
    UNION
    SELECT date_bin('1 hour', e.booked_at, '2001-01-01Z'), a.owner_id
    FROM entries e JOIN accounts a ON a.id = e.account_id
    WHERE e.booked_at >= greatest($2, $1) AND e.booked_at < $3 AND a.owner_id IS NOT NULL
) AS active
GROUP BY hour
"""

SIGN_UPS_BY_HOUR = """
SELECT date_bin('1 hour', created_at, '2001-01-01Z') AS hour, count(*) AS people
FROM users WHERE id >= $1 GROUP BY 1
"""

SIGN_UPS = "SELECT count(*) FROM users WHERE id >= $1 AND id < $2"

SYSTEM_BALANCES = """
SELECT currency, purpose, sum(posted) AS posted FROM accounts
WHERE purpose <> 'wallet' GROUP BY currency, purpose
"""

FAR = timedelta(days=36_500)


def tally_of(row: "Record") -> Tally:
    """Map a row to a tally."""
    return Tally(
        row["minute"],
        row["kind"],
        row["currency"],
        row["refusal_code"],
        row["instructions"],
        int(row["amount"]),
    )


class PostgresTallies:
    """Tallies, inside the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def now(self) -> datetime:
        """Return the time of the clock that movements are booked by."""
        with translated():
            found: datetime = await self._connection.fetchval(NOW)
        return found

    async def lease(self, holder: UUID, lease_s: float) -> TallyProgress | None:
        """Lock the progress for `holder`; None if somebody else counts, or did within a lease."""
        with translated():
            row = await self._connection.fetchrow(LOCK_PROGRESS, holder)
            if row is None:
                return None
            await self._connection.execute(HOLD_PROGRESS, holder, timedelta(seconds=lease_s))
        return TallyProgress(*row)

    async def first_booked_at(self) -> datetime | None:
        """Return when money moved for the first time, or None if it never has."""
        with translated():
            found: datetime | None = await self._connection.fetchval(FIRST_BOOKED_AT)
        return found

    async def begin(self, progress: TallyProgress) -> None:
        """Keep where counting begins, unless it has begun."""
        with translated():
            await self._connection.execute(
                BEGIN_PROGRESS, progress.counted_to, progress.recounted_to
            )

    async def add(self, since: datetime, until: datetime) -> None:
        """Count what was booked from `since` up to, but not including, `until`."""
        with translated():
            await self._connection.execute(ADD, since, until)
            await self._connection.execute(ADD_PEOPLE, since, until)
            await self._connection.execute(ADD_PEOPLE_BY_HOUR, since, until)

    async def replace(self, since: datetime, until: datetime) -> None:
        """Forget what was counted of this time, and count it anew."""
        with translated():
            await self._connection.execute(FORGET, since, until)
        await self.add(since, until)

    async def advance(self, progress: TallyProgress) -> None:
        """Keep how far counting has come, and drop what is older than `KEPT`."""
        with translated():
            await self._connection.execute(ADVANCE, progress.counted_to, progress.recounted_to)
            await self._connection.execute(FORGET_OLD, progress.counted_to - KEPT)
            await self._connection.execute(FORGET_OLD_PEOPLE, progress.counted_to - KEPT)
            await self._connection.execute(FORGET_OLD_HOURS, progress.counted_to - HOURS_KEPT)

    async def progress(self) -> TallyProgress | None:
        """Return how far counting has come, or None if it never began."""
        with translated():
            row = await self._connection.fetchrow(PROGRESS)
        return None if row is None else TallyProgress(*row)

    async def by_hour(self, since: datetime) -> Sequence[Tally]:
        """Return what was counted since then, in hours."""
        with translated():
            rows = await self._connection.fetch(BY_HOUR, since)
        return [tally_of(row) for row in rows]

    async def by_minute(self, since: datetime, until: datetime) -> Sequence[Tally]:
        """Return what was counted from `since` up to `until`, in minutes."""
        with translated():
            rows = await self._connection.fetch(BY_MINUTE, since, until)
        return [tally_of(row) for row in rows]

    async def uncounted(self, since: datetime) -> Sequence[Tally]:
        """Count what was booked since then, in minutes, and keep nothing."""
        with translated():
            rows = await self._connection.fetch(BOOKED, since, since + FAR)
        return [tally_of(row) for row in rows]

    async def active_people(self, day: datetime, uncounted_since: datetime) -> int:
        """Return how many people's wallets were moved on a day of UTC."""
        with translated():
            found: int = await self._connection.fetchval(
                ACTIVE_PEOPLE, day, uncounted_since, day + DAY
            )
        return found

    async def active_by_hour(
        self, since: datetime, uncounted_since: datetime
    ) -> Mapping[datetime, int]:
        """Return how many people's wallets were moved in each hour from `since` on, if any."""
        with translated():
            rows = await self._connection.fetch(ACTIVE_BY_HOUR, since, uncounted_since, since + FAR)
        return {row["hour"]: row["people"] for row in rows}

    async def sign_ups_by_hour(self, since: datetime) -> Mapping[datetime, int]:
        """Return how many people have signed up in each hour from `since` on, if any."""
        with translated():
            rows = await self._connection.fetch(SIGN_UPS_BY_HOUR, first_id_at(since))
        return {row["hour"]: row["people"] for row in rows}

    async def sign_ups(self, since: datetime, until: datetime) -> int:
        """Return how many people have signed up in a time."""
        with translated():
            found: int = await self._connection.fetchval(
                SIGN_UPS, first_id_at(since), first_id_at(until)
            )
        return found

    async def system_balances(self) -> Mapping[tuple[str, Purpose], int]:
        """Return what the system accounts hold together, by currency and purpose."""
        with translated():
            rows = await self._connection.fetch(SYSTEM_BALANCES)
        return {(row["currency"], Purpose(row["purpose"])): int(row["posted"]) for row in rows}
