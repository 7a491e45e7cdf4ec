"""People over HTTP: sign-up, profile, recipients, mail tokens, export and leaving."""

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from tests.conftest import room_in_window

PASSWORD = "violet kettle orbit sandal"
OTHER_PASSWORD = "seven quiet rivers of amber"
SECRETS = ("password", "hash", "secret", "argon2", PASSWORD)


def wish(name: str = "ada", **changes: Any) -> dict[str, Any]:
    body = {
        "first_name": name.title(),
        "last_name": "Lovelace",
        "email": f"{name}@example.com",
        "password": PASSWORD,
        "handle": name,
    }
    return body | changes


async def sign_up(client: httpx.AsyncClient, name: str = "ada") -> dict[str, Any]:
    response = await client.post("/users", json=wish(name))
    assert response.status_code == 201, response.text
    document: dict[str, Any] = response.json()
    return document


async def bearer(
    client: httpx.AsyncClient, name: str = "ada", password: str = PASSWORD
) -> dict[str, str]:
    body = {"email": f"{name}@example.com", "password": password}
    response = await client.post("/users/login", json=body)
    assert response.status_code == 200, response.text
    return {"authorization": f"Bearer {response.json()['access_token']}"}


async def mailed_token(client: httpx.AsyncClient, name: str, subject: str) -> str:
    """Return the token of the newest mail with this subject, which may be on its way."""
    for _ in range(100):
        response = await client.get("/dev/mail", params={"recipient": f"{name}@example.com"})
        for mail in response.json()["items"]:
            if subject in mail["subject"]:
                lines: list[str] = mail["text"].splitlines()
                return next(line for line in lines if len(line) == 43)
        await asyncio.sleep(0.02)
    raise AssertionError("no such mail")


def problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    document: dict[str, Any] = response.json()
    assert (response.status_code, document["code"]) == (status, code), response.text
    assert response.headers["content-type"] == "application/problem+json"
    return document


async def test_signing_up_answers_the_person_and_never_the_password(
    client: httpx.AsyncClient,
) -> None:
    response = await client.post("/users", json=wish(email="Ada@Example.COM", handle="ADA"))
    assert response.status_code == 201
    document = response.json()
    assert document.keys() == {
        "id", "first_name", "last_name", "email", "email_verified", "handle", "default_currency",
        "created_at", "wallet",
    }  # fmt: skip
    assert UUID(document["id"]).version == 7
    assert (document["email"], document["handle"]) == ("ada@example.com", "ada")
    assert document["email_verified"] is False
    assert document["wallet"].keys() == {"id", "currency"}
    assert not any(secret in response.text for secret in SECRETS)


@pytest.mark.parametrize("name", ["ada", "eve"])
async def test_an_address_or_handle_is_taken_once(client: httpx.AsyncClient, name: str) -> None:
    await sign_up(client)
    taken = wish(name, handle="ada" if name == "eve" else "other")
    code = "handle-taken" if name == "eve" else "email-taken"
    problem(await client.post("/users", json=taken), 409, code)


async def test_a_field_that_is_not_asked_for_is_refused(client: httpx.AsyncClient) -> None:
    for extra in (
        "id", "role", "is_admin", "is_shop_owner", "balance", "status", "version", "owner",
        "email_verified", "default_currency", "created_at",
    ):  # fmt: skip
        response = await client.post("/users", json=wish() | {extra: True})
        problem(response, 422, "validation-failed")


@pytest.mark.parametrize("field", ["first_name", "last_name", "email", "password"])
@pytest.mark.parametrize("value", [None, "", 7, True, ["x"], {"x": 1}, "\x00", "x" * 1000])
async def test_every_field_is_checked(client: httpx.AsyncClient, field: str, value: object) -> None:
    response = await client.post("/users", json=wish() | {field: value})
    assert response.status_code == 422, response.text


async def test_an_address_that_no_mail_reaches_is_refused(client: httpx.AsyncClient) -> None:
    for email in (
        "ada", "ada@", "@example.com", "a b@example.com", "ada@example", "ada@localhost",
        "Ada <ada@example.com>", "ada@example.com\r\nBcc: eve@example.com", "ada@[127.0.0.1]",
        '"ada"@example.com', "ädä@example.com",
    ):  # fmt: skip
        response = await client.post("/users", json=wish(email=email))
        problem(response, 422, "validation-failed")


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("tiny!", "password-too-short"),
        ("x7#Kq9mPz2!vLw", "password-too-short"),
        ("x7#Kq9mP" * 16 + "x", "password-too-long"),
        ("passwordpassword", "password-common"),
        ("ada@example.com1", "password-personal"),
        ("violet\tkettle orbit", "password-unprintable"),
    ],
)
async def test_a_weak_password_is_refused_with_the_reason(
    client: httpx.AsyncClient, password: str, code: str
) -> None:
    document = problem(await client.post("/users", json=wish(password=password)), 422, code)
    assert document["field"] == "password"
    assert password not in json.dumps(document)


