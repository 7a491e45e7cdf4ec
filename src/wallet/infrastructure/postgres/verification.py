"""The books as one read-only snapshot on PostgreSQL, streamed in bounded memory."""

import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg

from wallet.domain.accounts import adjustment_accounts, system_accounts
from wallet.domain.invariants import AccountState, EntryRow, StoredEntry, Violation
from wallet.domain.journal import Entry, Kind, instruction_seal, microseconds
from wallet.infrastructure.postgres.ledger import details_of
from wallet.infrastructure.postgres.log_verification import PostgresLogBooks
from wallet.infrastructure.postgres.pool import VERIFIER, Connection, Record
from wallet.infrastructure.postgres.spendings import SPENDING_CHECKS
from wallet.infrastructure.postgres.staff_verification import (
    ACTS,
    STAFF_CHECKS,
    act_seal_is_right,
)

PREFETCH = 2_000

ACCOUNTS = """
SELECT id, currency, posted, held, version, head_hash,
       CASE WHEN head_booked_at BETWEEN '1970-01-01Z' AND '9999-01-01Z' THEN head_booked_at END,
       floor, debt,
       CASE purpose WHEN 'wallet' THEN 9000000000000000 ELSE 9000000000000000000 END
FROM accounts ORDER BY id
"""

# A time that Python cannot represent is read as 1970, which no hash and no seal is of.
ENTRIES = """
SELECT e.account_id, e.version, e.instruction_id, e.kind, e.currency, e.posted_delta, e.held_delta,
       e.posted_after, e.held_after, e.counterparty_id, e.details_digest, e.hash,
       CASE WHEN e.booked_at BETWEEN '1970-01-01Z' AND '9999-01-01Z' THEN e.booked_at
            ELSE '1970-01-01Z' END AS booked_at,
       d.instruction_id IS NOT NULL AS has_details, d.erased_at IS NOT NULL AS is_erased,
       d.salt, d.note, d.reference, d.metadata
FROM entries e
LEFT JOIN details d ON d.account_id = e.account_id AND d.instruction_id = e.instruction_id
ORDER BY e.account_id, e.version
"""

UNBALANCED = """
SELECT instruction_id, currency, sum(posted_delta) AS total
FROM entries GROUP BY instruction_id, currency HAVING sum(posted_delta) <> 0
"""

TOTALS = "SELECT currency, sum(posted) AS total FROM accounts GROUP BY currency"

INSTRUCTIONS = """
SELECT id, account_id, kind, scope, key_digest, fingerprint, currency, amount, owner_id,
       counterparty_id, counterparty_owner_id, refusal_code, refusal_facts, seal,
       CASE WHEN booked_at BETWEEN '1970-01-01Z' AND '9999-01-01Z' THEN booked_at
            ELSE '1970-01-01Z' END AS booked_at
FROM instructions ORDER BY account_id, id
"""

SHARE = "SELECT pg_export_snapshot()"

# What a snapshot is named by must be a literal in the statement that takes it over.
ADOPT = "SELECT format('SET TRANSACTION SNAPSHOT %L', $1::text)"

SYSTEM_ACCOUNTS = "SELECT id, currency, purpose, floor FROM accounts WHERE purpose <> 'wallet'"

CURRENCIES = "SELECT currency FROM wallets UNION SELECT currency FROM accounts"

