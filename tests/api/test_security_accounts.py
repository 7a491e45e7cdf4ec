"""Attacks on accounts and money that need no forged request: patience, numbers, good timing."""

import asyncio
import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from tests.api.people import PASSWORD, Person, balance_of, sign_up, sign_up_with
from tests.conftest import Database, Service

from wallet.application.people import SignUp
from wallet.application.staff import Staff
from wallet.domain.errors import Overloaded, WalletError
from wallet.domain.history import Line
from wallet.domain.money import AMOUNT_MAX
from wallet.domain.users import Role
from wallet.infrastructure.identifiers import new_id, utc_now
from wallet.infrastructure.postgres.history import line_of
from wallet.infrastructure.postgres.pool import Pool, Record
from wallet.infrastructure.postgres.unit_of_work import PostgresUnitOfWork

NEW_PASSWORD = "eleven paper boats by noon"


def wish(name: str, **changes: Any) -> dict[str, Any]:
    body = {
        "first_name": name.title(),
        "last_name": "Tester",
        "email": f"{name}@example.com",
        "password": PASSWORD,
        "handle": name,
    }
    return body | changes


async def log_in(client: httpx.AsyncClient, email: str, password: str = PASSWORD) -> httpx.Response:
    return await client.post("/users/login", json={"email": email, "password": password})


async def close(person: Person) -> httpx.Response:
    return await person.client.request(
        "DELETE", "/users/me", json={"password": PASSWORD}, headers=person.headers
    )


async def mails_to(client: httpx.AsyncClient, address: str) -> list[dict[str, str]]:
    answer = await client.get("/dev/mail", params={"recipient": address})
    items: list[dict[str, str]] = answer.json()["items"]
    return items


async def mailed_token(client: httpx.AsyncClient, address: str, subject: str) -> str:
    """Return the token of the newest mail with this subject, once it is there."""
    for _ in range(100):
        for mail in await mails_to(client, address):
            if subject in mail["subject"]:
                token = re.search(r"^[A-Za-z0-9_-]{43}$", mail["text"], re.MULTILINE)
                assert token is not None
                return token[0]
        await asyncio.sleep(0.02)
    raise AssertionError("no such mail")


async def as_superuser(database: Database, statement: str, *values: object) -> None:
    connection = await asyncpg.connect(database.superuser_url)
    try:
        await connection.execute(statement, *values)
    finally:
        await connection.close()


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
    statuses = [(await alice.post("/wallets/transfer", body)).status_code for body in bodies]
    assert statuses == [404] * 30 + [429]
    for hit in ({"to_handle": "bob"}, {"to_email": "bob@example.com"}):
        answer = await alice.post("/wallets/transfer", {**hit, "amount": 1, "dry_run": True})
        assert answer.status_code == 429


async def test_a_preview_is_no_way_around_the_limit_of_look_ups(client: httpx.AsyncClient) -> None:
    alice = await sign_up(client, "alice")
    await sign_up(client, "bob")
    body = {"to_handle": "bob", "amount": 1, "dry_run": True}
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


async def test_whoever_signs_up_with_an_international_domain_can_log_in_with_it(
    client: httpx.AsyncClient,
) -> None:
    made = await client.post("/users", json=wish("ada", email="ada@b\u00fccher.example"))
    assert made.status_code == 201
    assert (await log_in(client, "ada@b\u00fccher.example")).status_code == 200


@pytest.mark.parametrize(
    "handle",
    ["\u0130stanbul", "stra\u00dfe", "b\u043eb", "bob\u200d", "\uff42\uff4f\uff42", "b\u00f6b"],
)
async def test_a_handle_is_plain_ascii(client: httpx.AsyncClient, handle: str) -> None:
    answer = await client.post("/users", json=wish("bob", handle=handle))
    assert (answer.status_code, answer.json()["code"]) == (422, "handle-invalid")


