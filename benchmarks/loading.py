"""Loading books into a migrated database by COPY, with the indexes built afterwards."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg

from benchmarks.books import Bookkeeper
from benchmarks.rows import Row, Rows

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

COLUMNS: dict[str, Sequence[str]] = {
    "entries": (
        *("account_id", "version", "instruction_id", "kind", "currency", "posted_delta"),
        *("held_delta", "posted_after", "held_after", "counterparty_id", "booked_at"),
        *("details_digest", "hash"),
    ),
    "instructions": (
        *("id", "account_id", "kind", "scope", "key_digest", "fingerprint", "currency", "amount"),
        *("owner_id", "counterparty_id", "counterparty_owner_id", "booked_at", "seal"),
    ),
    "details": ("account_id", "instruction_id", "salt", "note", "reference", "metadata"),
    "fundings": (
        *("id", "account_id", "owner_id", "amount", "currency", "source", "status"),
        *("created_at", "decided_at"),
    ),
    "batches": ("id", "account_ids", "versions", "booked_at"),
    "accounts": (
        *("id", "owner_id", "purpose", "currency", "posted", "held", "version", "head_hash"),
        *("head_booked_at", "floor", "frozen", "created_at"),
    ),
    "wallets": ("owner_id", "currency", "account_id"),
    "users": ("id", "first_name", "last_name", "default_currency", "created_at"),
    "sessions": ("id", "user_id", "created_at", "last_used_at", "expires_at"),
}
JOURNAL = ("entries", "instructions", "details", "fundings", "batches")

# The definition comes from the index, which knows its fill factor; a constraint's would not.
INDEXES = """
SELECT t.relname AS table, c.relname AS name, pg_get_indexdef(i.indexrelid) AS definition,
       k.contype::text AS contype
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_class t ON t.oid = i.indrelid
LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u')
WHERE t.relname = ANY($1::text[]) AND t.relnamespace = 'public'::regnamespace
ORDER BY 1, 2
"""
_KINDS = {"p": "PRIMARY KEY", "u": "UNIQUE"}


async def load(url: str, books: Bookkeeper) -> None:
    """Write the books into an empty, migrated database; `url` is the owner's log-in."""
    connections = [await _connect(url) for _ in JOURNAL]
    try:
        async with _indexes_later(connections[0]):
            for rows in _journal(books):
                await _copy_chunk(connections, rows)
            for table in ("accounts", "wallets", "users", "sessions"):
                await _copy(connections[0], table, getattr(books, table)())
        await connections[0].execute("VACUUM (ANALYZE)")
    finally:
        for connection in connections:
            await connection.close()


async def _connect(url: str) -> Connection:
    # Whoever loads need not wait for the disk; whoever measures has connections of their own.
    settings = {"synchronous_commit": "off", "maintenance_work_mem": "1GB"}
    return await asyncpg.connect(url, server_settings=settings)


def _journal(books: Bookkeeper) -> Iterator[Rows]:
    yield from books.opening()
    yield from books.history()


async def _copy_chunk(connections: Sequence[Connection], rows: Rows) -> None:
    """Copy into all tables at once: PostgreSQL takes one in while the next is being encoded."""
    pairs = zip(connections, JOURNAL, strict=True)
    await asyncio.gather(*(_copy(connection, t, getattr(rows, t)) for connection, t in pairs))


async def _copy(connection: Connection, table: str, records: Iterable[Row]) -> None:
    await connection.copy_records_to_table(table, records=records, columns=list(COLUMNS[table]))


@asynccontextmanager
async def _indexes_later(connection: Connection) -> AsyncIterator[None]:
    """Take the journal's indexes away for the block, and build them again after it."""
    indexes = await connection.fetch(INDEXES, list(JOURNAL))
    for index in indexes:
        await connection.execute(
            f"DROP INDEX {index['name']}"
            if index["contype"] is None
            else f"ALTER TABLE {index['table']} DROP CONSTRAINT {index['name']}"
        )
    yield
    for index in indexes:
        await connection.execute(index["definition"])
        if index["contype"] is not None:
            await connection.execute(
                f"ALTER TABLE {index['table']} ADD CONSTRAINT {index['name']} "
                f"{_KINDS[index['contype']]} USING INDEX {index['name']}"
            )
