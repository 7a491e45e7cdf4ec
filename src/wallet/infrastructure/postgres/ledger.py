"""The books on PostgreSQL: lock in one statement, write in a later one, compare the counts."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

import asyncpg

from wallet.domain.accounts import Account, Freeze, Purpose
from wallet.domain.adjustments import Adjustment
from wallet.domain.errors import Rejected, rejection_of
from wallet.domain.funding import Funding
from wallet.domain.journal import Details, Entry, Kind, facts_text
from wallet.domain.ledger import (
    Book,
    Header,
    Key,
    LedgerInvariantBroken,
    Outcome,
    SpendingPlace,
)
from wallet.domain.money import Currency
from wallet.domain.spending import Spending
from wallet.infrastructure.identifiers import new_id
from wallet.infrastructure.postgres.errors import translated
from wallet.infrastructure.postgres.fundings import SAVE_FUNDINGS, funding_of
from wallet.infrastructure.postgres.pool import Connection, Record
from wallet.infrastructure.postgres.spendings import read_spendings, save_spendings
from wallet.infrastructure.postgres.staff_changes import (
    adjustments_at,
    allow_debts,
    refunded,
    save_staff_changes,
)

# The clock is read outside of the locking query, which makes each row's reading later than its
# lock: inside it, the time could be from before the wait. Whether a key has been used is told as it
# was before the wait, which is true nearly always and saves a round trip; the index of keys finds
# out the rest.
LOCK = """
SELECT locked.*, clock_timestamp() AS locked_at,
       (SELECT true FROM unnest($2::text[], $3::bytea[]) AS wanted (scope, key_digest)
        JOIN instructions i ON i.scope = wanted.scope AND i.key_digest = wanted.key_digest
        LIMIT 1) AS repeats
FROM (
    SELECT id, currency, purpose, owner_id, posted, held, version, head_hash, head_booked_at,
           floor, frozen, closed_at
    FROM accounts WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE
) AS locked
"""

PEEK = """
SELECT id, currency, purpose, owner_id, posted, held, version, head_hash, head_booked_at,
       floor, frozen, closed_at, clock_timestamp() AS locked_at, true AS repeats
FROM accounts WHERE id = ANY($1::uuid[])
"""

OUTCOMES = """
SELECT i.id, i.kind, i.scope, i.key_digest, i.fingerprint, i.account_id, i.currency, i.amount,
       i.owner_id, i.counterparty_id, i.counterparty_owner_id, i.booked_at,
       i.refusal_code, i.refusal_facts,
       e.version, e.posted_delta, e.held_delta, e.posted_after, e.held_after, e.details_digest,
       e.counterparty_id AS entry_counterparty_id, e.hash, d.salt, d.note, d.reference, d.metadata
FROM unnest($1::text[], $2::bytea[]) AS wanted (scope, key_digest)
JOIN instructions i ON i.scope = wanted.scope AND i.key_digest = wanted.key_digest
LEFT JOIN entries e ON e.account_id = i.account_id AND e.instruction_id = i.id
LEFT JOIN details d ON d.account_id = i.account_id AND d.instruction_id = i.id
"""

FUNDINGS = """
SELECT f.id, f.account_id, f.owner_id, f.amount, f.currency, f.source, f.status, f.reason,
       f.created_at, f.decided_at
FROM unnest($1::uuid[], $2::uuid[]) AS wanted (account_id, id)
JOIN fundings f ON f.account_id = wanted.account_id AND f.id = wanted.id
"""

# One round trip writes everything. The accounts are locked already; keys, which another batch may
# be using at the same time, are taken in one order, so that two batches never wait for each other.
SAVE = """
WITH rows AS MATERIALIZED (
    SELECT account_id, version, instruction_id, kind, currency, posted_delta, held_delta,
           posted_after, held_after, counterparty_id, details_digest, hash, is_last
    FROM unnest($2::new_entry[])
), new_entries AS (
    INSERT INTO entries (account_id, version, instruction_id, kind, currency, posted_delta,
                         held_delta, posted_after, held_after, counterparty_id, booked_at,
                         details_digest, hash)
    SELECT account_id, version, instruction_id, kind, currency, posted_delta, held_delta,
           posted_after, held_after, counterparty_id, $1, details_digest, hash
    FROM rows
    RETURNING 1
), new_instructions AS (
    INSERT INTO instructions (id, account_id, kind, scope, key_digest, fingerprint, currency,
                              amount, owner_id, counterparty_id, counterparty_owner_id,
                              booked_at, refusal_code, refusal_facts, seal)
    SELECT id, account_id, kind, scope, key_digest, fingerprint, currency, amount, owner_id,
           counterparty_id, counterparty_owner_id, $1, refusal_code, refusal_facts::json, seal
    FROM unnest($3::new_instruction[])
    ORDER BY scope, key_digest
    ON CONFLICT ON CONSTRAINT instructions_key_used_once DO NOTHING
    RETURNING 1
), changed_accounts AS (
    UPDATE accounts
    SET posted = rows.posted_after, held = rows.held_after, version = rows.version,
        head_hash = rows.hash, head_booked_at = $1,
        debt = CASE WHEN accounts.debt = 0 THEN 0 ELSE least(accounts.debt,
            greatest(0, accounts.floor - (rows.posted_after - rows.held_after))) END
    FROM rows
    WHERE rows.is_last AND accounts.id = rows.account_id AND accounts.version < rows.version
    RETURNING 1
), new_batch AS (
    INSERT INTO batches (id, account_ids, versions, booked_at)
    SELECT $4::uuid, array_agg(account_id), array_agg(version), $1
    FROM rows WHERE is_last HAVING count(*) > 0
)
SELECT (SELECT count(*) FROM new_entries) AS entries,
       (SELECT count(*) FROM new_instructions) AS instructions,
       (SELECT count(*) FROM changed_accounts) AS accounts
