"""The tables of the log as the verifier reads them: whole, streamed, and in one snapshot."""

import mmap
import tempfile
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from uuid import UUID

from wallet.application.log_verification import Scratch, Tile
from wallet.domain.proofs import Checkpoint, LogHead, PublicKey, Run
from wallet.infrastructure.postgres.log import HEAD, checkpoint_of
from wallet.infrastructure.postgres.pool import Connection

PREFETCH = 2_000
TILES_PREFETCH = 64

RUNS = """
SELECT account_id, first_version, last_version, first_position FROM log_runs
ORDER BY account_id, last_version
"""

LEAVES = "SELECT level, index, hashes FROM log_tiles WHERE level = 0 ORDER BY index"

NODES = "SELECT level, index, hashes FROM log_tiles WHERE level <> 0 ORDER BY level, index"

# Without a head there is no log that a checkpoint could be of.
ALL_CHECKPOINTS = """
SELECT coalesce(h.log_id, '00000000-0000-0000-0000-000000000000') AS log_id, c.number, c.tree_size,
       c.root_hash, c.key_id, c.signature,
       CASE WHEN c.made_at BETWEEN '1970-01-01Z' AND '9999-01-01Z' THEN c.made_at
            ELSE '1970-01-01Z' END AS made_at
FROM checkpoints c LEFT JOIN log_head h ON true ORDER BY c.number
"""

KEPT_KEYS = """
SELECT key_id, x, y,
       CASE WHEN first_used_at BETWEEN '1970-01-01Z' AND '9999-01-01Z' THEN first_used_at
            ELSE '1970-01-01Z' END AS first_used_at
FROM log_keys
"""

ENTRY_AT = """
SELECT account_id, first_version + $1 - first_position AS version FROM log_runs
WHERE $1 BETWEEN first_position AND first_position + last_version - first_version LIMIT 1
"""


class PostgresLogBooks:
    """The log in the caller's snapshot."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def head(self) -> LogHead | None:
        """Return what is said to be sealed."""
        row = await self._connection.fetchrow(HEAD)
        return None if row is None else LogHead(row["log_id"], row["size"])

    async def keys(self) -> Mapping[str, tuple[PublicKey, datetime]]:
        """Return the keys that are kept and when each was first used."""
        rows = await self._connection.fetch(KEPT_KEYS)
        return {row["key_id"]: (PublicKey(*row[:3]), row["first_used_at"]) for row in rows}

    async def runs(self) -> AsyncIterator[Run]:
        """Return all runs by account and version."""
        async for row in self._connection.cursor(RUNS, prefetch=PREFETCH):
            yield Run(*row)

    async def leaves(self) -> AsyncIterator[Tile]:
        """Return the tiles of level 0 in order."""
        async for row in self._connection.cursor(LEAVES, prefetch=TILES_PREFETCH):
            yield row[0], row[1], row[2]

    async def nodes(self) -> AsyncIterator[Tile]:
        """Return the tiles of all other levels in order."""
        async for row in self._connection.cursor(NODES, prefetch=TILES_PREFETCH):
            yield row[0], row[1], row[2]

    async def checkpoints(self) -> AsyncIterator[Checkpoint]:
        """Return all checkpoints by their number."""
        async for row in self._connection.cursor(ALL_CHECKPOINTS, prefetch=PREFETCH):
            yield checkpoint_of(row)

    async def entry_at(self, position: int) -> tuple[UUID, int] | None:
        """Return which entry a run puts at a position."""
        row = await self._connection.fetchrow(ENTRY_AT, position)
        return None if row is None else (row["account_id"], row["version"])

    def scratch(self, size: int) -> Scratch:
        """Return this many zeros to write on, in a file that nobody else sees."""
        if size == 0:
            return bytearray()
        with tempfile.TemporaryFile() as file:
            file.truncate(size)
            return mmap.mmap(file.fileno(), size)
