"""Attacks on accounts and money that need no forged request: patience, numbers, good timing."""

import asyncio

import httpx
import pytest
from tests.api.people import PASSWORD, Person, balance_of, sign_up, sign_up_with
from tests.api.security_accounts import (
    NEW_PASSWORD,
    as_superuser,
    log_in,
    mailed_token,
    mails_to,
    wish,
)
from tests.conftest import Service, room_in_window

from wallet.application.people import SignUp
from wallet.application.staff import Staff
from wallet.domain.errors import WalletError
from wallet.domain.history import Line
from wallet.domain.money import AMOUNT_MAX
from wallet.domain.users import Role
from wallet.infrastructure.identifiers import new_id, utc_now
from wallet.infrastructure.postgres.lines import line_of
from wallet.infrastructure.postgres.pool import Pool, Record
from wallet.infrastructure.postgres.unit_of_work import PostgresUnitOfWork


async def close(person: Person) -> httpx.Response:
    return await person.client.request(
        "DELETE", "/users/me", json={"password": PASSWORD}, headers=person.headers
    )


# Becoming staff.


async def appoint(pool: Pool, service: Service, email: str) -> None:
    """Do what `wallet create-admin` does."""
    staff = Staff(
        unit_of_work=lambda: PostgresUnitOfWork(pool),
        people=service.app.state.use_cases.people,
        clock=utc_now,
        new_id=new_id,
    )
    await staff.appoint(SignUp("Ad", "Min", email, NEW_PASSWORD, None, "127.0.0.1"))


async def role_of(pool: Pool, email: str) -> Role:
    async with PostgresUnitOfWork(pool) as work:
        user = await work.users.by_email(email)
    assert user is not None
    return user.role


async def test_whoever_signs_up_with_the_administrators_address_first_becomes_no_administrator(
    client: httpx.AsyncClient, service: Service, postgres_pool: Pool
) -> None:
    eve = await client.post("/users", json=wish("eve", email="admin@example.com"))
    assert eve.status_code == 201
    with pytest.raises(WalletError):
        await appoint(postgres_pool, service, "admin@example.com")
    assert await role_of(postgres_pool, "admin@example.com") is Role.USER


async def test_whoever_has_proved_the_address_becomes_an_administrator(
    client: httpx.AsyncClient, service: Service, postgres_pool: Pool
) -> None:
    alice = await sign_up(client, "alice")
    await mailed_token(client, alice.email, "Confirm")
    await alice.verify_email()
    await appoint(postgres_pool, service, alice.email)
    assert await role_of(postgres_pool, alice.email) is Role.ADMIN


async def test_staff_get_no_tokens_by_the_password_grant_but_by_the_log_in(
    client: httpx.AsyncClient, service: Service, postgres_pool: Pool
) -> None:
    await appoint(postgres_pool, service, "boss@example.com")
    form = {"grant_type": "password", "username": "boss@example.com", "password": NEW_PASSWORD}
    refused = await client.post("/oauth/token", data=form)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert (await log_in(client, "boss@example.com", NEW_PASSWORD)).status_code == 200


# Money that others can spoil.


async def test_one_person_cannot_use_up_what_everybody_else_may_top_up(
    client: httpx.AsyncClient,
) -> None:
    eve = await sign_up(client, "eve")
    alice = await sign_up(client, "alice")
    for _ in range(9):
        assert (await eve.top_up(AMOUNT_MAX)).status_code == 201
    answer = await alice.top_up(1_000)
    assert (answer.status_code, answer.json().get("reason")) == (201, None)


async def test_fundings_that_stay_pending_do_not_keep_others_from_being_resumed(
    client: httpx.AsyncClient, service: Service
) -> None:
    eve = await sign_up(client, "eve")
    alice = await sign_up(client, "alice")
    for number in range(50):
        assert (await eve.top_up(90_003, key=f"pending-{number}")).status_code == 202
    assert (await alice.top_up(90_003, key="mine")).status_code == 202
    # Alice's is one that a crash left behind: its source would approve, were it asked.
    await as_superuser(
        service.database,
        "UPDATE fundings SET created_at = created_at - interval '1 minute', "
        "amount = CASE WHEN owner_id = $1::uuid THEN 500 ELSE amount END",
        alice.id,
    )
    top_ups = service.app.state.use_cases.top_ups
    for _ in range(3):
        await top_ups.resume_pending()
    assert await balance_of(alice) == 500


