"""Sealing: takes committed entries up into the log, off the money path, and signs checkpoints.

Neither a time nor an id says what was committed when, so there is no high-water mark. What the
ledger's transactions touched is read with an overlap and compared account by account: the version
that is sealed against the version that is there, both without gaps. A sweep over all accounts, at
the start and then rarely, finds whatever that could miss. One process seals at a time.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from wallet.application.ports import Clock, NewId, ReportError
from wallet.application.unit_of_work import UnitOfWorkFactory
from wallet.domain.ids import RANDOM_BYTES, uuid7
from wallet.domain.merkle import GrowingTree, last_places, leaf_hash
from wallet.domain.proofs import Checkpoint, Log, LogHead, Run, Signer, Unsealed

INTERVAL_S = 1.0
BUSY_INTERVAL_S = 2.0
"""Between two rounds while money waits in line: a backlog is worked off when it does not."""
LEASE_S = 5.0
ENTRIES_MAX = 2_000
"""How many entries a round takes up: some ten milliseconds of work."""
ACCOUNTS_MAX = 5_000
BATCHES_MAX = 5_000
OVERLAP = timedelta(seconds=10)
"""How long after it was numbered a transaction may still become visible, and then some."""
SWEEP_EVERY = timedelta(hours=1)
_FIRST = UUID(int=0)


class EntriesMissing(RuntimeError):
    """An account has fewer entries than its version says; it is not sealed any further."""


def _never() -> bool:
    return False


class Sealer:
    """Seals round by round; what it remembers only saves reading, and may be lost at any time."""

    def __init__(
        self,
        *,
        unit_of_work: UnitOfWorkFactory,
        signer: Signer,
        clock: Clock,
        new_id: NewId,
        report: ReportError,
        busy: Callable[[], bool] = _never,
        entries_max: int = ENTRIES_MAX,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._signer = signer
        self._clock = clock
        self._new_id = new_id
        self._report = report
        self._busy = busy
        self._entries_max = entries_max
        self._holder = new_id()
        self._head: LogHead | None = None
        self._latest: Checkpoint | None = None
        self._seen: set[UUID] = set()
        self._pending: set[UUID] = set()
        self._sweep: UUID | None = None
        self._swept_at: datetime | None = None

    @property
    def behind(self) -> bool:
        """Whether there is known to be more than the last round could take up."""
        return bool(self._pending) or self._sweep is not None

    async def seal(self) -> int:
        """Do one round; return how many entries were taken up.

        That is 0 if there is nothing new, or if another process seals.
        """
        async with self._unit_of_work() as work:
            head = await work.log.lease(self._holder, self._new_id(), LEASE_S)
            if head is None:
                self._forget()
                return 0
            await self._look(work.log, head)
            asked = list(self._pending)[:ACCOUNTS_MAX]
            unsealed = await work.log.unsealed(asked)
            stretches, rest = _first(unsealed, self._entries_max)
            grown, sealed = await self._append(work.log, head, stretches)
            latest = self._latest
            key_id = None if latest is None else latest.key_id
            if grown.size and (sealed or key_id != self._signer.public_key().key_id):
                latest = await self._sign(work.log, head.log_id, grown)
            await work.commit()
        self._head, self._latest = LogHead(head.log_id, grown.size), latest
        self._pending = (self._pending - set(asked)) | rest
        return sealed

    async def run(self) -> None:
        """Seal each second until cancelled; a backlog takes at most half of the time.

        While money waits in line it is every other second, and a backlog waits as well.
        """
        loop = asyncio.get_running_loop()
        while True:
            began_s = loop.time()
            try:
                await self.seal()
            except Exception as error:  # noqa: BLE001 - a sealer that dies would never be missed
                self._report(error)
                await asyncio.sleep(INTERVAL_S)
                continue
            if self._busy():
                pause_s = BUSY_INTERVAL_S
            else:
                pause_s = loop.time() - began_s if self.behind else INTERVAL_S
            await asyncio.sleep(pause_s)

    def _forget(self) -> None:
        self._head = None
        self._seen.clear()
        self._pending.clear()
        self._sweep = None

    async def _look(self, log: Log, head: LogHead) -> None:
        """Add the accounts that may have something new to those that are pending."""
        now = self._clock()
        if self._head != head:
            # Somebody else sealed meanwhile, or this is the first round: nothing is known.
            self._forget()
            self._swept_at = None
            self._latest = await log.latest()
        if self._swept_at is None or now - self._swept_at > SWEEP_EVERY:
            self._sweep, self._swept_at = _FIRST, now
        floor = uuid7(round((now - OVERLAP).timestamp() * 1000), bytes(RANDOM_BYTES))
        self._seen = {id_ for id_ in self._seen if id_ > floor}
        await self._read_batches(log, floor)
        # A backlog is worked off before more of it is looked for.
        if self._sweep is not None and len(self._pending) < ACCOUNTS_MAX:
            found = await log.accounts_after(self._sweep, ACCOUNTS_MAX)
            self._pending.update(found)
            self._sweep = found[-1] if len(found) == ACCOUNTS_MAX else None

    async def _read_batches(self, log: Log, floor: UUID) -> None:
        after = floor
        while True:
            ids = await log.new_batches(after, BATCHES_MAX)
            unseen = [id_ for id_ in ids if id_ not in self._seen]
            if unseen:
                self._pending |= await log.accounts_of(unseen)
                self._seen.update(unseen)
            if len(ids) < BATCHES_MAX:
                return
            after = ids[-1]

    async def _append(
        self, log: Log, head: LogHead, stretches: Sequence[Unsealed]
    ) -> tuple[GrowingTree, int]:
        tree = GrowingTree(head.size, await log.tiles(last_places(head.size)))
        if not stretches:
            return tree, 0
        found: dict[UUID, list[tuple[int, bytes]]] = {}
        for account_id, version, hash_ in await log.hashes(stretches):
            found.setdefault(account_id, []).append((version, hash_))
        runs: list[Run] = []
        for stretch in stretches:
            entries = found.get(stretch.account_id, [])
            first = stretch.sealed_version + 1
            if [version for version, _ in entries] != list(range(first, stretch.version + 1)):
                self._report(EntriesMissing(f"account {stretch.account_id} from version {first}"))
                continue
            runs.append(Run(stretch.account_id, first, stretch.version, tree.size))
            tree.extend(leaf_hash(hash_) for _, hash_ in entries)
        if runs:
            await log.append(tree.size, tree.changed, runs)
        return tree, tree.size - head.size

    async def _sign(self, log: Log, log_id: UUID, tree: GrowingTree) -> Checkpoint:
        key = self._signer.public_key()
        number = 1 if self._latest is None else self._latest.number + 1
        unsigned = Checkpoint(log_id, number, tree.size, tree.root(), self._clock(), key.key_id)
        checkpoint = replace(unsigned, signature=self._signer.sign(unsigned.signed))
        await log.add_checkpoint(checkpoint, key)
        return checkpoint


def _first(unsealed: Iterable[Unsealed], count: int) -> tuple[list[Unsealed], set[UUID]]:
    """Return what a round takes up, and the accounts that have more than that."""
    stretches: list[Unsealed] = []
    rest: set[UUID] = set()
    for account in unsealed:
        version = min(account.version, account.sealed_version + count)
        if version > account.sealed_version:
            stretches.append(Unsealed(account.account_id, account.sealed_version, version))
            count -= version - account.sealed_version
        if version < account.version:
            rest.add(account.account_id)
    return stretches, rest
