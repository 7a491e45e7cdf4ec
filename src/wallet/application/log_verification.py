"""Verification of the log: it holds every sealed entry once, and its checkpoints are ours.

Entries come account by account, leaves stand in order of sealing. So the leaf of each entry is put
where its run says, into a scratch of 32 bytes for each leaf; what stands there in the end is
compared with the tiles, from which roots are computed anew for every checkpoint.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from wallet.domain.invariants import AccountState, EntryRow, Violation
from wallet.domain.merkle import (
    EMPTY_ROOT,
    HASH_SIZE,
    TILE_HEIGHT,
    TILE_WIDTH,
    hashes_of,
    leaf_hash,
    node_hash,
    tile_root,
)
from wallet.domain.proofs import Checkpoint, LogHead, PublicKey, Run

SEALED_WITHIN = timedelta(hours=2)
"""An entry that is older than this when a checkpoint is made must be sealed."""
TILE_SIZE = TILE_WIDTH * HASH_SIZE
_NOTHING = bytes(HASH_SIZE)

Tile = tuple[int, int, bytes]
"""Level, index and content."""


class Scratch(Protocol):
    """Bytes that may be on disk."""

    def __getitem__(self, place: slice, /) -> bytes | bytearray:
        """Return some of them."""
        ...

    def __setitem__(self, place: slice, content: bytes, /) -> None:
        """Write some of them."""
        ...


class LogBooks(Protocol):
    """The tables of the log, in one snapshot with the books."""

    async def head(self) -> LogHead | None:
        """Return what is said to be sealed."""
        ...

    async def keys(self) -> Mapping[str, tuple[PublicKey, datetime]]:
        """Return the keys that are kept and when each was first used."""
        ...

    def runs(self) -> AsyncIterator[Run]:
        """Return all runs by account and version."""
        ...

    def leaves(self) -> AsyncIterator[Tile]:
        """Return the tiles of level 0 in order."""
        ...

    def nodes(self) -> AsyncIterator[Tile]:
        """Return the tiles of all other levels in order."""
        ...

    def checkpoints(self) -> AsyncIterator[Checkpoint]:
        """Return all checkpoints by their number."""
        ...

    async def entry_at(self, position: int) -> tuple[UUID, int] | None:
        """Return which entry a run puts at a position."""
        ...

    def scratch(self, size: int) -> Scratch:
        """Return this many zeros to write on."""
        ...


class SignatureCheck(Protocol):
    """What checks signatures."""

    def __call__(self, key: PublicKey, content: bytes, signature: bytes, /) -> bool:
        """Tell whether a signature over `content` is by a key whose id is its thumbprint."""
        ...


@dataclass(frozen=True, slots=True)
class Evidence:
    """The log, what checks its signatures, and the keys of this service if they are known."""

    log: LogBooks
    is_signed: SignatureCheck
    trusted: Sequence[PublicKey] = ()


class _Frontier:
    """The whole subtrees of a growing tree, largest first: what its root is computed from."""

    def __init__(self) -> None:
        self._stack: list[tuple[int, bytes]] = []

    def add(self, hash_: bytes, height: int = 0) -> None:
        stack = self._stack
        while stack and stack[-1][0] == height:
            hash_ = node_hash(stack.pop()[1], hash_)
            height += 1
        stack.append((height, hash_))

    def root(self) -> bytes:
        found: bytes | None = None
        for _, hash_ in reversed(self._stack):
            found = hash_ if found is None else node_hash(hash_, found)
        return EMPTY_ROOT if found is None else found


class LogCheck:
    """Checks the log beside the journal: `account`, then `entry` for each, and `finish`.

    Call `start` first. What is wrong is added to `found`.
    """

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._log = evidence.log
        self.found: list[Violation] = []
        self._size = 0
        self._scratch: Scratch = bytearray()
        self._runs: AsyncIterator[Run] = aiter(_none())
        self._pending: Run | None = None
        self._own: list[Run] = []
        self._late: tuple[datetime, UUID, int] | None = None

    async def start(self) -> None:
        """Begin; the log must be in the same snapshot as the journal."""
        head = await self._log.head()
        self._head = head
        self._size = 0 if head is None else head.size
        self._scratch = self._log.scratch(self._size * HASH_SIZE)
        self._runs = aiter(self._log.runs())
        self._pending = await anext(self._runs, None)

    async def account(self, account: AccountState) -> None:
        """Take up the runs of the next account."""
        await self._skip_to(account.id)
        runs: list[Run] = []
        expected = 1
        while self._pending is not None and self._pending.account_id == account.id:
            run = self._pending
            if run.first_version != expected:
                self._say("runs-are-gap-free", run.account_id, run.first_version, f"not {expected}")
            if run.first_position + run.last_version - run.first_version >= self._size:
                self._say("runs-lie-in-the-log", run.account_id, run.first_version, "beyond it")
            expected = run.last_version + 1
            runs.append(run)
            self._pending = await anext(self._runs, None)
        if expected > account.version + 1:
            self._say("runs-have-entries", account.id, expected - 1, "the account has not come so")
        runs.reverse()
        self._own = runs

    def entry(self, row: EntryRow) -> None:
        """Put the leaf of an entry where its run says."""
        columns = row.columns
        version = columns[1]
        own = self._own
        while own and own[-1].last_version < version:
            own.pop()
        if not own:
            booked_at = columns[12]
            if self._late is None or booked_at < self._late[0]:
                self._late = (booked_at, columns[0], version)
            return
        run = own[-1]
        position = run.first_position + version - run.first_version
        if version < run.first_version or position >= self._size:
            return  # Said of the run already.
        place = slice(position * HASH_SIZE, (position + 1) * HASH_SIZE)
        if self._scratch[place] != _NOTHING:
            self._say("runs-do-not-overlap", columns[0], version, f"position {position}")
        self._scratch[place] = leaf_hash(columns[11])

    async def finish(self) -> None:
        """Compare with the tiles, and the tiles with the checkpoints."""
        await self._skip_to(None)
        check = _CheckpointCheck(self._evidence, self._head, self.found)
        await check.start()
        roots = await self._check_leaves(check)
        await self._check_nodes(roots)
        latest = await check.finish()
        if latest is not None and self._late is not None:
            booked_at, account_id, version = self._late
            if latest.made_at - booked_at > SEALED_WITHIN:
                self._say("entries-are-sealed", account_id, version, "is not, for hours")

    async def _skip_to(self, account_id: UUID | None) -> None:
        while self._pending is not None and (
            account_id is None or self._pending.account_id < account_id
        ):
            run = self._pending
            self._say("runs-have-accounts", run.account_id, run.first_version, "there is none")
            self._pending = await anext(self._runs, None)

    async def _check_leaves(self, check: "_CheckpointCheck") -> list[bytes]:
        """Compute every checkpoint's root anew; return the root of each whole tile."""
        frontier, roots = _Frontier(), list[bytes]()
        size = 0
        async for content in self._contents():
            hashes = hashes_of(content)
            begin, size = size, size + len(hashes)
            if len(hashes) == TILE_WIDTH:
                roots.append(tile_root(hashes))
                if not check.wants(begin, size):
                    frontier.add(roots[-1], TILE_HEIGHT)
                    continue
            for position, hash_ in enumerate(hashes, begin):
                frontier.add(hash_)
                while check.wants(position, position + 1):
                    await check.root(frontier.root())
        return roots

    async def _contents(self) -> AsyncIterator[bytes]:
        """Compare the leaves with the tiles of level 0; return what each tile holds."""
        tiles = aiter(self._log.leaves())
        stored = await anext(tiles, None)
        for index in range(-(-self._size // TILE_WIDTH)):
            begin, end = index * TILE_WIDTH, min(self._size, (index + 1) * TILE_WIDTH)
            content = expected = bytes(self._scratch[begin * HASH_SIZE : end * HASH_SIZE])
            while stored is not None and stored[1] < index:
                self._say_tile(0, stored[1], "is one more")
                stored = await anext(tiles, None)
            found = b""
            if stored is not None and stored[1] == index:
                found = stored[2]
                stored = await anext(tiles, None)
            if len(found) != len(expected):
                self._say_tile(0, index, "is not")
            elif found != expected:
                await self._say_leaves(begin, expected, found)
                content = found
            yield content
        while stored is not None:
            self._say_tile(0, stored[1], "is one more")
            stored = await anext(tiles, None)

    async def _say_leaves(self, begin: int, expected: bytes, content: bytes) -> None:
        pairs = zip(hashes_of(expected), hashes_of(content), strict=True)
        for position, (mine, theirs) in enumerate(pairs, begin):
            if mine != theirs:
                account_id, version = await self._log.entry_at(position) or (None, None)
                word = "has no entry" if mine == _NOTHING else "is not the hash of its entry"
                self._say("leaves-are-entries", account_id, version, f"leaf {position} {word}")

    async def _check_nodes(self, row: list[bytes]) -> None:
        expected: dict[tuple[int, int], bytes] = {}
        level = 1
        while row:
            parts = [row[n : n + TILE_WIDTH] for n in range(0, len(row), TILE_WIDTH)]
            expected |= {(level, index): b"".join(part) for index, part in enumerate(parts)}
            row = [tile_root(part) for part in parts if len(part) == TILE_WIDTH]
            level += 1
        async for stored_level, index, content in self._log.nodes():
            wanted = expected.pop((stored_level, index), None)
            if wanted != content:
                self._say_tile(stored_level, index, "is not")
        for level, index in expected:
            self._say_tile(level, index, "is missing")

    def _say_tile(self, level: int, index: int, word: str) -> None:
        self._say("tiles-are-whole", None, None, f"tile {index} of level {level} {word}")

    def _say(
        self, invariant: str, account_id: UUID | None, version: int | None, message: str
    ) -> None:
        self.found.append(Violation(invariant, account_id, version, message))


class _CheckpointCheck:
    """Checks checkpoints in order, while the leaves go by."""

    def __init__(self, evidence: Evidence, head: LogHead | None, found: list[Violation]) -> None:
        self._evidence = evidence
        self._head = head
        self._found = found
        self._next: Checkpoint | None = None
        self._last: Checkpoint | None = None
        self._kept: Mapping[str, tuple[PublicKey, datetime]] = {}
        self._unused: set[str] = set()
        self._roots_differ = False

    async def start(self) -> None:
        self._kept = await self._evidence.log.keys()
        self._unused = set(self._kept)
        self._all = aiter(self._evidence.log.checkpoints())
        await self._advance()

    def wants(self, after: int, size: int) -> bool:
        """Whether the next checkpoint is of a size in (after, size]."""
        return self._next is not None and after < self._next.tree_size <= size

    async def root(self, root_hash: bytes) -> None:
        """Compare the root of the next checkpoint's size, and go on to the one after it."""
        assert self._next is not None  # noqa: S101 - `wants` was asked
        if self._next.root_hash != root_hash and not self._roots_differ:
            self._roots_differ = True
            self._say("checkpoint-root", f"checkpoint {self._next.number} is of another log")
        await self._advance()

    async def finish(self) -> Checkpoint | None:
        """Check what is left; return the last checkpoint."""
        while self._next is not None:
            self._say("checkpoints-lie-in-the-log", f"checkpoint {self._next.number} does not")
            await self._advance()
        size = 0 if self._head is None else self._head.size
        last = self._last
        if (0 if last is None else last.tree_size) != size:
            self._say("log-is-checkpointed", f"no checkpoint of its {size} leaves")
        trusted = {key.key_id for key in self._evidence.trusted}
        if last is not None and trusted and last.key_id not in trusted:
            self._say("checkpoint-key", f"checkpoint {last.number} is by none of our keys")
        for key_id in sorted(self._unused):
            self._say("keys-have-checkpoints", f"key {key_id} has signed nothing")
        return last

    async def _advance(self) -> None:
        checkpoint = await anext(self._all, None)
        self._next = checkpoint
        if checkpoint is None:
            return
        self._check(checkpoint)
        self._last = checkpoint

    def _check(self, checkpoint: Checkpoint) -> None:
        name, last = f"checkpoint {checkpoint.number}", self._last
        expected = 1 if last is None else last.number + 1
        if checkpoint.number != expected:
            self._say("checkpoints-are-gap-free", f"{name}, not {expected}")
        if last is not None and checkpoint.tree_size < last.tree_size:
            self._say("checkpoints-grow", f"{name} does not")
        if self._head is None or checkpoint.log_id != self._head.log_id:
            self._say("log-has-a-head", f"{name} is of another log")
        kept = self._kept.get(checkpoint.key_id)
        if kept is None:
            self._say("checkpoint-key", f"{name} is by key {checkpoint.key_id}, which is not kept")
            return
        key, first_used_at = kept
        if checkpoint.key_id in self._unused:
            self._unused.discard(checkpoint.key_id)
            if first_used_at != checkpoint.made_at:
                self._say("keys-have-checkpoints", f"{name} is the first of key {key.key_id}")
        if not self._evidence.is_signed(key, checkpoint.signed, checkpoint.signature):
            self._say("checkpoint-signature", f"{name} was not signed by its key {key.key_id}")

    def _say(self, invariant: str, message: str) -> None:
        self._found.append(Violation(invariant, None, None, message))


async def _none() -> AsyncIterator[Run]:
    return
    yield
