"""The bank: people with wallets, tellers who move money, and a record of everything they heard."""

import asyncio
import itertools
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random
from typing import Any

from tests.api.people import PASSWORD
from tests.nemesis.client import Answer, Connection, NoAnswer, answered

BACKOFF_MAX_S = 0.15
ATTEMPTS_MAX = 1_000
STORED_REFUSALS = frozenset(
    {"insufficient-funds", "wallet-closed", "idempotency-key-reused", "spending-budget-exceeded"}
)
"""Refusals that a key keeps: repeating it never changes them."""


@dataclass(frozen=True, slots=True)
class Customer:
    """Somebody with a wallet and a token."""

    name: str
    id: str
    wallet_id: str
    token: str
    refresh_token: str

    @property
    def scope(self) -> str:
        return f"person:{self.id}"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request and what came back; times are monotonic nanoseconds, status 0 is no answer."""

    started_ns: int
    ended_ns: int
    status: int
    body: bytes = b""
    word: str = ""

    @property
    def is_definite(self) -> bool:
        return self.status == 201 or (self.status == 422 and self.word in STORED_REFUSALS)


@dataclass(slots=True)
class Operation:
    """One movement of money under one key, and every attempt at it; no payee is a top-up."""

    key: str
    payer: Customer
    payee: Customer | None
    amount: int
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def path(self) -> str:
        return "/wallets/topup" if self.payee is None else "/wallets/transfer"

    @property
    def body(self) -> dict[str, Any]:
        if self.payee is None:
            return {"amount": self.amount}
        return {"to_user_id": self.payee.id, "amount": self.amount}

    @property
    def digest(self) -> bytes:
        return sha256(self.key.encode()).digest()

    @property
    def definite(self) -> Attempt | None:
        """The first definite answer."""
        return next((a for a in self.attempts if a.is_definite), None)

    @property
    def accepted(self) -> bool:
        definite = self.definite
        return definite is not None and definite.status == 201

    @property
    def started_ns(self) -> int:
        return min(a.started_ns for a in self.attempts)

    @property
    def known_ns(self) -> int:
        """When it was known to have been decided, at the earliest."""
        return min(a.ended_ns for a in self.attempts if a.is_definite)


@dataclass(frozen=True, slots=True)
class Reading:
    """A balance that somebody read."""

    wallet_id: str
    version: int
    posted: int
    started_ns: int
    ended_ns: int


@dataclass(slots=True)
class Misuse:
    """An earlier key sent with another body, and the answer."""

    operation: Operation
    attempt: Attempt


@dataclass(slots=True)
class History:
    """Everything that the tellers did and heard."""

    operations: list[Operation] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    misuses: list[Misuse] = field(default_factory=list)

    def add(self, operation: Operation) -> Operation:
        self.operations.append(operation)
        return operation

    def absorb(self, other: "History") -> None:
        """Take over what was recorded elsewhere."""
        self.operations += other.operations
        self.readings += other.readings
        self.misuses += other.misuses

    def attempts(self) -> Iterable[Attempt]:
        return itertools.chain.from_iterable(o.attempts for o in self.operations)

    def undecided(self) -> list[Operation]:
        return [o for o in self.operations if o.definite is None]

    def accepted(self) -> list[Operation]:
        return [o for o in self.operations if o.accepted]

    def longest_wait_s(self) -> float:
        """How long the slowest answer, or the lack of one, took."""
        return max((a.ended_ns - a.started_ns for a in self.attempts()), default=0) / 1e9

    def first_success_s(self, since_ns: int) -> float:
        """How long after a moment the first request sent after it succeeded."""
        ends = [a.ended_ns for a in self.attempts() if a.status == 201 and a.started_ns >= since_ns]
        assert ends, "nothing succeeded any more"
        return (min(ends) - since_ns) / 1e9

    def recovery_s(self, since_ns: int) -> float:
        """How long after a moment anything succeeded first, whenever it was sent."""
        ends = [a.ended_ns for a in self.attempts() if a.status == 201 and a.ended_ns >= since_ns]
        assert ends, "nothing succeeded any more"
        return (min(ends) - since_ns) / 1e9

    def statuses(self) -> set[int]:
        """Return what came back at least once; 0 is no answer."""
        return {a.status for a in self.attempts()}

    def unanswered(self) -> list[str]:
        """Say of each request without an answer how it ended, when, and after how long."""
        return [
            f"{a.word} at {a.started_ns / 1e9:.3f} s after {(a.ended_ns - a.started_ns) / 1e9:.3f}"
            for a in self.attempts()
            if a.status == 0
        ]

    def words(self) -> dict[str, int]:
        """Count what came back, by status and code."""
        counts: dict[str, int] = {}
        for attempt in self.attempts():
            word = f"{attempt.status} {attempt.word}".strip()
            counts[word] = counts.get(word, 0) + 1
        return dict(sorted(counts.items()))


async def attempt(operation: Operation, connection: Connection) -> Attempt:
    """Send an operation once and record what came back."""
    return await _attempt(operation, operation.body, connection, operation.attempts)


async def send_and_forget(operation: Operation, connection: Connection) -> None:
    """Send an operation and do not wait for the answer."""
    connection.send(
        "POST", operation.path, operation.body, token=operation.payer.token, key=operation.key
    )
    now_ns = time.monotonic_ns()
    operation.attempts.append(Attempt(now_ns, now_ns, 0, word="cancelled"))


async def misuse(operation: Operation, connection: Connection, history: History) -> None:
    """Send the key of an operation with another amount."""
    heard: list[Attempt] = []
    body = {**operation.body, "amount": operation.amount + 1}
    history.misuses.append(Misuse(operation, await _attempt(operation, body, connection, heard)))


async def _attempt(
    operation: Operation, body: dict[str, Any], connection: Connection, heard: list[Attempt]
) -> Attempt:
    done = await _once(operation, body, connection, heard)
    if done.word == "stale":
        # The server had closed the idle connection: every client sends again, on a new one.
        done = await _once(operation, body, connection, heard)
    return done


async def _once(
    operation: Operation, body: dict[str, Any], connection: Connection, heard: list[Attempt]
) -> Attempt:
    started_ns = time.monotonic_ns()
    status, content, word = 0, b"", "cancelled"
    try:
        answer = await connection.request(
            "POST", operation.path, body, token=operation.payer.token, key=operation.key
        )
        status, content, word = answer.status, answer.body, answer.code or ""
    except NoAnswer as error:
        word = str(error)
    finally:
        done = Attempt(started_ns, time.monotonic_ns(), status, content, word)
        heard.append(done)
    return done


async def insist(operation: Operation, connection: Connection, *, until_s: float) -> None:
    """Repeat an operation with its key until the answer is definite, or until a moment."""
    random = Random(operation.key)
    for _ in range(ATTEMPTS_MAX):
        done = await attempt(operation, connection)
        if done.is_definite or time.monotonic() >= until_s:
            return
        await asyncio.sleep(random.uniform(0.01, BACKOFF_MAX_S))


async def read_balance(customer: Customer, connection: Connection, history: History) -> None:
    """Read a balance and record it, if there was an answer."""
    started_ns = time.monotonic_ns()
    try:
        answer = await answered(connection, "GET", "/wallets/my-balance", token=customer.token)
    except NoAnswer:
        return
    if answer.status == 200:
        found = answer.json()
        history.readings.append(
            Reading(
                customer.wallet_id,
                found["version"],
                found["posted"],
                started_ns,
                time.monotonic_ns(),
            )
        )


class Load:
    """Tellers who send small transfers between customers, each at random and under a key."""

    def __init__(
        self,
        port: int,
        customers: Sequence[Customer],
        *,
        tellers: int = 16,
        seed: int = 1,
        pause_s: float = 0.0,
    ) -> None:
        self.history = History()
        self._port = port
        self._customers = customers
        self._tellers = tellers
        self._seed = seed
        self._pause_s = pause_s
        self._over = False
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Load":
        self._tasks = [asyncio.create_task(self._work(n)) for n in range(self._tellers)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over = True
        done, pending = await asyncio.wait(self._tasks, timeout=30)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        for task in done:
            task.result()
        assert not pending, "a teller hangs"

    async def _work(self, number: int) -> None:
        random = Random(f"{self._seed}/{number}")
        connection = Connection(self._port)
        count = 0
        try:
            while not self._over:
                payer, payee = random.sample(self._customers, 2)
                operation = Operation(
                    f"{self._seed}-{number}-{count}", payer, payee, random.randint(1, 50)
                )
                count += 1
                self.history.add(operation)
                # A teller gives up in time, so that others are heard too; `settle` comes back.
                await insist(operation, connection, until_s=time.monotonic() + 3)
                await asyncio.sleep(self._pause_s)
        finally:
            connection.close()


async def settle(port: int, history: History, *, timeout_s: float = 30.0) -> int:
    """Repeat everything undecided until it is definite; return how much there was."""
    undecided = history.undecided()
    until_s = time.monotonic() + timeout_s

    async def work(operations: Sequence[Operation]) -> None:
        connection = Connection(port)
        try:
            for operation in operations:
                await insist(operation, connection, until_s=until_s)
        finally:
            connection.close()

    await asyncio.gather(*(work(undecided[n::8]) for n in range(8)))
    return len(undecided)


async def customers_of(port: int, *names: str, amount: int, history: History) -> list[Customer]:
    """Sign people up, log them in and give them money."""
    connection = Connection(port)
    try:
        return [await _customer(connection, name, amount, history) for name in names]
    finally:
        connection.close()


async def _customer(connection: Connection, name: str, amount: int, history: History) -> Customer:
    made = await connection.request("POST", "/users", sign_up_body(name))
    assert made.status == 201, made.body
    tokens = (await log_in(connection, name)).json()
    customer = Customer(
        name,
        made.json()["id"],
        made.json()["wallet"]["id"],
        tokens["access_token"],
        tokens["refresh_token"],
    )
    if amount:
        top_up = history.add(Operation(f"opening-{name}", customer, None, amount))
        assert (await attempt(top_up, connection)).status == 201, top_up.attempts
    return customer


async def log_in(connection: Connection, name: str) -> Answer:
    body = {"email": f"{name}@example.com", "password": PASSWORD}
    return await connection.request("POST", "/users/login", body)


def sign_up_body(name: str, email: str | None = None) -> dict[str, str]:
    return {
        "first_name": name.title(),
        "last_name": "Tester",
        "email": email or f"{name}@example.com",
        "password": PASSWORD,
        "handle": name,
    }
