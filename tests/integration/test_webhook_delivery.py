"""Webhooks of a whole service on PostgreSQL: several processes, and neighbours that misbehave."""

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from tests.api.people import Person, sign_up, sign_up_with
from tests.conftest import Database, Service, running_service, settings_of
from tests.integration.receiver import Received, answer, receiving

from wallet.infrastructure.identifiers import new_id


async def made(person: Person, url: str, **more: Any) -> dict[str, Any]:
    answered = await person.post("/webhook-endpoints", {"url": url, **more})
    assert answered.status_code == 201, answered.text
    document: dict[str, Any] = answered.json()
    return document


async def pay(person: Person, handle: str, count: int) -> None:
    transfers = [{"to_handle": handle, "amount": 1}] * count
    paid = await person.post("/transfers/batch", {"transfers": transfers, "atomic": True})
    assert paid.status_code == 201, paid.text


async def test_two_processes_share_the_endpoints_and_send_nothing_twice(
    database: Database, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        services: list[Service] = [
            await stack.enter_async_context(running_service(database, tmp_path, settings_of()))
            for _ in range(2)
        ]
        client = await stack.enter_async_context(services[0].client())
        other = await stack.enter_async_context(services[1].client())
        alice = await sign_up_with(client, "alice", 10_000)
        bob = await sign_up(client, "bob")
        receivers = [await stack.enter_async_context(receiving()) for _ in range(6)]
        for number, receiver in enumerate(receivers):
            await made(alice if number % 2 else bob, receiver.url)
        # What either process books reaches all of them.
        alice.client = other
        await pay(alice, "bob", 40)
        alice.client = client
        await pay(alice, "bob", 40)
        for number, receiver in enumerate(receivers):
            await receiver.count(80, 30)
            wallet, first = (alice.wallet_id, 2) if number % 2 else (bob.wallet_id, 1)
            assert receiver.ids == [f"{wallet}:{n}" for n in range(first, first + 80)]


async def test_a_process_that_ends_leaves_its_endpoints_to_the_other(
    database: Database, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        staying = await stack.enter_async_context(
            running_service(database, tmp_path, settings_of())
        )
        client = await stack.enter_async_context(staying.client())
        receiver = await stack.enter_async_context(receiving())
        alice = await sign_up_with(client, "alice", 10_000)
        await sign_up(client, "bob")
        # As if another process had leased the endpoint, and died in the middle.
        endpoint = await made(alice, receiver.url)
        owner = await asyncpg.connect(database.superuser_url)
        try:
            await owner.execute(
                "UPDATE webhook_endpoints SET holder = $1, "
                "held_until = clock_timestamp() + interval '1.5 s'",
                new_id(),
            )
        finally:
            await owner.close()
        began_s = time.monotonic()
        await pay(alice, "bob", 2)
        await receiver.count(2)
        assert time.monotonic() - began_s > 1
        assert receiver.ids == [f"{alice.wallet_id}:{n}" for n in (2, 3)]
        shown = await alice.get(f"/webhook-endpoints/{endpoint['id']}")
        assert shown.json()["enabled"]


async def test_endpoints_that_hang_fail_or_lie_do_not_delay_a_good_one(
    client: httpx.AsyncClient,
) -> None:
    alice = await sign_up_with(client, "alice", 10_000)
    bob = await sign_up(client, "bob")

    def hang(_: Received) -> float:
        return 60.0

    def fail(_: Received) -> bytes:
        return answer(500)

    def lie(_: Received) -> bytes:
        return b"\xff" * 100_000

    async with (
        receiving(hang) as hanging,
        receiving(fail) as failing,
        receiving(lie) as lying,
        receiving() as good,
    ):
        for bad in (hanging, hanging, hanging, failing, lying):
            await made(alice, bad.url)
        await made(alice, "http://127.0.0.1:9099/")
        await made(alice, good.url)
        await made(bob, good.url)
        began_s = time.monotonic()
        await pay(alice, "bob", 30)
        await good.count(60)
        # A request to an endpoint that hangs lasts five seconds, and there are three of those.
        assert time.monotonic() - began_s < 5
        assert len(hanging.received) == 3
        assert failing.ids == [f"{alice.wallet_id}:2"], "the next one waits for the first"
        for person, first in ((alice, 2), (bob, 1)):
            own = [id_ for id_ in good.ids if id_.startswith(person.wallet_id)]
            assert own == [f"{person.wallet_id}:{n}" for n in range(first, first + 30)]


async def test_deliveries_are_counted_and_logs_tell_no_secret_and_no_address(
    client: httpx.AsyncClient, service: Service
) -> None:
    alice = await sign_up_with(client, "alice", 10_000)
    await sign_up(client, "bob")
    async with receiving() as good:
        endpoint = await made(alice, good.url + "/marked-path")
        await pay(alice, "bob", 3)
        await good.count(3)
    await pay(alice, "bob", 1)
    async with asyncio.timeout(5):
        while "connection-failed" not in (text := (await client.get("/metrics")).text):
            await asyncio.sleep(0.05)
    assert 'wallet_webhook_deliveries_total{outcome="2xx"} 3.0' in text
    assert "wallet_webhook_delivery_duration_seconds_count" in text
    for word in (endpoint["secret"], "marked-path"):
        assert word not in service.log_text()
