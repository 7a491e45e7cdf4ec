"""One suite about people for the in-memory twins and for PostgreSQL."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from tests.fakes.guards import MemoryGuards, MemoryLogInDelays
from tests.fakes.ledger import MemoryClock, MemoryStore
from tests.fakes.people import MemoryPeopleUnitOfWork, PeopleStore

from wallet.application.unit_of_work import UnitOfWork
from wallet.domain.guards import Guard, Guards, GuardTripped, LogInDelayed, LogInDelays
from wallet.domain.money import Currency
from wallet.domain.sessions import MailPurpose, MailToken, RefreshToken, Session
from wallet.domain.users import EmailTaken, HandleTaken, Role, User
from wallet.infrastructure.identifiers import new_id
from wallet.infrastructure.postgres import guards as guards_sql
from wallet.infrastructure.postgres import sessions as sessions_sql
from wallet.infrastructure.postgres import users as users_sql
from wallet.infrastructure.postgres.guards import PostgresGuards, PostgresLogInDelays
from wallet.infrastructure.postgres.pool import Pool
from wallet.infrastructure.postgres.unit_of_work import PostgresUnitOfWork

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FEW = Guard("few", 3, 3600)


@dataclass
class Ground:
    """What the suite runs on; `forgive` ends an account's present waiting time."""

    unit_of_work: Callable[[], UnitOfWork]
    guards: Guards
    delays: LogInDelays
    forgive: Callable[[bytes], Awaitable[None]]


def in_memory() -> Ground:
    clock = MemoryClock()
    people, books, lock = PeopleStore(clock), MemoryStore(clock), asyncio.Lock()
    delays = MemoryLogInDelays(clock)

    async def forgive(account: bytes) -> None:
        clock.now = max(clock.now, delays.failures[account].blocked_until)

    return Ground(
        lambda: MemoryPeopleUnitOfWork(people, books, lock), MemoryGuards(clock), delays, forgive
    )


def on_postgres(pool: Pool) -> Ground:
    async def forgive(account: bytes) -> None:
        await pool.execute(
            "UPDATE login_delays SET blocked_until = now() WHERE account_digest = $1", account
        )

    def unit_of_work() -> UnitOfWork:
        return PostgresUnitOfWork(pool)

    return Ground(unit_of_work, PostgresGuards(pool), PostgresLogInDelays(pool), forgive)


@pytest.fixture(params=["memory", "postgres"])
def ground(request: pytest.FixtureRequest) -> Ground:
    if request.param == "memory":
        return in_memory()
    return on_postgres(request.getfixturevalue("postgres_pool"))


def person(name: str = "ada", handle: str | None = "ada") -> User:
    return User(
        id=new_id(),
        first_name="Ada",
        last_name="Lovelace",
        email=f"{name}@example.com",
        handle=handle,
        password_hash="hash",
        default_currency=Currency("USD"),
        created_at=NOW,
    )


async def add(ground: Ground, *users: User) -> None:
    async with ground.unit_of_work() as work:
        for user in users:
            await work.users.add(user)
        await work.commit()


async def test_a_person_is_found_by_id_address_and_handle(ground: Ground) -> None:
    ada = person()
    await add(ground, ada)
    async with ground.unit_of_work() as work:
        assert await work.users.get(ada.id) == ada
        assert await work.users.lock(ada.id) == ada
        assert await work.users.by_email("ada@example.com") == ada
        assert await work.users.by_handle("ada") == ada
        assert await work.users.get(new_id()) is None
        assert await work.users.by_email("eve@example.com") is None
        assert await work.users.by_handle("eve") is None


async def test_leaving_without_commit_rolls_back(ground: Ground) -> None:
    ada = person()
    async with ground.unit_of_work() as work:
        await work.users.add(ada)
    async with ground.unit_of_work() as work:
        assert await work.users.get(ada.id) is None
        assert await work.users.by_email("ada@example.com") is None
        assert await work.users.handles(ada.id) == []


