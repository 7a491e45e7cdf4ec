"""Probes: a caller for each kind of request, who asks again and again and notes the time."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.api.people import PASSWORD
from tests.nemesis.bank import Customer, History, Operation, attempt, sign_up_body
from tests.nemesis.client import Connection, NoAnswer, answered


@dataclass(frozen=True, slots=True)
class Probe:
    """An answer or the lack of one (status 0), and when; times are monotonic seconds."""

    name: str
    started_s: float
    ended_s: float
    status: int

    @property
    def took_s(self) -> float:
        return self.ended_s - self.started_s


class Probes:
    """Asks for everything but transfers while it is entered."""

    def __init__(self, port: int, customer: Customer, other: Customer, history: History) -> None:
        self.heard: list[Probe] = []
        self._port = port
        self._customer = customer
        # Logging in often ends one's oldest session, so it is somebody else who does.
        self._other = other
        self._history = history
        self._over = False
        self._tasks: list[asyncio.Task[None]] = []
        self._count = 0

    async def __aenter__(self) -> "Probes":
        body = {"email": f"{self._other.name}@example.com", "password": PASSWORD}
        kinds: dict[str, tuple[str, str, Callable[[], object]]] = {
            "balance": ("GET", "/wallets/my-balance", lambda: None),
            "history": ("GET", "/transactions?limit=5", lambda: None),
            "key": ("GET", f"/idempotency-keys/opening-{self._customer.name}", lambda: None),
            "me": ("GET", "/users/me", lambda: None),
            "sessions": ("GET", "/users/me/sessions", lambda: None),
            "ready": ("GET", "/health/ready", lambda: None),
            "log-in": ("POST", "/users/login", lambda: body),
            "sign-up": ("POST", "/users", self._sign_up),
            "wallets": ("GET", "/wallets", lambda: None),
            "recipients": ("GET", "/recipients?handle=nobody", lambda: None),
        }
        self._tasks = [asyncio.create_task(self._ask(n, *kind)) for n, kind in kinds.items()]
        self._tasks.append(asyncio.create_task(self._top_up()))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over = True
        done, pending = await asyncio.wait(self._tasks, timeout=15)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        for task in done:
            task.result()
        assert not pending, "a probe hangs"
        assert len({probe.name for probe in self.heard}) == len(self._tasks), self.slowest()

    def slowest(self) -> dict[str, float]:
        """How long the slowest answer of each kind took, in seconds."""
        found: dict[str, float] = {}
        for probe in self.heard:
            found[probe.name] = max(found.get(probe.name, 0), round(probe.took_s, 2))
        return found

    def statuses(self) -> set[int]:
        return {probe.status for probe in self.heard}

    def _sign_up(self) -> object:
        self._count += 1
        return sign_up_body(f"p{time.monotonic_ns()}")

    async def _ask(self, name: str, method: str, path: str, body: Callable[[], object]) -> None:
        connection = Connection(self._port)
        try:
            while not self._over:
                started_s = time.monotonic()
                try:
                    answer = await answered(
                        connection, method, path, body(), token=self._customer.token
                    )
                    status = answer.status
                except NoAnswer:
                    status = 0
                self.heard.append(Probe(name, started_s, time.monotonic(), status))
                await asyncio.sleep(0.2)
        finally:
            connection.close()

    async def _top_up(self) -> None:
        connection = Connection(self._port)
        try:
            while not self._over:
                self._count += 1
                key = f"probe-{self._customer.name}-{self._count}-{time.monotonic_ns()}"
                operation = self._history.add(Operation(key, self._customer, None, 7))
                done = await attempt(operation, connection)
                probe = Probe("top-up", done.started_ns / 1e9, done.ended_ns / 1e9, done.status)
                self.heard.append(probe)
                await asyncio.sleep(0.2)
        finally:
            connection.close()
