"""Guessing and flooding: names, mails, passwords, and sessions of two people."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.api.browsers import SAME_ORIGIN
from tests.api.people import PASSWORD, sign_up, sign_up_with
from tests.api.security_accounts import (
    NEW_PASSWORD,
    as_superuser,
    log_in,
    mailed_token,
    mails_to,
    wish,
)
from tests.conftest import Service, room_in_window

from wallet.domain.errors import Overloaded


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
    checks = service.app.state.use_cases.log_in._entrance._password_checks
    spy = Spy(checks._hasher, **options)
    monkeypatch.setattr(checks, "_hasher", spy)
    return spy


@pytest.mark.parametrize("door", ["/users/login", "/session", "/oauth/token"])
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
            given = {"email": email, "password": NEW_PASSWORD}
            answer = await client.post(door, json=given, headers=SAME_ORIGIN)
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
    hasher = service.app.state.use_cases.log_in._entrance._password_checks._hasher
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
    await room_in_window(10, 3_600)
    for _ in range(9):
        assert (await alice.get("/users/me/export")).status_code == 200
    assert (await alice.get("/users/me/export")).status_code == 429


async def test_a_random_id_of_a_person_is_counted_as_a_miss(client: httpx.AsyncClient) -> None:
    alice = await sign_up_with(client, "alice", 100)
    statuses = []
    await room_in_window(15, 3_600)
    for _ in range(31):
        body = {"to_user_id": str(uuid4()), "amount": 1}
        statuses.append((await alice.post("/wallets/transfer", body)).status_code)
    assert statuses == [404] * 30 + [429]