"""

SAVE_DETAILS = """
INSERT INTO details (account_id, instruction_id, salt, note, reference, metadata)
SELECT account_id, instruction_id, salt, note, reference, metadata::jsonb
FROM unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::text[], $5::text[], $6::text[])
    AS d (account_id, instruction_id, salt, note, reference, metadata)
"""


# Looking an enumeration's member up here costs a tenth of what calling its class does.
_PURPOSES = {purpose.value: purpose for purpose in Purpose}
_FREEZES = {freeze: Freeze(freeze) for freeze in range(Freeze.BOTH + 1)}

SAVED_ALREADY = frozenset({"entries_one_per_instruction", "instructions_id_unique"})
"""What the very same instructions run into if an attempt at them was committed after all."""


def account_of(row: "Record") -> Account:
    """Map a row of LOCK or PEEK to an account."""
    return Account(
        row["id"],
        row["currency"],
        _PURPOSES[row["purpose"]],
        row["owner_id"],
        row["posted"],
        row["held"],
        row["version"],
        row["head_hash"],
        row["head_booked_at"],
        row["floor"],
        _FREEZES[row["frozen"]],
        row["closed_at"] is not None,
    )


def header_of(row: "Record") -> Header:
    """Map a row of OUTCOMES to what was asked."""
    return Header(
        id=row["id"],
        kind=Kind(row["kind"]),
        scope=row["scope"],
        key_digest=row["key_digest"],
        fingerprint=row["fingerprint"],
        account_id=row["account_id"],
        currency=Currency(row["currency"]),
        amount=row["amount"],
        owner_id=row["owner_id"],
        counterparty_id=row["counterparty_id"],
        counterparty_owner_id=row["counterparty_owner_id"],
    )


def details_of(row: "Record") -> Details | None:
    """Map the details of a row, or None if there are none (any more)."""
    if row["salt"] is None:
        return None
    metadata = row["metadata"]
    return Details(
        salt=row["salt"],
        note=row["note"],
        reference=row["reference"],
        metadata=None if metadata is None else json.loads(metadata),
    )


def outcome_of(row: "Record") -> Outcome:
    """Map a row of OUTCOMES to what became of the instruction."""
    header = header_of(row)
    refusal: Rejected | None = None
    entry: Entry | None = None
    if row["refusal_code"] is not None:
        refusal = rejection_of(row["refusal_code"], json.loads(row["refusal_facts"]))
    if row["version"] is not None:
        entry = Entry(
            account_id=header.account_id,
            version=row["version"],
            instruction_id=header.id,
            kind=header.kind,
            currency=header.currency,
            posted_delta=row["posted_delta"],
            held_delta=row["held_delta"],
            posted_after=row["posted_after"],
            held_after=row["held_after"],
            counterparty_id=row["entry_counterparty_id"],
            booked_at=row["booked_at"],
            details_digest=row["details_digest"],
            hash=row["hash"],
        )
    return Outcome(header, row["booked_at"], refusal, entry, details_of(row))


class PostgresLedger:
    """The books, inside the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def lock(
        self, account_ids: Sequence[UUID], stripe: int, keys: Sequence[Key] = ()
    ) -> Book:
        """Lock accounts in id order; `booked_at` is not before any of their last entries."""
        scopes, digests = [scope for scope, _ in keys], [digest for _, digest in keys]
        with translated():
            rows = await self._connection.fetch(LOCK, account_ids, scopes, digests)
        return _book(rows, stripe)

    async def peek(self, account_ids: Sequence[UUID], stripe: int) -> Book:
        """Return the accounts as they are, without waiting for anybody."""
        with translated():
            return _book(await self._connection.fetch(PEEK, account_ids), stripe)

    async def outcomes(self, keys: Sequence[Key]) -> Mapping[Key, Outcome]:
        """Return what the keys have come to before."""
        with translated():
            rows = await self._connection.fetch(
                OUTCOMES, [scope for scope, _ in keys], [digest for _, digest in keys]
            )
        outcomes = map(outcome_of, rows)
        return {outcome.header.key: outcome for outcome in outcomes}

    async def fundings(self, places: Sequence[tuple[UUID, UUID]]) -> Mapping[UUID, Funding]:
        """Return the fundings at these (account id, funding id)."""
        with translated():
            rows = await self._connection.fetch(
                FUNDINGS, [account for account, _ in places], [id_ for _, id_ in places]
            )
        return {row["id"]: funding_of(row) for row in rows}

    async def refunded(self, places: Sequence[tuple[UUID, UUID]]) -> Mapping[UUID, int]:
        """Return how much was refunded of the transfers at these (payer's account id, id)."""
        with translated():
            return await refunded(self._connection, places)

    async def adjustments(self, places: Sequence[tuple[UUID, UUID]]) -> Mapping[UUID, Adjustment]:
        """Return the adjustments at these (account id, adjustment id)."""
        with translated():
            return await adjustments_at(self._connection, places)

    async def spendings(
        self, places: Collection[SpendingPlace], *, lock: bool = True
    ) -> Mapping[SpendingPlace, Spending]:
        """Return the spendings at these (account id, API key id)."""
        with translated():
            return await read_spendings(self._connection, places, lock=lock)

    async def save(self, book: Book) -> bool:
        """Write what the book decided; False if a key was taken by somebody else meanwhile."""
        if not book.outcomes:
            return True
        entries = _entry_rows(book)
        instructions = [_instruction_row(outcome) for outcome in book.outcomes]
        with translated():
            if book.new_debts:
                await allow_debts(self._connection, book)
            try:
                counts = await self._connection.fetchrow(
                    SAVE, book.booked_at, entries, instructions, new_id()
                )
            except asyncpg.UniqueViolationError as error:
                if getattr(error, "constraint_name", None) in SAVED_ALREADY:
                    return False
                raise
            assert counts is not None  # noqa: S101 - a SELECT of counts has one row
            if counts["instructions"] < len(book.outcomes):
                return False
            accounts = sum(entry[-1] is True for entry in entries)
            if (counts["entries"], counts["accounts"]) != (len(entries), accounts):
                raise LedgerInvariantBroken("the rows written are not the rows decided")
            await self._save_details(book)
            await self._save_fundings(book)
            if book.acts:
                await save_staff_changes(self._connection, book)
            if book.key_payments:
                await save_spendings(self._connection, book)
        return True

    async def _save_details(self, book: Book) -> None:
        noted = {o.header.id: o.details for o in book.outcomes if o.details is not None}
        if not noted:
            return
        rows = [
            (entry, noted[entry.instruction_id])
            for entry in book.entries
            if entry.instruction_id in noted
        ]
        await self._connection.execute(
            SAVE_DETAILS,
            [entry.account_id for entry, _ in rows],
            [entry.instruction_id for entry, _ in rows],
            [details.salt for _, details in rows],
            [details.note for _, details in rows],
            [details.reference for _, details in rows],
            [_json(details.metadata) for _, details in rows],
        )

    async def _save_fundings(self, book: Book) -> None:
        changed = list(book.changed_fundings.values())
        if not changed:
            return
        answer = await self._connection.execute(
            SAVE_FUNDINGS,
            [f.id for f in changed],
            [f.account_id for f in changed],
            [f.owner_id for f in changed],
            [f.amount for f in changed],
            [f.currency for f in changed],
            [f.source for f in changed],
            [f.status.value for f in changed],
            [f.reason for f in changed],
            [f.created_at for f in changed],
            [f.decided_at for f in changed],
        )
        if answer != f"INSERT 0 {len(changed)}":
            raise LedgerInvariantBroken("a funding was decided twice")


