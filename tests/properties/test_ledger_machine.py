"""Random stories: the model, the memory twin and PostgreSQL agree on every word of them."""

import asyncio
import os
import threading
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import count
from typing import Any, ClassVar, TypeVar
from uuid import UUID, uuid4, uuid5

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.conftest import Cluster
from tests.fakes.ledger import MemoryStore
from tests.fakes.people import PeopleStore
from tests.fakes.unit_of_work import MemoryUnitOfWork
from tests.properties.model import Command, ModelLedger, SpendingKey, Wallet
from tests.stories.world import control, member, spoken

from wallet.application.idempotency import fingerprint, system_key
from wallet.application.ledger_writer import LedgerWriter
from wallet.application.unit_of_work import UnitOfWorkFactory
from wallet.application.verification import Report, verify
from wallet.domain.accounts import Account, Freeze, Purpose, system_accounts
from wallet.domain.api_keys import ApiKey, KeySecret
from wallet.domain.controls import Controls
from wallet.domain.funding import DeclineTopUp, RequestTopUp, SettleTopUp, funding_id_of
from wallet.domain.history import Line
from wallet.domain.invariants import AccountState, StoredEntry, stream_violations
from wallet.domain.journal import Details, Kind
from wallet.domain.ledger import Header, Instruction, Outcome, Result, SpendingPlace
from wallet.domain.money import Currency
from wallet.domain.refunds import BookedTransfer, RefundTransfer
from wallet.domain.spending import Spending, SpendingRule
from wallet.domain.transfers import CreateTransfer
from wallet.infrastructure.identifiers import new_id, utc_now
from wallet.infrastructure.postgres.pool import Pool, create_pool
from wallet.infrastructure.postgres.unit_of_work import PostgresUnitOfWork
from wallet.infrastructure.postgres.verification import snapshot

NAMES = ("alice", "bob", "carol")
KINDS = {
    "send": Kind.TRANSFER,
    "request": Kind.TOP_UP_REQUEST,
    "settle": Kind.TOP_UP,
    "decline": Kind.TOP_UP_DECLINE,
    "refund": Kind.REFUND,
    "force": Kind.REFUND,
}
ANSWER_TIMEOUT_S = 20.0
ADD_PERSON = """
INSERT INTO users (id, first_name, last_name, default_currency, created_at)
VALUES ($1, 'A', 'B', 'USD', now()) ON CONFLICT DO NOTHING
"""

_T = TypeVar("_T")


@dataclass
class Place:
    """PostgreSQL and the loop that talks to it, in a thread of their own."""

    url: str
    loop: asyncio.AbstractEventLoop
    pool: Pool | None = None
    runs: Iterator[int] = field(default_factory=count)

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(ANSWER_TIMEOUT_S)


@pytest.fixture
def place(cluster: Cluster, template: str) -> Iterator[Place]:
    name = f"machine_{uuid4().hex}"
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    place = Place(cluster.url(name), loop)
    try:
        place.run(cluster.administer(f"CREATE DATABASE {name} TEMPLATE {template}"))
        place.pool = place.run(create_pool(place.url, size_max=3))
        yield place
        place.run(place.pool.close())
        place.run(cluster.administer(f"DROP DATABASE {name} WITH (FORCE)"))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@dataclass(frozen=True)
