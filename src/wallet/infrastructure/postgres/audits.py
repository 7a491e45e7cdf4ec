"""The self-audit on PostgreSQL: its progress, and the slices that it reads as the verifier."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import groupby
from uuid import UUID

from wallet.domain.audits import AuditedAccount, AuditedEntry, Progress
from wallet.domain.invariants import AccountState
from wallet.domain.journal import Entry
from wallet.infrastructure.postgres.errors import translated
from wallet.infrastructure.postgres.lines import entry_of
from wallet.infrastructure.postgres.pool import Connection, Pool
from wallet.infrastructure.postgres.verification import stored_entry_of

ACCOUNTS_MAX = 500

BEGIN_AUDITS = "INSERT INTO audits (id) VALUES (1) ON CONFLICT (id) DO NOTHING"

LOCK_PROGRESS = """
SELECT coalesce(account_id, '00000000-0000-0000-0000-000000000000') AS account_id, version, entries,
       began_at, completed_at
FROM audits WHERE holder IS NULL OR holder = $1 OR held_until < clock_timestamp()
FOR UPDATE SKIP LOCKED
"""

PROGRESS = """
SELECT coalesce(account_id, '00000000-0000-0000-0000-000000000000') AS account_id, version, entries,
       began_at, completed_at
FROM audits
"""

HOLD_PROGRESS = "UPDATE audits SET holder = $1, held_until = clock_timestamp() + $2::interval"

ADVANCE = """
UPDATE audits SET account_id = $1, version = $2, entries = $3, began_at = $4,
       completed_at = coalesce($5, completed_at)
"""

AUDITED_ACCOUNTS = """
SELECT id, currency, posted, held, version, head_hash,
       CASE WHEN head_booked_at BETWEEN '1970-01-01Z' AND '9999-01-01Z' THEN head_booked_at END,
       floor, debt,
       CASE purpose WHEN 'wallet' THEN 9000000000000000 ELSE 9000000000000000000 END
FROM accounts WHERE id >= $1 ORDER BY id LIMIT $2
"""

# The columns are those of the verifier's ENTRIES, and the other leg besides.
AUDITED_ENTRIES = """
SELECT e.account_id, e.version, e.instruction_id, e.kind, e.currency, e.posted_delta, e.held_delta,
       e.posted_after, e.held_after, e.counterparty_id, e.details_digest, e.hash,
       CASE WHEN e.booked_at BETWEEN '1970-01-01Z' AND '9999-01-01Z' THEN e.booked_at
            ELSE '1970-01-01Z' END AS booked_at,
       d.instruction_id IS NOT NULL AS has_details, d.erased_at IS NOT NULL AS is_erased,
       d.salt, d.note, d.reference, d.metadata, o.posted_delta AS other_delta
FROM (
    SELECT own.* FROM unnest($1::uuid[], $2::bigint[]) AS wanted (account_id, after_version)
    CROSS JOIN LATERAL (
        SELECT * FROM entries
        WHERE account_id = wanted.account_id AND version > wanted.after_version
        ORDER BY version LIMIT $3
    ) AS own
    ORDER BY own.account_id, own.version LIMIT $3
) AS e
LEFT JOIN LATERAL (
    SELECT instruction_id, erased_at, salt, note, reference, metadata FROM details
    WHERE account_id = e.account_id AND instruction_id = e.instruction_id OFFSET 0
) AS d ON true
LEFT JOIN LATERAL (
    SELECT posted_delta FROM entries
    WHERE account_id = e.counterparty_id AND instruction_id = e.instruction_id OFFSET 0
) AS o ON true
ORDER BY e.account_id, e.version
"""

BEFORE = """
SELECT account_id, version, instruction_id, kind, currency, posted_delta, held_delta, posted_after,
       held_after, counterparty_id, booked_at, details_digest, hash
FROM entries WHERE account_id = $1 AND version = $2
"""


class PostgresAudits:
    """The progress of the self-audit, inside the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def lease(self, holder: UUID, lease_s: float) -> Progress | None:
        """Lock the progress for `holder`; None if somebody else audits, or did within a lease."""
        with translated():
            await self._connection.execute(BEGIN_AUDITS)
            row = await self._connection.fetchrow(LOCK_PROGRESS, holder)
            if row is None:
                return None
            await self._connection.execute(HOLD_PROGRESS, holder, timedelta(seconds=lease_s))
        return Progress(*row)

    async def progress(self) -> Progress:
        """Return how far the round has come, without leasing it."""
        with translated():
            row = await self._connection.fetchrow(PROGRESS)
        return Progress() if row is None else Progress(*row)

    async def advance(self, progress: Progress) -> None:
        """Keep how far the round has come."""
        with translated():
            await self._connection.execute(
                ADVANCE,
                progress.account_id,
                progress.version,
                progress.entries,
                progress.began_at,
                progress.completed_at,
            )


class PostgresSlices:
    """Reads slices, each in a REPEATABLE READ transaction of a pool in the verifier's role."""

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool

    async def read(
        self, after: Progress, entries_max: int
    ) -> tuple[Sequence[AuditedAccount], bool]:
        """Return what comes next, and whether that is the end of the round."""
        with translated():
            async with (
                self._pool.acquire() as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                return await _read(connection, after, entries_max)


async def _read(
    connection: Connection, after: Progress, entries_max: int
) -> tuple[Sequence[AuditedAccount], bool]:
    rows = await connection.fetch(AUDITED_ACCOUNTS, after.account_id, ACCOUNTS_MAX)
    accounts = [AccountState(*row) for row in rows]
    before: Entry | None = None
    if accounts and accounts[0].id == after.account_id and after.version:
        row = await connection.fetchrow(BEFORE, after.account_id, after.version)
        before = None if row is None else entry_of(row)
    begun = 0 if before is None else before.version
    found = await connection.fetch(
        AUDITED_ENTRIES,
        [account.id for account in accounts],
        [begun if n == 0 else 0 for n in range(len(accounts))],
        entries_max + 1,
    )
    more = len(found) > entries_max
    entries: dict[UUID, list[AuditedEntry]] = {
        id_: [AuditedEntry(stored_entry_of(row), row["other_delta"]) for row in group]
        for id_, group in groupby(found[:entries_max], key=lambda row: row["account_id"])
    }
    last_id = found[entries_max - 1]["account_id"] if more else None
    audited: list[AuditedAccount] = []
    for n, account in enumerate(accounts):
        whole = account.id != last_id
        own = entries.get(account.id, [])
        audited.append(AuditedAccount(account, before if n == 0 else None, own, whole))
        if not whole:
            break
    return audited, not more and len(accounts) < ACCOUNTS_MAX
