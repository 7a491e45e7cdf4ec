"""Top-ups and crashes: killed at each step, the money arrives exactly once."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.api.people import balance_of, sign_up
from tests.conftest import Database, running_service, settings_of
from tests.integration.serving import free_port
from tests.nemesis.audit import sound
from tests.nemesis.bank import History, Operation, attempt, customers_of
from tests.nemesis.client import Connection, first_ready_s
from tests.nemesis.crashing_service import POINTS

from wallet.application import top_ups
from wallet.domain.funding import Funding, GatewayAnswer, Verdict

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def _service(
    port: int, directory: Path, database: Database, point: str
) -> AsyncIterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", "tests.nemesis.crashing_service", str(port)]
    with (directory / "service.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: ASYNC220 - it takes a millisecond
            [*command, str(directory), database.url, point], cwd=ROOT, stdout=log, stderr=log
        )
    try:
        await first_ready_s(port, timeout_s=20)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(15)


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
async def test_a_top_up_killed_at_any_point_is_settled_exactly_once(
    database: Database, tmp_path: Path, point: str
) -> None:
    port = free_port()
    history = History()
    connection = Connection(port)
    async with _service(port, tmp_path, database, point) as process:
        (alice,) = await customers_of(port, "alice", amount=0, history=history)
        (tmp_path / "armed").touch()
        operation = history.add(Operation("the-key", alice, None, 1_234))
        assert (await attempt(operation, connection)).word == "reset"
        assert process.wait(5) == -signal.SIGKILL
    (tmp_path / "armed").unlink()

    async with _service(port, tmp_path, database, "none"):
        requested = point != "before the request is committed"
        if requested:
            # Nobody asks again: the service itself brings it to its end.
            await _until_balance(connection, alice.token, 1_234)
        done = await attempt(operation, connection)
        again = await attempt(operation, connection)
        await asyncio.sleep(1)
        answer = await connection.request("GET", "/wallets/my-balance", token=alice.token)
    connection.close()
    assert (done.status, again.status) == (201, 201)
    assert done.body == again.body
    assert answer.json()["posted"] == 1_234
    assert answer.json()["version"] == 1
    charges = {line.split()[0] for line in (tmp_path / "charges").read_text().splitlines()}
    assert len(charges) == 1
    print(f"\nkilled {point}: {await sound(history, database.url, database.superuser_url)}")


async def _until_balance(connection: Connection, token: str, wanted: int) -> None:
    deadline_s = time.monotonic() + 10
    while time.monotonic() < deadline_s:
        answer = await connection.request("GET", "/wallets/my-balance", token=token)
        if answer.json()["posted"] == wanted:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the pending top-up was not settled")


class _Source:
    """A funding source that keeps silent until it recovers, and never decides certain amounts."""

    name = "test"

    def __init__(self) -> None:
        self.works = False
        self.charged: list[int] = []

    async def charge(self, funding: Funding) -> GatewayAnswer:
        if funding.amount == 90_003:
            return GatewayAnswer(Verdict.PENDING)
        if funding.amount == 666:
            raise ValueError("a defect in the client of this source")
        if not self.works:
            await asyncio.sleep(60)
        self.charged.append(funding.amount)
        return GatewayAnswer(Verdict.APPROVED)


async def test_a_source_that_keeps_silent_leaves_the_top_up_pending_until_it_speaks(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(top_ups, "GATEWAY_TIMEOUT_S", 0.1)
    monkeypatch.setattr(top_ups, "RESUME_AFTER_S", 0.0)
    source = _Source()
    async with (
        running_service(database, tmp_path, settings_of(), gateway=source) as service,
        service.client() as client,
    ):
        alice = await sign_up(client, "alice")
        first = await alice.top_up(500, key="k")
        assert (first.status_code, first.json()["status"]) == (202, "pending")
        source.works = True
        resumed = await asyncio.gather(
            *(service.app.state.use_cases.top_ups.resume_pending() for _ in range(5))
        )
        assert sum(resumed) >= 1
        assert await balance_of(alice) == 500
        settled = await alice.top_up(500, key="k")
        assert (settled.status_code, settled.json()["status"]) == (201, "completed")
        assert await balance_of(alice) == 500


async def test_fundings_that_stay_pending_do_not_keep_later_ones_from_being_resumed(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(top_ups, "GATEWAY_TIMEOUT_S", 0.05)
    monkeypatch.setattr(top_ups, "RESUME_AFTER_S", 0.0)
    source = _Source()
    async with (
        running_service(database, tmp_path, settings_of(), gateway=source) as service,
        service.client() as client,
    ):
        alice = await sign_up(client, "alice")
        for n in range(top_ups.RESUME_BATCH_SIZE):
            await alice.top_up(90_003, key=f"bank-transfer-{n}")
        await alice.top_up(500, key="cut-off")
        source.works = True
        for _ in range(3):
            await service.app.state.use_cases.top_ups.resume_pending()
        assert await balance_of(alice) == 500


async def test_one_funding_that_fails_does_not_keep_others_from_being_resumed(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(top_ups, "GATEWAY_TIMEOUT_S", 0.05)
    monkeypatch.setattr(top_ups, "RESUME_AFTER_S", 0.0)
    source = _Source()
    async with (
        running_service(database, tmp_path, settings_of(), gateway=source) as service,
        service.client() as client,
    ):
        alice = await sign_up(client, "alice")
        await alice.top_up(666, key="poison")
        await alice.top_up(500, key="cut-off")
        source.works = True
        for _ in range(3):
            await asyncio.gather(
                service.app.state.use_cases.top_ups.resume_pending(), return_exceptions=True
            )
        assert await balance_of(alice) == 500