async def test_a_profile_is_seen_and_changed_by_its_owner(client: httpx.AsyncClient) -> None:
    profile = await sign_up(client)
    headers = await bearer(client)
    assert (await client.get("/users/me", headers=headers)).json() == profile
    changes = {"first_name": "Augusta", "handle": "Countess"}
    response = await client.patch("/users/me", json=changes, headers=headers)
    assert response.json() == profile | {"first_name": "Augusta", "handle": "countess"}
    for extra in ({"email": "eve@example.com"}, {"role": "admin"}, {"id": str(uuid4())}):
        refused = await client.patch("/users/me", json=extra, headers=headers)
        problem(refused, 422, "validation-failed")


PERSONAL = [
    ("GET", "/users/me"),
    ("PATCH", "/users/me"),
    ("DELETE", "/users/me"),
    ("POST", "/users/me/password"),
    ("GET", "/users/me/export"),
    ("POST", "/users/me/email-verification"),
    ("GET", "/recipients?handle=ada"),
    ("POST", "/users/logout"),
    ("GET", "/users/me/sessions"),
    ("DELETE", "/users/me/sessions/0197a6f2-4c0e-7a55-b1d3-2f9e8d7c6b5a"),
]


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        pytest.param(None, "unauthenticated", id="none"),
        pytest.param("", "token-invalid", id="empty"),
        pytest.param("Bearer", "token-invalid", id="no token"),
        pytest.param("Bearer x", "token-invalid", id="no JWT"),
        pytest.param("Basic YWRhOmFkYQ==", "token-invalid", id="basic"),
        pytest.param("Bearer " + "x" * 5000, "token-invalid", id="long"),
    ],
)
async def test_what_is_personal_needs_a_token(
    client: httpx.AsyncClient, authorization: str | None, code: str
) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    for method, path in PERSONAL:
        response = await client.request(method, path, headers=headers)
        problem(response, 401, code)
        assert response.headers["www-authenticate"].startswith("Bearer")


async def test_two_authorizations_are_one_too_many(client: httpx.AsyncClient) -> None:
    await sign_up(client)
    token = (await bearer(client))["authorization"]
    pairs = [("authorization", token), ("authorization", token)]
    problem(await client.get("/users/me", headers=pairs), 401, "token-invalid")


async def test_only_a_verified_address_can_be_found(client: httpx.AsyncClient) -> None:
    await sign_up(client, "ada")
    await sign_up(client, "bob")
    headers = await bearer(client, "bob")
    by_email = {"email": "ADA@example.com"}
    response = await client.get("/recipients", params=by_email, headers=headers)
    problem(response, 404, "recipient-not-found")
    token = await mailed_token(client, "ada", "Confirm")
    ada = await bearer(client, "ada")
    body = {"token": token}
    first = await client.post("/email-verifications", json=body, headers=ada)
    refused = await client.post("/email-verifications", json=body, headers=ada)
    assert first.status_code == 204
    problem(refused, 422, "mail-token-invalid")
    found = (await client.get("/recipients", params=by_email, headers=headers)).json()
    assert found.keys() == {"user_id", "handle", "first_name", "initial"}
    assert (found["handle"], found["first_name"], found["initial"]) == ("ada", "Ada", "L")
    again = await client.post("/users/me/email-verification", headers=await bearer(client, "ada"))
    problem(again, 409, "email-already-verified")


async def test_a_recipient_is_named_in_one_way(client: httpx.AsyncClient) -> None:
    profile = await sign_up(client)
    headers = await bearer(client)
    by_id = await client.get("/recipients", params={"user_id": profile["id"]}, headers=headers)
    by_handle = await client.get("/recipients", params={"handle": "Ada"}, headers=headers)
    assert by_id.json() == by_handle.json()
    both = {"user_id": profile["id"], "handle": "ada"}
    response = await client.get("/recipients", params=both, headers=headers)
    problem(response, 422, "recipient-ambiguous")
    problem(await client.get("/recipients", headers=headers), 422, "recipient-ambiguous")
    for query in ({"user_id": "7"}, {"handle": "ada", "x": "1"}):
        response = await client.get("/recipients", params=query, headers=headers)
        problem(response, 422, "validation-failed")


async def test_looking_up_strangers_stops_after_thirty_misses(client: httpx.AsyncClient) -> None:
    await sign_up(client)
    headers = await bearer(client)
    statuses = []
    await room_in_window(15, 3_600)
    for number in range(31):
        query = {"handle": f"guess{number}"}
        response = await client.get("/recipients", params=query, headers=headers)
        statuses.append(response.status_code)
    assert statuses == [404] * 30 + [429]
    response = await client.get("/recipients", params={"handle": "ada"}, headers=headers)
    assert problem(response, 429, "too-many-requests")["guard"] == "failed-recipient"
    assert int(response.headers["retry-after"]) > 0


