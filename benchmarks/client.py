"""The client that is used where wrk is missing; its own processor time makes its figures useless.

It does what the scripts in wrk/ do, on plain asyncio protocols, and writes the same report.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

BATCH_SIZE = 1000
END_TIMEOUT_S = 10.0
MakeRequest = Callable[[], bytes]


class Workload:
    """Requests of a script, made from the files that the environment names."""

    def __init__(self, host: str) -> None:
        pairs = [line.split(" ") for line in _lines("BENCHMARK_TOKENS")]
        self._payers = [(token, user_id) for token, user_id in pairs]
        self._payees = _lines("BENCHMARK_PAYEES")
        self._path = os.environ.get("BENCHMARK_PATH", "")
        self._host = host
        self._random = Random(int(os.environ.get("BENCHMARK_SEED", "1")))  # noqa: S311 - no secret

    def transfers(self) -> bytes:
        """Return one transfer of a random payer to a random payee."""
        token, payer = self._random.choice(self._payers)
        return self._post("/wallets/transfer", token, self._item(payer))

    def batches(self) -> bytes:
        """Return a batch of 1,000 of them."""
        token, payer = self._random.choice(self._payers)
        items = ",".join(self._item(payer) for _ in range(BATCH_SIZE))
        return self._post("/transfers/batch", token, f'{{"transfers":[{items}],"atomic":false}}')

    def reads(self) -> bytes:
        """Return a GET by a random payer."""
        token, _ = self._random.choice(self._payers)
        return (
            f"GET {self._path} HTTP/1.1\r\nHost: {self._host}\r\n"
            f"Authorization: Bearer {token}\r\n\r\n"
        ).encode()

    def _item(self, payer: str) -> str:
        payee = payer
        while payee == payer:
            payee = self._random.choice(self._payees)
        return f'{{"to_user_id":"{payee}","amount":{self._random.randint(10, 99)}}}'

    def _post(self, path: str, token: str, body: str) -> bytes:
        key = self._random.randbytes(12).hex()
        return (
            f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            f"Idempotency-Key: {key}\r\n\r\n{body}"
        ).encode()


class Connection(asyncio.Protocol):
    """One connection: the next request goes out when the last one has its answer."""

    def __init__(self, make: MakeRequest, until_s: float) -> None:
        self._make = make
        self._until_s = until_s
        self._buffer = b""
        self._sent_s = 0.0
        self.latencies_us: list[float] = []
        self.bytes = 0
        self.refused = 0
        self.broken = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - it is TCP
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        """Take what comes in until the answer is whole, then go on."""
        self.bytes += len(data)
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator or len(body) < _content_length(head):
            return
        now_s = time.perf_counter()
        self._buffer = b""
        self.latencies_us.append((now_s - self._sent_s) * 1e6)
        self.refused += not 200 <= int(head[9:12]) < 400
        if now_s < self._until_s:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """End, well or not."""
        self.broken += time.perf_counter() < self._until_s
        if not self.done.done():
            self.done.set_result(None)

    def _send(self) -> None:
        self._sent_s = time.perf_counter()
        self._transport.write(self._make())


async def run(url: str, script: str, seconds: float, connections: int) -> dict[str, float]:
    """Send a script's requests for some seconds; return the report that wrk's scripts write."""
    address = urlsplit(url)
    host = address.hostname or "127.0.0.1"
    make: MakeRequest = getattr(Workload(address.netloc), script)
    began_s = time.perf_counter()
    opened: list[Connection] = []
    for _ in range(connections):
        _, protocol = await asyncio.get_running_loop().create_connection(
            lambda: Connection(make, began_s + seconds), host=host, port=address.port or 80
        )
        opened.append(protocol)
    waited = asyncio.wait([c.done for c in opened], timeout=seconds + END_TIMEOUT_S)
    _, unanswered = await waited
    duration_us = (time.perf_counter() - began_s) * 1e6
    latencies = sorted(us for connection in opened for us in connection.latencies_us) or [0.0]
    return {
        "requests": sum(len(connection.latencies_us) for connection in opened),
        "duration_us": duration_us,
        "bytes": sum(connection.bytes for connection in opened),
        "p50_us": _percentile(latencies, 50),
        "p90_us": _percentile(latencies, 90),
        "p99_us": _percentile(latencies, 99),
        "max_us": latencies[-1],
        "refused": sum(connection.refused for connection in opened),
        "broken": sum(connection.broken for connection in opened) + len(unanswered),
    }


def _content_length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"content-length:")
    return int(rest.split(b"\r\n", 1)[0])


def _percentile(ordered: list[float], percent: int) -> float:
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def _lines(name: str) -> list[str]:
    return Path(os.environ[name]).read_text().splitlines()


def main() -> None:
    """Run as a process of its own, like wrk: url, script, seconds, connections."""
    url, script, seconds, connections = sys.argv[1:]
    report = asyncio.run(run(url, script, float(seconds), int(connections)))
    Path(os.environ["BENCHMARK_OUTPUT"]).write_text(json.dumps(report))


if __name__ == "__main__":
    main()
