"""The bank under a nemesis: everything breaks at random while customers move money.

Seeded by WALLET_NEMESIS_SEED, WALLET_NEMESIS_SECONDS long. Then it heals, everything undecided is
repeated with its key, successes are sent again, and the checker looks at all of it.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from uuid import uuid4

import pytest
from tests.conftest import Cluster
from tests.nemesis.audit import sound
from tests.nemesis.bank import (
    Customer,
    History,
    Operation,
    attempt,
    customers_of,
    insist,
    misuse,
    read_balance,
    settle,
)
from tests.nemesis.client import Connection, first_ready_s
from tests.nemesis.nemesis import Nemesis
from tests.nemesis.proxy import Proxy, port_of
from tests.nemesis.service_process import ServiceProcess

from wallet.infrastructure.embedded_postgres import EmbeddedPostgres, Watchdog

CUSTOMERS = 20
TELLERS = 14
OVERDRAFT = 10**9
PATIENCE_S = 3.0
RESENT = 1_000
ZIPF = [1 / rank for rank in range(1, CUSTOMERS + 1)]


class Teller:
    """Somebody at a counter, who does one thing after the other at random."""

    def __init__(
        self, number: int, seed: int, port: int, customers: list[Customer], history: History
    ) -> None:
        self._name = f"{seed}-{number}"
        self._random = Random(self._name)
        self._connections = [Connection(port) for _ in range(8)]
        self._customers = customers
        self._history = history
        self._mine: list[Operation] = []
        self._count = 0

    async def work(self, is_over: asyncio.Event) -> None:
        deeds = {
            self._transfer: 62,
            self._opposite: 6,
            self._top_up: 8,
            self._overdraw: 4,
            self._at_once: 4,
            self._repeat: 4,
            self._misuse: 3,
            self._read: 9,
        }
        try:
            while not is_over.is_set():
                (deed,) = self._random.choices(list(deeds), list(deeds.values()))
                await deed()
        finally:
            for connection in self._connections:
                connection.close()

    def _new(self, payer: Customer, payee: Customer | None, amount: int) -> Operation:
        self._count += 1
        operation = Operation(f"{self._name}-{self._count}", payer, payee, amount)
        self._mine.append(operation)
        return self._history.add(operation)

    def _pair(self) -> tuple[Customer, Customer]:
        payer, payee = self._random.choices(self._customers, ZIPF, k=2)
        while payee is payer:
            payee = self._random.choice(self._customers)
        return payer, payee

    async def _insist(self, operation: Operation, counter: int = 0) -> None:
        until_s = time.monotonic() + PATIENCE_S
        await insist(operation, self._connections[counter], until_s=until_s)

    async def _transfer(self) -> None:
        payer, payee = self._pair()
        await self._insist(self._new(payer, payee, self._random.randint(1, 500)))

    async def _opposite(self) -> None:
        one, other = self._pair()
        there = self._new(one, other, self._random.randint(1, 500))
        back = self._new(other, one, self._random.randint(1, 500))
        await asyncio.gather(self._insist(there, 0), self._insist(back, 1))

    async def _top_up(self) -> None:
        customer, _ = self._pair()
        await self._insist(self._new(customer, None, self._random.randint(1, 5_000)))

    async def _overdraw(self) -> None:
        payer, payee = self._pair()
        await self._insist(self._new(payer, payee, OVERDRAFT))

    async def _at_once(self) -> None:
        payer, payee = self._pair()
        operation = self._new(payer, payee, self._random.randint(1, 500))
        count = self._random.randint(2, 8)
        await asyncio.gather(*(attempt(operation, c) for c in self._connections[:count]))

    async def _repeat(self) -> None:
        if self._mine:
            await attempt(self._random.choice(self._mine), self._connections[0])

    async def _misuse(self) -> None:
        decided = [o for o in self._mine[-200:] if o.definite is not None]
        if decided:
            await misuse(self._random.choice(decided), self._connections[0], self._history)

    async def _read(self) -> None:
        customer, _ = self._pair()
        await read_balance(customer, self._connections[0], self._history)


@asynccontextmanager
async def _database(cluster: Cluster) -> AsyncIterator[EmbeddedPostgres]:
    directory = cluster.directory / f"bank-{uuid4().hex}"
    directory.mkdir(mode=0o755)
    postgres = EmbeddedPostgres(directory / "postgres")
    await asyncio.to_thread(postgres.start)
    watchdog = Watchdog(postgres)
    watchdog.start()
    try:
        yield postgres
    finally:
        await asyncio.to_thread(watchdog.stop, 10)
        await asyncio.to_thread(postgres.stop)


@pytest.mark.slow
async def test_a_bank_under_a_nemesis_loses_doubles_and_invents_nothing(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> None:
    seed = int(os.environ.get("WALLET_NEMESIS_SEED", "1"))
    duration_s = float(os.environ.get("WALLET_NEMESIS_SECONDS", "75"))
    history = History()
    async with _database(cluster) as postgres:
        addresses = postgres.addresses
        reader_url = addresses.superuser_url.replace("/postgres?", "/wallet?")
        async with (
            Proxy(("127.0.0.1", port_of(reader_url))) as proxy,
            ServiceProcess(
                tmp_path_factory.mktemp("bank"),
                database_url=proxy.url(addresses.service_url),
                owner_url=addresses.owner_url,
            ) as service,
        ):
            names = [f"client{n}" for n in range(CUSTOMERS)]
            customers = await customers_of(service.port, *names, amount=50_000, history=history)
            nemesis = Nemesis(
                Random(seed),
                service=service,
                proxy=proxy,
                postgres=postgres,
                superuser_url=reader_url,
            )
            is_over = asyncio.Event()
            tellers = [
                asyncio.create_task(Teller(n, seed, service.port, customers, history).work(is_over))
                for n in range(TELLERS)
            ]
            try:
                await nemesis.strike(duration_s)
                healed_ns = time.monotonic_ns()
                await asyncio.sleep(3)
            finally:
                is_over.set()
                await asyncio.gather(*tellers)
            recovery_s = history.recovery_s(healed_ns)
            await first_ready_s(service.port, timeout_s=10)
            settled = await settle(service.port, history)
            resent = await _send_again(service.port, history, Random(seed))
            found = await sound(history, addresses.service_url, reader_url)
            crashes = service.log().count('"internal-error"')
    print(
        f"\nbank, seed {seed}, {duration_s:.0f} s: {nemesis.counts.total()} faults of "
        f"{len(nemesis.counts)} classes {dict(nemesis.counts)}; {found}; "
        f"{len(history.readings)} readings, {len(history.misuses)} keys misused, "
        f"{settled} settled afterwards, {resent} sent again; slowest answer "
        f"{history.longest_wait_s():.2f} s, recovery {recovery_s:.2f} s; "
        f"heard {history.words()}; proxy {dict(proxy.counts)}"
    )
    assert history.statuses() <= {0, 201, 202, 422, 503}
    assert crashes == 0
    assert len(nemesis.counts) >= 8
    assert recovery_s <= 3


async def _send_again(port: int, history: History, random: Random) -> int:
    """Send successes again; the checker sees whether the answers are the same."""
    accepted = history.accepted()
    chosen = random.sample(accepted, min(RESENT, len(accepted)))

    async def send(operations: list[Operation]) -> None:
        connection = Connection(port)
        try:
            for operation in operations:
                # A rolling restart may still be on its way.
                await insist(operation, connection, until_s=time.monotonic() + 10)
                assert operation.attempts[-1].status == 201
        finally:
            connection.close()

    await asyncio.gather(*(send(chosen[n::8]) for n in range(8)))
    return len(chosen)