def _book(rows: Sequence["Record"], stripe: int) -> Book:
    accounts = [account_of(row) for row in rows]
    times = [row["locked_at"] for row in rows]
    times += [account.head_booked_at for account in accounts if account.head_booked_at]
    booked_at = max(times) if times else datetime.now(UTC)
    # Without a row there is nobody to tell.
    repeats = not rows or rows[0]["repeats"] is not None
    return Book({account.id: account for account in accounts}, booked_at, stripe, repeats)


def _entry_rows(book: Book) -> list[tuple[object, ...]]:
    accounts = book.accounts
    return [
        (
            e.account_id,
            e.version,
            e.instruction_id,
            e.kind,
            e.currency,
            e.posted_delta,
            e.held_delta,
            e.posted_after,
            e.held_after,
            e.counterparty_id,
            e.details_digest,
            e.hash,
            accounts[e.account_id].version == e.version,
        )
        for e in book.entries
    ]


def _instruction_row(outcome: Outcome) -> tuple[object, ...]:
    header, refusal = outcome.header, outcome.refusal
    return (
        header.id,
        header.account_id,
        header.kind,
        header.scope,
        header.key_digest,
        header.fingerprint,
        header.currency,
        header.amount,
        header.owner_id,
        header.counterparty_id,
        header.counterparty_owner_id,
        None if refusal is None else refusal.code,
        None if refusal is None else facts_text(refusal.facts),
        outcome.seal(),
    )


def _json(value: Mapping[str, object] | None) -> str | None:
    return None if value is None else json.dumps(dict(value))
