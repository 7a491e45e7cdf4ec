"""A year in the life of a few hundred people, booked by the service's own code.

Nothing is written around the ledger: top-ups and transfers go through `TopUps`, `Transfers` and the
`LedgerWriter`, with their locks, refusals, hashes and seals. Only the database's clock is another
one: the loader's own connections find a function `demo.clock_timestamp` before PostgreSQL's, so the
very same statements read the time that the loader has set. It is the owner who makes that function,
in an empty database, and takes it away at the end; the service never sees it.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from unicodedata import normalize
from uuid import UUID, uuid4

import asyncpg
from scripts.demo_people import (
    EMPLOYERS,
    FIRST_NAMES,
    LAST_NAMES,
    LONG_NOTE,
    MAIN_PEOPLE,
    NOTES,
    SHOPS,
    Profile,
)

from wallet.application.directory import Directory, Recipient
from wallet.application.idempotency import IdempotencyKey
from wallet.application.ledger_writer import LedgerWriter
from wallet.application.tallying import Tallying
from wallet.application.top_ups import TopUps
from wallet.application.transfers import TransferRequest, Transfers
from wallet.application.wallets import open_wallet
from wallet.domain.errors import Rejected
from wallet.domain.events import Event
from wallet.domain.history import Counterparty
from wallet.domain.ids import RANDOM_BYTES, uuid7
from wallet.domain.ledger import Instruction, Result
from wallet.domain.money import Currency
from wallet.domain.tallies import MINUTE
from wallet.domain.users import User
from wallet.infrastructure.postgres.pool import APPLICATION, Pool, create_pool
from wallet.infrastructure.postgres.unit_of_work import PostgresUnitOfWork
from wallet.infrastructure.sandbox_gateway import SandboxGateway
from wallet.infrastructure.security import Argon2Passwords

USD, EUR = Currency("USD"), Currency("EUR")
PASSWORD = "a demo needs no real secret"  # noqa: S105 - of people who do not exist
DAYS = 365
HOURS = (*[1] * 6, *(3, 6, 8, 7, 7, 9, 11, 8, 7, 7, 8, 10, 12), *(11, 9, 6, 4, 2))
"""How lively the hours of a day are."""
STRIPES_USED = 4

MAKE_CLOCK = """
CREATE SCHEMA demo;
CREATE FUNCTION demo.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
    AS $$ SELECT current_setting('demo.now')::timestamptz $$;
GRANT USAGE ON SCHEMA demo TO PUBLIC;
"""
TAKE_CLOCK_AWAY = "DROP SCHEMA IF EXISTS demo CASCADE"
SET_CLOCK = "SELECT set_config('demo.now', $1, false)"
PEOPLE = "SELECT count(*) FROM users"


class NotEmpty(Exception):
    """The database has people already: a demo never touches them."""


@dataclass(frozen=True, slots=True)
class Act:
    """Something that happens at a time; without a source the money comes from outside."""

    at: datetime
    source: str | None
    target: str
    amount: int
    note: str | None = None
    reference: str | None = None
    currency: Currency = USD


class DemoClock:
    """The time of the demo's books, and ids that fit it."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """Return the demo's present."""
        return self.now

    def new_id(self) -> UUID:
        """Return a new UUIDv7 of the demo's present."""
        return uuid7(int(self.now.timestamp() * 1000), os.urandom(RANDOM_BYTES))