async def test_addresses_and_handles_are_taken_once(ground: Ground) -> None:
    await add(ground, person())
    async with ground.unit_of_work() as work:
        with pytest.raises(EmailTaken):
            await work.users.add(person("ada", "other"))
    async with ground.unit_of_work() as work:
        with pytest.raises(HandleTaken):
            await work.users.add(person("eve", "ada"))


async def test_of_sign_ups_at_once_with_one_address_one_wins(ground: Ground) -> None:
    results = await asyncio.gather(
        *(add(ground, person("ada", f"ada_{n}")) for n in range(10)), return_exceptions=True
    )
    names = sorted(type(result).__name__ for result in results)
    assert names == ["EmailTaken"] * 9 + ["NoneType"]


async def test_what_may_change_of_a_person_is_saved(ground: Ground) -> None:
    ada = person()
    await add(ground, ada)
    changed = replace(
        ada, first_name="Augusta", last_name="King", password_hash="new", role=Role.SUPPORT
    )
    async with ground.unit_of_work() as work:
        await work.users.save(replace(changed, email="other@example.com", handle="other"))
        await work.commit()
    async with ground.unit_of_work() as work:
        assert await work.users.get(ada.id) == changed


async def test_an_address_is_verified_for_its_owner_only_and_keeps_its_first_time(
    ground: Ground,
) -> None:
    ada, eve = person(), person("eve", "eve")
    await add(ground, ada, eve)
    async with ground.unit_of_work() as work:
        assert not await work.users.verify_email(eve.id, "ada@example.com", NOW)
        assert await work.users.verify_email(ada.id, "ada@example.com", NOW)
        assert await work.users.verify_email(ada.id, "ada@example.com", NOW + MINUTE)
        found = await work.users.get(ada.id)
        assert found is not None
        assert found.email_verified_at == NOW


async def test_a_freed_handle_comes_back_to_its_owner_only(ground: Ground) -> None:
    ada, eve = person(), person("eve", "eve")
    await add(ground, ada, eve)
    async with ground.unit_of_work() as work:
        await work.users.take_handle(ada.id, "countess", NOW + MINUTE)
        await work.commit()
    async with ground.unit_of_work() as work:
        assert await work.users.by_handle("ada") is None
        with pytest.raises(HandleTaken):
            await work.users.take_handle(eve.id, "ada", NOW + MINUTE)
    async with ground.unit_of_work() as work:
        await work.users.take_handle(ada.id, "ada", NOW + 2 * MINUTE)
        assert await work.users.handles(ada.id) == ["ada", "countess"]
        assert await work.users.by_handle("countess") is None
        found = await work.users.by_handle("ada")
        assert found is not None
        assert found.id == ada.id


async def test_whoever_leaves_frees_the_address_and_never_the_handle(ground: Ground) -> None:
    ada = person()
    await add(ground, ada)
    closed = ada.closed(NOW + MINUTE)
    async with ground.unit_of_work() as work:
        await work.users.close(closed)
        await work.commit()
    async with ground.unit_of_work() as work:
        assert await work.users.get(ada.id) == closed
        assert await work.users.by_email("ada@example.com") is None
        assert await work.users.by_handle("ada") is None
        with pytest.raises(HandleTaken):
            await work.users.add(person("ada", "ada"))
    await add(ground, person("ada", "ada2"))


def session(user_id: UUID, minutes: int = 0) -> Session:
    begun = NOW + minutes * MINUTE
    return Session(new_id(), user_id, begun, begun, begun + timedelta(days=30), "curl", "::1")


async def begin(ground: Ground, made: Session, digest: bytes = b"first") -> Session:
    async with ground.unit_of_work() as work:
        await work.sessions.add(made, RefreshToken(digest, made.id, made.created_at))
        await work.commit()
    return made


