"""Books to measure on: people with wallets, opening money and a history, by the domain's own rules.

Everything is decided by `Book`, like in the service, so the verifier must find it intact. Rows come
in chunks: only the accounts, which every later batch needs, stay in memory.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from random import Random
from uuid import UUID

from asyncpg.pgproto.pgproto import UUID as FastUUID  # noqa: N811 - it is a class in Cython

from benchmarks.rows import (
    USD,
    Person,
    Row,
    Rows,
    Transfer,
    entry_row,
    funding_row,
    instruction_row,
)
from wallet.application.idempotency import fingerprint, person_scope, system_key
from wallet.domain.accounts import Account, Purpose, system_accounts
from wallet.domain.funding import RequestTopUp, SettleTopUp, funding_id_of
from wallet.domain.journal import Details, Kind, microseconds
from wallet.domain.ledger import Book, Header, Instruction, Outcome

OPENING_AMOUNT = 1_000_000_000
"""What everybody begins with, in minor units: nobody ever runs out of it."""
AMOUNT_MAX = 99
BATCH_SIZE = 32
CHUNK_ENTRIES = 40_000


@dataclass(frozen=True, slots=True)
class Plan:
    """How many people there are, how many of them pay, and how much has happened before.

    `entries` counts those of the opening too, two for each person; `merchant_share` is the part of
    the history that pays one merchant, whose wallet then has a long history of its own, and
    `noted_share` is the part that has a note, a reference and metadata.
    """

    people: int = 10_000
    payers: int = 2_000
    entries: int = 20_000
    merchant_share: float = 0.0
    noted_share: float = 0.0
    seed: int = 1

    @property
    def transfers(self) -> int:
        """How many transfers the history has."""
        return max(0, self.entries - 2 * self.people) // 2


class Bookkeeper:
    """Keeps the books of a plan: first the opening, then the history, then what is left."""

    def __init__(self, plan: Plan, now: datetime) -> None:
        self.plan = plan
        self._now = now
        self._opened_at = now - timedelta(days=3)
        self._booked_at = self._opened_at
        self._milliseconds = int(self._booked_at.timestamp() * 1000)
        self._random = Random(plan.seed)  # noqa: S311 - the same books each time, and no secret
        self.people = [self._person() for _ in range(plan.people)]
        self._accounts = {account.id: account for account in self._all_accounts()}
        self._noted = 0
        # In an order of chance: payers are spread over all of the index, as in life.
        self.shuffled = self._random.sample(self.people, len(self.people))

    @property
    def payers(self) -> Sequence[Person]:
        """Those who pay."""
        return self.shuffled[: self.plan.payers]

    @property
    def merchant(self) -> Person:
        """Whom everybody pays on the hot account; never a payer where there are others."""
        return self.shuffled[-1]

    def opening(self) -> Iterator[Rows]:
        """Yield the rows of one settled top-up for each person."""
        rows = Rows()
        for first in range(0, len(self.people), BATCH_SIZE):
            self._open(rows, self.people[first : first + BATCH_SIZE], first // BATCH_SIZE)
            if len(rows.entries) >= CHUNK_ENTRIES:
                yield rows
                rows = Rows()
        yield rows

    def history(self) -> Iterator[Rows]:
        """Yield the rows of transfers between people picked at random.

        Millions of them: these are booked without a `Book`, by the same hashes and seals.
        """
        rows = Rows()
        for first in range(0, self.plan.transfers, BATCH_SIZE):
            self._record_transfers(rows, min(BATCH_SIZE, self.plan.transfers - first))
            if len(rows.entries) >= CHUNK_ENTRIES:
                yield rows
                rows = Rows()
        yield rows

    def accounts(self) -> Iterator[Row]:
        """Yield every account as it stands after what has been yielded so far."""
        for account in self._accounts.values():
            yield (
                account.id,
                account.owner_id,
                account.purpose.value,
                account.currency,
                account.posted,
                account.held,
                account.version,
                account.head_hash,
                account.head_booked_at,
                account.floor,
                int(account.freeze),
                self._opened_at,
            )

    def wallets(self) -> Iterator[Row]:
        """Yield whose wallet is which account."""
        return ((person.user_id, USD, person.account_id) for person in self.people)

    def users(self) -> Iterator[Row]:
        """Yield the people."""
        for number, person in enumerate(self.people):
            yield (person.user_id, "Person", f"Number {number}", USD, self._opened_at)

    def sessions(self) -> Iterator[Row]:
        """Yield a session for each payer."""
        ends_at = self._now + timedelta(days=30)
        for person in self.payers:
            yield (person.session_id, person.user_id, self._opened_at, self._now, ends_at)

    def _all_accounts(self) -> Iterator[Account]:
        for person in self.people:
            yield Account(
                id=person.account_id, currency=USD, purpose=Purpose.WALLET, owner_id=person.user_id
            )
        yield from system_accounts(USD)

    def _person(self) -> Person:
        return Person(self._id(), self._id(), self._id())

    def _id(self) -> UUID:
        """Return a UUIDv7 of the books' time, of the kind that asyncpg encodes fast."""
        random = bytearray(self._random.randbytes(10))
        random[0] = random[0] & 0x0F | 0x70
        random[2] = random[2] & 0x3F | 0x80
        return FastUUID(self._milliseconds.to_bytes(6, "big") + random)

    def _turn(self) -> None:
        """Let some time pass: every batch has a time of its own."""
        self._booked_at += timedelta(milliseconds=10)
        self._milliseconds += 10

    def _next_book(self, stripe: int = 0) -> Book:
        self._turn()
        return Book(self._accounts, self._booked_at, stripe)

    def _open(self, rows: Rows, people: Sequence[Person], number: int) -> None:
        requests = [self._request(person) for person in people]
        asked = self._next_book()
        self._record(rows, asked, requests)
        settling = self._next_book(number % 16)
        settling.fundings.update(asked.changed_fundings)
        self._record(rows, settling, [_settlement(request.header) for request in requests])
        rows.fundings += map(funding_row, settling.changed_fundings.values())

    def _record(self, rows: Rows, book: Book, instructions: Sequence[Instruction]) -> None:
        for result in book.decide(instructions):
            if not isinstance(result, Outcome) or result.refusal is not None:
                raise AssertionError(f"the books refuse their own history: {result!r}")
        rows.entries += map(entry_row, book.entries)
        rows.instructions += map(instruction_row, book.outcomes)
        changed = book.changed_accounts()
        if changed:
            ids = [account.id for account in changed]
            versions = [account.version for account in changed]
            rows.batches.append((self._id(), ids, versions, book.booked_at))

    def _request(self, person: Person) -> RequestTopUp:
        header = Header(
            id=self._id(),
            kind=Kind.TOP_UP_REQUEST,
            scope=person_scope(person.user_id),
            key_digest=_OPENING_KEY,
            fingerprint=_OPENING_FINGERPRINT,
            account_id=person.account_id,
            currency=USD,
            amount=OPENING_AMOUNT,
            owner_id=person.user_id,
        )
        return RequestTopUp(header, person.user_id, "sandbox")

    def _record_transfers(self, rows: Rows, count: int) -> None:
        """Book one batch of transfers, all at the same time."""
        self._turn()
        booked_at, booked_at_us = self._booked_at, microseconds(self._booked_at)
        touched: dict[UUID, Account] = {}
        for _ in range(count):
            source, target = self._pair()
            transfer = Transfer(
                self._id(),
                source,
                target,
                1 + int(self._random.random() * AMOUNT_MAX),
                self._random.randbytes(32),
                booked_at,
                booked_at_us,
                self._details(),
            )
            for person, other, delta in (
                (source, target, -transfer.amount),
                (target, source, transfer.amount),
            ):
                account = touched[person.account_id] = self._accounts[person.account_id]
                rows.entries.append(transfer.book(account, delta, other.account_id))
                if transfer.details is not None:
                    rows.details.append(transfer.details_row(account.id))
            rows.instructions.append(transfer.instruction_row())
        ids, versions = list(touched), [account.version for account in touched.values()]
        rows.batches.append((self._id(), ids, versions, booked_at))

    def _details(self) -> Details | None:
        if not self.plan.noted_share or self._random.random() >= self.plan.noted_share:
            return None
        self._noted += 1
        return Details(
            salt=self._random.randbytes(32),
            note=f"Order {self._noted} with thanks",
            reference=f"R-{self._noted}",
            metadata={"shop": "north" if self._noted % 2 else "south", "order": str(self._noted)},
        )

    def _pair(self) -> tuple[Person, Person]:
        people, chance = self.shuffled, self._random.random
        source = people[int(chance() * (len(people) - 1))]
        if self.plan.merchant_share and chance() < self.plan.merchant_share:
            return source, self.merchant
        target = source
        while target is source:
            target = people[int(chance() * len(people))]
        return source, target


_OPENING_KEY = sha256(b"opening").digest()
_OPENING_FINGERPRINT = fingerprint({"amount": OPENING_AMOUNT, "currency": USD, "kind": "top-up"})


def _settlement(request: Header) -> SettleTopUp:
    funding_id = funding_id_of(request.id)
    scope, key_digest = system_key("funding", f"funding:{funding_id}:settle")
    header = Header(
        id=funding_id,
        kind=Kind.TOP_UP,
        scope=scope,
        key_digest=key_digest,
        fingerprint=fingerprint({"funding": str(funding_id), "step": "settle"}),
        account_id=request.account_id,
        currency=request.currency,
        amount=request.amount,
        owner_id=request.owner_id,
    )
    return SettleTopUp(header, funding_id)
