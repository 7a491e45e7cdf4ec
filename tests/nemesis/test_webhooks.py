"""Webhooks while everything is killed: each event reaches the receiver, in order, at least once."""

import asyncio
import json
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from random import Random

import httpx
import pytest
from tests.conftest import reachable_directory
from tests.integration.live_clients import PASSWORD, Watcher, sign_up
from tests.integration.receiver import Received, Receiver, answer, receiving
from tests.integration.serving import clean_environment
from tests.nemesis.service_process import ServiceProcess

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
BATCHES, BATCH_SIZE = 12, 25
ENTRIES = BATCHES * BATCH_SIZE
OUTAGES = (httpx.HTTPError, OSError, TimeoutError)


async def pay_in_batches(url: str, payer: Watcher, payee: Watcher, paid: list[int]) -> None:
    """Pay so many times; whatever happens, each batch is repeated until it is definite."""
    transfers = [{"to_handle": payee.name, "amount": 1}] * BATCH_SIZE
    for number in range(BATCHES):
        headers = payer.headers | {"idempotency-key": f"batch-{number}"}
        while True:
            with suppress(*OUTAGES):
                async with httpx.AsyncClient(base_url=url, timeout=10) as client:
                    body = {"transfers": transfers}
                    answered = await client.post("/transfers/batch", json=body, headers=headers)
                if answered.status_code == 201:
                    break
            await asyncio.sleep(0.2)
        paid.append(number)
        await asyncio.sleep(0.1)


async def kill_everything(service: ServiceProcess) -> None:
    for pid in [*service.worker_pids(), service.pid]:
        service.signal(signal.SIGKILL, pid)
    await service.ended(20)
    await service.start()


async def endpoint_of(client: httpx.AsyncClient, person: Watcher, receiver: Receiver) -> str:
    body = {"url": receiver.url}
    made = await client.post("/webhook-endpoints", json=body, headers=person.headers)
    assert made.status_code == 201, made.text
    return str(made.json()["secret"])


async def test_kills_in_mid_delivery_lose_nothing_and_keep_the_order() -> None:
    random = Random(11)

    def moody(_: Received) -> bytes | float:
        chance = random.random()
        return answer(503) if chance < 0.01 else 0.05 if chance < 0.02 else answer()

    with reachable_directory() as directory:
        retries = {"WALLET_WEBHOOK_RETRIES_S": ",".join(["1"] * 50)}
        async with (
            receiving(moody) as receiver,
            ServiceProcess(directory, workers=2, **retries) as service,
        ):
            url = f"http://127.0.0.1:{service.port}"
            async with httpx.AsyncClient(base_url=url, timeout=10) as client:
                alice = await sign_up(client, url, "alice")
                bob = await sign_up(client, url, "bob")
                body = {"amount": ENTRIES}
                funded = await client.post("/wallets/topup", json=body, headers=alice.headers)
                assert funded.status_code == 201
                secret = await endpoint_of(client, bob, receiver)
            paid: list[int] = []
            async with asyncio.timeout(150), asyncio.TaskGroup() as group:
                group.create_task(pay_in_batches(url, alice, bob, paid))
                for moment in (ENTRIES // 6, ENTRIES // 2):
                    await receiver.until(lambda m=moment: len(receiver.received) >= m, 60)  # type: ignore[misc]
                    await kill_everything(service)
            await receiver.until(lambda: len(set(receiver.ids)) == ENTRIES, 90)
    assert receiver.ids_once() == [f"{bob.wallet_id}:{n}" for n in range(1, ENTRIES + 1)]
    assert len(receiver.received) < 2 * ENTRIES, "few come more than once"
    for request in receiver.received:
        request.verified_by(secret)


def test_the_show_of_a_receiver_that_is_killed_comes_out_right() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/show_webhooks.py"],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
        cwd=ROOT,
        env=clean_environment(),
    )
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]
    assert "nothing missing, nothing doubled in effect" in done.stdout
    assert "REFUSED" not in done.stdout


async def test_listening_survives_a_service_that_is_killed_and_a_server_that_restarts() -> None:
    with reachable_directory() as directory:
        async with ServiceProcess(directory, workers=2) as service, receiving() as receiver:
            url = f"http://127.0.0.1:{service.port}"
            async with httpx.AsyncClient(base_url=url, timeout=10) as client:
                alice = await sign_up(client, url, "alice")
                await sign_up(client, url, "bob")
                await client.post("/wallets/topup", json={"amount": 100}, headers=alice.headers)
            listening = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "wallet", "listen", "--url", url,
                "--forward-to", receiver.url, "--email", "alice@example.com",
                env=clean_environment(WALLET_LISTEN_PASSWORD=PASSWORD),
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=directory,
            )  # fmt: skip
            try:
                async with asyncio.timeout(120):
                    said = await followed(listening, service, alice, receiver)
            finally:
                if listening.returncode is None:
                    listening.kill()
                await listening.wait()
    assert receiver.ids_once() == [f"{alice.wallet_id}:{n}" for n in range(2, 6)]
    secret = next(word for word in said.split() if word.startswith("whsec_"))
    for request in receiver.received:
        request.verified_by(secret)
        assert f"--> transfer.sent [{request.id}]" in said
    assert f"[200] POST {receiver.url}" in said
    assert "The service does not answer" in said


async def followed(
    listening: asyncio.subprocess.Process,
    service: ServiceProcess,
    alice: Watcher,
    receiver: Receiver,
) -> str:
    """Pay before, during and after an outage; return what the command said until Ctrl-C."""
    assert listening.stdout is not None
    said = [(await listening.stdout.readline()).decode()]
    await pay(alice, 1)
    await receiver.count(1, 30)
    for pid in [*service.worker_pids(), service.pid]:
        service.signal(signal.SIGKILL, pid)
    await service.ended(20)
    await asyncio.sleep(3)
    await service.start()
    await pay(alice, 2)
    await receiver.count(2, 30)
    receiver.behave = lambda _: answer(500)
    await pay(alice, 3)
    await receiver.count(3, 30)
    await pay(alice, 4)
    await receiver.count(4, 30)
    listening.send_signal(signal.SIGINT)
    said.append((await listening.stdout.read()).decode())
    assert await listening.wait() == 0
    return "".join(said)


async def pay(alice: Watcher, amount: int) -> None:
    async with httpx.AsyncClient(base_url=alice.url, timeout=10) as client:
        content = json.dumps({"to_handle": "bob", "amount": amount})
        headers = alice.headers | {"content-type": "application/json"}
        paid = await client.post("/wallets/transfer", content=content, headers=headers)
        assert paid.status_code == 201, paid.text
