"""Clients of live streams over real sockets, and people to watch."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import websockets

PASSWORD = "seven green lamps at dusk"


@dataclass
class Watcher:
    """Somebody with a token and a wallet."""

    url: str
    name: str
    token: str
    wallet_id: str

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"}

    @property
    def socket_url(self) -> str:
        return self.url.replace("http://", "ws://") + "/live"


async def sign_up(client: httpx.AsyncClient, url: str, name: str) -> Watcher:
    body = {
        "first_name": name.title(),
        "last_name": "Tester",
        "email": f"{name}@example.com",
        "password": PASSWORD,
        "handle": name,
    }
    made = await client.post("/users", json=body)
    assert made.status_code == 201, made.text
    tokens = await log_in(client, name)
    return Watcher(url, name, tokens["access_token"], made.json()["wallet"]["id"])


async def log_in(client: httpx.AsyncClient, name: str) -> dict[str, Any]:
    body = {"email": f"{name}@example.com", "password": PASSWORD}
    answer = await client.post("/users/login", json=body)
    assert answer.status_code == 200, answer.text
    tokens: dict[str, Any] = answer.json()
    return tokens


@asynccontextmanager
async def socket_of(
    watcher: Watcher, *, seen: Sequence[str] = (), **more: Any
) -> AsyncIterator["Socket"]:
    """Open a WebSocket and subscribe."""
    async with websockets.connect(watcher.socket_url, open_timeout=10) as connection:
        message = {"access_token": watcher.token, "last_event_ids": list(seen), **more}
        await connection.send(json.dumps(message))
        yield Socket(connection)


@dataclass
class Socket:
    """A WebSocket that was told who is watching."""

    connection: Any
    events: list[dict[str, Any]] = field(default_factory=list)

    async def next(self, timeout_s: float = 5.0) -> dict[str, Any]:
        """Return the next message."""
        async with asyncio.timeout(timeout_s):
            message: dict[str, Any] = json.loads(await self.connection.recv())
        return message


@asynccontextmanager
async def events_of(
    watcher: Watcher,
    *,
    seen: str | None = None,
    query: str = "",
    headers: Mapping[str, str] | None = None,
) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    """Open an event stream; yields its events with their name and id."""
    shown = dict(headers or watcher.headers)
    sent = shown | ({"last-event-id": seen} if seen else {})
    async with (
        httpx.AsyncClient(base_url=watcher.url, timeout=30) as client,
        client.stream("GET", f"/live/events{query}", headers=sent) as response,
    ):
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield _parsed(response.aiter_lines())


async def _parsed(lines: AsyncIterator[str]) -> AsyncIterator[dict[str, Any]]:
    event: dict[str, Any] = {}
    async for line in lines:
        if line == "":
            if "data" in event:
                yield event
            event = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            event[name] = json.loads(value) if name == "data" else value
