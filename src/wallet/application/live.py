"""Live streams of one process: what is booked reaches whoever watches, each entry once, in order.

Nothing is pushed from the money path but a hint: these accounts have these versions. What is new is
then read from the ledger, once for all accounts that are watched. Hints may get lost; each second
the batches of the last while are looked at, which finds what no hint was heard of. Whoever cannot
be told at once (they come back after a while, or do not keep up) is *behind*, and reads the ledger
page by page until they are not. Versions without gaps make all of it simple to get right.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from wallet.application.ports import Clock, ReportError
from wallet.application.unit_of_work import Interrupted, UnitOfWorkFactory
from wallet.domain.history import Line
from wallet.domain.live import (
    STREAMS_PER_PERSON_MAX,
    LastEventIdInvalid,
    StreamsExhausted,
    TooManyStreams,
)
from wallet.domain.sessions import Principal
from wallet.domain.wallets import WalletNotFound, WalletView

STREAMS_MAX = 10_000
PENDING_MAX = 256
"""So many entries wait for a reader in memory; one who is slower is behind, and reads them."""
PAGE = 200
CATCHING_UP_MAX = 4
"""So many readers read the ledger at the same time; they share the pool with everybody else."""
LOOK_EVERY_S = 1.0
RETRY_S = 0.2

EXPIRED, REVOKED, CLOSING = "token-expired", "session-revoked", "closing"


class StreamEnded(Exception):
    """A stream is over; `reason` is `token-expired`, `session-revoked` or `closing`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Stream:
    """What one connection watches."""

    __slots__ = (
        "_behind",
        "_ended",
        "_hub",
        "_pending",
        "_seen",
        "_wake",
        "expires_at",
        "positions",
        "principal",
        "wallets",
    )

    def __init__(
        self,
        hub: "LiveHub",
        principal: Principal,
        expires_at: datetime,
        wallets: Sequence[WalletView],
        positions: dict[UUID, int],
    ) -> None:
        self._hub = hub
        self.principal = principal
        self.expires_at = expires_at
        self.wallets = wallets
        self.positions = positions
        # Whatever was booked before this stream was known is read first.
        self._behind = set(positions)
        self._seen: dict[UUID, int] = {}
        self._pending: list[Line] = []
        self._wake = asyncio.Event()
        self._ended: str | None = None

    async def next(self) -> Sequence[Line]:
        """Wait for entries and return them, each account's in order of version without a gap.

        Raises `StreamEnded`. Being cancelled loses nothing.
        """
        while True:
            if self._ended is not None:
                raise StreamEnded(self._ended)
            if self._pending:
                pending, self._pending = self._pending, []
                return pending
            if self._behind:
                lines = await self._catch_up()
                if lines:
                    return lines
                continue
            self._wake.clear()
            await self._wake.wait()

    def offer(self, line: Line) -> None:
        """Take an entry, if it is the next one; else the ledger is read for what is missing."""
        account_id, version = line.entry.account_id, line.entry.version
        position = self.positions[account_id]
        if version <= position:
            return
        if (
            account_id in self._behind
            or version > position + 1
            or len(self._pending) >= PENDING_MAX
        ):
            self._behind.add(account_id)
            self._seen[account_id] = max(version, self._seen.get(account_id, 0))
        else:
            self._pending.append(line)
            self.positions[account_id] = version
        self._wake.set()

    def end(self, reason: str) -> None:
        """End the stream: nothing more comes of it."""
        self._ended = self._ended or reason
        self._wake.set()

    def extend(self, expires_at: datetime) -> None:
        """Let the stream last until a newer token of the same session expires."""
        self.expires_at = max(self.expires_at, expires_at)

    async def _catch_up(self) -> Sequence[Line]:
        places = {account_id: self.positions[account_id] for account_id in self._behind}
        lines = await self._hub.read(places, PAGE)
        found = dict.fromkeys(places, 0)
        for line in lines:
            self.positions[line.entry.account_id] = line.entry.version
            found[line.entry.account_id] += 1
        for account_id, count in found.items():
            # What was offered meanwhile was not taken: then there is more to read.
            if count < PAGE and self._seen.get(account_id, 0) <= self.positions[account_id]:
                self._behind.discard(account_id)
                self._seen.pop(account_id, None)
        return lines


