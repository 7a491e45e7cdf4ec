"""Hints between processes: which accounts have new versions, told after COMMIT by NOTIFY.

NOTIFY in a transaction that moves money would put all commits in a line; here it is sent on a
connection of its own, at most once in 10 ms, and only while some other process listens. A hint may
get lost with its connection; whoever needs to know looks at the batches as well.
"""

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from struct import Struct, error
from uuid import UUID, uuid4

import asyncpg

from wallet.infrastructure.postgres.pool import APPLICATION, DEADLINES, Connection

CHANNEL = "wallet_hints"
FLUSH_AFTER_S = 0.01
LOOK_EVERY_S = 1.0
HINTS_MAX = 240
"""So many accounts fit into the 8,000 bytes of one notification."""
PENDING_MAX = 20_000
_PLACE = Struct(">16sq")
_ORIGIN_LENGTH = 8

NOTIFY = "SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload"
OTHERS_LISTEN = """
SELECT count(*) FROM pg_stat_activity
WHERE application_name = 'wallet hints, listening' AND pid <> pg_backend_pid()
  AND datname = current_database()
"""
SAY_LISTENING = "SELECT set_config('application_name', 'wallet hints, listening', false)"
SAY_SILENT = "SELECT set_config('application_name', 'wallet hints', false)"

Hear = Callable[[Mapping[UUID, int]], None]


class Hints:
    """Tells other processes what this one has booked, and hears what they have.

    `hear` is called with what others tell; `wants` says whether anybody here cares.
    """

    def __init__(self, url: str, *, hear: Hear, wants: Callable[[], bool]) -> None:
        self._url = url
        self._hear = hear
        self._wants = wants
        self._origin = uuid4().bytes[:_ORIGIN_LENGTH]
        self._pending: dict[UUID, int] = {}
        self._due = asyncio.Event()
        # One connection does one thing at a time.
        self._turn = asyncio.Lock()
        self.others_listen = False

    def tell(self, versions: Mapping[UUID, int]) -> None:
        """Tell others soon, if any of them listens; never waits."""
        if self.others_listen and len(self._pending) < PENDING_MAX:
            self._pending.update(versions)
            self._due.set()

    async def run(self) -> None:
        """Keep a connection for hints until cancelled; an outage is outlived."""
        while True:
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
                await self._connected()
            self.others_listen = False
            await asyncio.sleep(LOOK_EVERY_S)

    async def _connected(self) -> None:
        connection = await asyncpg.connect(
            self._url,
            timeout=DEADLINES.connect_s,
            command_timeout=DEADLINES.command_s,
            server_settings={"application_name": "wallet hints", "role": APPLICATION},
        )
        try:
            await asyncio.gather(self._look(connection), self._flush(connection))
        finally:
            connection.terminate()

    async def _look(self, connection: Connection) -> None:
        """Listen while somebody here cares, and notice whether others do."""
        listening = False
        while True:
            async with self._turn:
                if self._wants() != listening:
                    listening = not listening
                    if listening:
                        await connection.add_listener(CHANNEL, self._heard)
                        await connection.execute(SAY_LISTENING)
                    else:
                        await connection.execute(SAY_SILENT)
                        await connection.remove_listener(CHANNEL, self._heard)
                self.others_listen = await connection.fetchval(OTHERS_LISTEN) > 0
            await asyncio.sleep(LOOK_EVERY_S)

    async def _flush(self, connection: Connection) -> None:
        while True:
            await self._due.wait()
            await asyncio.sleep(FLUSH_AFTER_S)
            self._due.clear()
            places, self._pending = list(self._pending.items()), {}
            payloads = [
                encode_hint(self._origin, dict(places[first : first + HINTS_MAX]))
                for first in range(0, len(places), HINTS_MAX)
            ]
            async with self._turn:
                await connection.execute(NOTIFY, CHANNEL, payloads)

    def _heard(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        origin, versions = decode_hint(str(payload))
        if versions and origin != self._origin:
            self._hear(versions)


def encode_hint(origin: bytes, versions: Mapping[UUID, int]) -> str:
    """Return what a notification says: who tells it, and the version of each account."""
    places = [_PLACE.pack(id_.bytes, version) for id_, version in versions.items()]
    return b64encode(b"".join([origin, *places])).decode()


def decode_hint(payload: str) -> tuple[bytes, Mapping[UUID, int]]:
    """Return who tells a hint, and what; nothing of what cannot be read."""
    try:
        content = b64decode(payload, validate=True)
        places = list(_PLACE.iter_unpack(content[_ORIGIN_LENGTH:]))
    except (ValueError, error):
        return b"", {}
    return content[:_ORIGIN_LENGTH], {UUID(bytes=id_): version for id_, version in places}