async def test_a_page_of_history_reads_no_more_lines_than_it_shows(
    client: httpx.AsyncClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    eve = await sign_up(client, "eve")
    for currency in ("EUR", "GBP", "CHF", "JPY"):
        assert (await eve.post("/wallets", {"currency": currency})).status_code == 201
    await as_superuser(
        service.database,
        "INSERT INTO entries SELECT account_id, n, gen_random_uuid(), 3, currency, 1, 0, n, 0, "
        "NULL, now() - make_interval(secs => n), NULL, sha256('x') "
        "FROM wallets, generate_series(1, 60) AS n",
    )
    await as_superuser(service.database, "UPDATE accounts SET version = 60 WHERE posted = 0")
    read = []

    def counted(row: Record) -> Line:
        read.append(row["version"])
        return line_of(row)

    monkeypatch.setattr("wallet.infrastructure.postgres.history.line_of", counted)
    page = (await eve.get("/transactions?limit=50")).json()
    assert len(page["items"]) == 50
    assert len(read) == 51


async def test_a_preview_reserves_nothing_and_stores_nothing(
    client: httpx.AsyncClient, postgres_pool: Pool
) -> None:
    alice = await sign_up_with(client, "alice", 100)
    await sign_up(client, "bob")
    before = await postgres_pool.fetchval("SELECT count(*) FROM instructions")
    body = {"to_handle": "bob", "amount": 100, "dry_run": True}
    answers = await asyncio.gather(*(alice.post("/wallets/transfer", body) for _ in range(20)))
    assert {(a.status_code, a.json()["outcome"]) for a in answers} == {(200, "accepted")}
    assert await postgres_pool.fetchval("SELECT count(*) FROM instructions") == before
    assert await balance_of(alice) == 100


async def test_a_preview_counts_misses_like_a_payment(client: httpx.AsyncClient) -> None:
    alice = await sign_up_with(client, "alice", 100)
    await sign_up(client, "bob")
    bodies = [{"to_handle": f"guess{n}", "amount": 1, "dry_run": True} for n in range(31)]
    await room_in_window(15, 3_600)
    statuses = [(await alice.post("/wallets/transfer", body)).status_code for body in bodies]
    assert statuses == [404] * 30 + [429]
    for hit in ({"to_handle": "bob"}, {"to_email": "bob@example.com"}):
        answer = await alice.post("/wallets/transfer", {**hit, "amount": 1, "dry_run": True})
        assert answer.status_code == 429


async def test_a_preview_is_no_way_around_the_limit_of_look_ups(client: httpx.AsyncClient) -> None:
    alice = await sign_up(client, "alice")
    await sign_up(client, "bob")
    body = {"to_handle": "bob", "amount": 1, "dry_run": True}
    await room_in_window(25)
    statuses = {(await alice.post("/wallets/transfer", body)).status_code for _ in range(121)}
    assert statuses == {200, 429}


# Closing an account, and what comes after.


async def test_nobody_can_pay_somebody_who_has_left_by_any_name_they_ever_had(
    client: httpx.AsyncClient,
) -> None:
    alice = await sign_up_with(client, "alice", 1_000)
    bob = await sign_up(client, "bob")
    await mailed_token(client, bob.email, "Confirm")
    await bob.verify_email()
    names = [{"to_user_id": bob.id}, {"to_handle": "bob"}, {"to_email": bob.email}]
    for name in names:  # It is in every cache of the service now.
        paid = await alice.post("/wallets/transfer", {**name, "amount": 1})
        assert paid.status_code == 201
    back = await bob.post("/wallets/transfer", {"to_handle": "alice", "amount": 3})
    assert back.status_code == 201
    assert (await close(bob)).status_code == 204
    codes = []
    for name in names:
        refused = await alice.post("/wallets/transfer", {**name, "amount": 1})
        codes.append((refused.status_code, refused.json()["code"]))
    assert codes == [
        (422, "wallet-closed"),
        (404, "recipient-not-found"),
        (404, "recipient-not-found"),
    ]
    assert await balance_of(alice) == 1_000


async def test_the_next_owner_of_an_address_is_paid_only_once_they_have_proved_it(
    client: httpx.AsyncClient,
) -> None:
    alice = await sign_up_with(client, "alice", 1_000)
    bob = await sign_up(client, "bob")
    old = await mailed_token(client, bob.email, "Confirm")
    assert (await close(bob)).status_code == 204
    eve = await client.post("/users", json=wish("eve", email=bob.email))
    assert eve.status_code == 201
    stale = await client.post("/email-verifications", json={"token": old}, headers=alice.headers)
    assert (stale.status_code, stale.json()["code"]) == (422, "mail-token-invalid")
    paid = await alice.post("/wallets/transfer", {"to_email": bob.email, "amount": 1})
    assert (paid.status_code, paid.json()["code"]) == (404, "recipient-not-found")


async def test_a_handle_of_somebody_who_left_is_nobodys_in_any_spelling(
    client: httpx.AsyncClient,
) -> None:
    bob = await sign_up(client, "kelvin")
    assert (await close(bob)).status_code == 204
    # U+212A is the Kelvin sign, whose lower case is the letter k.
    for number, handle in enumerate(("kelvin", "KELVIN", "\u212aelvin")):
        body = wish(f"eve{number}", handle=handle)
        refused = await client.post("/users", json=body)
        assert (refused.status_code, refused.json()["code"]) == (409, "handle-taken"), handle


async def test_closing_and_being_paid_at_once_loses_no_money(
    client: httpx.AsyncClient, postgres_pool: Pool
) -> None:
    alice = await sign_up_with(client, "alice", 1_000)
    for number in range(4):
        bob = await sign_up(client, f"bob{number}")
        body = {"to_user_id": bob.id, "amount": 7}
        paid, closed = await asyncio.gather(alice.post("/wallets/transfer", body), close(bob))
        assert (paid.status_code, closed.status_code) in {(201, 409), (422, 204)}
    stuck = await postgres_pool.fetchval(
        "SELECT count(*) FROM accounts WHERE closed_at IS NOT NULL AND posted <> 0"
    )
    assert stuck == 0


async def test_closing_and_everything_else_at_once_leaves_no_session_and_no_open_wallet(
    client: httpx.AsyncClient, postgres_pool: Pool
) -> None:
    bob = await sign_up(client, "bob")
    refresh = {"refresh_token": bob.refresh_token}
    change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    answers = await asyncio.gather(
        close(bob),
        log_in(client, bob.email),
        client.post("/users/refresh", json=refresh),
        bob.post("/wallets", {"currency": "EUR"}),
        bob.post("/users/me/password", change),
        close(bob),
    )
    assert all(answer.status_code < 500 for answer in answers)
    if not any(answer.status_code == 204 for answer in (answers[0], answers[5])):
        assert answers[4].status_code == 204  # The new password was first.
        return
    live = await postgres_pool.fetchval(
        "SELECT count(*) FROM sessions WHERE user_id = $1::uuid AND revoked_at IS NULL", bob.id
    )
    open_ = await postgres_pool.fetchval(
        "SELECT count(*) FROM accounts WHERE owner_id = $1::uuid AND closed_at IS NULL", bob.id
    )
    assert (live, open_) == (0, 0)


# Addresses, names and their many spellings.


@pytest.mark.parametrize(
    "email",
    [
        "b\u043eb@example.com",  # a Cyrillic o
        "bob\u200b@example.com",
        "bob@example.com\u0000",
        "bob@example.com\u202e",
        "bob@example.com, eve@example.com",
        "bob@example.com\neve@example.com",
        "b\u0131b@\u0131.example",
    ],
)
async def test_an_address_that_only_looks_like_one_is_refused(
    client: httpx.AsyncClient, email: str
) -> None:
    answer = await client.post("/users", json=wish("bob", email=email))
    assert (answer.status_code, answer.json()["code"]) == (422, "validation-failed")


@pytest.mark.parametrize("email", ["ALICE@EXAMPLE.COM", " alice@example.com ", "Alice@eXample.com"])
async def test_an_address_is_taken_in_every_spelling(client: httpx.AsyncClient, email: str) -> None:
    await sign_up(client, "alice")
    answer = await client.post("/users", json=wish("eve", email=email))
    assert (answer.status_code, answer.json()["code"]) == (409, "email-taken")


async def test_an_address_with_a_plus_is_an_address_of_its_own(client: httpx.AsyncClient) -> None:
    await sign_up(client, "alice")
    answer = await client.post("/users", json=wish("plus", email="alice+two@example.com"))
    assert (answer.status_code, answer.json()["email"]) == (201, "alice+two@example.com")


async def test_a_reset_is_mailed_to_the_address_that_is_kept_and_not_to_a_lookalike(
    client: httpx.AsyncClient,
) -> None:
    await sign_up(client, "kelvin")
    answer = await client.post("/password-resets", json={"email": "\u212aelvin@example.com"})
    assert answer.status_code == 202
    await mailed_token(client, "kelvin@example.com", "password")
    assert await mails_to(client, "\u212aelvin@example.com") == []
