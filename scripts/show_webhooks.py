"""Show webhooks at work: a shop's receiver is killed, a worker of the service too, nothing is lost.

`make show-webhooks` runs it against a service of its own with two workers, gone afterwards. The
receiver is a process of its own that trusts the package `standardwebhooks` alone. It is told of
each event at least once, and acts on it once, by its id. Ends with 1 if what it has added up is not
what the books say.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import psutil
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

PASSWORD = "seven green lamps at dusk"  # noqa: S105 - of people who exist for half a minute
PAYMENTS = 60
DEADLINE_S = 60.0
RETRIES = "1,1,2,2,2,2,2,2,2,2"
"""Seconds, where three days are usual: nobody wants to watch that."""


def say(who: str, text: str) -> None:
    """Print a line with the time."""
    print(f"{time.strftime('%H:%M:%S')} {who:<10} {text}", flush=True)


def free_port() -> int:
    """Return a port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


# The shop's receiver, a process of its own.


class Shop(BaseHTTPRequestHandler):
    """Checks the signature, and writes down what it acts on before it says yes."""

    secret = ""
    book = Path()

    def do_POST(self) -> None:
        """Take one webhook."""
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            event = Webhook(self.secret).verify(body, dict(self.headers))
        except WebhookVerificationError as error:
            say("shop", f"REFUSED: {error}")
            self._answer(401)
            return
        again = any(line["id"] == event["id"] for line in _acted_on(self.book))
        if not again:
            line = {"id": event["id"], "amount": event["data"]["transaction"]["amount"]}
            with self.book.open("a") as file:
                file.write(json.dumps(line) + "\n")
                file.flush()
                os.fsync(file.fileno())
        version = event["id"].rpartition(":")[2]
        detail = "again, no effect" if again else event["data"]["transaction"]["display"]
        say("shop", f"{event['type']} v{version}: {detail}")
        self._answer(204)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name is not ours
        """Keep quiet."""


def receive(port: int, book: str, secret: str) -> None:
    """Run the receiver until it is killed."""
    Shop.secret, Shop.book = secret, Path(book)
    ThreadingHTTPServer(("127.0.0.1", port), Shop).serve_forever()


def open_shop(port: int, book: Path, secret: str) -> subprocess.Popen[bytes]:
    """Start the receiver."""
    command = [sys.executable, __file__, "receive", str(port), str(book), secret]
    return subprocess.Popen(command)


# The play.


async def sign_up(client: httpx.AsyncClient, name: str) -> dict[str, str]:
    """Sign somebody up; return the headers that they send."""
    email = f"{name}@example.com"
    body = {"first_name": name.title(), "last_name": "Example", "email": email}
    body |= {"password": PASSWORD, "handle": name}
    (await client.post("/users", json=body)).raise_for_status()
    answer = await client.post("/users/login", json={"email": email, "password": PASSWORD})
    answer.raise_for_status()
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def pay(url: str, headers: dict[str, str], amounts: range) -> None:
    """Pay the shop, with a key that is repeated until the answer is definite."""
    for amount in amounts:
        key = {"Idempotency-Key": f"payment-{amount}"}
        while True:
            with suppress(httpx.HTTPError):
                async with httpx.AsyncClient(base_url=url, timeout=10) as client:
                    body = {"to_handle": "shop", "amount": amount}
                    answer = await client.post(
                        "/wallets/transfer", json=body, headers=headers | key
                    )
                if answer.status_code == httpx.codes.CREATED:
                    break
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.03)