@pytest.mark.parametrize("name", ["\u3164", "\u115f\u1160", "\uffa0", "\u2800\u2800"])
async def test_a_name_that_nobody_can_see_is_refused(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.post("/users", json=wish("eve", first_name=name))
    assert (answer.status_code, answer.json().get("code")) == (422, "name-invalid")


async def test_a_password_may_be_typed_composed_or_decomposed(client: httpx.AsyncClient) -> None:
    composed = "caf\u00e9 cr\u00e8me br\u00fbl\u00e9e"
    made = await client.post("/users", json=wish("ada", password=composed))
    assert made.status_code == 201
    decomposed = "cafe\u0301 cre\u0300me bru\u0302le\u0301e"
    assert (await log_in(client, "ada@example.com", decomposed)).status_code == 200
    assert (await log_in(client, "ada@example.com", composed.upper())).status_code == 401


async def test_no_password_is_cut_off(client: httpx.AsyncClient) -> None:
    long = "violet kettle orbit sandal " * 4 + "x7#Kq9mPz2!vLwAa5%Tg"
    assert len(long) == 128
    assert (await client.post("/users", json=wish("ada", password=long))).status_code == 201
    assert (await log_in(client, "ada@example.com", long)).status_code == 200
    for near in (long[:127], long[:72], long + "x", long + " "):
        assert (await log_in(client, "ada@example.com", near)).status_code == 401


# Tokens from mails, and mail as a weapon.


async def test_a_token_of_one_kind_is_worth_nothing_for_the_other(
    client: httpx.AsyncClient,
) -> None:
    alice = await sign_up(client, "alice")
    await client.post("/password-resets", json={"email": alice.email})
    verify = await mailed_token(client, alice.email, "Confirm")
    reset = await mailed_token(client, alice.email, "password")
    wrong_way = {"token": verify, "new_password": NEW_PASSWORD}
    refused = [
        await client.post("/password-resets/confirm", json=wrong_way),
        await client.post("/email-verifications", json={"token": reset}, headers=alice.headers),
    ]
    assert [r.json()["code"] for r in refused] == ["mail-token-invalid"] * 2
    right_way = {"token": reset, "new_password": NEW_PASSWORD}
    assert (await client.post("/password-resets/confirm", json=right_way)).status_code == 204
    # A reset proves the address too, and spends every other token.
    alice.access_token = (await log_in(client, alice.email, NEW_PASSWORD)).json()["access_token"]
    spent = await client.post("/email-verifications", json={"token": verify}, headers=alice.headers)
    assert (spent.status_code, spent.json()["code"]) == (422, "mail-token-invalid")


async def test_nobody_confirms_an_address_to_a_stranger(client: httpx.AsyncClient) -> None:
    eve = await sign_up(client, "eve")
    victim = await sign_up(client, "victim")
    token = await mailed_token(client, eve.email, "Confirm")
    body = {"token": token}
    by_victim = await client.post("/email-verifications", json=body, headers=victim.headers)
    by_nobody = await client.post("/email-verifications", json=body)
    assert (by_victim.status_code, by_victim.json()["code"]) == (422, "mail-token-invalid")
    assert by_nobody.status_code == 401
    assert (await eve.get("/users/me")).json()["email_verified"] is False


async def test_a_reset_token_is_worth_nothing_once_the_password_was_changed(
    client: httpx.AsyncClient,
) -> None:
    alice = await sign_up(client, "alice")
    await client.post("/password-resets", json={"email": alice.email})
    token = await mailed_token(client, alice.email, "password")
    change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert (await alice.post("/users/me/password", change)).status_code == 204
    body = {"token": token, "new_password": "nine copper clouds asleep"}
    refused = await client.post("/password-resets/confirm", json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, "mail-token-invalid")


async def test_signing_up_and_leaving_again_floods_nobodys_mailbox(
    client: httpx.AsyncClient,
) -> None:
    for _ in range(8):
        made = await client.post(
            "/users", json=wish("eve", handle=None, email="victim@example.com")
        )
        if made.status_code != 201:
            break
        token = (await log_in(client, "victim@example.com")).json()["access_token"]
        headers = {"authorization": f"Bearer {token}"}
        body = {"password": PASSWORD}
        gone = await client.request("DELETE", "/users/me", json=body, headers=headers)
        assert gone.status_code == 204
    await asyncio.sleep(0.2)
    assert len(await mails_to(client, "victim@example.com")) <= 5


# Guessing, enumeration, and the queue of hashes.


class Spy:
    """Stands before the hasher and counts; with `broken`, it is overloaded."""

    def __init__(self, hasher: Any, broken: bool = False) -> None:
        self.hasher = hasher
        self.broken = broken
        self.verified: list[str] = []

    async def verify(self, password: str, stored: str | None) -> bool:
        self.verified.append(stored or self.hasher._decoy)
        if self.broken:
            raise Overloaded
        return bool(await self.hasher.verify(password, stored))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.hasher, name)