# Kinds 1, 3, 6 and 7 move money when they are accepted; 2 and 4 only change a funding, 5 is the row
# of a batch of transfers, and 8 asks for an adjustment.
CROSS_CHECKS: dict[str, str] = {
    "entries-have-accounts": """
        SELECT e.account_id, e.version, 'there is no such account' AS message
        FROM entries e LEFT JOIN accounts a ON a.id = e.account_id WHERE a.id IS NULL
    """,
    "entries-have-instructions": """
        SELECT e.account_id, e.version, 'no accepted instruction made it' AS message
        FROM entries e LEFT JOIN instructions i
            ON i.id = e.instruction_id AND i.refusal_code IS NULL
            AND i.account_id IN (e.account_id, e.counterparty_id)
        WHERE i.id IS NULL
    """,
    "instructions-match-entries": """
        SELECT i.account_id, e.version, 'instruction ' || i.id || ' says something else' AS message
        FROM instructions i
        LEFT JOIN entries e ON e.account_id = i.account_id AND e.instruction_id = i.id
        LEFT JOIN entries o ON o.account_id = e.counterparty_id AND o.instruction_id = i.id
        WHERE i.refusal_code IS NULL AND i.kind IN (1, 3, 6, 7) AND (
            e.version IS NULL OR o.version IS NULL OR e.kind <> i.kind
            OR e.currency <> i.currency OR e.booked_at <> i.booked_at
            OR abs(e.posted_delta::numeric) <> i.amount
            OR o.posted_delta <> -e.posted_delta::numeric
            OR o.kind <> i.kind OR o.booked_at <> i.booked_at
            OR o.counterparty_id IS DISTINCT FROM i.account_id
            OR (i.kind IN (1, 6) AND (e.posted_delta > 0
                OR i.counterparty_id IS DISTINCT FROM e.counterparty_id))
            OR (i.kind = 3 AND e.posted_delta < 0)
        )
    """,
    "refused-instructions-move-nothing": """
        SELECT i.account_id, e.version, 'a refused instruction has an entry' AS message
        FROM instructions i
        JOIN entries e ON e.account_id = i.account_id AND e.instruction_id = i.id
        WHERE i.refusal_code IS NOT NULL OR i.kind NOT IN (1, 3, 6, 7)
    """,
    "details-have-entries": """
        SELECT d.account_id, NULL::bigint AS version, 'details without an entry' AS message
        FROM details d
        LEFT JOIN entries e
            ON e.account_id = d.account_id AND e.instruction_id = d.instruction_id
        WHERE e.account_id IS NULL
    """,
    "settled-fundings-are-credited": """
        SELECT f.account_id, e.version, 'funding ' || f.id || ' and its entry disagree' AS message
        FROM fundings f
        LEFT JOIN entries e ON e.account_id = f.account_id AND e.instruction_id = f.id
        WHERE (f.status = 'settled') <> (e.version IS NOT NULL)
           OR e.posted_delta <> f.amount OR e.currency <> f.currency
    """,
    "settlements-have-fundings": """
        SELECT i.account_id, NULL::bigint AS version, 'settlement ' || i.id || ' of nothing'
            AS message
        FROM instructions i
        LEFT JOIN fundings f ON f.account_id = i.account_id AND f.id = i.id
        WHERE i.kind = 3 AND i.refusal_code IS NULL AND f.status IS DISTINCT FROM 'settled'
    """,
    "requests-have-fundings": """
        SELECT coalesce(r.account_id, f.account_id) AS account_id, NULL::bigint AS version,
               'funding ' || coalesce(f.id, r.funding_id) || ' and its request disagree' AS message
        FROM (
            SELECT account_id, owner_id, amount, currency, booked_at,
                   encode(set_byte(uuid_send(id), 15, get_byte(uuid_send(id), 15) # 1), 'hex')::uuid
                       AS funding_id
            FROM instructions WHERE kind = 2 AND refusal_code IS NULL
        ) AS r
        FULL JOIN fundings f ON f.account_id = r.account_id AND f.id = r.funding_id
        WHERE f.id IS NULL OR r.funding_id IS NULL OR f.amount <> r.amount
           OR f.currency <> r.currency OR f.owner_id <> r.owner_id
           OR f.created_at <> r.booked_at
    """,
    "decisions-have-fundings": """
        SELECT coalesce(f.account_id, i.account_id) AS account_id, NULL::bigint AS version,
               'funding ' || coalesce(f.id::text, 'of ' || i.id) || ' and its decision disagree'
                   AS message
        FROM (
            SELECT *, sha256(convert_to('funding:' || id || CASE status WHEN 'settled'
                THEN ':settle' ELSE ':decline' END, 'UTF8')) AS key_digest
            FROM fundings WHERE status <> 'pending'
        ) AS f
        FULL JOIN (SELECT * FROM instructions WHERE kind IN (3, 4) AND refusal_code IS NULL) AS i
            ON i.account_id = f.account_id AND i.key_digest = f.key_digest
        WHERE f.id IS NULL OR i.id IS NULL OR i.amount <> f.amount OR i.currency <> f.currency
           OR i.owner_id IS DISTINCT FROM f.owner_id OR i.booked_at <> f.decided_at
           OR i.kind <> CASE f.status WHEN 'settled' THEN 3 ELSE 4 END
    """,
    "parties-own-the-accounts": """
        SELECT i.account_id, NULL::bigint AS version, 'instruction ' || i.id || ' names others'
            AS message
        FROM instructions i
        LEFT JOIN accounts a ON a.id = i.account_id
        LEFT JOIN accounts c ON c.id = i.counterparty_id
        WHERE a.owner_id IS DISTINCT FROM i.owner_id
           OR (i.counterparty_id IS NOT NULL
               AND c.owner_id IS DISTINCT FROM i.counterparty_owner_id)
           OR (i.kind IN (1, 2, 5) AND i.scope <> 'person:' || i.owner_id)
    """,
    "owners-exist": """
        SELECT a.id AS account_id, NULL::bigint AS version, 'its owner does not exist' AS message
        FROM accounts a LEFT JOIN users u ON u.id = a.owner_id
        WHERE a.purpose = 'wallet' AND u.id IS NULL
    """,
    "batches-name-entries": """
        SELECT n.account_id, n.version, 'batch ' || b.id || ' names it wrongly' AS message
        FROM batches b
        CROSS JOIN LATERAL unnest(b.account_ids, b.versions) AS n (account_id, version)
        LEFT JOIN entries e ON e.account_id = n.account_id AND e.version = n.version
        WHERE e.booked_at IS DISTINCT FROM b.booked_at
    """,
    "held-equals-open-holds": """
        SELECT id AS account_id, NULL::bigint AS version, 'held without a hold' AS message
        FROM accounts WHERE held <> 0
    """,
    "wallets-have-accounts": """
        SELECT coalesce(w.account_id, a.id) AS account_id, NULL::bigint AS version,
               'wallet and account disagree' AS message
        FROM wallets w FULL JOIN accounts a
            ON a.id = w.account_id AND a.owner_id = w.owner_id AND a.currency = w.currency
        WHERE (a.id IS NULL OR w.account_id IS NULL) AND coalesce(a.purpose, 'wallet') = 'wallet'
    """,
    "batches-are-kept": """
        SELECT last.account_id, last.version, 'it is not told of by one batch' AS message
        FROM (
            SELECT account_id, booked_at, max(version) AS version FROM entries
            WHERE booked_at > now() - interval '1 hour' GROUP BY account_id, booked_at
        ) AS last
        LEFT JOIN (
            SELECT named.account_id, named.version, b.booked_at, count(*) AS times
            FROM batches b
            CROSS JOIN LATERAL unnest(b.account_ids, b.versions) AS named (account_id, version)
            WHERE b.booked_at > now() - interval '1 hour' GROUP BY 1, 2, 3
        ) AS told ON told.account_id = last.account_id AND told.version = last.version
            AND told.booked_at = last.booked_at
        WHERE told.times IS DISTINCT FROM 1
    """,
    "batches-name-every-version": """
        SELECT a.id AS account_id, a.version, 'no batch tells of its last entry' AS message
        FROM accounts a
        LEFT JOIN (
            SELECT named.account_id, named.version, b.booked_at
            FROM batches b
            CROSS JOIN LATERAL unnest(b.account_ids, b.versions) AS named (account_id, version)
            WHERE b.booked_at > now() - interval '1 hour'
        ) AS told ON told.account_id = a.id AND told.version = a.version
            AND told.booked_at = a.head_booked_at
        WHERE a.version > 0 AND a.head_booked_at > now() - interval '1 hour'
          AND told.account_id IS NULL
    """,
    **SPENDING_CHECKS,
}