async def test_sessions_are_listed_by_their_last_use_while_they_live(ground: Ground) -> None:
    ada = person().id
    old = await begin(ground, session(ada), b"old")
    new = await begin(ground, session(ada, 5), b"new")
    await begin(ground, session(new_id()), b"other")
    async with ground.unit_of_work() as work:
        assert list(await work.sessions.of_user(ada, NOW)) == [new, old]
        assert list(await work.sessions.of_user(ada, NOW + timedelta(days=30))) == [new]
        assert await work.sessions.is_live(old.id, NOW)
        assert not await work.sessions.is_live(old.id, NOW + timedelta(days=30))
        assert not await work.sessions.is_live(new_id(), NOW)


async def test_a_refresh_token_is_marked_and_followed_by_the_next(ground: Ground) -> None:
    made = await begin(ground, session(new_id()))
    used = made.used(NOW + MINUTE, timedelta(days=60))
    async with ground.unit_of_work() as work:
        token = await work.sessions.lock_token(b"first")
        assert token == RefreshToken(b"first", made.id, NOW)
        fresh = RefreshToken(b"second", made.id, NOW + MINUTE)
        await work.sessions.rotate(token, fresh, used)
        await work.commit()
    async with ground.unit_of_work() as work:
        first = await work.sessions.lock_token(b"first")
        assert first is not None
        assert first.used_at == NOW + MINUTE
        assert await work.sessions.lock_token(b"second") == fresh
        assert await work.sessions.lock_token(b"third") is None
        assert await work.sessions.lock(made.id) == used
        assert await work.sessions.lock(new_id()) is None


async def test_a_refresh_token_used_twice_at_once_is_seen_as_used_by_one(ground: Ground) -> None:
    made = await begin(ground, session(new_id()))

    async def use(number: int) -> bool:
        async with ground.unit_of_work() as work:
            token = await work.sessions.lock_token(b"first")
            assert token is not None
            if token.used_at is not None:
                return False
            await asyncio.sleep(0.01)
            fresh = RefreshToken(b"next%d" % number, made.id, NOW)
            await work.sessions.rotate(token, fresh, made.used(NOW, MINUTE))
            await work.commit()
            return True

    assert sorted(await asyncio.gather(*map(use, range(4)))) == [False, False, False, True]


async def test_revoking_is_announced_and_happens_once(ground: Ground) -> None:
    ada = new_id()
    one, two, three = [await begin(ground, session(ada), b"%d" % number) for number in range(3)]
    async with ground.unit_of_work() as work:
        await work.sessions.revoke([], NOW)
        await work.sessions.revoke([one.id], NOW)
        await work.sessions.revoke([one.id], NOW + MINUTE)
        assert list(await work.sessions.revoke_all(ada, NOW, spare=two.id)) == [three.id]
        await work.commit()
    async with ground.unit_of_work() as work:
        assert set(await work.sessions.revoked_within(MINUTE)) == {one.id, three.id}
        assert not await work.sessions.is_live(one.id, NOW)
        revoked = await work.sessions.lock(one.id)
        assert revoked is not None
        assert revoked.revoked_at == NOW
        assert list(await work.sessions.of_user(ada, NOW)) == [two]
        assert list(await work.sessions.revoke_all(ada, NOW)) == [two.id]
        assert list(await work.sessions.revoke_all(ada, NOW)) == []


def mail_token(digest: bytes, user_id: UUID) -> MailToken:
    return MailToken(
        digest, user_id, MailPurpose.VERIFY_EMAIL, "ada@example.com", NOW, NOW + 30 * MINUTE
    )


async def test_a_mailed_token_is_taken_once_in_time_and_for_its_purpose(ground: Ground) -> None:
    token = mail_token(b"digest", new_id())
    async with ground.unit_of_work() as work:
        await work.mail_tokens.add(token)
        await work.commit()
    take = MailPurpose.VERIFY_EMAIL
    async with ground.unit_of_work() as work:
        assert await work.mail_tokens.take(b"digest", MailPurpose.RESET_PASSWORD, NOW) is None
        assert await work.mail_tokens.take(b"digest", take, NOW + 30 * MINUTE) is None
        assert await work.mail_tokens.take(b"other", take, NOW) is None
        assert await work.mail_tokens.take(b"digest", take, NOW) == token
    async with ground.unit_of_work() as work:
        assert await work.mail_tokens.take(b"digest", take, NOW) == token
        assert await work.mail_tokens.take(b"digest", take, NOW) is None


