"""One suite about API keys and what they spend, for the in-memory twins and for PostgreSQL."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest
from tests.contracts.books import Books, Shared, _on_postgres, settled, waits
from tests.stories.world import person, spoken, wallet

from wallet.domain.api_keys import ApiKey, KeySecret
from wallet.domain.spending import Interval, Spending, SpendingRule
from wallet.infrastructure.identifiers import new_id, utc_now
from wallet.infrastructure.postgres import ledger as ledger_module
from wallet.infrastructure.postgres.janitor import Janitor
from wallet.infrastructure.postgres.ledger import PostgresLedger
from wallet.infrastructure.postgres.pool import VERIFIER, create_pool
from wallet.infrastructure.postgres.spendings import SPENDING_CHECKS
from wallet.infrastructure.postgres.unit_of_work import PostgresUnitOfWork
from wallet.infrastructure.postgres.verification import PostgresBooks

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def key_of(owner_id: UUID, **changes: object) -> ApiKey:
    key = ApiKey(new_id(), owner_id, "Till", ("wallets:read",), "abcd", NOW)
    return replace(key, **changes)  # type: ignore[arg-type]


def secret_for(key: ApiKey, **changes: object) -> KeySecret:
    digest = new_id().bytes * 2
    secret = KeySecret(new_id(), digest, key.id, key.created_at, key.expires_at)
    return replace(secret, **changes)  # type: ignore[arg-type]


async def add(books: Books, key: ApiKey, secret: KeySecret | None = None) -> KeySecret:
    secret = secret or secret_for(key)
    async with books.unit_of_work() as work:
        await work.api_keys.add(key, secret)
        await work.commit()
    return secret


def spending_key(books: Books, **rule: object) -> ApiKey:
    given = SpendingRule(wallet(books.alice, "USD"), "USD", 100)
    key = key_of(person(books.alice), scopes=("transfers:write",))
    spending = Spending.begin(key.id, replace(given, **rule), NOW, None)  # type: ignore[arg-type]
    return replace(key, spending=spending)


async def test_a_key_comes_back_as_it_was_added(books: Books) -> None:
    owner = person(books.alice)
    plain = key_of(owner, expires_at=NOW + MINUTE)
    rule = {"per_payment_max": 7, "payee_ids": [person(books.bob)], "interval": Interval.WEEK}
    spends = spending_key(books, **rule)
    for key in (plain, spends):
        await add(books, key)
        async with books.unit_of_work() as work:
            assert await work.api_keys.get(owner, key.id) == key
            assert await work.api_keys.lock(owner, key.id) == key
            assert await work.api_keys.get(person(books.bob), key.id) is None
            assert await work.api_keys.lock(person(books.bob), key.id) is None
            assert await work.api_keys.get(owner, new_id()) is None


async def test_keys_come_newest_first_and_in_pages(books: Books) -> None:
    owner = person(books.alice)
    keys = sorted((key_of(owner) for _ in range(4)), key=lambda key: key.id.int)
    for key in keys:
        await add(books, key)
    await add(books, key_of(person(books.bob)))
    async with books.unit_of_work() as work:
        page = await work.api_keys.page(owner, before=None, limit=3)
        rest = await work.api_keys.page(owner, before=page[-1].id, limit=3)
    assert [key.id for key in (*page, *rest)] == [key.id for key in reversed(keys)]


async def test_only_live_keys_count(books: Books) -> None:
    owner = person(books.alice)
    live, expired, revoked = key_of(owner), key_of(owner, expires_at=NOW), key_of(owner)
    for key in (live, expired, revoked):
        await add(books, key)
    async with books.unit_of_work() as work:
        await work.api_keys.revoke([revoked.id], NOW)
        await work.commit()
    async with books.unit_of_work() as work:
        assert await work.api_keys.count_live(owner, NOW) == 1
        assert await work.api_keys.count_live(owner, NOW - MINUTE) == 2


async def test_a_secret_is_found_by_its_digest(books: Books) -> None:
    key = key_of(person(books.alice), expires_at=NOW + MINUTE)
    spends = spending_key(books)
    secret, other = await add(books, key), await add(books, spends)
    async with books.unit_of_work() as work:
        found = await work.api_keys.find([secret.digest, other.digest, bytes(32)])
    assert set(found) == {secret.digest, other.digest}
    known = found[secret.digest]
    assert (known.id, known.owner_id, known.revoked) == (secret.id, key.owner_id, False)
    assert (known.expires_at, known.key_expires_at) == (NOW + MINUTE, NOW + MINUTE)
    assert (known.grant.api_key_id, set(known.grant.scopes)) == (key.id, {"wallets:read"})
    assert [found[s.digest].grant.spends for s in (secret, other)] == [False, True]


async def test_a_revoked_key_is_not_found_but_its_secrets_are_known_to_be_over(
    books: Books,
) -> None:
    owner = person(books.alice)
    key = spending_key(books)
    secret = await add(books, key)
    async with books.unit_of_work() as work:
        assert await work.api_keys.revoke([key.id], utc_now()) == [secret.id]
        await work.commit()
    async with books.unit_of_work() as work:
        assert await work.api_keys.get(owner, key.id) is None
        assert await work.api_keys.lock(owner, key.id) is None
        assert await work.api_keys.page(owner, before=None, limit=9) == []
        assert (await work.api_keys.find([secret.digest]))[secret.digest].revoked
        place = (wallet(books.alice, "USD"), key.id)
        assert (await work.ledger.spendings([place]))[place].ended
        assert (secret.id, None) in await work.api_keys.ended_within(MINUTE)
        assert await work.api_keys.revoke([], NOW) == []


async def test_all_keys_of_a_person_are_revoked_and_nobody_elses(books: Books) -> None:
    secrets = [await add(books, key_of(person(books.alice))) for _ in range(2)]
    other = await add(books, key_of(person(books.bob)))
    async with books.unit_of_work() as work:
        ended = await work.api_keys.revoke_all(person(books.alice), NOW)
        assert set(ended) == {secret.id for secret in secrets}
        assert await work.api_keys.revoke_all(person(books.alice), NOW) == []
        await work.commit()
    async with books.unit_of_work() as work:
        assert not (await work.api_keys.find([other.digest]))[other.digest].revoked


async def test_rotating_sets_the_end_of_older_secrets_unless_it_comes_sooner(
    books: Books,
) -> None:
    key = key_of(person(books.alice))
    now = utc_now()
    over = secret_for(key, created_at=now - 3 * MINUTE, expires_at=now - MINUTE)
    soon = secret_for(key, created_at=now - 2 * MINUTE, expires_at=now + MINUTE)
    open_ = secret_for(key, created_at=now - MINUTE)
    new = secret_for(key, created_at=now)
    await add(books, key, over)
    async with books.unit_of_work() as work:
        await work.api_keys.rotate(soon, "", now + MINUTE, now - 2 * MINUTE)
        await work.api_keys.rotate(open_, "", now + 10 * MINUTE, now - MINUTE)
        ended = await work.api_keys.rotate(new, "wxyz", now + 5 * MINUTE, now)
        await work.commit()
    assert ended == [(open_.id, now + 5 * MINUTE)]
    async with books.unit_of_work() as work:
        found = await work.api_keys.find([s.digest for s in (over, soon, open_, new)])
        heard = dict(await work.api_keys.ended_within(MINUTE))
        shown = await work.api_keys.get(key.owner_id, key.id)
    assert [found[s.digest].expires_at for s in (over, soon, open_, new)] == [
        now - MINUTE, now + MINUTE, now + 5 * MINUTE, None
    ]  # fmt: skip
    assert heard[open_.id] in {now + 5 * MINUTE, None}
    assert new.id not in heard
    assert shown is not None
    assert shown.hint == "wxyz"


async def test_uses_are_noted_once_a_minute(books: Books) -> None:
    owner = person(books.alice)
    key, other = key_of(owner), key_of(owner)
    await add(books, key)
    await add(books, other)
    shown = []
    for seconds in (0, 59, 60, 61, 30):
        async with books.unit_of_work() as work:
            uses = {key.id: NOW + timedelta(seconds=seconds), new_id(): NOW}
            await work.api_keys.used(uses)
            await work.commit()
        async with books.unit_of_work() as work:
            found = await work.api_keys.get(owner, key.id)
            assert found is not None
            assert found.last_used_at is not None
            shown.append((found.last_used_at - NOW).total_seconds())
            unused = await work.api_keys.get(owner, other.id)
            assert unused is not None
            assert unused.last_used_at is None
    assert shown == [0, 0, 60, 60, 60]


async def test_what_was_spent_comes_back_with_its_interval(books: Books) -> None:
    await books.world.make_key("till", books.alice, {"budget": "50", "each": "month"})
    pay = books.world.transfer(books.alice, books.bob, 30, {"with": "till"})
    booked_at = (await books.carry_out(pay)).booked_at
    spending = await books.world.spending("till")
    assert (spending.spent, spending.left) == (30, 20)
    assert spending.period_start is not None
    assert spending.period_start.day == 1
    assert spending.at(booked_at) == spending


async def test_a_preview_tells_the_refusal_and_locks_nothing(books: Books) -> None:
    await books.world.make_key("till", books.alice, {"budget": "50"})
    pay = books.world.transfer(books.alice, books.bob, 51, {"with": "till"})
    async with books.unit_of_work() as work:
        await work.ledger.spendings([(pay.header.account_id, books.world.keys["till"][1])])
        preview = asyncio.wait_for(books.world.writer.preview(pay), 2)
        assert spoken(await preview) == "spending-budget-exceeded"
    assert (await books.world.spending("till")).spent == 0


async def test_whoever_revokes_a_key_waits_for_the_payment_that_is_being_booked(
    books: Books,
) -> None:
    await books.world.make_key("till", books.alice, {"budget": "50"})
    pay = books.world.transfer(books.alice, books.bob, 30, {"with": "till"})
    async with books.unit_of_work() as work:
        book = await work.ledger.lock(books.ids(books.alice, books.bob), 0)
        place = (pay.header.account_id, books.world.keys["till"][1])
        book.spendings.update(await work.ledger.spendings([place]))
        revoking = asyncio.create_task(books.world.revoke("till"))
        assert await waits(revoking)
        book.decide([pay])
        assert await work.ledger.save(book)
        await work.commit()
    await asyncio.wait_for(revoking, 2)
    assert (await books.stored(pay.header)).refusal is None
    later = books.world.transfer(books.alice, books.bob, 1, {"with": "till"})
    assert spoken(await books.world.carry_out(later)) == "api-key-revoked"


async def test_of_many_payments_at_once_the_budget_is_spent_exactly(books: Books) -> None:
    await books.world.make_key("till", books.alice, {"budget": "50"})
    payments = [
        books.world.transfer(books.alice, books.bob, 7, {"with": "till"}) for _ in range(12)
    ]
    results = await asyncio.gather(*(books.world.carry_out(p) for p in payments))
    assert sorted(map(spoken, results)) == ["accepted"] * 7 + ["spending-budget-exceeded"] * 5
    assert (await books.world.spending("till")).spent == 49


# PostgreSQL alone: what the database itself refuses, and what the verifier says.


@pytest.fixture
async def on_postgres(shared: Shared) -> Books:
    return await settled(_on_postgres(shared))


DENIED = [
    "UPDATE spendings SET budget = budget",
    "UPDATE spendings SET payee_ids = NULL",
    "UPDATE spendings SET per_payment_max = NULL",
    "DELETE FROM spendings",
    "UPDATE key_payments SET api_key_id = api_key_id",
    "DELETE FROM key_payments",
    "UPDATE api_keys SET scopes = scopes",
    "UPDATE api_keys SET owner_id = owner_id",
    "UPDATE api_keys SET expires_at = NULL",
    "DELETE FROM api_keys",
    "UPDATE api_key_secrets SET digest = digest",
    "DELETE FROM api_key_secrets",
]


@pytest.mark.parametrize("statement", DENIED)
async def test_the_application_cannot_change_a_rule_or_forget_a_payment(
    shared: Shared, statement: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await shared.pool.execute(statement)


async def test_the_verifier_sees_no_secret(shared: Shared) -> None:
    pool = await create_pool(shared.url, role=VERIFIER, size_max=1)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.fetch("SELECT digest FROM api_key_secrets")
    finally:
        await pool.close()


async def test_the_database_itself_refuses_to_spend_more_than_a_budget(
    on_postgres: Books, shared: Shared
) -> None:
    await on_postgres.world.make_key("till", on_postgres.alice, {"budget": "50"})
    with pytest.raises(asyncpg.CheckViolationError, match="spendings_within_budget"):
        await shared.pool.execute(
            "UPDATE spendings SET spent = 51 WHERE api_key_id = $1",
            on_postgres.world.keys["till"][1],
        )


TAMPERINGS = {
    "spent made less": ("UPDATE spendings SET spent = spent - 1", "spent-equals-payments"),
    "spent made more": ("UPDATE spendings SET spent = spent + 1", "spent-equals-payments"),
    "an interval begun early": (
        "UPDATE spendings SET period_start = now() + interval '1 day' WHERE renews IS NOT NULL",
        "spent-equals-payments",
    ),
    "a budget cut": ("UPDATE spendings SET budget = 35, spent = 30", "budgets-were-kept"),
    "a cap set": ("UPDATE spendings SET per_payment_max = 29", "key-payments-obey"),
    "a list of payees set": (
        "UPDATE spendings SET payee_ids = ARRAY[gen_random_uuid()]",
        "key-payments-obey",
    ),
    "an end put back": ("UPDATE spendings SET expires_at = '2020-01-01Z'", "key-payments-obey"),
    "a payment left out": ("DELETE FROM key_payments", "spent-equals-payments"),
    "a payment made up": (
        "INSERT INTO key_payments SELECT account_id, gen_random_uuid(), api_key_id FROM spendings",
        "key-payments-obey",
    ),
    "a payment of another key": (
        "UPDATE key_payments SET api_key_id = gen_random_uuid()",
        "key-payments-obey",
    ),
    "a spending left out": ("DELETE FROM spendings", "spendings-have-keys"),
    "a key left out": ("DELETE FROM api_keys", "spendings-have-keys"),
    "a key of somebody else": (
        "UPDATE api_keys SET owner_id = gen_random_uuid()",
        "spendings-have-keys",
    ),
    "a key brought back": ("UPDATE spendings SET ended_at = now()", "spendings-have-keys"),
}


@pytest.mark.parametrize("name", TAMPERINGS)
async def test_the_verifier_names_what_was_changed_of_spending_keys(
    on_postgres: Books, shared: Shared, name: str
) -> None:
    statement, invariant = TAMPERINGS[name]
    connection = await asyncpg.connect(shared.superuser_url)
    transaction = connection.transaction()
    try:
        await connection.execute(
            "DELETE FROM key_payments; DELETE FROM spendings; DELETE FROM api_keys"
        )
        options = {"budget": "50", "max": "40", "payees": on_postgres.bob}
        await on_postgres.world.make_key("till", on_postgres.alice, options)
        monthly = {"budget": "50", "each": "month"}
        await on_postgres.world.make_key("shop", on_postgres.alice, monthly)
        for label in ("till", "shop"):
            story = f"send {on_postgres.alice} {on_postgres.bob} 40 with={label} -> accepted"
            await on_postgres.world.tell(story)
        assert await named(PostgresBooks(connection)) == set()
        await transaction.start()
        await connection.execute(statement)
        assert invariant in await named(PostgresBooks(connection))
        await transaction.rollback()
    finally:
        await connection.close()


async def named(books: PostgresBooks) -> set[str]:
    """Return which checks of spending keys find something."""
    async with books._connection.transaction():
        found = {violation.invariant async for violation in books.cross_checks()}
    return found & set(SPENDING_CHECKS)


async def test_an_outage_inside_a_spending_batch_spends_once(
    on_postgres: Books, shared: Shared
) -> None:
    await on_postgres.world.make_key("till", on_postgres.alice, {"budget": "50"})
    pay = on_postgres.world.transfer(on_postgres.alice, on_postgres.bob, 30, {"with": "till"})
    async with PostgresUnitOfWork(shared.pool) as work:
        book = await work.ledger.lock(on_postgres.ids(on_postgres.alice, on_postgres.bob), 0)
        place = (pay.header.account_id, on_postgres.world.keys["till"][1])
        book.spendings.update(await work.ledger.spendings([place]))
        book.decide([pay])
        assert await work.ledger.save(book)
        # Left without a commit.
    assert (await on_postgres.world.spending("till")).spent == 0
    await on_postgres.carry_out(pay)
    again = await on_postgres.carry_out(pay)
    assert again.replayed
    assert (await on_postgres.world.spending("till")).spent == 30


async def test_payments_without_a_spending_key_run_no_statement_about_them(
    on_postgres: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object, **__: object) -> None:
        raise AssertionError("nobody asked for a spending key")

    for place, name in ((PostgresLedger, "spendings"), (ledger_module, "save_spendings")):
        monkeypatch.setattr(place, name, never)
    await on_postgres.carry_out(on_postgres.pay(30))
    story = "each {0} : send {0} {1} 1 ; send {0} {1} 2 -> accepted: accepted, accepted"
    await on_postgres.world.tell(story.format(on_postgres.alice, on_postgres.bob))
    assert spoken(await on_postgres.world.writer.preview(on_postgres.pay(1))) == "accepted"


async def test_the_janitor_forgets_secrets_that_ended_a_month_ago(
    on_postgres: Books, shared: Shared
) -> None:
    key = key_of(person(on_postgres.alice))
    now = utc_now()
    day = timedelta(days=1)
    ends = (now - 31 * day, now - 29 * day, None)
    old, recent, good = (secret_for(key, expires_at=end) for end in ends)
    await add(on_postgres, key, old)
    async with on_postgres.unit_of_work() as work:
        for secret in (recent, good):
            await work.api_keys.rotate(secret, "", now + day, now)
        await work.commit()
    await Janitor(shared.url).prune()
    async with on_postgres.unit_of_work() as work:
        found = await work.api_keys.find([old.digest, recent.digest, good.digest])
    assert set(found) == {recent.digest, good.digest}


async def test_a_key_that_expired_while_its_payment_waited_pays_nothing(
    on_postgres: Books,
) -> None:
    options = {"budget": "50", "expires-in": "0.2"}
    await on_postgres.world.make_key("till", on_postgres.alice, options)
    early, late = (
        on_postgres.world.transfer(on_postgres.alice, on_postgres.bob, 5, {"with": "till"})
        for _ in range(2)
    )
    assert spoken(await on_postgres.world.carry_out(early)) == "accepted"
    # What decides is the clock of the database under the lock, not when it was sent.
    await asyncio.sleep(0.25)
    assert spoken(await on_postgres.world.carry_out(late)) == "api-key-expired"
    async with on_postgres.unit_of_work() as work:
        assert late.header.key not in await work.ledger.outcomes([late.header.key])
    assert (await on_postgres.world.spending("till")).spent == 5
