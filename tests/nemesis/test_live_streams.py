"""Live streams while everything goes wrong: each entry reaches each watcher once, in order."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from random import Random
from typing import Any

import httpx
import pytest
import websockets
from tests.conftest import reachable_directory
from tests.integration.live_clients import Watcher, events_of, sign_up, socket_of
from tests.nemesis.service_process import ServiceProcess

pytestmark = pytest.mark.slow

BATCHES, BATCH_SIZE = 100, 1_000
ENTRIES = BATCHES * BATCH_SIZE
OPENING_S = 10.0
SILENCE_S = 60.0
"""How long nothing may move at all; how long all of it takes is the machine's affair."""
OUTAGES = (
    httpx.HTTPError,
    websockets.WebSocketException,
    OSError,
    TimeoutError,
    EOFError,
    StopAsyncIteration,
    AssertionError,
)
"""What a client meets whose server is killed, or not up again yet."""


class Follower:
    """Follows one wallet with reconnects at random moments, and remembers every version."""

    def __init__(self, watcher: Watcher, seed: int) -> None:
        self.watcher = watcher
        self.random = Random(seed)
        self.versions: list[int] = []
        self.reconnects = 0

    def is_done(self) -> bool:
        return bool(self.versions) and self.versions[-1] == ENTRIES

    async def follow(self, events: Callable[[list[str]], AsyncIterator[str]]) -> None:
        """Follow until the last entry was seen; `events` opens a stream behind event ids."""
        while not self.is_done():
            last = self.versions[-1] if self.versions else 0
            patience_s = self.random.choice([0.05, 0.2, 0.5, 1])
            with suppress(*OUTAGES):
                # Opening may take longer while the service is starting; patience begins behind it.
                async with asyncio.timeout(OPENING_S) as patience:
                    clock = asyncio.get_running_loop().time
                    begun = False
                    async for event_id in events([f"{self.watcher.wallet_id}:{last}"]):
                        if not begun:
                            patience.reschedule(clock() + patience_s)
                            begun = True
                        self.versions.append(int(event_id.partition(":")[2]))
                        if self.is_done():
                            return
            self.reconnects += 1
            await asyncio.sleep(self.random.uniform(0, 0.3))

    async def by_socket(self, seen: list[str]) -> AsyncIterator[str]:
        async with socket_of(self.watcher, seen=seen) as socket:
            while True:
                event = await socket.next(20)
                if event["type"] == "entry":
                    yield event["id"]

    async def by_events(self, seen: list[str]) -> AsyncIterator[str]:
        async with events_of(self.watcher, seen=seen[0]) as events:
            async for event in events:
                if event["event"] == "entry":
                    yield event["data"]["id"]


async def pay_in_batches(url: str, payer: Watcher, payee: Watcher, paid: list[int]) -> None:
    """Pay so many times; whatever happens, each batch is repeated until it is definite."""
    transfers = [{"to_handle": payee.name, "amount": 1}] * BATCH_SIZE
    content = json.dumps({"transfers": transfers}).encode()
    for number in range(BATCHES):
        headers = payer.headers | {
            "idempotency-key": f"batch-{number}",
            "content-type": "application/json",
        }
        while True:
            with suppress(*OUTAGES):
                async with httpx.AsyncClient(base_url=url, timeout=10) as client:
                    answer = await client.post("/transfers/batch", content=content, headers=headers)
                if answer.status_code == 201:
                    break
                if answer.status_code != 503:
                    raise RuntimeError(answer.text)
            await asyncio.sleep(0.2)
        paid.append(number)


async def kill_twice(service: ServiceProcess, paid: list[int]) -> None:
    """Kill every process in the middle of everything, and start anew."""
    for moment in (BATCHES // 4, BATCHES // 2):
        while len(paid) < moment:
            await asyncio.sleep(0.05)
        pids = [*service.worker_pids(), service.pid]
        for pid in pids:
            service.signal(signal.SIGKILL, pid)
        await service.ended(20)
        await service.start()


async def watch(paid: list[int], followers: list[Follower]) -> None:
    """Fail once nothing has moved for too long."""
    before: list[int] = []
    while not all(follower.is_done() for follower in followers):
        now = [len(paid), *(len(follower.versions) for follower in followers)]
        assert now != before, f"nothing moves any more at {now}"
        before = now
        for _ in range(int(SILENCE_S)):
            if all(follower.is_done() for follower in followers):
                return
            await asyncio.sleep(1)


async def test_reconnects_and_kills_under_load_lose_nothing_and_double_nothing() -> None:
    with reachable_directory() as directory:
        async with ServiceProcess(directory, workers=2) as service:
            url = f"http://127.0.0.1:{service.port}"
            async with httpx.AsyncClient(base_url=url, timeout=10) as client:
                alice = await sign_up(client, url, "alice")
                bob = await sign_up(client, url, "bob")
                body: dict[str, Any] = {"amount": ENTRIES}
                answer = await client.post("/wallets/topup", json=body, headers=alice.headers)
                assert answer.status_code == 201
            followers = [Follower(bob, seed) for seed in range(4)]
            paid: list[int] = []
            async with asyncio.timeout(1_200), asyncio.TaskGroup() as group:
                group.create_task(watch(paid, followers))
                group.create_task(pay_in_batches(url, alice, bob, paid))
                group.create_task(kill_twice(service, paid))
                for follower in followers[:2]:
                    group.create_task(follower.follow(follower.by_socket))
                for follower in followers[2:]:
                    group.create_task(follower.follow(follower.by_events))
    for follower in followers:
        assert follower.versions == list(range(1, ENTRIES + 1))
        assert follower.reconnects > 5
