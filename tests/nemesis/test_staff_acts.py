"""Acts of staff under faults: refunds, adjustments and controls happen once, with their acts.

Two administrators act while customers pay, connections are cut around COMMIT, and workers are
killed. Whatever got no answer is asked again, as a page would. Each act has a reason of its own, so
that the audit trail tells how often it was done.
"""

import asyncio
import json
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from tests.api.browsers import code_now, make_staff
from tests.api.people import PASSWORD
from tests.conftest import END_OTHERS, Cluster, Database
from tests.nemesis.audit import fresh_database
from tests.nemesis.bank import Customer, History, Load, customers_of
from tests.nemesis.client import Connection, NoAnswer
from tests.nemesis.proxy import Fault, Proxy, port_of
from tests.nemesis.service_process import ServiceProcess

from wallet.application.verification import verify
from wallet.infrastructure.postgres.verification import snapshot

pytestmark = pytest.mark.slow

NAMES = ("anna", "ben", "clara", "dora")
ADMINISTRATORS = ("ada", "max")
FAULTS = ("kill",) * 4 + ("end",) * 6 + ("cut",) * 24
"""What happens, in an order drawn by a seed: each of them, however slow the machine is."""
KINDS = ("refund", "adjustments", "approve", "reject", "freeze", "unfreeze", "overdraft")
PATIENCE_S = 20.0
ENOUGH_TIMEOUT_S = 60.0
AGAIN = frozenset({0, 503})
"""No answer, or one that says to ask again."""

TOLD = """
SELECT reason, act, subject_id, before::text AS before, after::text AS after
FROM audit_trail ORDER BY happened_at, id
"""
CONTROLS = frozenset({"wallet.frozen", "wallet.unfrozen", "wallet.overdraft-set"})
"""Acts that set a state: asked again after a colleague has set another, they set it again."""

REFUNDS = "SELECT transfer_id, id, amount FROM refunds"
ADJUSTMENTS = """
SELECT a.id, a.status, count(e.instruction_id) AS entries
FROM adjustments a
LEFT JOIN entries e ON e.account_id = a.account_id AND e.instruction_id = a.id
GROUP BY a.id, a.status
"""


@dataclass
class Office:
    """A service behind a proxy, its customers, and the tokens of two administrators."""

    service: ServiceProcess
    proxy: Proxy
    database: Database
    customers: list[Customer] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)

    async def open(self) -> None:
        port = self.service.port
        self.customers = await customers_of(port, *NAMES, amount=50_000, history=History())
        for person in await customers_of(port, *ADMINISTRATORS, amount=0, history=History()):
            await make_staff(self.database, f"{person.name}@example.com")
            self.tokens.append(await self._with_second_factor(person))

    async def _with_second_factor(self, person: Customer) -> str:
        connection, path = Connection(self.service.port), "/users/me/second-factor"
        begun = await connection.request("POST", path, {"password": PASSWORD}, token=person.token)
        secret = begun.json()["secret"]
        on = await connection.request(
            "POST", f"{path}/confirm", {"otp": code_now(secret)}, token=person.token
        )
        assert on.status == 200, on.body
        body = {"email": f"{person.name}@example.com", "password": PASSWORD}
        entered = await connection.request(
            "POST", "/users/login", body | {"otp": code_now(secret, 1)}
        )
        connection.close()
        assert entered.status == 200, entered.body
        token: str = entered.json()["access_token"]
        return token

    async def rows(self, query: str) -> Sequence[Any]:
        connection = await asyncpg.connect(self.database.superuser_url)
        try:
            found: Sequence[Any] = await connection.fetch(query)
            return found
        finally:
            await connection.close()


@dataclass
class Clerk:
    """An administrator at work: every act has a reason of its own and is insisted on."""

    office: Office
    number: int
    paid: History
    heard: list[tuple[str, str, int, Any]] = field(default_factory=list)
    unanswered: int = 0

    async def work(self, done: asyncio.Event) -> None:
        connection, random = Connection(self.office.service.port), Random(self.number)
        pending: list[str] = []
        reasons = (f"Act {n} of clerk {self.number}." for n in range(100_000))
        try:
            while not done.is_set():
                await self._act(random, next(reasons), pending, connection, reasons)
                await asyncio.sleep(0.01)
        finally:
            connection.close()

    async def _act(
        self,
        random: Random,
        reason: str,
        pending: list[str],
        connection: Connection,
        reasons: Iterator[str],
    ) -> None:
        wallet = f"/wallets/{random.choice(self.office.customers).wallet_id}"
        match random.choice(("refund", "refund", "ask", "decide", "freeze", "unfreeze", "credit")):
            case "refund":
                # Half a dozen transfers, so that clerks often mean the same one.
                accepted = [o for o in self.paid.accepted() if o.payee is not None][-6:]
                if accepted:
                    definite = random.choice(accepted).definite
                    assert definite is not None
                    transfer = json.loads(definite.body)["id"]
                    force = random.random() < 0.5
                    path = f"/transactions/{transfer}/refund"
                    await self.insist(connection, path, reason, {"force": force})
            case "ask":
                wanted = {"wallet_id": wallet[9:], "amount": random.choice((-60_000, -700, 5, 40))}
                asked = await self.insist(connection, "/adjustments", reason, wanted)
                if asked is not None:
                    pending.append(asked["id"])
            case "decide" if pending:
                path = f"/adjustments/{pending.pop()}"
                done = await self.insist(connection, f"{path}/approve", reason, {}, other=True)
                if done is None:
                    await self.insist(connection, f"{path}/reject", next(reasons), {}, other=True)
            case "freeze":
                direction = random.choice(("send", "receive"))
                await self.insist(connection, f"{wallet}/freeze", reason, {"direction": direction})
            case "unfreeze":
                await self.insist(connection, f"{wallet}/unfreeze", reason, {})
            case "credit":
                limit = random.choice((0, 30, 500))
                await self.insist(connection, f"{wallet}/overdraft", reason, {"limit": limit})

    async def insist(
        self,
        connection: Connection,
        path: str,
        reason: str,
        body: dict[str, Any],
        *,
        other: bool = False,
    ) -> Any:
        """Ask until the answer is definite; return what was done, or None if it was refused."""
        token = self.office.tokens[(self.number + other) % 2]
        until_s = time.monotonic() + PATIENCE_S
        while True:
            status, content = 0, None
            try:
                answer = await connection.request(
                    "POST", f"/admin{path}", body | {"reason": reason}, token=token, key=reason[:-1]
                )
                status, content = answer.status, answer.json()
            except NoAnswer:
                pass
            if status not in AGAIN:
                self.heard.append((path.rsplit("/", 1)[-1], reason, status, content))
                return content if status in {200, 201} else None
            self.unanswered += 1
            assert time.monotonic() < until_s, f"{path}: {status} for {PATIENCE_S} s"
            await asyncio.sleep(0.05)