class Run:
    """One run of the machine: its own people and currencies, so that runs share a database."""

    id: UUID
    number: int

    def currency(self, which: int) -> Currency:
        """Return one of two currencies of this run alone; the books take any three letters."""
        number = self.number * 2 + which
        return Currency("".join(chr(65 + number // 26**place % 26) for place in (2, 1, 0)))

    def person(self, name: str) -> UUID:
        return uuid5(self.id, f"person {name}")

    def wallet(self, name: str, currency: str) -> UUID:
        return uuid5(self.id, f"wallet {name} {currency}")

    def request_id(self, label: str) -> UUID:
        return uuid5(self.id, f"request {label}")

    def key_id(self, label: str) -> UUID:
        return uuid5(self.id, f"key {label}")

    def instruction(self, command: Command, *, target_has_wallet: bool) -> Instruction:
        """Return a command as the real ledger takes it."""
        funding_id = funding_id_of(self.request_id(command.funding))
        header = self._header(command, funding_id, target_has_wallet=target_has_wallet)
        match command.verb:
            case "send":
                note = Details(bytes(range(32)), note=f"to {command.target}", metadata={"b": "1"})
                details = note if command.amount % 2 else None
                key_id = self.key_id(command.api_key) if command.api_key else None
                return CreateTransfer(header, self.person(command.actor), details, key_id)
            case "request":
                return RequestTopUp(header, self.person(command.actor), "sandbox")
            case "settle":
                return SettleTopUp(header, funding_id)
            case "refund" | "force":
                return self._refund(command, header)
        return DeclineTopUp(header, funding_id, "said-no")

    def _refund(self, command: Command, header: Header) -> RefundTransfer:
        assert header.counterparty_id is not None
        assert header.counterparty_owner_id is not None
        assert header.owner_id is not None
        transfer = BookedTransfer(
            id=self.transfer_id(command.funding),
            account_id=header.counterparty_id,
            owner_id=header.counterparty_owner_id,
            counterparty_id=header.account_id,
            counterparty_owner_id=header.owner_id,
            amount=int(command.actor),
            currency=header.currency,
        )
        force = command.verb == "force"
        return RefundTransfer(header, transfer, member("staff"), "because", new_id(), force)

    def transfer_id(self, label: str) -> UUID:
        return uuid5(self.id, f"transfer {label}")

    def _header(self, command: Command, funding_id: UUID, *, target_has_wallet: bool) -> Header:
        to = command.target if command.verb in ("send", "refund", "force") else None
        scope, digest = (f"person:{self.person(command.scope)}", command.key.encode())
        if command.scope == "system":
            scope, _ = system_key("funding", "")
            digest = f"funding:{funding_id}:{command.verb}".encode()
        ids = {
            "request": self.request_id(command.funding),
            "settle": funding_id,
            "send": self.transfer_id(command.funding),
        }
        return Header(
            id=ids.get(command.verb) or new_id(),
            kind=KINDS[command.verb],
            scope=scope,
            key_digest=sha256(digest).digest(),
            fingerprint=fingerprint(list(command.body)),
            account_id=self.wallet(command.source, command.currency),
            currency=Currency(command.currency),
            amount=command.amount,
            owner_id=self.person(command.source),
            counterparty_id=self.wallet(to, command.currency) if to and target_has_wallet else None,
            counterparty_owner_id=self.person(to) if to else None,
        )


@dataclass(frozen=True)
class Wish:
    """What Hypothesis wants done; whom, and which of the earlier ones, is picked by number."""

    verb: str
    actor: str
    payer: int
    payee: int
    currency: int
    amount: int
    key: int
    earlier: int
    api_key: str = ""


KEYS = {
    "till": ("alice", 0, 60, 50, ()),
    "shop": ("alice", 0, 99, 99, ("bob",)),
    "desk": ("bob", 0, 40, 99, ()),
}
"""Spending keys by label: whose, in which currency, budget, cap and payees."""
KEYS_FOR = {"send": ["", "", "", "", "", *KEYS], "repeat": ["", *KEYS], "spend": [*KEYS]}
FAIR = st.sampled_from(NAMES)
AMOUNTS = {
    "send": [1, 2, 7, 30, 50, 99, 100, 1_000, 10**15],
    "spend": [1, 2, 7, 30, 50, 51, 99],
    "request": [60, 100, 500, 10**15],
    "refund": [1, 30, 50, 0, 0],
    "force": [30, 0],
}


def wishes_for(verb: str) -> st.SearchStrategy[Wish]:
    return st.builds(
        Wish,
        verb=st.just(verb),
        actor=FAIR,
        payer=st.sampled_from([0, 0, 0, 0, 0, 0, 0, 1]),
        payee=st.sampled_from([1, 1, 1, 2, 2, 2, 0]),
        currency=st.sampled_from([0, 0, 0, 1]),
        amount=st.sampled_from(AMOUNTS.get(verb, [1])),
        key=st.integers(0, 3) | st.integers(4, 10**9),
        earlier=st.integers(0, 3) | st.integers(0, 100),
        api_key=st.sampled_from(KEYS_FOR.get(verb, [""])),
    )


WISHES = st.sampled_from(
    ["send"] * 3
    + ["spend", "spend", "request", "settle", "settle", "decline", "repeat"]
    + ["refund", "refund", "force"]
).flatmap(wishes_for)


class LedgerMachine(RuleBasedStateMachine):
    """Does the same to the model, to memory and to PostgreSQL."""

    place: ClassVar[Place]

    def __init__(self) -> None:
        super().__init__()
        self.run_ = Run(uuid4(), next(self.place.runs))
        self.model = ModelLedger()
        self.store = MemoryStore()
        self.twins: list[UnitOfWorkFactory] = [
            lambda: MemoryUnitOfWork(self.store),
            lambda: PostgresUnitOfWork(self._pool()),
        ]
        people = PeopleStore(self.store.clock)
        self.twins[0] = lambda: MemoryUnitOfWork(self.store, people)
        self.writers = [LedgerWriter(unit_of_work) for unit_of_work in self.twins]
        self.commands: list[Command] = []
        self.labels = count()
        for name, currency in [("alice", 0), ("bob", 0), ("carol", 0), ("bob", 1)]:
            self.open(name, currency)
        for label in KEYS:
            self._make_key(label)
        self._fund("alice", 0, 500)
        self._fund("bob", 0, 100)
        for _ in range(9):
            self._fund("bob", 1, 10**15)

    def _fund(self, name: str, currency: int, amount: int) -> None:
        request = Wish("request", name, 0, 0, currency, amount, 10**10 + next(self.labels), 0)
        self.carry_out([request, replace(request, verb="settle")], 0)

    def _pool(self) -> Pool:
        assert self.place.pool is not None
        return self.place.pool

    @rule(name=FAIR, currency=st.sampled_from([0, 1]))
    def open(self, name: str, currency: int) -> None:
        code = self.run_.currency(currency)
        if (name, code) in self.model.wallets:
            return
        self.model.wallets[(name, code)] = Wallet()
        id_, owner = self.run_.wallet(name, code), self.run_.person(name)
        self.place.run(self._pool().execute(ADD_PERSON, owner))
        for unit_of_work in self.twins:
            account = Account(id_, code, Purpose.WALLET, owner)
            self.place.run(self._open(unit_of_work, account))

    def _make_key(self, label: str) -> None:
        name, which, budget, cap, payees = KEYS[label]
        code, now = self.run_.currency(which), utc_now()
        self.model.keys[label] = SpendingKey(name, code, budget, cap, payees)
        payee_ids = [self.run_.person(payee) for payee in payees] or None
        rule = SpendingRule(self.run_.wallet(name, code), code, budget, cap, payee_ids)
        id_ = self.run_.key_id(label)
        spending = Spending.begin(id_, rule, now, None)
        key = ApiKey(
            id_, self.run_.person(name), label, ("transfers:write",), "", now, spending=spending
        )
        secret = KeySecret(new_id(), sha256(id_.bytes).digest(), id_, now, None)
        for unit_of_work in self.twins:
            self.place.run(self._add_key(unit_of_work, key, secret))

    async def _add_key(
        self, unit_of_work: UnitOfWorkFactory, key: ApiKey, secret: KeySecret
    ) -> None:
        async with unit_of_work() as work:
            await work.api_keys.add(key, secret)
            await work.commit()

    @precondition(lambda self: len(self.commands) > 15)
    @rule(label=st.sampled_from([*KEYS]))
    def revoke(self, label: str) -> None:
        if self.model.keys[label].ended:
            return
        self.model.keys[label].ended = True
        for unit_of_work in self.twins:
            self.place.run(self._revoke(unit_of_work, self.run_.key_id(label)))

    async def _revoke(self, unit_of_work: UnitOfWorkFactory, key_id: UUID) -> None:
        async with unit_of_work() as work:
            await work.api_keys.revoke([key_id], utc_now())
            await work.commit()

    @invariant()
    def spendings_agree(self) -> None:
        expected = {
            self.run_.key_id(label): (key.spent, key.ended)
            for label, key in self.model.keys.items()
        }
        places = [
            (self.run_.wallet(key.owner, key.currency), self.run_.key_id(label))
            for label, key in self.model.keys.items()
        ]
        for unit_of_work in self.twins:
            assert self.place.run(self._spendings(unit_of_work, places)) == expected

    async def _spendings(
        self, unit_of_work: UnitOfWorkFactory, places: Sequence[SpendingPlace]
    ) -> dict[UUID, tuple[int, bool]]:
        async with unit_of_work() as work:
            found = await work.ledger.spendings(places, lock=False)
        return {s.api_key_id: (s.spent, s.ended) for s in found.values()}

    async def _open(self, unit_of_work: UnitOfWorkFactory, account: Account) -> None:
        async with unit_of_work() as work:
            await work.wallets.add_system_accounts(system_accounts(account.currency), utc_now())
            await work.wallets.open(account, utc_now())
            await work.commit()

    @rule(
        name=FAIR,
        currency=st.sampled_from([0, 1]),
        freeze=st.sampled_from([0, 0, 0, 1, 2, 3]),
        floor=st.sampled_from([0, -50]),
    )
    def control(self, name: str, currency: int, freeze: int, floor: int) -> None:
        code = self.run_.currency(currency)
        wallet = self.model.wallets.get((name, code))
        if wallet is None or wallet.posted < floor:
            return
        wallet.freeze, wallet.floor = freeze, floor
        decided = Controls(Freeze(freeze), floor, closed=False)
        for unit_of_work in self.twins:
            self.place.run(control(unit_of_work, self.run_.wallet(name, code), lambda _: decided))

    @rule(wishes=st.lists(WISHES, min_size=1, max_size=6), stripe=st.sampled_from([0, 0, 15]))
    def batch(self, wishes: list[Wish], stripe: int) -> None:
        self.carry_out(wishes, stripe)

    @rule(wishes=st.lists(wishes_for("spend"), min_size=2, max_size=6))
    def spend(self, wishes: list[Wish]) -> None:
        self.carry_out(wishes, 0)

    def carry_out(self, wishes: list[Wish], stripe: int) -> None:
        commands = [command for command in map(self._command, wishes) if command is not None]
        has_wallet = [(c.target, c.currency) in self.model.wallets for c in commands]
        expected = [self.model.carry_out(command, stripe) for command in commands]
        instructions = [
            self.run_.instruction(command, target_has_wallet=has)
            for command, has in zip(commands, has_wallet, strict=True)
        ]
        in_memory, on_postgres = (
            self.place.run(self._carried_out(writer, instructions, stripe))
            for writer in self.writers
        )
        assert [spoken(result) for result in in_memory] == expected
        assert [spoken(result) for result in on_postgres] == expected
        assert list(map(told, on_postgres)) == list(map(told, in_memory))

    async def _carried_out(
        self, writer: LedgerWriter, instructions: Sequence[Instruction], stripe: int
    ) -> Sequence[Result]:
        return await writer.carry_out(instructions, stripe)

    def _command(self, wish: Wish) -> Command | None:
        """Return a wish as a command, or None if it needs something that is not there yet."""
        command: Command | None
        requests = [c for c in self.commands if c.verb == "request"]
        if wish.verb == "repeat":
            command = (
                self.commands[-1 - wish.earlier % len(self.commands)] if self.commands else None
            )
        elif wish.verb in ("settle", "decline"):
            made = requests[-1 - wish.earlier % len(requests)] if requests else None
            command = made and replace(made, verb=wish.verb, key=f"{made.funding}:{wish.verb}")
        elif wish.verb in ("refund", "force"):
            command = self._refund_of(wish)
        else:
            command = self._new_command(wish)
        if command is None:
            return None
        if wish.verb == "repeat" and command.verb == "request":
            command = replace(command, funding=f"f{next(self.labels)}")
        elif wish.verb == "repeat" and command.verb == "send":
            # The same request may come with another credential.
            command = replace(command, api_key=wish.api_key)
        self.commands.append(command)
        return command

    def _refund_of(self, wish: Wish) -> Command | None:
        sent = list(self.model.transfers.values())
        if not sent:
            return None
        made = sent[-1 - wish.earlier % len(sent)]
        return replace(
            made,
            verb=wish.verb,
            actor=str(made.amount),
            source=made.target,
            target=made.source,
            amount=wish.amount or made.amount,
            key=f"r{wish.key}",
        )

    def _new_command(self, wish: Wish) -> Command:
        actor, currency, verb = wish.actor, wish.currency, wish.verb
        if verb == "spend":
            # What a key is for; it is asked for anything else as well.
            (actor, currency, *_), verb = KEYS[wish.api_key], "send"
        return Command(
            verb=verb,
            actor=actor,
            source=self._other(actor, wish.payer),
            target=self._other(actor, wish.payee) if verb == "send" else "",
            currency=self.run_.currency(currency),
            amount=wish.amount,
            key=f"k{wish.key}",
            funding=f"f{next(self.labels)}",
            api_key=wish.api_key,
        )

    def _other(self, name: str, steps: int) -> str:
        return NAMES[(NAMES.index(name) + steps) % len(NAMES)]

    @invariant()
    def balances_agree(self) -> None:
        expected = {
            self.run_.wallet(*place): (wallet.posted, wallet.version)
            for place, wallet in self.model.wallets.items()
        }
        for unit_of_work in self.twins:
            assert self.place.run(self._balances(unit_of_work, list(expected))) == expected

    async def _balances(
        self, unit_of_work: UnitOfWorkFactory, ids: Sequence[UUID]
    ) -> dict[UUID, tuple[int, int]]:
        async with unit_of_work() as work:
            accounts = (await work.ledger.peek(ids, 0)).accounts.values()
        return {account.id: (account.posted, account.version) for account in accounts}

    @precondition(lambda self: len(self.commands) > 3)
    @rule(name=FAIR, limit=st.sampled_from([1, 3, 200]))
    def histories_agree(self, name: str, limit: int) -> None:
        in_memory, on_postgres = (
            self.place.run(self._history(unit_of_work, name, limit)) for unit_of_work in self.twins
        )
        assert on_postgres == in_memory

    async def _history(
        self, unit_of_work: UnitOfWorkFactory, name: str, limit: int
    ) -> list[tuple[object, ...]]:
        """Return a person's lines per wallet, oldest last; times differ from twin to twin."""
        lines: list[Line] = []
        versions: Mapping[UUID, int] | None = None
        async with unit_of_work() as work:
            for _ in range(500):
                page = await work.history.page(
                    self.run_.person(name), before_versions=versions, limit=limit
                )
                lines += page.lines
                versions = page.next_versions
                if versions is None:
                    break
        return sorted(
            (
                str(line.entry.account_id),
                line.entry.version,
                line.entry.posted_delta,
                line.entry.posted_after,
                str(line.entry.counterparty_id),
                line.entry.details_digest,
                str(line.details),
            )
            for line in lines
        )

    def teardown(self) -> None:
        report = self.place.run(self._verified())
        assert report.violations == []
        assert self._violations_in_memory() == []
        moved = sum(wallet.posted for wallet in self.model.wallets.values())
        assert moved + sum(wallet.posted for wallet in self.model.outside.values()) == 0

    async def _verified(self) -> Report:
        async with snapshot(self.place.url) as books:
            return await verify(books)

    def _violations_in_memory(self) -> list[str]:
        found = []
        for account in self.store.accounts.values():
            entries = [
                StoredEntry(e, details, "kept" if details else "none")
                for e in self.store.entries.get(account.id, [])
                for details in [self.store.details.get((account.id, e.instruction_id))]
            ]
            state = AccountState(
                account.id,
                account.currency,
                account.posted,
                account.held,
                account.version,
                account.head_hash,
                account.head_booked_at,
                account.floor,
                account.debt,
                account.balance_max,
            )
            found += [str(violation) for violation in stream_violations(state, entries)]
        return found


def told(result: Result) -> object:
    """Return all that a caller is told, but for the time, which differs from twin to twin."""
    if not isinstance(result, Outcome):
        return type(result)
    entry, refusal = result.entry, result.refusal
    return (
        result.header,
        refusal and dict(refusal.facts),
        entry and (entry.version, entry.posted_after, entry.held_after, entry.counterparty_id),
        result.details,
        result.replayed,
    )


def test_model_memory_and_postgres_agree_on_every_random_story(place: Place) -> None:
    LedgerMachine.place = place
    machine = LedgerMachine.TestCase
    machine.settings = settings(
        max_examples=40,
        stateful_step_count=25,
        deadline=None,
        derandomize="CI" in os.environ,
        suppress_health_check=list(HealthCheck),
        # Shrinking a failure on a real database takes minutes: add Phase.shrink when you have one.
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
    )
    machine().runTest()