async def show(url: str, directory: Path, service: psutil.Process) -> bool:
    """Run the play; return whether everything came right."""
    port, book = free_port(), directory / "book"
    async with httpx.AsyncClient(base_url=url, timeout=10) as client:
        payer, shop = await sign_up(client, "payer"), await sign_up(client, "shop")
        await client.post("/wallets/topup", json={"amount": 1_000_000}, headers=payer)

        async def endpoint(to: str, who: dict[str, str]) -> dict[str, Any]:
            answer = await client.post("/webhook-endpoints", json={"url": to}, headers=who)
            answer.raise_for_status()
            found: dict[str, Any] = answer.json()
            return found

        dead = await endpoint(f"http://127.0.0.1:{free_port()}/nobody", payer)
        made = await endpoint(f"http://127.0.0.1:{port}/hooks", shop)
    say("shop", "is told at an endpoint of its own; the payer's endpoint is dead all the time")
    receiver = open_shop(port, book, made["secret"])
    try:
        await pay(url, payer, range(1, 21))
        receiver.kill()
        receiver.wait()
        say("shop", "KILLED (kill -9)")
        paying = asyncio.create_task(pay(url, payer, range(21, 41)))
        await asyncio.sleep(0.3)
        _kill_a_worker(service)
        await paying
        say("service", "20 more payments; what the shop missed waits")
        receiver = open_shop(port, book, made["secret"])
        say("shop", "is back")
        await pay(url, payer, range(41, PAYMENTS + 1))
        return await _came_right(url, book, payer, shop, dead["id"])
    finally:
        receiver.kill()
        receiver.wait()


def _acted_on(book: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in book.read_text().splitlines()] if book.exists() else []


def _kill_a_worker(service: psutil.Process) -> None:
    workers = [c for c in service.children() if "spawn_main" in " ".join(c.cmdline())]
    workers[0].send_signal(signal.SIGKILL)
    say("service", f"one of {len(workers)} workers KILLED (kill -9), in mid-delivery or not")


async def _came_right(
    url: str, book: Path, payer: dict[str, str], shop: dict[str, str], dead_id: str
) -> bool:
    async with httpx.AsyncClient(base_url=url, timeout=10) as client:
        balance = (await client.get("/wallets/my-balance", headers=shop)).json()
        began_s = time.monotonic()
        while time.monotonic() - began_s < DEADLINE_S:
            acted = _acted_on(book)
            if len(acted) >= PAYMENTS:
                break
            await asyncio.sleep(0.2)
        failing = (await client.get(f"/webhook-endpoints/{dead_id}", headers=payer)).json()
    versions = [int(line["id"].rpartition(":")[2]) for line in acted]
    total = sum(line["amount"] for line in acted)
    say("shop", f"acted on {len(acted)} events, added up {total}")
    say("books", f"version {balance['version']}, balance {balance['posted']}")
    say("payer", f"dead endpoint: {failing['waiting']} wait, nobody else was delayed by them")
    return versions == list(range(1, PAYMENTS + 1)) and total == balance["posted"]


def main() -> int:
    """Start a service with two workers, show, and end it."""
    port = free_port()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        directory = Path(name)
        directory.chmod(0o755)
        kept = {k: v for k, v in os.environ.items() if not k.startswith("WALLET_")}
        settings = {
            "WALLET_DATA_DIRECTORY": f"{directory}/data",
            "WALLET_WEBHOOK_RETRIES_S": RETRIES,
        }
        command = [sys.executable, "-m", "wallet", "serve", "--workers", "2", "--port", str(port)]
        with (directory / "log").open("wb") as log:
            service = subprocess.Popen(
                command, env=kept | settings, stdout=log, stderr=log, cwd=directory
            )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url)
            right = asyncio.run(show(url, directory, psutil.Process(service.pid)))
        finally:
            service.terminate()
            service.wait(20)
    say("end", "nothing missing, nothing doubled in effect" if right else "SOMETHING IS WRONG")
    return 0 if right else 1


def _wait(url: str) -> None:
    for _ in range(400):
        with suppress(httpx.HTTPError):
            if httpx.get(f"{url}/health/ready").status_code == httpx.codes.OK:
                return
        time.sleep(0.1)
    raise SystemExit("The service did not come up.")


if __name__ == "__main__":
    if sys.argv[1:2] == ["receive"]:
        receive(int(sys.argv[2]), sys.argv[3], sys.argv[4])
    else:
        sys.exit(main())
