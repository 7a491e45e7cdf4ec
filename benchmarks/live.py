"""`live`: what streams cost. Thousands of idle sockets on one worker, then transfers on them."""

import asyncio
import json
import resource
import time
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any

import asyncpg

from benchmarks import results
from benchmarks.books import Plan
from benchmarks.payers import issue_tokens, new_signing_key
from benchmarks.places import BenchmarkFailed, place
from benchmarks.processor_time import memory_bytes, tree_s
from benchmarks.publishing import publish
from benchmarks.rows import Person
from benchmarks.serving import Server, free_port, service

MIB = 1024 * 1024
IDLE_S = 10.0
REPORTED_AFTER_S = 12.0
SENDERS = 16
OPENING = 50
"""So many sockets are opened at a time."""
MASK = bytes(4)
HANDSHAKE = (
    b"GET /live HTTP/1.1\r\nHost: localhost\r\n"
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
QUERIES = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = $1"


@dataclass
class Sockets:
    """WebSockets with the times between booking and showing of what came on them, in ms."""

    port: int
    delays_ms: list[float] = field(default_factory=list)
    tasks: list["asyncio.Task[None]"] = field(default_factory=list)
    events: int = 0

    async def open(self, tokens: Sequence[str]) -> None:
        """Open one socket for each token, and keep reading them."""
        for first in range(0, len(tokens), OPENING):
            await asyncio.gather(*map(self._open, tokens[first : first + OPENING]))

    async def _open(self, token: str) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=16 * 1024)
        writer.write(HANDSHAKE)
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 101 " not in head:
            raise BenchmarkFailed(f"no socket: {head!r}")
        message = json.dumps({"access_token": token}).encode()
        # A mask of zeros is a mask; it leaves the text as it is.
        writer.write(b"\x81\xfe" + len(message).to_bytes(2, "big") + MASK + message)
        ready = json.loads(await _frame(reader, writer))
        if ready["type"] != "ready":
            raise BenchmarkFailed(f"no stream: {ready!r}")
        self.tasks.append(asyncio.create_task(self._read(reader, writer)))

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            text = await _frame(reader, writer)
            seen_s = time.time()
            event = json.loads(text)
            booked = datetime.fromisoformat(event["transaction"]["booked_at"])
            self.delays_ms.append((seen_s - booked.timestamp()) * 1000)
            self.events += 1


async def _frame(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Return the next text; a ping on the way is answered."""
    while True:
        first, length = await reader.readexactly(2)
        if length == 126:
            length = int.from_bytes(await reader.readexactly(2), "big")
        content = await reader.readexactly(length)
        if first == 0x81:
            return content
        if first == 0x89:
            writer.write(bytes((0x8A, 0x80 | length)) + MASK + content)
        elif first == 0x88:
            raise BenchmarkFailed(f"the socket was closed: {content!r}")


def live(options: Namespace) -> None:
    """Open the sockets, let them rest, then send transfers to those who watch."""
    _raise_file_limit()
    with place(options.directory) as here:
        plan = Plan(people=options.sockets + 200, payers=options.sockets + 200, seed=5)
        template = here.make_template("template_of_live", plan)
        key, port = new_signing_key(), free_port()
        with (
            here.copy_of(template) as database,
            service(database, here.directory, signing_key=key, port=port) as server,
        ):
            people = template.books.payers
            tokens = issue_tokens(people, signing_key=key, port=port)
            content = asyncio.run(
                _measured(options, server, database.owner_url, list(people), list(tokens))
            )
    for name, value in content.items():
        print(f"{name:<28}{value:>12}")
    publish(results.merge(options.json, "live", content), options)


async def _measured(
    options: Namespace, server: Server, url: str, people: list[Person], tokens: list[str]
) -> dict[str, Any]:
    watching = await asyncpg.connect(url)
    sockets = Sockets(server.port)
    alone_queries, _ = await _idle(watching, server.pid)
    before = memory_bytes(server.pid)
    began_s = time.perf_counter()
    await sockets.open(tokens[: options.sockets])
    opened_s = time.perf_counter() - began_s
    idle_queries, idle_share = await _idle(watching, server.pid)
    idle = memory_bytes(server.pid)
    sent = await _send(options, server, tokens[options.sockets :], people[: options.sockets])
    await asyncio.sleep(2)
    await watching.close()
    failed = [task for task in sockets.tasks if task.done()]
    if failed or sockets.events != sent:
        raise BenchmarkFailed(f"{sockets.events} of {sent} events came; {len(failed)} sockets died")
    delays = sorted(sockets.delays_ms)
    for task in sockets.tasks:
        task.cancel()
    return {
        "sockets": options.sockets,
        "opened_s": round(opened_s, 1),
        "idle_mib": round(idle / MIB, 1),
        "kib_per_socket": round((idle - before) / 1024 / options.sockets, 1),
        "idle_cpu_percent": round(idle_share * 100, 1),
        "idle_queries_per_s": round(idle_queries, 1),
        "queries_per_s_without_sockets": round(alone_queries, 1),
        "transfers_per_s": round(sent / options.seconds),
        "p50_ms": round(delays[len(delays) // 2], 1),
        "p99_ms": round(delays[len(delays) * 99 // 100], 1),
        "max_ms": round(delays[-1], 1),
        "last_mib": round(memory_bytes(server.pid) / MIB, 1),
    }


async def _idle(connection: Any, pid: int) -> tuple[float, float]:
    """Return transactions a second and the share of a core used while nothing is asked."""
    name = await connection.fetchval("SELECT current_database()")
    # A backend that rests reports what it has done within ten seconds.
    await asyncio.sleep(REPORTED_AFTER_S)
    before, cpu_s = await connection.fetchval(QUERIES, name), tree_s(pid)
    await asyncio.sleep(IDLE_S)
    after = await connection.fetchval(QUERIES, name)
    return (after - before) / IDLE_S, (tree_s(pid) - cpu_s) / IDLE_S


async def _send(
    options: Namespace, server: Server, tokens: list[str], payees: Sequence[Person]
) -> int:
    """Send transfers at a steady rate, each to somebody who watches; return how many there were."""
    random = Random(7)  # noqa: S311 - no secret
    queue: asyncio.Queue[bytes | None] = asyncio.Queue()
    senders = [asyncio.create_task(_sender(server.port, queue)) for _ in range(SENDERS)]
    count: int = round(options.rate * options.seconds)
    began_s = time.perf_counter()
    for number in range(count):
        wait_s = began_s + number / options.rate - time.perf_counter()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        queue.put_nowait(_transfer(random, random.choice(tokens), random.choice(payees)))
    for _ in senders:
        queue.put_nowait(None)
    await asyncio.gather(*senders)
    return count


def _transfer(random: Random, token: str, payee: Person) -> bytes:
    body = json.dumps({"to_user_id": str(payee.user_id), "amount": 7})
    head = (
        "POST /wallets/transfer HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {token}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        f"Idempotency-Key: {random.randbytes(12).hex()}",
    )
    return "\r\n".join((*head, "", body)).encode()


async def _sender(port: int, queue: "asyncio.Queue[bytes | None]") -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (request := await queue.get()) is not None:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        body = await reader.readexactly(length)
        if b" 201 " not in head[:20]:
            raise BenchmarkFailed(f"a transfer was answered {head[:20]!r}: {body!r}")
    writer.close()


def _raise_file_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
