"""The log of all entries on PostgreSQL: tiles, runs and checkpoints."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from wallet.domain.merkle import Place
from wallet.domain.proofs import Checkpoint, LogHead, PublicKey, Run, Unsealed
from wallet.infrastructure.postgres.errors import translated
from wallet.infrastructure.postgres.pool import Connection, Record

HEAD = "SELECT log_id, size FROM log_head"

LATEST = """
SELECT h.log_id, c.number, c.tree_size, c.root_hash, c.made_at, c.key_id, c.signature
FROM checkpoints c CROSS JOIN log_head h
ORDER BY c.tree_size DESC, c.number DESC LIMIT 1
"""

AT = """
SELECT h.log_id, c.number, c.tree_size, c.root_hash, c.made_at, c.key_id, c.signature
FROM checkpoints c CROSS JOIN log_head h
WHERE c.tree_size = $1 ORDER BY c.number DESC LIMIT 1
"""

# A size has a second checkpoint only if the key was changed while nothing moved.
CHECKPOINTS = """
SELECT DISTINCT ON (c.tree_size)
       h.log_id, c.number, c.tree_size, c.root_hash, c.made_at, c.key_id, c.signature
FROM checkpoints c CROSS JOIN log_head h
WHERE c.tree_size < $1
ORDER BY c.tree_size DESC, c.number DESC LIMIT $2
"""

KEYS = "SELECT key_id, x, y FROM log_keys ORDER BY first_used_at DESC, key_id"

TILES = """
SELECT t.level, t.index, t.hashes
FROM unnest($1::smallint[], $2::bigint[]) AS wanted (level, index)
JOIN log_tiles t ON t.level = wanted.level AND t.index = wanted.index
"""

POSITION = """
SELECT CASE WHEN first_version <= $2 THEN first_position + $2 - first_version END
FROM log_runs WHERE account_id = $1 AND last_version >= $2
ORDER BY last_version LIMIT 1
"""

ENTRY_HASH = "SELECT hash FROM entries WHERE account_id = $1 AND version = $2"

BEGIN_LOG = "INSERT INTO log_head (log_id) VALUES ($1) ON CONFLICT (id) DO NOTHING"

# Whoever is at it is not waited for: sealing is for one at a time, and theirs is as good.
LOCK_HEAD = """
SELECT log_id, size FROM log_head
WHERE holder IS NULL OR holder = $1 OR held_until < clock_timestamp()
FOR UPDATE SKIP LOCKED
"""

HOLD_HEAD = "UPDATE log_head SET holder = $1, held_until = clock_timestamp() + $2::interval"

NEW_BATCHES = "SELECT id FROM batches WHERE id > $1 ORDER BY id LIMIT $2"

ACCOUNTS_OF = "SELECT DISTINCT unnest(account_ids) AS id FROM batches WHERE id = ANY($1::uuid[])"

UNSEALED = """
SELECT a.id, coalesce(r.last_version, 0) AS sealed_version, a.version
FROM unnest($1::uuid[]) AS wanted (id)
JOIN accounts a ON a.id = wanted.id
LEFT JOIN LATERAL (
    SELECT last_version FROM log_runs WHERE account_id = wanted.id
    ORDER BY last_version DESC LIMIT 1
) AS r ON true
WHERE a.version > coalesce(r.last_version, 0)
ORDER BY a.id
"""

ACCOUNTS_AFTER = "SELECT id FROM accounts WHERE id > $1 ORDER BY id LIMIT $2"

HASHES = """
SELECT e.account_id, e.version, e.hash
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[])
    WITH ORDINALITY AS wanted (account_id, sealed_version, version, place)
