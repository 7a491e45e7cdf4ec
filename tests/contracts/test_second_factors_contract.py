"""Second factors, session cookies and tickets: one suite for the twins and for PostgreSQL."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from tests.conftest import Database
from tests.fakes.ledger import MemoryClock, MemoryStore
from tests.fakes.people import MemoryPeopleUnitOfWork, PeopleStore

from wallet.application.unit_of_work import UnitOfWork
from wallet.domain.browser_sessions import LiveTicket, SessionCookie
from wallet.domain.second_factors import SecondFactor
from wallet.domain.sessions import Principal, Session
from wallet.infrastructure.identifiers import new_id
from wallet.infrastructure.postgres import browser_sessions as browser_sessions_sql
from wallet.infrastructure.postgres import second_factors as second_factors_sql
from wallet.infrastructure.postgres.janitor import Janitor
from wallet.infrastructure.postgres.pool import Pool
from wallet.infrastructure.postgres.unit_of_work import PostgresUnitOfWork

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ADA = UUID("0197a6f2-4c0e-7a55-b1d3-2f9e8d7c6b5a")
EVE = UUID("0197a6f2-4c0e-7a55-b1d3-2f9e8d7c6b5b")
IDLE = timedelta(minutes=30)

Work = Callable[[], UnitOfWork]


@pytest.fixture(params=["memory", "postgres"])
def work_on(request: pytest.FixtureRequest) -> Work:
    if request.param == "memory":
        clock = MemoryClock()
        people, books, lock = PeopleStore(clock), MemoryStore(clock), asyncio.Lock()
        return lambda: MemoryPeopleUnitOfWork(people, books, lock)
    pool = request.getfixturevalue("postgres_pool")
    return lambda: PostgresUnitOfWork(pool)


def digest(number: int) -> bytes:
    return number.to_bytes(32, "big")


# Second factors.


async def test_a_second_factor_is_put_changed_and_removed(work_on: Work) -> None:
    begun = SecondFactor(ADA, "encrypted", NOW)
    on = replace(begun, secret="encrypted anew", enabled_at=NOW + MINUTE, last_step=7)
    async with work_on() as work:
        assert await work.second_factors.get(ADA) is None
        assert await work.second_factors.lock(ADA) is None
        await work.second_factors.put(begun)
        assert await work.second_factors.get(ADA) == begun
        await work.second_factors.put(on)
        await work.commit()
    async with work_on() as work:
        assert await work.second_factors.lock(ADA) == on
        assert await work.second_factors.get(EVE) is None
        assert await work.second_factors.remove(ADA) is True
        assert await work.second_factors.remove(ADA) is False
        assert await work.second_factors.get(ADA) is None


async def test_second_factors_are_read_in_pages(work_on: Work) -> None:
    ada, eve = SecondFactor(ADA, "a", NOW), SecondFactor(EVE, "e", NOW)
    async with work_on() as work:
        await work.second_factors.put(eve)
        await work.second_factors.put(ada)
        assert list(await work.second_factors.after(None, 1)) == [ada]
        assert list(await work.second_factors.after(ADA, 5)) == [eve]
        assert list(await work.second_factors.after(EVE, 5)) == []


async def test_a_recovery_code_is_taken_once_and_by_its_owner(work_on: Work) -> None:
    async with work_on() as work:
        for person in (ADA, EVE):
            await work.second_factors.put(SecondFactor(person, "s", NOW))
        await work.second_factors.replace_codes(ADA, [digest(1), digest(2)], NOW)
        await work.commit()
    async with work_on() as work:
        assert await work.second_factors.codes_left(ADA) == 2
        assert await work.second_factors.take_code(EVE, digest(1), NOW) is False
        assert await work.second_factors.take_code(ADA, digest(3), NOW) is False
        assert await work.second_factors.take_code(ADA, digest(1), NOW) is True
        assert await work.second_factors.take_code(ADA, digest(1), NOW) is False
        assert await work.second_factors.codes_left(ADA) == 1
        await work.commit()
    async with work_on() as work:
        await work.second_factors.replace_codes(ADA, [digest(4)], NOW)
        assert await work.second_factors.take_code(ADA, digest(2), NOW) is False
        assert await work.second_factors.codes_left(ADA) == 1
        await work.second_factors.remove(ADA)
        assert await work.second_factors.codes_left(ADA) == 0


async def test_of_many_who_take_one_recovery_code_at_once_one_gets_it(work_on: Work) -> None:
    async with work_on() as work:
        await work.second_factors.put(SecondFactor(ADA, "s", NOW))
        await work.second_factors.replace_codes(ADA, [digest(1)], NOW)
        await work.commit()

    async def take() -> bool:
        async with work_on() as work:
            taken = await work.second_factors.take_code(ADA, digest(1), NOW)
            await asyncio.sleep(0.01)
            await work.commit()
            return taken

    assert sorted(await asyncio.gather(*(take() for _ in range(4)))) == [False] * 3 + [True]


# Cookies.


async def begun(work_on: Work, number: int = 1, lifetime: timedelta = 12 * 60 * MINUTE) -> Session:
    session = Session(new_id(), ADA, NOW, NOW, NOW + IDLE, "Firefox", "::1")
    async with work_on() as work:
        cookie = SessionCookie(digest(number), session.id, NOW + lifetime)
        await work.session_cookies.add(session, cookie)
        await work.commit()
    return session


async def test_a_cookies_session_is_in_the_list_of_sessions(work_on: Work) -> None:
    session = await begun(work_on)
    async with work_on() as work:
        assert list(await work.sessions.of_user(ADA, NOW)) == [session]
        assert await work.session_cookies.find(digest(1), NOW) == session.id
        assert await work.session_cookies.find(digest(2), NOW) is None
        assert await work.session_cookies.find(digest(1), NOW + IDLE) is None


async def test_use_makes_a_session_last_and_the_end_stays_the_end(work_on: Work) -> None:
    session = await begun(work_on, lifetime=timedelta(hours=1))
    later = NOW + 20 * MINUTE
    async with work_on() as work:
        used = await work.session_cookies.use(digest(1), later, IDLE)
        assert used == (Principal(ADA, session.id), NOW + 50 * MINUTE)
        used = await work.session_cookies.use(digest(1), NOW + 45 * MINUTE, IDLE)
        assert used == (Principal(ADA, session.id), NOW + 60 * MINUTE)
        assert await work.session_cookies.use(digest(1), NOW + 60 * MINUTE, IDLE) is None
        (listed,) = await work.sessions.of_user(ADA, NOW)
        assert listed.last_used_at == NOW + 45 * MINUTE
        assert listed.expires_at == NOW + 60 * MINUTE


async def test_what_was_revoked_or_is_not_known_is_used_by_nobody(work_on: Work) -> None:
    session = await begun(work_on)
    async with work_on() as work:
        assert await work.session_cookies.use(digest(2), NOW, IDLE) is None
        await work.sessions.revoke([session.id], NOW)
        assert await work.session_cookies.use(digest(1), NOW, IDLE) is None
        assert await work.session_cookies.find(digest(1), NOW) is None


# Tickets.


def ticket(number: int) -> LiveTicket:
    principal = Principal(ADA, EVE)
    return LiveTicket(digest(number), principal, NOW + MINUTE, NOW + IDLE)


async def test_a_ticket_is_taken_once_and_in_time(work_on: Work) -> None:
    async with work_on() as work:
        await work.live_tickets.add(ticket(1))
        await work.live_tickets.add(ticket(2))
        assert await work.live_tickets.take(digest(3), NOW) is None
        assert await work.live_tickets.take(digest(1), NOW) == ticket(1)
        assert await work.live_tickets.take(digest(1), NOW) is None
        assert await work.live_tickets.take(digest(2), NOW + MINUTE) is None


async def test_of_many_who_take_one_ticket_at_once_one_gets_it(work_on: Work) -> None:
    async with work_on() as work:
        await work.live_tickets.add(ticket(1))
        await work.commit()

    async def take() -> bool:
        async with work_on() as work:
            taken = await work.live_tickets.take(digest(1), NOW)
            await asyncio.sleep(0.01)
            await work.commit()
            return taken is not None

    assert sorted(await asyncio.gather(*(take() for _ in range(4)))) == [False] * 3 + [True]


async def test_the_janitor_forgets_tickets_that_nobody_used(
    database: Database, postgres_pool: Pool
) -> None:
    now = datetime.now(UTC)
    async with PostgresUnitOfWork(postgres_pool) as work:
        for number, age in ((1, timedelta(hours=2)), (2, MINUTE)):
            principal = Principal(ADA, EVE)
            await work.live_tickets.add(LiveTicket(digest(number), principal, now - age, now))
        await work.commit()
    await Janitor(database.url).prune()
    left = await postgres_pool.fetch("SELECT digest FROM live_tickets")
    assert [row["digest"] for row in left] == [digest(2)]


async def test_the_janitor_forgets_old_sessions_with_their_cookies(
    database: Database, postgres_pool: Pool
) -> None:
    await begun(lambda: PostgresUnitOfWork(postgres_pool))
    await postgres_pool.execute("UPDATE sessions SET expires_at = now() - interval '31 days'")
    await Janitor(database.url).prune()
    assert await postgres_pool.fetchval("SELECT count(*) FROM session_cookies") == 0


async def test_every_statement_fits_the_schema(postgres_pool: Pool) -> None:
    async with postgres_pool.acquire() as connection:
        for module in (second_factors_sql, browser_sessions_sql):
            for name, text in vars(module).items():
                if name.isupper() and isinstance(text, str):
                    await connection.prepare(text)
