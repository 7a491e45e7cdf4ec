"""Show live streams at work: two listeners, two workers, transfers, and one who loses contact.

`make show-live` runs it against a service of its own, which is gone afterwards.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import websockets

PASSWORD = "seven green lamps at dusk"  # noqa: S105 - of people who exist for half a minute
PORT = 4077
URL = f"http://127.0.0.1:{PORT}"


def say(who: str, text: str) -> None:
    """Print a line with the time."""
    print(f"{time.strftime('%H:%M:%S')} {who:<22} {text}", flush=True)


async def sign_up(client: httpx.AsyncClient, name: str) -> dict[str, Any]:
    """Sign somebody up and log them in."""
    body = {
        "first_name": name.title(),
        "last_name": "Example",
        "email": f"{name}@example.com",
        "password": PASSWORD,
        "handle": name,
    }
    (await client.post("/users", json=body)).raise_for_status()
    answer = await client.post("/users/login", json={"email": body["email"], "password": PASSWORD})
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def told(event: dict[str, Any]) -> str:
    """Return what an event says, in one line."""
    if event["type"] == "ready":
        return "ready, " + ", ".join(balance["display"] for balance in event["balances"])
    line, balance = event["transaction"], event["balance"]
    other = line["counterparty"]["first_name"] if line["counterparty"] else "outside"
    note = f" ({line['note']})" if line["note"] else ""
    return f"{line['display']:>10} {other}{note} -> {balance['display']}, v{balance['version']}"


async def watch_socket(token: str) -> None:
    """Print what comes on a WebSocket; reconnect once in the middle from the last event id."""
    last: list[str] = []
    for part in (1, 2):
        async with websockets.connect(f"ws://127.0.0.1:{PORT}/live") as socket:
            await socket.send(json.dumps({"access_token": token, "last_event_ids": last}))
            async for text in socket:
                event = json.loads(text)
                say(f"Bob, WebSocket {part}", told(event))
                if event["type"] == "entry":
                    last = [event["id"]]
                    if part == 1 and event["id"].endswith(":4"):
                        say("Bob", "goes into a tunnel; his socket is gone")
                        break
        if part == 1:
            await asyncio.sleep(1.5)
            say("Bob", f"is back, and says: last seen {last[0][-6:]}")


async def watch_events(token: str) -> None:
    """Print what comes as server-sent events."""
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx.AsyncClient(base_url=URL, timeout=60) as client,
        client.stream("GET", "/live/events", headers=headers) as response,
    ):
        async for line in response.aiter_lines():
            if line.startswith("data: "):
                say("Alice, event stream", told(json.loads(line[6:])))


async def show() -> None:
    """Run the play."""
    async with httpx.AsyncClient(base_url=URL, timeout=10) as client:
        alice, bob = await sign_up(client, "alice"), await sign_up(client, "bob")
        headers = {"Authorization": f"Bearer {alice['access_token']}"}
        await client.post("/wallets/topup", json={"amount": 10_000}, headers=headers)
        listeners = [
            asyncio.create_task(watch_socket(bob["access_token"])),
            asyncio.create_task(watch_events(alice["access_token"])),
        ]
        await asyncio.sleep(2.5)
        for number in range(1, 9):
            # A new connection each time, which either of the two workers may take.
            async with httpx.AsyncClient(base_url=URL) as fresh:
                body = {"to_handle": "bob", "amount": 100 * number, "note": f"round {number}"}
                answer = await fresh.post("/wallets/transfer", json=body, headers=headers)
                worker = answer.status_code
            say("Alice", f"pays {number}.00 USD: {worker}")
            await asyncio.sleep(0.5)
        await asyncio.sleep(2)
        for listener in listeners:
            listener.cancel()
        await asyncio.gather(*listeners, return_exceptions=True)


def main() -> None:
    """Start a service with two workers, show, and end it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)
        kept = {k: v for k, v in os.environ.items() if not k.startswith("WALLET_")}
        settings = {"WALLET_DATA_DIRECTORY": f"{directory}/data"}
        command = [sys.executable, "-m", "wallet", "serve", "--workers", "2", "--port", str(PORT)]
        with Path(directory, "log").open("wb") as log:
            service = subprocess.Popen(
                command, env=kept | settings, stdout=log, stderr=log, cwd=directory
            )
        try:
            _wait()
            asyncio.run(show())
        finally:
            service.terminate()
            service.wait(20)


def _wait() -> None:
    for _ in range(300):
        try:
            if httpx.get(f"{URL}/health/ready").status_code == httpx.codes.OK:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise SystemExit("The service did not come up.")


if __name__ == "__main__":
    main()
