"""The problems of outages, of limits and of the port, brought about really; see `problem_story.py`.

A TCP proxy stands between a service and PostgreSQL, and sockets speak to a real port, whose
patience is shorter than in production.
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import asyncpg
import httpx
import pytest
import uvicorn
from tests.api.people import PASSWORD, Person, sign_up
from tests.api.problem_story import Answers, every_problem_of_people
from tests.api.problem_story_money import every_problem_of_money, every_problem_of_staff
from tests.api.staff_people import quick_person
from tests.api.test_http_protocol import HastyProtocol
from tests.api.test_security_edge import crash
from tests.conftest import Database, Service, running_service, settings_of
from tests.nemesis.proxy import Fault, Proxy, port_of

WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""
STRICT = {
    "require_idempotency_key": True,
    "sealing": False,
    "throughput_limit": "20/10 seconds",
    "hashing_threads": 1,
    "log_in_limit": 1_000,
}


async def every_problem(database: Database, directory: Path) -> Answers:
    """Bring about every problem that the document names; return one answer of each."""
    said = Answers()
    async with (
        running_service(database, directory, settings_of()) as service,
        service.client() as client,
    ):
        await every_problem_of_people(said, client, service)
        await every_problem_of_money(said, client, service)
        await every_problem_of_staff(said, client, service)
        await leaving(said, client, service)
        await at_the_port(said, client, service)
        await inside(said, client, service)
    async with (
        running_service(database, directory, settings_of(**STRICT)) as service,
        service.client() as client,
    ):
        await strictly(said, client, service)
    await in_outages(said, database, directory)
    return said


async def leaving(said: Answers, client: httpx.AsyncClient, service: Service) -> None:
    """Let somebody do something while they are leaving; a lock keeps the two in order."""
    lea = await sign_up(client, "lea")
    connection = await asyncpg.connect(service.database.superuser_url)
    try:
        async with connection.transaction():
            await connection.execute("SELECT FROM users WHERE id = $1 FOR UPDATE", lea.id)
            gone = client.request(
                "DELETE", "/users/me", json={"password": PASSWORD}, headers=lea.headers
            )
            going = asyncio.create_task(gone)
            await waiting(connection, 1)
            body = {"url": "http://127.0.0.1:9099/hooks"}
            doing = asyncio.create_task(lea.post("/webhook-endpoints", body))
            await waiting(connection, 2)
    finally:
        await connection.close()
    left, answer = await going, await doing
    assert left.status_code == 204, left.text
    said.keep("account-closed", answer)


async def at_the_port(said: Answers, client: httpx.AsyncClient, service: Service) -> None:
    """Send what is no request of HTTP in time, and watch more than one may."""
    gil = await quick_person(client, service, "gil")
    async with listening(service) as port:
        await raw(said, "uri-too-long", port, b"GET /?" + b"a" * 9_000)
        await raw(
            said,
            "headers-too-large",
            port,
            b"GET / HTTP/1.1\r\nX-A: " + b"a" * 40_000 + b"\r\n\r\n",
        )
        await raw(said, "request-timeout", port, b"GET / HTTP/1.1\r\nHo")
        base_url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=base_url) as over, AsyncExitStack() as streams:
            for _ in range(5):
                streaming = over.stream("GET", "/live/events", headers=gil.headers)
                assert (await streams.enter_async_context(streaming)).status_code == 200
            answer = await over.get("/live/events", headers=gil.headers)
            said.keep("too-many-streams", answer)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(service.app.state.use_cases.live, "_streams_max", 0)
        said.keep("streams-exhausted", await gil.get("/live/events"))


async def waiting(connection: "asyncpg.Connection[asyncpg.Record]", count: int) -> None:
    """Return when so many of the database's sessions wait for a lock."""
    async with asyncio.timeout(20):
        while await connection.fetchval(WAITING) < count:
            await asyncio.sleep(0.01)