CROSS JOIN LATERAL (
    SELECT account_id, version, hash FROM entries
    WHERE account_id = wanted.account_id
      AND version > wanted.sealed_version AND version <= wanted.version
    ORDER BY version
) AS e
ORDER BY wanted.place, e.version
"""

SAVE_TILES = """
INSERT INTO log_tiles (level, index, hashes)
SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bytea[])
ON CONFLICT (level, index) DO UPDATE SET hashes = excluded.hashes
"""

ADD_RUNS = """
INSERT INTO log_runs (account_id, first_version, last_version, first_position)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[])
"""

GROW_HEAD = "UPDATE log_head SET size = $1"

ADD_CHECKPOINT = """
INSERT INTO checkpoints (number, tree_size, root_hash, made_at, key_id, signature)
VALUES ($1, $2, $3, $4, $5, $6)
"""

ADD_KEY = """
INSERT INTO log_keys (key_id, x, y, first_used_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (key_id) DO NOTHING
"""

SIZE_MAX = 2**63 - 1


def checkpoint_of(row: "Record") -> Checkpoint:
    """Map a row to a checkpoint."""
    return Checkpoint(
        log_id=row["log_id"],
        number=row["number"],
        tree_size=row["tree_size"],
        root_hash=row["root_hash"],
        made_at=row["made_at"],
        key_id=row["key_id"],
        signature=row["signature"],
    )


class PostgresLog:
    """The log, inside the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def head(self) -> LogHead | None:
        """Return what is sealed so far, or None before the first sealing."""
        with translated():
            row = await self._connection.fetchrow(HEAD)
        return None if row is None else LogHead(row["log_id"], row["size"])

    async def latest(self) -> Checkpoint | None:
        """Return the newest checkpoint."""
        with translated():
            row = await self._connection.fetchrow(LATEST)
        return None if row is None else checkpoint_of(row)

    async def at(self, tree_size: int) -> Checkpoint | None:
        """Return the newest checkpoint of a size."""
        with translated():
            row = await self._connection.fetchrow(AT, tree_size)
        return None if row is None else checkpoint_of(row)

    async def checkpoints(self, before: int | None, limit: int) -> Sequence[Checkpoint]:
        """Return checkpoints of sizes below `before`, the largest first."""
        size = SIZE_MAX if before is None else before
        with translated():
            rows = await self._connection.fetch(CHECKPOINTS, size, limit)
        return [checkpoint_of(row) for row in rows]

    async def keys(self) -> Sequence[PublicKey]:
        """Return every key that has signed a checkpoint, the newest first."""
        with translated():
            return [PublicKey(*row) for row in await self._connection.fetch(KEYS)]

    async def tiles(self, places: Sequence[Place]) -> Mapping[Place, bytes]:
        """Return the tiles at these places that there are."""
        if not places:
            return {}
        with translated():
            rows = await self._connection.fetch(
                TILES, [level for level, _ in places], [index for _, index in places]
            )
        return {(row["level"], row["index"]): row["hashes"] for row in rows}

    async def position(self, account_id: UUID, version: int) -> int | None:
        """Return where an entry stands in the log, or None if it is not sealed yet."""
        with translated():
            found: int | None = await self._connection.fetchval(POSITION, account_id, version)
        return found

    async def entry_hash(self, account_id: UUID, version: int) -> bytes | None:
        """Return the hash of an entry."""
        with translated():
            found: bytes | None = await self._connection.fetchval(ENTRY_HASH, account_id, version)
        return found

    async def lease(self, holder: UUID, new_log_id: UUID, lease_s: float) -> LogHead | None:
        """Lock the head for `holder`; None if somebody else seals, or did within their lease."""
        with translated():
            if await self._connection.fetchrow(HEAD) is None:
                await self._connection.execute(BEGIN_LOG, new_log_id)
            row = await self._connection.fetchrow(LOCK_HEAD, holder)
            if row is None:
                return None
            await self._connection.execute(HOLD_HEAD, holder, timedelta(seconds=lease_s))
        return LogHead(row["log_id"], row["size"])

    async def new_batches(self, after: UUID, limit: int) -> Sequence[UUID]:
        """Return the ids of the ledger's transactions after an id, in order."""
        with translated():
            rows = await self._connection.fetch(NEW_BATCHES, after, limit)
        return [row["id"] for row in rows]

    async def accounts_of(self, batch_ids: Sequence[UUID]) -> set[UUID]:
        """Return the accounts that these transactions of the ledger touched."""
        with translated():
            return {row["id"] for row in await self._connection.fetch(ACCOUNTS_OF, batch_ids)}

    async def unsealed(self, account_ids: Sequence[UUID]) -> Sequence[Unsealed]:
        """Return those of these accounts that have entries which are not sealed."""
        with translated():
            return [Unsealed(*row) for row in await self._connection.fetch(UNSEALED, account_ids)]

    async def accounts_after(self, after: UUID, limit: int) -> Sequence[UUID]:
        """Return the next accounts by their id."""
        with translated():
            rows = await self._connection.fetch(ACCOUNTS_AFTER, after, limit)
        return [row["id"] for row in rows]

    async def hashes(self, stretches: Sequence[Unsealed]) -> Sequence[tuple[UUID, int, bytes]]:
        """Return (account, version, hash) of all entries in these stretches, in their order."""
        with translated():
            rows = await self._connection.fetch(
                HASHES,
                [stretch.account_id for stretch in stretches],
                [stretch.sealed_version for stretch in stretches],
                [stretch.version for stretch in stretches],
            )
        return [(row[0], row[1], row[2]) for row in rows]

    async def append(self, size: int, tiles: Mapping[Place, bytes], runs: Sequence[Run]) -> None:
        """Write what was taken up; `size` is that of the log from now on."""
        with translated():
            await self._connection.execute(
                SAVE_TILES,
                [level for level, _ in tiles],
                [index for _, index in tiles],
                list(tiles.values()),
            )
            await self._connection.execute(
                ADD_RUNS,
                [run.account_id for run in runs],
                [run.first_version for run in runs],
                [run.last_version for run in runs],
                [run.first_position for run in runs],
            )
            await self._connection.execute(GROW_HEAD, size)

    async def add_checkpoint(self, checkpoint: Checkpoint, key: PublicKey) -> None:
        """Write a checkpoint and the key that signed it."""
        with translated():
            await self._connection.execute(ADD_KEY, key.key_id, key.x, key.y, checkpoint.made_at)
            await self._connection.execute(
                ADD_CHECKPOINT,
                checkpoint.number,
                checkpoint.tree_size,
                checkpoint.root_hash,
                checkpoint.made_at,
                checkpoint.key_id,
                checkpoint.signature,
            )