@pytest_asyncio.fixture(loop_scope="session")
async def office(cluster: Cluster, template: str, tmp_path: Path) -> AsyncIterator[Office]:
    async with (
        fresh_database(cluster, template) as database,
        Proxy(("127.0.0.1", port_of(database.url))) as proxy,
        ServiceProcess(
            tmp_path, database_url=proxy.url(database.url), owner_url=database.owner_url
        ) as service,
    ):
        office = Office(service, proxy, database)
        await office.open()
        yield office


async def test_acts_of_staff_are_done_once_and_told_once_whatever_is_killed(
    office: Office,
) -> None:
    load = Load(office.service.port, office.customers, tellers=6, pause_s=0.02)
    clerks = [Clerk(office, number, load.history) for number in range(4)]
    done = asyncio.Event()
    async with load:
        work = asyncio.gather(*(clerk.work(done) for clerk in clerks))
        try:
            await _break_things(office, Random(6))
            await _enough(clerks)
        finally:
            done.set()
            await work
    heard = [one for clerk in clerks for one in clerk.heard]
    words = _words(clerks)
    again = sum(clerk.unanswered for clerk in clerks)
    assert again > 10
    assert {status for _, status in words} <= {200, 201, 409, 422}, words
    await _told_once(office, heard)
    async with snapshot(office.database.superuser_url) as books:
        report = await verify(books)
    assert report.intact, "\n".join(map(str, report.violations[:20]))
    print(f"\n{Counter(FAULTS)}, {again} asked again, {report.entries} entries: {words}")


async def _break_things(office: Office, random: Random) -> None:
    for fault in random.sample(FAULTS, len(FAULTS)):
        match fault:
            case "kill":
                victim = random.choice(office.service.worker_pids())
                office.service.signal(signal.SIGKILL, victim)
                await office.service.wait_for_workers(without=frozenset({victim}))
            case "end":
                await office.rows(END_OTHERS)
            case "cut":
                office.proxy.arm(random.choice(list(Fault)))
        await asyncio.sleep(0.15)


async def _enough(clerks: Sequence[Clerk]) -> None:
    """Wait until every kind of act has been done often enough to say something about it."""
    async with asyncio.timeout(ENOUGH_TIMEOUT_S):
        while not all(_times_done(clerks, kind) > 3 for kind in KINDS):
            await asyncio.sleep(0.1)


def _words(clerks: Sequence[Clerk]) -> Counter[tuple[str, int]]:
    return Counter((what, status) for clerk in clerks for what, _, status, _ in clerk.heard)


def _times_done(clerks: Sequence[Clerk], kind: str) -> int:
    words = _words(clerks)
    return words[kind, 200] + words[kind, 201]


async def _told_once(office: Office, heard: Sequence[tuple[str, str, int, Any]]) -> None:
    """Assert that what was answered with a success is in the books once, and refusals are not."""
    rows = await office.rows(TOLD)
    told = Counter((row["reason"], row["act"]) for row in rows)
    assert {act for (_, act), times in told.items() if times > 1} <= CONTROLS
    state: dict[Any, str] = {}
    for row in rows:
        if row["act"] in CONTROLS:
            # So none is told twice in a row: each found what the one before it had left.
            assert row["before"] == state.get(row["subject_id"], row["before"])
            assert row["before"] != row["after"]
            state[row["subject_id"]] = row["after"]
    acts = {"refund": "transfer.refunded", "adjustments": "adjustment.requested"}
    acts |= {"approve": "adjustment.approved", "reject": "adjustment.rejected"}
    for what, reason, status, _ in heard:
        if what in acts:
            assert told[reason, acts[what]] == (status in {200, 201}), (what, reason)
    refunds = {str(row["id"]): str(row["transfer_id"]) for row in await office.rows(REFUNDS)}
    answered = {c["id"]: c["transfer_id"] for w, _, s, c in heard if w == "refund" and s == 201}
    assert refunds == answered
    assert len(set(refunds.values())) == len(refunds)
    decided = {str(row["id"]): row for row in await office.rows(ADJUSTMENTS)}
    assert set(decided) == {c["id"] for w, _, s, c in heard if w == "adjustments" and s == 201}
    for what, _, status, content in heard:
        if what == "approve" and status == 200:
            assert (decided[content["id"]]["status"], decided[content["id"]]["entries"]) == (
                "approved",
                1,
            )
    assert all(row["entries"] == (row["status"] == "approved") for row in decided.values())