def spy_on(service: Service, monkeypatch: pytest.MonkeyPatch, **options: bool) -> Spy:
    checks = service.app.state.use_cases.log_in._password_checks
    spy = Spy(checks._hasher, **options)
    monkeypatch.setattr(checks, "_hasher", spy)
    return spy


@pytest.mark.parametrize("door", ["/users/login", "/oauth/token"])
async def test_known_and_unknown_cost_one_verification_with_the_same_parameters(
    client: httpx.AsyncClient, service: Service, monkeypatch: pytest.MonkeyPatch, door: str
) -> None:
    await sign_up(client, "alice")
    spy = spy_on(service, monkeypatch)
    answers = []
    for email in ("alice@example.com", "nobody@example.com"):
        if door == "/oauth/token":
            form = {"grant_type": "password", "username": email, "password": NEW_PASSWORD}
            answer = await client.post(door, data=form)
        else:
            answer = await log_in(client, email, NEW_PASSWORD)
        body = answer.json()
        body.pop("request_id", None)
        answers.append((answer.status_code, body, sorted(answer.headers)))
    assert answers[0] == answers[1]
    assert answers[0][0] == (400 if door == "/oauth/token" else 401)
    parameters = [stored.split("$")[1:4] for stored in spy.verified]
    assert parameters == [["argon2id", "v=19", "m=19456,t=2,p=1"]] * 2