class BooksUnreadable(RuntimeError):
    """The books cannot be read at all; the message says why."""


class PostgresBooks:
    """One snapshot of the books; valid inside `snapshot()`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.log = PostgresLogBooks(connection)

    async def share(self) -> str:
        """Return the name by which another connection can open the same snapshot."""
        name: str = await self._connection.fetchval(SHARE)
        return name

    async def journal(self) -> AsyncIterator[AccountState | EntryRow]:
        """Return each account, followed by its entries; neither table is held in memory."""
        # Taken from the cursor thousands at a time: row by row costs as much as checking them.
        cursor = await self._connection.cursor(ENTRIES)
        rows = iter(await cursor.fetch(PREFETCH))
        pending = next(rows, None)
        async for account in self._connection.cursor(ACCOUNTS, prefetch=PREFETCH):
            yield AccountState(*account)
            id_ = account["id"]
            while pending is not None and pending["account_id"] <= id_:
                if pending["account_id"] == id_:
                    yield EntryRow(pending, stored_entry_of)
                pending = next(rows, None)
                if pending is None:
                    rows = iter(await cursor.fetch(PREFETCH))
                    pending = next(rows, None)

    async def unbalanced(self) -> dict[tuple[UUID, str], int]:
        """Return the instructions whose legs do not sum to zero."""
        rows = await self._connection.fetch(UNBALANCED)
        return {(row["instruction_id"], row["currency"]): int(row["total"]) for row in rows}

    async def totals(self) -> dict[str, int]:
        """Return the sum of all accounts by currency."""
        rows = await self._connection.fetch(TOTALS)
        return {row["currency"]: int(row["total"]) for row in rows}

    async def cross_checks(self) -> AsyncIterator[Violation]:
        """Return what is wrong between tables."""
        for name, query in (CROSS_CHECKS | STAFF_CHECKS).items():
            async for row in self._connection.cursor(query, prefetch=PREFETCH):
                yield Violation(name, row["account_id"], row["version"], row["message"])
        cursor = await self._connection.cursor(INSTRUCTIONS)
        while rows := await cursor.fetch(PREFETCH):
            for row in rows:
                if not _seal_is_right(row):
                    message = f"instruction {row['id']} is not what was sealed"
                    yield Violation("instruction-seal", row["account_id"], None, message)
        async for row in self._connection.cursor(ACTS, prefetch=PREFETCH):
            if not act_seal_is_right(row):
                message = f"act {row['id']} is not what was sealed"
                yield Violation("act-seal", None, None, message)
        for violation in await self._system_accounts():
            yield violation

    async def _system_accounts(self) -> Sequence[Violation]:
        """Compare the system accounts with those that the currencies in use must have."""
        rows = await self._connection.fetch(SYSTEM_ACCOUNTS)
        # Those of adjustments are added when a currency first needs them, all at once.
        adjusted = {row["currency"] for row in rows if row["purpose"] == "adjustment"}
        expected = {
            account.id: (account.currency, account.floor)
            for row in await self._connection.fetch(CURRENCIES)
            for currency in [row["currency"]]
            for account in (
                *system_accounts(currency),
                *(adjustment_accounts(currency) if currency in adjusted else ()),
            )
        }
        found = {row["id"]: (row["currency"], row["floor"]) for row in rows}
        return [
            Violation("system-accounts-are-whole", id_, None, "missing, made up or changed")
            for id_ in sorted(expected.keys() | found.keys())
            if expected.get(id_) != found.get(id_)
        ]


_KINDS = {int(kind): kind for kind in Kind}


def stored_entry_of(row: "Record") -> StoredEntry | Violation:
    """Map a row of ENTRIES; one that cannot be read is a violation itself."""
    (
        account_id,
        version,
        instruction_id,
        kind,
        currency,
        posted_delta,
        held_delta,
        posted_after,
        held_after,
        counterparty_id,
        details_digest,
        hash_,
        booked_at,
        has_details,
        is_erased,
        *_,
    ) = row
    known = _KINDS.get(kind)
    if known is None:
        return Violation("row-readable", account_id, version, f"{kind} is not a valid Kind")
    entry = Entry(
        account_id,
        version,
        instruction_id,
        known,
        currency,
        posted_delta,
        held_delta,
        posted_after,
        held_after,
        counterparty_id,
        booked_at,
        details_digest,
        hash_,
    )
    if not has_details:
        return StoredEntry(entry, None, "none")
    try:
        return StoredEntry(entry, details_of(row), "erased" if is_erased else "kept")
    except (TypeError, ValueError) as error:
        return Violation("row-readable", account_id, version, str(error))


def _seal_is_right(row: "Record") -> bool:
    refusal = None
    if row["refusal_code"] is not None:
        refusal = (row["refusal_code"], row["refusal_facts"])
    try:
        seal = instruction_seal(
            row["id"],
            row["kind"],
            row["scope"],
            row["key_digest"],
            row["fingerprint"],
            row["account_id"],
            row["currency"],
            row["amount"],
            (row["owner_id"], row["counterparty_id"], row["counterparty_owner_id"]),
            microseconds(row["booked_at"]),
            refusal,
        )
    except struct.error:
        return False
    return bool(seal == row["seal"])


@asynccontextmanager
async def snapshot(
    url: str, *, role: str | None = VERIFIER, shared: str | None = None
) -> AsyncIterator[PostgresBooks]:
    """Open one consistent, read-only view of the books as the verifier.

    Statements may take as long as they need: a large ledger is read whole. `shared` is the name of
    a snapshot that somebody else has open and that this view is to show as well.
    """
    settings = {"application_name": "wallet verify", "timezone": "UTC", "jit": "off"}
    # Every check reads whole tables. Right after a burst the statistics know nothing of it, and a
    # loop over what was thought to be a single row takes minutes.
    settings["enable_nestloop"] = "off"
    if role is not None:
        settings["role"] = role
    try:
        connection = await asyncpg.connect(url, timeout=5, server_settings=settings)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise BooksUnreadable(f"The books cannot be read: {error}") from error
    try:
        # Put together before, because no query may come before it in the transaction.
        adopting = None if shared is None else await connection.fetchval(ADOPT, shared)
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            if adopting is not None:
                await connection.execute(adopting)
            yield PostgresBooks(connection)
    except asyncpg.UndefinedTableError as error:
        raise BooksUnreadable("There are no books here: run `wallet migrate up` first.") from error
    finally:
        await connection.close()