class Life:
    """Who there is and what happens to them; the same each time for one seed."""

    def __init__(self, now: datetime, people: int, seed: int = 7) -> None:
        self._random = Random(seed)  # noqa: S311 - plausible, not secret
        self._now = now
        self._began = now - timedelta(days=DAYS)
        self.profiles = [*MAIN_PEOPLE, *EMPLOYERS, *SHOPS]
        taken = {profile.handle for profile in self.profiles}
        while len(self.profiles) < people:
            first, last = self._random.choice(FIRST_NAMES), self._random.choice(LAST_NAMES)
            # Müller is muller: what stands above a letter goes, the letter stays.
            handle = normalize("NFKD", f"{first}_{last}".lower().replace("ø", "o"))
            handle = "".join(c for c in handle if c.isascii() and (c.isalnum() or c == "_"))[:27]
            if handle in taken or len(handle) < 3:
                handle = f"{handle or 'u_'}{len(self.profiles)}"
            taken.add(handle)
            self.profiles.append(Profile(handle, first, last))
        self._persons = [p for p in self.profiles if p not in EMPLOYERS and p not in SHOPS]
        self._employer = {p.handle: self._random.choice(EMPLOYERS).handle for p in self._persons}
        self.joined = {profile.handle: self._joined(profile) for profile in self.profiles}

    def _joined(self, profile: Profile) -> datetime:
        if profile not in self._persons or profile in MAIN_PEOPLE:
            return self._began + timedelta(minutes=self._random.randrange(600))
        # More people come as time goes by.
        part: float = self._random.random() ** 0.6
        return self._began + timedelta(days=1) + part * timedelta(days=DAYS - 2)

    def acts(self) -> list[Act]:
        """Return everything that happens, in order of time."""
        found = [*self._capital(), *self._opening(), *self._lately(), *self._today()]
        for profile in self._persons:
            found += self._months_of(profile)
            found += self._days_of(profile)
        return sorted((a for a in found if a.at < self._now), key=lambda act: act.at)

    def _capital(self) -> Iterator[Act]:
        """Employers are paid from outside, so that they can pay."""
        for employer in EMPLOYERS:
            for month in range(13):
                at = self._began + timedelta(days=1 + 30 * month, hours=7)
                yield Act(at, None, employer.handle, 40_000_000 + 1_000 * len(employer.handle))

    def _opening(self) -> Iterator[Act]:
        for profile in self._persons:
            at = self.joined[profile.handle] + timedelta(minutes=5)
            yield Act(at, None, profile.handle, 100 * self._random.randrange(50, 400))
            if profile in MAIN_PEOPLE[:3]:
                yield Act(at, None, profile.handle, 84_000, currency=EUR)

    def _months_of(self, profile: Profile) -> Iterator[Act]:
        """Wages at the end of a month, rent at its beginning, a subscription in between."""
        wage = 100 * self._random.randrange(1_900, 4_800)
        rent = 100 * self._random.randrange(600, 1_500)
        landlord = self._random.choice(self._persons).handle
        month = self._began.replace(day=1, hour=8, minute=0, second=0, microsecond=0)
        while month < self._now:
            spread = timedelta(minutes=self._random.randrange(240))
            employer = self._employer[profile.handle]
            yield from self._if_there(
                Act(month + timedelta(days=26) + spread, employer, profile.handle, wage, "Wages"),
                Act(month + timedelta(days=1) + spread, profile.handle, landlord, rent, "Rent"),
                Act(
                    *(month + timedelta(days=11) + spread, profile.handle, "northlight", 1_299),
                    *("Streaming", f"NL-{month:%Y%m}"),
                ),
            )
            month = (month + timedelta(days=32)).replace(day=1)

    def _days_of(self, profile: Profile) -> Iterator[Act]:
        """Shops and friends, some days and not others, rather in the evening."""
        lively = 0.55 if profile in MAIN_PEOPLE else self._random.uniform(0.02, 0.16)
        friends = self._random.sample(self._persons, 6) + list(MAIN_PEOPLE)
        day = self.joined[profile.handle].replace(hour=0, minute=0, second=0, microsecond=0)
        while day < self._now:
            day += timedelta(days=1)
            if self._random.random() > lively * (1.3 if day.weekday() >= 4 else 0.9):
                continue
            at = day + timedelta(seconds=self._second_of_day())
            if self._random.random() < 0.55:
                shop = self._random.choice(SHOPS)
                amount = self._random.randrange(*shop.prices)
                reference = f"{shop.handle[:2].upper()}-{self._random.randrange(10_000, 99_999)}"
                yield from self._if_there(
                    Act(at, profile.handle, shop.handle, amount, shop.note, reference)
                )
            else:
                friend = self._random.choice(friends)
                amount = 50 * self._random.randrange(4, 130)
                note = self._random.choice(NOTES)
                pair = (profile.handle, friend.handle)
                source, target = pair if self._random.random() < 0.5 else pair[::-1]
                yield from self._if_there(Act(at, source, target, amount, note))

    def _lately(self) -> Iterator[Act]:
        """The last two days are busier, the last hour most of all, and some of it is refused."""
        for minute in range(1, 48 * 60):
            at = self._now - timedelta(minutes=minute)
            # As lively as what goes on while somebody looks, which would dwarf it otherwise.
            rate = 1.5 if minute < 60 else HOURS[at.hour] / 9
            while self._random.random() < rate:
                rate -= 0.5
                payer, other = self._random.sample(self._persons, 2)
                shop = self._random.choice(SHOPS)
                spread = at + timedelta(seconds=self._random.randrange(60))
                if self._random.random() < 0.06:
                    wish = 100_000 * self._random.randrange(50, 400)
                    yield from self._if_there(Act(spread, payer.handle, other.handle, wish))
                elif self._random.random() < 0.6:
                    amount = self._random.randrange(*shop.prices)
                    yield from self._if_there(
                        Act(spread, payer.handle, shop.handle, amount, shop.note)
                    )
                else:
                    amount = 50 * self._random.randrange(4, 130)
                    note = self._random.choice(NOTES)
                    yield from self._if_there(Act(spread, payer.handle, other.handle, amount, note))

    def _today(self) -> Iterator[Act]:
        """What the first of all people sees first: a cent, a long word, writing from the right."""
        mira, jonas, noor, max_ob = (profile.handle for profile in MAIN_PEOPLE)
        for minutes, source, target, amount, note in (
            (12, jonas, mira, 1, "Der letzte Cent"),
            (47, mira, max_ob, 2_490, LONG_NOTE),
            (95, noor, mira, 1_850, "قهوة وكعكة، كان المكان جميلاً"),
        ):
            yield Act(self._now - timedelta(minutes=minutes), source, target, amount, note)

    def _second_of_day(self) -> int:
        hour = self._random.choices(range(24), HOURS)
        return hour[0] * 3600 + self._random.randrange(3600)

    def _if_there(self, *acts: Act) -> Iterator[Act]:
        for act in acts:
            joined = max(self.joined[act.source or act.target], self.joined[act.target])
            if act.at > joined + timedelta(minutes=10) and act.source != act.target:
                yield act