class LiveHub:
    """All streams of a process, and the one reader that feeds them."""

    def __init__(
        self,
        *,
        unit_of_work: UnitOfWorkFactory,
        clock: Clock,
        report: ReportError,
        is_revoked: Callable[[UUID], bool],
        streams_max: int = STREAMS_MAX,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._report = report
        self._is_revoked = is_revoked
        self._streams_max = streams_max
        self._streams: set[Stream] = set()
        self._own: Counter[UUID] = Counter()
        self._unknown = 0
        self._watched: dict[UUID, set[Stream]] = {}
        self._known: dict[UUID, int] = {}
        self._dirty: set[UUID] = set()
        self._wake = asyncio.Event()
        self._catching_up = asyncio.Semaphore(CATCHING_UP_MAX)
        self._looked_at: datetime | None = None
        self._closing = False

    @property
    def is_watched(self) -> bool:
        """Whether anybody watches anything here."""
        return bool(self._watched)

    @property
    def streams_count(self) -> int:
        """How many streams are open."""
        return len(self._streams)

    def hint(self, versions: Mapping[UUID, int]) -> None:
        """Hear that accounts have reached versions; costs little where nobody watches them."""
        known = self._known
        new = {id_ for id_, version in versions.items() if version > known.get(id_, version)}
        if new:
            self._dirty |= new
            self._wake.set()

    async def open(
        self,
        principal: Principal,
        expires_at: datetime,
        *,
        wallet_ids: Sequence[UUID] | None,
        seen: Mapping[UUID, int],
    ) -> Stream:
        """Return a stream of a person's wallets, from what they have seen of them or from now.

        `wallet_ids` of None are all of them. Raises `WalletNotFound`, `LastEventIdInvalid`,
        `TooManyStreams` or `StreamsExhausted`. Give it back to `close_stream`.
        """
        self._require_room(principal)
        async with self._unit_of_work() as work:
            wallets = await work.wallets.of_owner(principal.user_id)
        self._require_room(principal)
        if wallet_ids is not None:
            wanted = set(wallet_ids)
            wallets = [wallet for wallet in wallets if wallet.id in wanted]
            if len(wallets) < len(wanted):
                raise WalletNotFound
        heads = {wallet.id: wallet.version for wallet in wallets}
        if any(version > heads.get(id_, -1) for id_, version in seen.items()):
            raise LastEventIdInvalid
        stream = Stream(self, principal, expires_at, wallets, {**heads, **seen})
        self._streams.add(stream)
        self._own[principal.user_id] += 1
        for id_, version in heads.items():
            self._watched.setdefault(id_, set()).add(stream)
            self._known.setdefault(id_, version)
        return stream

    @contextmanager
    def admitted(self, unknown_max: int) -> Iterator[None]:
        """Count somebody who has not said who they are; raise `StreamsExhausted` for too many."""
        if self._closing or self._unknown >= unknown_max:
            raise StreamsExhausted
        self._unknown += 1
        try:
            yield
        finally:
            self._unknown -= 1

    def close_stream(self, stream: Stream) -> None:
        """Forget a stream."""
        if stream not in self._streams:
            return
        self._streams.discard(stream)
        self._own[stream.principal.user_id] -= 1
        if not self._own[stream.principal.user_id]:
            del self._own[stream.principal.user_id]
        for account_id in stream.positions:
            watchers = self._watched.get(account_id)
            if watchers is None:
                continue
            watchers.discard(stream)
            if not watchers:
                del self._watched[account_id], self._known[account_id]

    def close(self) -> None:
        """End all streams and open no more: the process is going to end."""
        self._closing = True
        for stream in self._streams:
            stream.end(CLOSING)

    async def read(self, places: Mapping[UUID, int], limit: int) -> Sequence[Line]:
        """Read each account's entries after a version for one stream; an outage is waited out."""
        async with self._catching_up:
            while True:
                try:
                    async with self._unit_of_work() as work:
                        return await work.streams.lines_after(places, limit)
                except Interrupted:
                    await asyncio.sleep(RETRY_S)

    async def run(self) -> None:
        """Feed the streams until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._feed()
            except Exception as error:  # noqa: BLE001 - whoever feeds must not starve them all
                if not isinstance(error, Interrupted):
                    self._report(error)
                await asyncio.sleep(RETRY_S)
                self._wake.set()

    async def look(self) -> None:
        """End what has expired, and look for what no hint was heard of; call it each second."""
        now = self._clock()
        for stream in self._streams:
            if stream.expires_at <= now:
                stream.end(EXPIRED)
            elif self._is_revoked(stream.principal.session_id):
                stream.end(REVOKED)
        if self._watched:
            async with self._unit_of_work() as work:
                self._looked_at, changed = await work.streams.changed_since(
                    self._looked_at, list(self._watched)
                )
            self.hint(changed)
        else:
            self._looked_at = None

    async def _feed(self) -> None:
        dirty, self._dirty = self._dirty, set()
        places = {id_: self._known[id_] for id_ in dirty if id_ in self._known}
        if not places:
            return
        try:
            async with self._unit_of_work() as work:
                lines = await work.streams.lines_after(places, PAGE)
        except BaseException:
            self._dirty |= dirty
            raise
        counts = dict.fromkeys(places, 0)
        for line in lines:
            account_id = line.entry.account_id
            counts[account_id] += 1
            watchers = self._watched.get(account_id)
            if watchers is None:
                continue
            self._known[account_id] = line.entry.version
            for stream in watchers:
                stream.offer(line)
        full = {id_ for id_, count in counts.items() if count == PAGE}
        if full:
            self._dirty |= full
            self._wake.set()

    def _require_room(self, principal: Principal) -> None:
        if self._closing or len(self._streams) >= self._streams_max:
            raise StreamsExhausted
        if self._own[principal.user_id] >= STREAMS_PER_PERSON_MAX:
            raise TooManyStreams(streams_max=STREAMS_PER_PERSON_MAX)
