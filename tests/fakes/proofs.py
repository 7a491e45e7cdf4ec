"""The in-memory twin of the log, over the entries of a `MemoryStore`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from tests.fakes.ledger import MemoryLogTables, MemoryTransaction
from wallet.domain.audits import Progress
from wallet.domain.merkle import Place
from wallet.domain.proofs import Checkpoint, LogHead, PublicKey, Run, Unsealed
from wallet.domain.safe_mode import SafeModeEntered

LOG = "log"


class MemoryLog:
    """The log of one unit of work; a lease never ends by time here."""

    def __init__(self, transaction: MemoryTransaction) -> None:
        self._transaction = transaction
        self._store = transaction.store
        self._leased: MemoryLogTables | None = None

    @property
    def _tables(self) -> MemoryLogTables:
        return self._leased or self._store.log

    def apply(self) -> None:
        if self._leased is not None:
            self._store.log = self._leased

    async def head(self) -> LogHead | None:
        return self._tables.head

    async def latest(self) -> Checkpoint | None:
        found = await self.checkpoints(None, 1)
        return found[0] if found else None

    async def at(self, tree_size: int) -> Checkpoint | None:
        found = [c for c in self._tables.checkpoints if c.tree_size == tree_size]
        return max(found, key=lambda c: c.number, default=None)

    async def checkpoints(self, before: int | None, limit: int) -> Sequence[Checkpoint]:
        newest = {c.tree_size: c for c in sorted(self._tables.checkpoints, key=lambda c: c.number)}
        sizes = [size for size in sorted(newest, reverse=True) if before is None or size < before]
        return [newest[size] for size in sizes[:limit]]

    async def keys(self) -> Sequence[PublicKey]:
        return self._tables.keys[::-1]

    async def tiles(self, places: Sequence[Place]) -> Mapping[Place, bytes]:
        return {p: self._tables.tiles[p] for p in places if p in self._tables.tiles}

    async def position(self, account_id: UUID, version: int) -> int | None:
        for run in self._tables.runs:
            if run.account_id == account_id and run.first_version <= version <= run.last_version:
                return run.first_position + version - run.first_version
        return None

    async def entry_hash(self, account_id: UUID, version: int) -> bytes | None:
        for entry in self._store.entries.get(account_id, []):
            if entry.version == version:
                return entry.hash
        return None

    async def lease(self, holder: UUID, new_log_id: UUID, lease_s: float) -> LogHead | None:
        lock = self._store.row_locks.get(LOG)
        if self._store.log.holder not in (None, holder) or (lock is not None and lock.locked()):
            return None
        await self._transaction.lock([LOG])
        self._leased = tables = self._store.log.copy()
        tables.head = tables.head or LogHead(new_log_id, 0)
        tables.holder = holder
        return tables.head

    async def new_batches(self, after: UUID, limit: int) -> Sequence[UUID]:
        return sorted(id_ for id_ in self._store.batches if id_ > after)[:limit]

    async def accounts_of(self, batch_ids: Sequence[UUID]) -> set[UUID]:
        return {id_ for batch in batch_ids for id_ in self._store.batches[batch]}

    async def unsealed(self, account_ids: Sequence[UUID]) -> Sequence[Unsealed]:
        sealed: dict[UUID, int] = {}
        for run in self._tables.runs:
            sealed[run.account_id] = max(run.last_version, sealed.get(run.account_id, 0))
        found = [
            Unsealed(id_, sealed.get(id_, 0), self._store.accounts[id_].version)
            for id_ in sorted(set(account_ids))
            if id_ in self._store.accounts
        ]
        return [account for account in found if account.version > account.sealed_version]

    async def accounts_after(self, after: UUID, limit: int) -> Sequence[UUID]:
        return sorted(id_ for id_ in self._store.accounts if id_ > after)[:limit]

    async def hashes(self, stretches: Sequence[Unsealed]) -> Sequence[tuple[UUID, int, bytes]]:
        return [
            (entry.account_id, entry.version, entry.hash)
            for stretch in stretches
            for entry in self._store.entries.get(stretch.account_id, [])
            if stretch.sealed_version < entry.version <= stretch.version
        ]

    async def append(self, size: int, tiles: Mapping[Place, bytes], runs: Sequence[Run]) -> None:
        assert self._tables.head is not None
        self._tables.head = replace(self._tables.head, size=size)
        self._tables.tiles.update(tiles)
        self._tables.runs.extend(runs)

    async def add_checkpoint(self, checkpoint: Checkpoint, key: PublicKey) -> None:
        self._tables.checkpoints.append(checkpoint)
        if key not in self._tables.keys:
            self._tables.keys.append(key)


class MemorySafeModes:
    """Safe mode; the last of the list is the present one, if there is any."""

    def __init__(self, transaction: MemoryTransaction) -> None:
        self._store = transaction.store

    async def current(self) -> SafeModeEntered | None:
        return self._store.safe_modes[-1] if self._store.safe_modes else None

    async def enter(self, entered: SafeModeEntered) -> bool:
        if self._store.safe_modes:
            return False
        self._store.safe_modes.append(entered)
        return True

    async def leave(self, left_at: datetime, left_by: str, reason: str) -> bool:
        left = bool(self._store.safe_modes)
        self._store.safe_modes.clear()
        return left


class MemoryAudits:
    """The progress of the self-audit; a lease never ends by time here."""

    def __init__(self, transaction: MemoryTransaction) -> None:
        self._store = transaction.store

    async def lease(self, holder: UUID, lease_s: float) -> Progress | None:
        if self._store.auditor not in (None, holder):
            return None
        self._store.auditor = holder
        return self._store.audit

    async def progress(self) -> Progress:
        return self._store.audit

    async def advance(self, progress: Progress) -> None:
        completed_at = progress.completed_at or self._store.audit.completed_at
        self._store.audit = replace(progress, completed_at=completed_at)