async def test_all_mailed_tokens_for_a_purpose_can_be_spent(ground: Ground) -> None:
    ada, eve = new_id(), new_id()
    async with ground.unit_of_work() as work:
        await work.mail_tokens.add(mail_token(b"ada", ada))
        await work.mail_tokens.add(mail_token(b"eve", eve))
        await work.mail_tokens.spend_all(ada, MailPurpose.RESET_PASSWORD, NOW)
        await work.mail_tokens.spend_all(eve, MailPurpose.VERIFY_EMAIL, NOW)
        assert await work.mail_tokens.take(b"ada", MailPurpose.VERIFY_EMAIL, NOW) is not None
        assert await work.mail_tokens.take(b"eve", MailPurpose.VERIFY_EMAIL, NOW) is None


async def test_a_guard_lets_exactly_its_limit_through_at_once(ground: Ground) -> None:
    results = await asyncio.gather(
        *(ground.guards.count(FEW, "here") for _ in range(20)), return_exceptions=True
    )
    assert sum(result is None for result in results) == 3
    with pytest.raises(GuardTripped) as caught:
        await ground.guards.count(FEW, "here")
    assert 1 <= caught.value.retry_after_s <= 3600
    assert caught.value.facts == {"guard": "few"}


async def test_guards_and_subjects_are_counted_apart(ground: Ground) -> None:
    for _ in range(3):
        await ground.guards.count(FEW, "here")
    await ground.guards.count(FEW, "there")
    await ground.guards.count(replace(FEW, name="other"), "here")


async def test_checking_a_guard_counts_nothing(ground: Ground) -> None:
    for _ in range(2):
        await ground.guards.count(FEW, "here")
    for _ in range(5):
        await ground.guards.check(FEW, "here")
    await ground.guards.count(FEW, "here")
    with pytest.raises(GuardTripped):
        await ground.guards.check(FEW, "here")


async def test_attempts_at_once_get_five_through(ground: Ground) -> None:
    results = await asyncio.gather(
        *(ground.delays.begin(b"ada") for _ in range(20)), return_exceptions=True
    )
    assert sorted(result for result in results if isinstance(result, int)) == [1, 2, 3, 4, 5]
    await ground.delays.begin(b"eve")


async def test_each_failure_after_the_fifth_doubles_the_delay(ground: Ground) -> None:
    for _ in range(5):
        await ground.delays.begin(b"ada")
    waits: list[float] = []
    for _ in range(12):
        with pytest.raises(LogInDelayed) as caught:
            await ground.delays.begin(b"ada")
        waits.append(caught.value.retry_after_s)
        await ground.forgive(b"ada")
        await ground.delays.begin(b"ada")
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]


async def test_success_forgets_all_failures(ground: Ground) -> None:
    for _ in range(4):
        await ground.delays.begin(b"ada")
    await ground.delays.succeed(b"ada")
    for _ in range(5):
        await ground.delays.begin(b"ada")


async def test_failures_of_long_ago_are_forgotten(postgres_pool: Pool) -> None:
    delays = PostgresLogInDelays(postgres_pool)
    for _ in range(5):
        await delays.begin(b"ada")
    await postgres_pool.execute(
        "UPDATE login_delays SET last_failure_at = now() - interval '25 hours', "
        "blocked_until = now() - interval '24 hours'"
    )
    for _ in range(5):
        await delays.begin(b"ada")
    with pytest.raises(LogInDelayed):
        await delays.begin(b"ada")


async def test_every_statement_fits_the_schema(postgres_pool: Pool) -> None:
    async with postgres_pool.acquire() as connection:
        for module in (users_sql, sessions_sql, guards_sql):
            for name, text in vars(module).items():
                if name.isupper() and isinstance(text, str):
                    await connection.prepare(text)