class Books:
    """Carries a life out by the service's own use cases, at the demo's times."""

    def __init__(self, pool: Pool, clock: DemoClock) -> None:
        self._pool = pool
        self._clock = clock
        self._writer = LedgerWriter(self.work)
        self._booked = 0
        directory = Directory(self.work)
        self._top_ups = TopUps(
            mover=self,
            gateway=SandboxGateway(),
            directory=directory,
            unit_of_work=self.work,
            new_id=clock.new_id,
            clock=clock,
            report=_reported,
        )
        self._transfers = Transfers(
            mover=self,
            previewer=self._writer,
            find_recipient=_never,
            look_up_recipient=_never_seen,
            directory=directory,
            unit_of_work=self.work,
            new_id=clock.new_id,
            random_bytes=os.urandom,
        )
        self._ids: dict[str, UUID] = {}

    def work(self) -> PostgresUnitOfWork:
        """Return a new unit of work on the connection whose clock is set."""
        return PostgresUnitOfWork(self._pool, acquire_timeout_s=5)

    async def carry_out(self, instruction: Instruction) -> Result:
        """Carry one instruction out, as a batch of its own."""
        self._booked += 1
        return (await self._writer.carry_out([instruction], self._booked % STRIPES_USED))[0]

    async def open_account(self, profile: Profile, password_hash: str) -> None:
        """Let somebody join, as a sign-up does it once the password is hashed."""
        now = self._clock.now
        user = User(
            id=self._clock.new_id(),
            first_name=profile.first_name,
            last_name=profile.last_name,
            email=f"{profile.handle}@demo.example",
            handle=profile.handle,
            password_hash=password_hash,
            default_currency=USD,
            created_at=now,
            email_verified_at=now,
        )
        async with self.work() as work:
            await work.users.add(user)
            for currency in (USD, EUR) if profile in MAIN_PEOPLE[:3] else (USD,):
                await open_wallet(
                    work,
                    owner_id=user.id,
                    currency=currency,
                    wallet_id=self._clock.new_id(),
                    event_id=self._clock.new_id(),
                    now=now,
                )
            event = Event(self._clock.new_id(), user.id, "user.signed-up", {}, now)
            await work.events.add(event)
            await work.commit()
        self._ids[profile.handle] = user.id

    async def book(self, act: Act) -> bool:
        """Do it; return whether the books took it (people do overspend)."""
        key = IdempotencyKey(str(self._clock.new_id()))
        with suppress(Rejected):
            if act.source is None:
                owner = self._ids[act.target]
                await self._top_ups.create(owner, act.amount, act.currency, key)
            else:
                request = TransferRequest(
                    payer_id=self._ids[act.source],
                    recipient=Recipient(user_id=self._ids[act.target]),
                    amount=act.amount,
                    currency=act.currency,
                    note=act.note,
                    reference=act.reference,
                )
                await self._transfers.create(request, key)
            return True
        return False

    async def set_clock(self, now: datetime) -> None:
        """Let it be another time, for the code and for the database."""
        self._clock.now = now
        async with self._pool.acquire() as connection:
            await connection.execute(SET_CLOCK, now.isoformat())