async def test_a_reset_is_answered_before_anybody_looks_who_it_is_for(
    client: httpx.AsyncClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sign_up(client, "alice")
    spy = spy_on(service, monkeypatch)
    answers = []
    for email in ("alice@example.com", "nobody@example.com", "no address", "\u0130@\u00df"):
        answer = await client.post("/password-resets", json={"email": email})
        answers.append((answer.status_code, answer.content, sorted(answer.headers)))
    assert {answer[:2] for answer in answers} == {(202, b"")}
    assert all(answer == answers[0] for answer in answers)
    assert spy.verified == []


async def test_a_delay_looks_the_same_for_accounts_that_do_not_exist(
    client: httpx.AsyncClient,
) -> None:
    await sign_up(client, "alice")
    told = []
    for email in ("alice@example.com", "nobody@example.com"):
        for _ in range(5):
            assert (await log_in(client, email, NEW_PASSWORD)).status_code == 401
        answer = await log_in(client, email, NEW_PASSWORD)
        told.append((answer.status_code, answer.json()["code"], answer.headers["retry-after"]))
    assert told == [(429, "log-in-delayed", "1")] * 2


async def test_a_delay_covers_every_spelling_and_every_door(client: httpx.AsyncClient) -> None:
    await sign_up(client, "kelvin")
    for email in (
        "kelvin@example.com", "KELVIN@example.com", " kelvin@example.com",
        "\u212aelvin@example.com", "kelvin@EXAMPLE.com",
    ):  # fmt: skip
        assert (await log_in(client, email, NEW_PASSWORD)).status_code == 401
    form = {"grant_type": "password", "username": "kelvin@example.com", "password": PASSWORD}
    assert (await client.post("/oauth/token", data=form)).status_code == 429


async def test_an_overload_is_not_counted_as_a_wrong_password(
    client: httpx.AsyncClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sign_up(client, "alice")
    with monkeypatch.context() as crowded:
        spy_on(service, crowded, broken=True)
        for _ in range(6):
            assert (await log_in(client, "alice@example.com")).status_code == 503
    assert (await log_in(client, "alice@example.com")).status_code == 200


async def test_more_passwords_at_once_than_may_wait_are_refused_and_the_rest_are_answered(
    client: httpx.AsyncClient, service: Service
) -> None:
    hasher = service.app.state.use_cases.log_in._password_checks._hasher
    results = await asyncio.gather(
        *(hasher.verify("x", None) for _ in range(80)), return_exceptions=True
    )
    assert [type(r) for r in results].count(bool) == 66
    assert [type(r) for r in results].count(Overloaded) == 14
    assert (await client.get("/health/live")).status_code == 200


# Sessions of two people.


async def test_a_refresh_token_gives_tokens_of_its_owner_whoever_shows_it(
    client: httpx.AsyncClient,
) -> None:
    alice = await sign_up(client, "alice")
    eve = await sign_up(client, "eve")
    answer = await client.post(
        "/users/refresh", json={"refresh_token": alice.refresh_token}, headers=eve.headers
    )
    eve.access_token = answer.json()["access_token"]
    assert (await eve.get("/users/me")).json()["id"] == alice.id


async def test_a_token_that_was_used_up_long_ago_still_ends_the_session(
    client: httpx.AsyncClient, service: Service
) -> None:
    alice = await sign_up(client, "alice")
    first = alice.refresh_token
    token = first
    for _ in range(3):
        answer = await client.post("/users/refresh", json={"refresh_token": token})
        token = answer.json()["refresh_token"]
    age = timedelta(days=20)
    await as_superuser(
        service.database,
        "UPDATE refresh_tokens SET used_at = used_at - $1::interval WHERE used_at IS NOT NULL",
        age,
    )
    reused = await client.post("/users/refresh", json={"refresh_token": first})
    assert (reused.status_code, reused.json()["code"]) == (401, "refresh-token-reused")
    dead = await client.post("/users/refresh", json={"refresh_token": token})
    assert (dead.status_code, dead.json()["code"]) == (401, "refresh-token-invalid")
    assert (await alice.get("/users/me")).json()["code"] == "session-revoked"


async def test_the_oauth_endpoint_ends_a_session_too_when_a_token_comes_twice(
    client: httpx.AsyncClient,
) -> None:
    alice = await sign_up(client, "alice")
    form = {"grant_type": "refresh_token", "refresh_token": alice.refresh_token}
    assert (await client.post("/oauth/token", data=form)).status_code == 200
    again = await client.post("/oauth/token", data=form, auth=("somebody", "else"))
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert (await alice.get("/users/me")).json()["code"] == "session-revoked"


async def test_an_export_is_of_ones_own_things_only(client: httpx.AsyncClient) -> None:
    alice = await sign_up_with(client, "alice", 1_000)
    bob = await sign_up_with(client, "bob", 54_321)
    await alice.post("/wallets/transfer", {"to_handle": "bob", "amount": 10, "note": "hello"})
    export = await alice.get("/users/me/export")
    assert [line["amount"] for line in export.json()["transactions"]] == [10, 1_000]
    for secret in (bob.wallet_id, "54321", "54331", bob.email):
        assert secret not in export.text
    for _ in range(9):
        assert (await alice.get("/users/me/export")).status_code == 200
    assert (await alice.get("/users/me/export")).status_code == 429


async def test_a_random_id_of_a_person_is_counted_as_a_miss(client: httpx.AsyncClient) -> None:
    alice = await sign_up_with(client, "alice", 100)
    statuses = []
    for _ in range(31):
        body = {"to_user_id": str(uuid4()), "amount": 1}
        statuses.append((await alice.post("/wallets/transfer", body)).status_code)
    assert statuses == [404] * 30 + [429]
