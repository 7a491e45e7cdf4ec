"""Live streams over real sockets."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import pytest_asyncio
import websockets
from tests.conftest import reachable_directory
from tests.integration.live_clients import (
    PASSWORD,
    Watcher,
    events_of,
    log_in,
    sign_up,
    socket_of,
)
from tests.integration.serving import Serving, serving

LIMITS = {
    "WALLET_SIGN_UP_LIMIT": "100000",
    "WALLET_LOG_IN_LIMIT": "100000",
    "WALLET_THROUGHPUT_LIMIT": "1000000/10 seconds",
}


@pytest.fixture(scope="module")
def service() -> Iterator[Serving]:
    with reachable_directory() as directory:
        settings = LIMITS | {
            "WALLET_DATA_DIRECTORY": str(directory / "data"),
            "WALLET_WORKERS": "2",
            "WALLET_CORS_ORIGINS": "https://app.example",
        }
        with serving(directory, environment=settings) as running:
            yield running


@pytest_asyncio.fixture(loop_scope="session")
async def client(service: Serving) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=service.url, timeout=10) as client:
        yield client


NAMES = iter(f"person{number}" for number in range(1_000))


@pytest_asyncio.fixture(loop_scope="session")
async def alice(service: Serving, client: httpx.AsyncClient) -> Watcher:
    watcher = await sign_up(client, service.url, next(NAMES))
    answer = await client.post("/wallets/topup", json={"amount": 1_000}, headers=watcher.headers)
    assert answer.status_code == 201
    return watcher


@pytest_asyncio.fixture(loop_scope="session")
async def bob(service: Serving, client: httpx.AsyncClient) -> Watcher:
    return await sign_up(client, service.url, next(NAMES))


async def pay(client: httpx.AsyncClient, payer: Watcher, payee: Watcher, amount: int) -> None:
    body = {"to_handle": payee.name, "amount": amount, "note": f"number {amount}"}
    answer = await client.post("/wallets/transfer", json=body, headers=payer.headers)
    assert answer.status_code == 201, answer.text


async def test_a_socket_begins_with_the_balances_and_goes_on_with_every_entry(
    client: httpx.AsyncClient, alice: Watcher, bob: Watcher
) -> None:
    async with socket_of(bob) as socket:
        ready = await socket.next()
        assert (ready["type"], ready["balances"][0]["posted"]) == ("ready", 0)
        await pay(client, alice, bob, 5)
        event = await socket.next()
    assert (event["type"], event["id"]) == ("entry", f"{bob.wallet_id}:1")
    assert event["balance"]["posted"] == 5
    assert event["transaction"]["note"] == "number 5"
    assert event["transaction"]["counterparty"]["handle"] == alice.name
    line = await client.get(f"/transactions/{event['transaction']['id']}", headers=bob.headers)
    assert line.json() == event["transaction"]


async def test_an_event_stream_says_the_same_and_goes_on_from_its_last_id(
    client: httpx.AsyncClient, alice: Watcher, bob: Watcher
) -> None:
    async with events_of(bob) as events:
        ready = await anext(events)
        assert (ready["event"], ready["id"]) == ("ready", f"{bob.wallet_id}:0")
        await pay(client, alice, bob, 5)
        first = await anext(events)
    assert (first["event"], first["id"]) == ("entry", f"{bob.wallet_id}:1")
    await pay(client, alice, bob, 6)
    await pay(client, alice, bob, 7)
    async with events_of(bob, seen=first["id"]) as events:
        await anext(events)
        found = [await anext(events) for _ in range(2)]
    assert [event["data"]["id"] for event in found] == [f"{bob.wallet_id}:{n}" for n in (2, 3)]
    assert [event["data"]["transaction"]["amount"] for event in found] == [6, 7]


async def test_several_wallets_are_watched_on_one_connection_and_resumed_by_one_id(
    client: httpx.AsyncClient, alice: Watcher
) -> None:
    opened = await client.post("/wallets", json={"currency": "EUR"}, headers=alice.headers)
    euros = opened.json()["id"]

    async def top_up(currency: str, amount: int) -> None:
        body = {"amount": amount, "currency": currency}
        answer = await client.post("/wallets/topup", json=body, headers=alice.headers)
        assert answer.status_code == 201

    async with events_of(alice) as events:
        await anext(events)
        await top_up("EUR", 1)
        await anext(events)
        await top_up("USD", 2)
        last = await anext(events)
    assert set(last["id"].split(",")) == {f"{alice.wallet_id}:2", f"{euros}:1"}
    await top_up("EUR", 3)
    await top_up("USD", 4)
    async with events_of(alice, seen=last["id"]) as events:
        await anext(events)
        ids = {(await anext(events))["data"]["id"] for _ in range(2)}
    assert ids == {f"{alice.wallet_id}:3", f"{euros}:2"}
    async with events_of(alice, query=f"?wallet_id={euros}") as events:
        ready = await anext(events)
    assert ready["id"] == f"{euros}:2"


async def test_what_one_process_books_is_seen_on_the_sockets_of_all(
    client: httpx.AsyncClient, service: Serving, alice: Watcher, bob: Watcher
) -> None:
    sockets = []
    try:
        # Each connection is taken by either of the two workers.
        for _ in range(5):
            opening = socket_of(bob)
            sockets.append((opening, await opening.__aenter__()))
        for _, socket in sockets:
            assert (await socket.next())["type"] == "ready"
        for amount in range(1, 21):
            async with httpx.AsyncClient(base_url=service.url) as fresh:
                await pay(fresh, alice, bob, amount)
        for _, socket in sockets:
            events = [await socket.next() for _ in range(20)]
            assert [event["transaction"]["amount"] for event in events] == list(range(1, 21))
    finally:
        for opening, _ in sockets:
            await opening.__aexit__(None, None, None)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("", 4400),
        ("[]", 4400),
        ('{"access_token":1}', 4400),
        ('{"access_token":"x","role":"admin"}', 4400),
        ('{"access_token":"nonsense"}', 4401),
        ('{"access_token":"' + "x" * 4_000 + '"}', 4401),
        ("x" * 5_000, 1009),
    ],
)
async def test_a_first_message_that_is_none_ends_the_socket(
    service: Serving, message: str, code: int
) -> None:
    url = service.url.replace("http", "ws") + "/live"
    async with websockets.connect(url) as connection:
        await connection.send(message)
        with suppress(websockets.ConnectionClosed):
            # A problem may come before the end.
            async with asyncio.timeout(5):
                while True:
                    await connection.recv()
        assert connection.close_code == code


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://app.example", 101),
        (None, 101),
        ("https://app.example.evil", 403),
        ("http://app.example", 403),
        ("null", 403),
        ("", 403),
    ],
)
async def test_pages_of_other_origins_open_no_socket(
    service: Serving, origin: str | None, status: int
) -> None:
    url = service.url.replace("http", "ws") + "/live"
    headers = {} if origin is None else {"Origin": origin}
    try:
        async with websockets.connect(url, additional_headers=headers):
            found = 101
    except websockets.InvalidStatus as refused:
        found = refused.response.status_code
    assert found == status


async def test_a_token_in_the_address_is_no_token(service: Serving, bob: Watcher) -> None:
    async with httpx.AsyncClient(base_url=service.url) as client:
        for query in (f"access_token={bob.token}", f"token={bob.token}"):
            answer = await client.get(f"/live/events?{query}")
            assert answer.status_code == 401, answer.text


async def test_nobody_watches_the_wallet_of_somebody_else(
    client: httpx.AsyncClient, alice: Watcher, bob: Watcher
) -> None:
    answer = await client.get(f"/live/events?wallet_id={alice.wallet_id}", headers=bob.headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "wallet-not-found")
    seen = {**bob.headers, "last-event-id": f"{alice.wallet_id}:0"}
    answer = await client.get("/live/events", headers=seen)
    assert (answer.status_code, answer.json()["code"]) == (422, "last-event-id-invalid")
    async with socket_of(bob, wallet_ids=[alice.wallet_id]) as socket:
        problem = await socket.next()
    assert problem["problem"]["code"] == "wallet-not-found"


async def test_a_stream_ends_soon_after_its_session_was_revoked_on_any_process(
    client: httpx.AsyncClient, service: Serving, bob: Watcher
) -> None:
    async with socket_of(bob) as socket, events_of(bob) as events:
        await socket.next()
        await anext(events)
        began_s = time.monotonic()
        async with httpx.AsyncClient(base_url=service.url) as fresh:
            gone = await fresh.post("/users/logout", headers=bob.headers)
            assert gone.status_code in {200, 204}, gone.text
        told = await socket.next()
        last = await anext(events)
        assert time.monotonic() - began_s < 3.5
    assert told["problem"]["code"] == last["data"]["problem"]["code"] == "session-revoked"


async def key_of(
    client: httpx.AsyncClient, watcher: Watcher, scope: str, **fields: str
) -> tuple[Watcher, str]:
    """Return somebody who watches with a new API key, and where the key is."""
    body = {"name": "Screen", "scopes": [scope], **fields}
    made = await client.post("/api-keys", json=body, headers=watcher.headers)
    assert made.status_code == 201, made.text
    return replace(watcher, token=made.json()["secret"]), f"/api-keys/{made.json()['id']}"


async def test_a_machine_watches_with_a_key_until_it_is_revoked(
    client: httpx.AsyncClient, service: Serving, alice: Watcher, bob: Watcher
) -> None:
    machine, path = await key_of(client, bob, "transactions:read")
    async with socket_of(machine) as socket, events_of(machine) as events:
        ready = await socket.next()
        assert ready["expires_at"] is None
        await anext(events)
        await pay(client, alice, bob, 5)
        assert (await socket.next())["balance"]["posted"] == 5
        assert (await anext(events))["data"]["balance"]["posted"] == 5
        began_s = time.monotonic()
        async with httpx.AsyncClient(base_url=service.url) as fresh:
            assert (await fresh.delete(path, headers=bob.headers)).status_code == 204
        told = await socket.next()
        last = await anext(events)
        assert time.monotonic() - began_s < 3.5
    assert told["problem"]["code"] == last["data"]["problem"]["code"] == "api-key-revoked"


async def test_a_stream_ends_when_its_key_expires(client: httpx.AsyncClient, bob: Watcher) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=2)
    machine, _ = await key_of(client, bob, "transactions:read", expires_at=soon.isoformat())
    async with socket_of(machine) as socket, events_of(machine) as events:
        ready = await socket.next()
        assert datetime.fromisoformat(ready["expires_at"]) == soon
        await anext(events)
        told = await socket.next()
        last = await anext(events)
        assert datetime.now(UTC) - soon < timedelta(seconds=2.5)
    assert told["problem"]["code"] == last["data"]["problem"]["code"] == "api-key-expired"


async def test_a_stream_of_an_old_secret_ends_when_the_overlap_does(
    client: httpx.AsyncClient, bob: Watcher
) -> None:
    machine, path = await key_of(client, bob, "transactions:read")
    async with socket_of(machine) as socket:
        await socket.next()
        body = {"overlap_seconds": 1}
        rotated = await client.post(f"{path}/rotate", json=body, headers=bob.headers)
        newer = replace(machine, token=rotated.json()["secret"])
        async with socket_of(newer) as next_socket:
            assert (await next_socket.next())["type"] == "ready"
            assert (await socket.next())["problem"]["code"] == "api-key-revoked"
            with pytest.raises(TimeoutError):
                await next_socket.next(0.3)


async def test_a_key_without_the_scope_watches_nothing(
    client: httpx.AsyncClient, bob: Watcher
) -> None:
    machine, _ = await key_of(client, bob, "wallets:read")
    answer = await client.get("/live/events", headers=machine.headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient-scope")
    async with socket_of(machine) as socket:
        problem = (await socket.next())["problem"]
        assert (problem["code"], problem["scope"]) == ("insufficient-scope", "transactions:read")
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await socket.next()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4403


async def test_a_newer_token_of_the_same_session_keeps_a_socket_open_and_no_other_does(
    client: httpx.AsyncClient, bob: Watcher, alice: Watcher
) -> None:
    tokens = await log_in(client, bob.name)
    bob.token = tokens["access_token"]
    async with socket_of(bob) as socket:
        first = await socket.next()
        await asyncio.sleep(1.1)
        newer = await client.post("/users/refresh", json={"refresh_token": tokens["refresh_token"]})
        await socket.connection.send(json.dumps({"access_token": newer.json()["access_token"]}))
        extended = await socket.next()
        assert extended["type"] == "extended"
        assert extended["expires_at"] > first["expires_at"]
        await socket.connection.send(json.dumps({"access_token": alice.token}))
        assert (await socket.next())["problem"]["code"] == "message-invalid"


async def test_one_person_has_a_few_streams_and_no_more(
    client: httpx.AsyncClient, bob: Watcher
) -> None:
    opened: list[Any] = []
    refused = 0
    try:
        for _ in range(16):
            opening = socket_of(bob)
            socket = await opening.__aenter__()
            opened.append(opening)
            refused += (await socket.next())["type"] == "problem"
    finally:
        for opening in opened:
            await opening.__aexit__(None, None, None)
    # Five in each of the two processes.
    assert refused >= 6


@pytest.mark.slow
async def test_the_service_ends_quickly_although_streams_are_open(tmp_path: Path) -> None:
    with reachable_directory() as directory:
        settings = LIMITS | {"WALLET_DATA_DIRECTORY": str(directory / "data")}
        with serving(directory, environment=settings) as running:
            async with httpx.AsyncClient(base_url=running.url) as client:
                watcher = await sign_up(client, running.url, "alice")
            async with socket_of(watcher) as socket, events_of(watcher) as events:
                await socket.next()
                await anext(events)
                began_s = time.monotonic()
                code = await asyncio.to_thread(running.stop)
                took_s = time.monotonic() - began_s
                with pytest.raises(websockets.ConnectionClosed) as closed:
                    await socket.next()
                assert [event async for event in events] == []
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012
    assert code == 0
    assert took_s < 10


@pytest.mark.slow
@pytest.mark.parametrize("way", ["socket", "events"])
async def test_a_client_that_reads_nothing_is_cut_off(
    client: httpx.AsyncClient, service: Serving, alice: Watcher, bob: Watcher, way: str
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port, limit=4096)
    raw = writer.get_extra_info("socket")
    if way == "socket":
        message = json.dumps({"access_token": bob.token}).encode()
        writer.write(
            b"GET /live HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"\x81\xfe" + len(message).to_bytes(2, "big") + bytes(4) + message)
        await asyncio.wait_for(reader.readuntil(b'"ready"'), 20)
    else:
        writer.write(
            b"GET /live/events HTTP/1.1\r\nHost: localhost\r\n"
            + f"Authorization: Bearer {bob.token}\r\n\r\n".encode()
        )
        await asyncio.wait_for(reader.readuntil(b"event: ready"), 20)
    port = raw.getsockname()[1]
    assert await connected(service, port)
    # Far more than fits into the buffers of both sides.
    transfers = [{"to_handle": bob.name, "amount": 1, "note": "n" * 500}] * 900
    for _ in range(12):
        await client.post("/wallets/topup", json={"amount": 1_000}, headers=alice.headers)
        answer = await client.post(
            "/transfers/batch", json={"transfers": transfers}, headers=alice.headers
        )
        assert answer.status_code == 201, answer.text
    began_s = time.monotonic()
    while await connected(service, port):
        assert time.monotonic() - began_s < 40
        await asyncio.sleep(0.5)
    writer.close()


async def connected(service: Serving, port: int) -> bool:
    """Whether any process of the service still holds its side of a connection."""
    parent = psutil.Process(service.process.pid)
    for process in (parent, *parent.children(recursive=True)):
        with suppress(psutil.Error):
            for connection in process.net_connections("tcp4"):
                if connection.raddr and connection.raddr.port == port:
                    return True
    return False


# Tickets, and pages.


async def page_of(service: Serving, name: str) -> dict[str, str]:
    """Log somebody in with a page; return what a browser then sends."""
    origin = {"sec-fetch-site": "same-origin"}
    async with httpx.AsyncClient(base_url=service.url) as fresh:
        body = {"email": f"{name}@example.com", "password": PASSWORD}
        answer = await fresh.post("/session", json=body, headers=origin)
    assert answer.status_code == 200, answer.text
    cookie = answer.headers["set-cookie"].partition(";")[0]
    return {**origin, "cookie": cookie, "x-csrf-token": answer.json()["csrf_token"]}


async def ticket_for(service: Serving, headers: dict[str, str]) -> str:
    # A connection of its own may reach either of the two processes.
    async with httpx.AsyncClient(base_url=service.url) as fresh:
        answer = await fresh.post("/live/tickets", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["expires_in"] == 30
    ticket: str = answer.json()["ticket"]
    return ticket


async def begun_with(watcher: Watcher, message: dict[str, Any]) -> dict[str, Any]:
    """Open a socket with a first message and return what it begins with."""
    async with websockets.connect(watcher.socket_url, open_timeout=10) as connection:
        await connection.send(json.dumps(message))
        begun: dict[str, Any] = json.loads(await connection.recv())
    return begun


async def test_a_ticket_opens_one_socket_on_any_process(service: Serving, bob: Watcher) -> None:
    page = await page_of(service, bob.name)
    for headers in (page, page, page, bob.headers):
        ticket = await ticket_for(service, headers)
        assert (await begun_with(bob, {"ticket": ticket}))["type"] == "ready"
        again = await begun_with(bob, {"ticket": ticket})
        assert again["problem"]["code"] == "ticket-invalid"


async def test_a_ticket_stands_in_no_address_and_beside_no_token(
    service: Serving, bob: Watcher
) -> None:
    ticket = await ticket_for(service, bob.headers)
    async with httpx.AsyncClient(base_url=service.url) as fresh:
        assert (await fresh.get(f"/live/events?ticket={ticket}")).status_code == 401
    both = await begun_with(bob, {"ticket": ticket, "access_token": bob.token})
    assert both["problem"]["code"] == "message-invalid"
    neither = await begun_with(bob, {"wallet_ids": []})
    assert neither["problem"]["code"] == "message-invalid"
    assert (await begun_with(bob, {"ticket": ticket}))["type"] == "ready"


async def test_a_newer_ticket_keeps_a_socket_open_and_no_other_persons_does(
    service: Serving, bob: Watcher, alice: Watcher
) -> None:
    page = await page_of(service, bob.name)
    async with websockets.connect(bob.socket_url, open_timeout=10) as connection:
        for expected in ("ready", "extended"):
            await connection.send(json.dumps({"ticket": await ticket_for(service, page)}))
            assert json.loads(await connection.recv())["type"] == expected
        await connection.send(json.dumps({"ticket": await ticket_for(service, alice.headers)}))
        assert json.loads(await connection.recv())["problem"]["code"] == "message-invalid"


async def test_an_event_stream_takes_the_cookie_and_ends_with_its_session(
    client: httpx.AsyncClient, service: Serving, alice: Watcher, bob: Watcher
) -> None:
    page = await page_of(service, bob.name)
    async with events_of(bob, headers=page) as events:
        assert (await anext(events))["event"] == "ready"
        await pay(client, alice, bob, 3)
        assert (await anext(events))["data"]["balance"]["posted"] == 3
        async with httpx.AsyncClient(base_url=service.url) as fresh:
            assert (await fresh.delete("/session", headers=page)).status_code == 204
        last = await anext(events)
    assert last["data"]["problem"]["code"] == "session-revoked"


async def test_a_ticket_of_a_session_that_has_ended_opens_no_socket(
    service: Serving, bob: Watcher
) -> None:
    page = await page_of(service, bob.name)
    ticket = await ticket_for(service, page)
    async with httpx.AsyncClient(base_url=service.url) as fresh:
        assert (await fresh.delete("/session", headers=page)).status_code == 204
    await asyncio.sleep(1.5)
    assert (await begun_with(bob, {"ticket": ticket}))["problem"]["code"] == "session-revoked"