@asynccontextmanager
async def listening(service: Service) -> AsyncIterator[int]:
    """Let a service listen on a port of loopback."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        service.app, http=HastyProtocol, lifespan="off", log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await running
        listener.close()


async def raw(said: Answers, code: str, port: int, sent: bytes) -> None:
    """Keep what a socket hears that sends just this."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    head, _, body = (await asyncio.wait_for(reader.read(), 10)).partition(b"\r\n\r\n")
    writer.close()
    said.keep_body(code, json.loads(body), int(head.split()[1]))


async def inside(said: Answers, client: httpx.AsyncClient, service: Service) -> None:
    """Let the self-audit stop the money, and let a request meet what nobody foresaw."""
    ida = await quick_person(client, service, "ida")
    safe_mode = service.app.state.use_cases.staff_side.refunds._mover._safe_mode
    await safe_mode.enter("a test")
    try:
        said.keep("safe-mode", await ida.top_up(5))
    finally:
        await safe_mode.leave("tests", "done")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(service.app.state.use_cases.wallets, "of_person", crash)
        said.keep("internal-error", await ida.get("/wallets"))


async def strictly(said: Answers, client: httpx.AsyncClient, service: Service) -> None:
    """Ask a service that wants keys, seals nothing, and has little patience and few threads."""
    jan = await quick_person(client, service, "jan")
    said.keep("idempotency-key-missing", await jan.top_up(5))
    topped_up = await jan.top_up(5, key="top-up")
    path = f"/transactions/{topped_up.json()['id']}/receipt"
    said.keep("receipt-not-ready", await jan.get(path))
    while (answer := await jan.get("/wallets")).is_success:
        pass
    said.keep("too-many-requests", answer)

    async def log_in(number: int) -> httpx.Response:
        body = {"email": f"nobody{number}@example.com", "password": PASSWORD}
        return await client.post("/users/login", json=body)

    answers = await asyncio.gather(*(log_in(number) for number in range(100)))
    refused = [answer for answer in answers if answer.json()["code"] == "overloaded"]
    said.keep("overloaded", (refused or answers)[0])


async def in_outages(said: Answers, database: Database, directory: Path) -> None:
    """Cut, hold and end the connections to PostgreSQL."""
    async with Proxy(("127.0.0.1", port_of(database.url))) as proxy:
        through = replace(database, url=proxy.url(database.url))
        async with (
            running_service(through, directory, settings_of()) as service,
            service.client() as client,
        ):
            await cut_off(said, client, service, proxy)
        # Links that are ending are let end.
        await asyncio.sleep(0.3)


async def cut_off(said: Answers, client: httpx.AsyncClient, service: Service, proxy: Proxy) -> None:
    """Ask while all is slow, while a COMMIT is cut off, and while nobody is there."""
    kim = await quick_person(client, service, "kim")
    # It needs many statements, each of which is in time; connections are there by then.
    await kim.get("/users/me/export")
    proxy.slow_down(delay_s=0.6)
    said.keep("deadline-exceeded", await kim.get("/users/me/export"))
    proxy.heal()
    await lost_answer(said, client, proxy, kim)
    target, proxy.target = proxy.target, ("127.0.0.1", closed_port())
    proxy.reset_all()
    said.keep("database-unavailable", await kim.get("/transactions"))
    said.keep("not-ready", await client.get("/health/ready"))
    proxy.target = target


async def lost_answer(said: Answers, client: httpx.AsyncClient, proxy: Proxy, kim: Person) -> None:
    """Lose the connection when a change is to be committed."""
    # What the service does by itself commits too, and may take some of them.
    proxy.arm(Fault.CUT_BEFORE_COMMIT, 100)
    body = {"first_name": "Kit"}
    said.keep("outcome-unknown", await client.patch("/users/me", json=body, headers=kim.headers))
    proxy.heal()


def closed_port() -> int:
    """Return a port of loopback where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