async def test_changing_the_password_ends_other_sessions_only(client: httpx.AsyncClient) -> None:
    await sign_up(client)
    here, there = await bearer(client), await bearer(client)
    change = {"current_password": OTHER_PASSWORD, "new_password": OTHER_PASSWORD}
    response = await client.post("/users/me/password", json=change, headers=here)
    problem(response, 403, "password-wrong")
    change["current_password"] = PASSWORD
    response = await client.post(
        "/users/me/password", json=change | {"new_password": "short"}, headers=here
    )
    assert problem(response, 422, "password-too-short")["field"] == "new_password"
    response = await client.post("/users/me/password", json=change, headers=here)
    assert (response.status_code, response.content) == (204, b"")
    assert (await client.get("/users/me", headers=here)).status_code == 200
    problem(await client.get("/users/me", headers=there), 401, "session-revoked")
    await bearer(client, password=OTHER_PASSWORD)


async def test_a_reset_by_mail_ends_all_sessions(client: httpx.AsyncClient) -> None:
    await sign_up(client)
    headers = await bearer(client)
    answers = [
        await client.post("/password-resets", json={"email": f"{name}@example.com"})
        for name in ("ada", "nobody")
    ]
    assert [(answer.status_code, answer.content) for answer in answers] == [(202, b"")] * 2
    token = await mailed_token(client, "ada", "password")
    body = {"token": token, "new_password": OTHER_PASSWORD}
    assert (await client.post("/password-resets/confirm", json=body)).status_code == 204
    response = await client.post("/password-resets/confirm", json=body)
    problem(response, 422, "mail-token-invalid")
    problem(await client.get("/users/me", headers=headers), 401, "session-revoked")
    await bearer(client, password=OTHER_PASSWORD)


async def test_an_export_holds_everything_and_no_secret(client: httpx.AsyncClient) -> None:
    profile = await sign_up(client)
    headers = await bearer(client)
    response = await client.get("/users/me/export", headers=headers)
    assert "attachment" in response.headers["content-disposition"]
    document = response.json()
    assert document.keys() == {
        "exported_at", "profile", "handles", "sessions", "second_factor_enabled_at", "api_keys",
        "webhook_endpoints", "wallets", "transactions",
    }  # fmt: skip
    del profile["wallet"]
    assert document["profile"] == profile
    assert (len(document["sessions"]), document["handles"]) == (1, ["ada"])
    assert not any(secret in response.text for secret in SECRETS)


async def test_closing_an_account_erases_the_person(client: httpx.AsyncClient) -> None:
    profile = await sign_up(client, "ada")
    await sign_up(client, "bob")
    headers, bob = await bearer(client, "ada"), await bearer(client, "bob")
    wrong = {"password": OTHER_PASSWORD}
    response = await client.request("DELETE", "/users/me", json=wrong, headers=headers)
    problem(response, 403, "password-wrong")
    right = {"password": PASSWORD}
    response = await client.request("DELETE", "/users/me", json=right, headers=headers)
    assert response.status_code == 204
    problem(await client.get("/users/me", headers=headers), 401, "session-revoked")
    for query in ({"user_id": profile["id"]}, {"handle": "ada"}):
        response = await client.get("/recipients", params=query, headers=bob)
        problem(response, 404, "recipient-not-found")
    body = {"email": "ada@example.com", "password": PASSWORD}
    problem(await client.post("/users/login", json=body), 401, "credentials-invalid")
    problem(await client.post("/users", json=wish("ada")), 409, "handle-taken")
    again = wish("ada")
    del again["handle"]
    assert (await client.post("/users", json=again)).status_code == 201


async def test_sign_ups_are_limited_by_address(client: httpx.AsyncClient) -> None:
    statuses = set()
    await room_in_window(15)
    for _ in range(60):
        response = await client.post("/users", json=wish(password="short"))
        statuses.add(response.status_code)
    response = await client.post("/users", json=wish())
    assert statuses == {422}
    problem(response, 429, "too-many-requests")


async def test_the_development_mailbox_escapes_what_it_shows(client: httpx.AsyncClient) -> None:
    body = wish(email="a&b@example.com")
    assert (await client.post("/users", json=body)).status_code == 201
    for _ in range(100):
        response = await client.get("/dev/mail", headers={"accept": "text/html"})
        if "None yet" not in response.text:
            break
        await asyncio.sleep(0.02)
    assert response.headers["content-type"].startswith("text/html")
    assert "a&amp;b@example.com" in response.text
    assert "a&b" not in response.text