async def load(
    owner_url: str, service_url: str, people: int, now: datetime | None = None
) -> tuple[int, int, int]:
    """Fill an empty, migrated database; return how many people, movements and refusals.

    The two are the log-ins of the owner and of the service. Raises `NotEmpty`.
    """
    life = Life(now or datetime.now(UTC) - timedelta(seconds=30), people)
    password_hash = await Argon2Passwords().hash(PASSWORD)
    joining = sorted(life.profiles, key=lambda profile: life.joined[profile.handle])
    booked = refused = 0
    async with _movable_clock(owner_url, service_url) as pool:
        books = Books(pool, DemoClock(life.joined[joining[0].handle]))
        for act in life.acts():
            while joining and life.joined[joining[0].handle] <= act.at:
                profile = joining.pop(0)
                await books.set_clock(life.joined[profile.handle])
                await books.open_account(profile, password_hash)
            await books.set_clock(act.at)
            taken = await books.book(act)
            booked, refused = booked + taken, refused + (not taken)
    await count(service_url)
    return len(life.profiles), booked, refused


async def count(service_url: str) -> None:
    """Count the last days for the overview, by the real clock, as the service would in a minute."""
    pool = await create_pool(service_url, size_min=1, size_max=1, role=APPLICATION)
    try:
        tallying = Tallying(
            unit_of_work=lambda: PostgresUnitOfWork(pool, acquire_timeout_s=5),
            holder=uuid4(),
            report=_reported,
        )
        while (step := await tallying.count()) is not None:
            if step.until - step.since < MINUTE:
                break
    finally:
        await pool.close()


@asynccontextmanager
async def _movable_clock(owner_url: str, service_url: str) -> AsyncIterator[Pool]:
    """Yield a pool of one connection, in the application's role, whose clock can be set."""
    owner = await asyncpg.connect(owner_url)
    try:
        if await owner.fetchval(PEOPLE):
            raise NotEmpty
        # One that was stopped halfway has left it.
        await owner.execute(TAKE_CLOCK_AWAY)
        await owner.execute(MAKE_CLOCK)
        separator = "&" if "?" in service_url else "?"
        url = f"{service_url}{separator}search_path=demo,pg_catalog,public&synchronous_commit=off"
        pool = await create_pool(url, size_min=1, size_max=1, role=APPLICATION)
        try:
            yield pool
        finally:
            await pool.close()
            await owner.execute(TAKE_CLOCK_AWAY)
        await owner.execute("VACUUM (ANALYZE)")
    finally:
        await owner.close()


async def _never(payer_id: UUID, recipient: Recipient) -> UUID:
    raise AssertionError("everybody is named by id and has a wallet")


async def _never_seen(payer_id: UUID, recipient: Recipient) -> Counterparty:
    raise AssertionError("nothing is previewed")


def _reported(error: BaseException) -> None:
    raise error
