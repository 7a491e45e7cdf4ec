"""Sessions over HTTP: log-in, refresh, log-out, revocation, and the OAuth endpoints."""

from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.api.test_users_api import (
    OTHER_PASSWORD,
    PASSWORD,
    bearer,
    problem,
    sign_up,
)
from tests.conftest import room_in_window

FORM = {"grant_type": "password", "username": "ada@example.com", "password": PASSWORD}


async def log_in(client: httpx.AsyncClient, name: str = "ada") -> dict[str, Any]:
    body = {"email": f"{name}@example.com", "password": PASSWORD}
    response = await client.post("/users/login", json=body, headers={"user-agent": "pytest"})
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document


async def test_logging_in_answers_tokens(client: httpx.AsyncClient) -> None:
    await sign_up(client)
    tokens = await log_in(client)
    assert tokens.keys() == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 900)
    assert len(tokens["refresh_token"]) == 43


async def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(
    client: httpx.AsyncClient,
) -> None:
    await sign_up(client)
    documents = []
    for email in ("ada@example.com", "nobody@example.com", "no address"):
        body = {"email": email, "password": OTHER_PASSWORD}
        response = await client.post("/users/login", json=body)
        document = problem(response, 401, "credentials-invalid")
        del document["request_id"]
        documents.append(document)
    assert documents[0] == documents[1] == documents[2]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": "ada@example.com"},
        {"email": "ada@example.com", "password": 7},
        {"email": "ada@example.com", "password": "x" * 513},
        {"email": "ada\x00@example.com", "password": PASSWORD},
        {"email": ["ada@example.com"], "password": PASSWORD},
        {"email": "ada@example.com", "password": PASSWORD, "role": "admin"},
    ],
)
async def test_a_log_in_is_checked(client: httpx.AsyncClient, body: dict[str, Any]) -> None:
    problem(await client.post("/users/login", json=body), 422, "validation-failed")


async def test_the_sixth_wrong_guess_has_to_wait(client: httpx.AsyncClient) -> None:
    await sign_up(client)
    body = {"email": "ada@example.com", "password": OTHER_PASSWORD}
    for _ in range(5):
        problem(await client.post("/users/login", json=body), 401, "credentials-invalid")
    response = await client.post("/users/login", json=body | {"password": PASSWORD})
    problem(response, 429, "log-in-delayed")
    assert response.headers["retry-after"] == "1"


async def test_log_ins_are_limited_by_address(client: httpx.AsyncClient) -> None:
    await room_in_window(25)
    for number in range(60):
        body = {"email": f"person{number}@example.com", "password": PASSWORD}
        problem(await client.post("/users/login", json=body), 401, "credentials-invalid")
    headers = {"x-forwarded-for": "198.51.100.1", "forwarded": "for=198.51.100.1"}
    response = await client.post("/users/login", json=body, headers=headers)
    assert problem(response, 429, "too-many-requests")["guard"] == "log-in"


async def test_refreshing_uses_a_token_up_and_reuse_ends_the_session(
    client: httpx.AsyncClient,
) -> None:
    await sign_up(client)
    first = await log_in(client)
    body = {"refresh_token": first["refresh_token"]}
    second = (await client.post("/users/refresh", json=body)).json()
    assert second["refresh_token"] != first["refresh_token"]
    problem(await client.post("/users/refresh", json=body), 401, "refresh-token-reused")
    body = {"refresh_token": second["refresh_token"]}
    problem(await client.post("/users/refresh", json=body), 401, "refresh-token-invalid")
    for tokens in (first, second):
        headers = {"authorization": f"Bearer {tokens['access_token']}"}
        problem(await client.get("/users/me", headers=headers), 401, "session-revoked")


async def test_logging_out_is_felt_at_once(client: httpx.AsyncClient) -> None:
    await sign_up(client)
    tokens = await log_in(client)
    headers = {"authorization": f"Bearer {tokens['access_token']}"}
    response = await client.post("/users/logout", headers=headers)
    assert (response.status_code, response.content) == (204, b"")
    problem(await client.get("/users/me", headers=headers), 401, "session-revoked")
    body = {"refresh_token": tokens["refresh_token"]}
    problem(await client.post("/users/refresh", json=body), 401, "refresh-token-invalid")


async def test_sessions_are_listed_and_ended_by_their_owner(client: httpx.AsyncClient) -> None:
    await sign_up(client, "ada")
    await sign_up(client, "eve")
    await log_in(client)
    headers, eve = await bearer(client, "ada"), await bearer(client, "eve")
    page = (await client.get("/users/me/sessions", headers=headers)).json()
    assert page["next_cursor"] is None
    assert [session["current"] for session in page["items"]] == [True, False]
    other = page["items"][1]
    assert other["user_agent"] == "pytest"
    foreign = await client.delete(f"/users/me/sessions/{other['id']}", headers=eve)
    missing = await client.delete(f"/users/me/sessions/{uuid4()}", headers=eve)
    for response in (foreign, missing):
        problem(response, 404, "session-not-found")
    response = await client.delete(f"/users/me/sessions/{other['id']}", headers=headers)
    assert response.status_code == 204
    page = (await client.get("/users/me/sessions", headers=headers)).json()
    assert [session["current"] for session in page["items"]] == [True]
    response = await client.delete("/users/me/sessions/x", headers=headers)
    problem(response, 422, "validation-failed")


async def test_the_signing_keys_are_public_and_nothing_more(client: httpx.AsyncClient) -> None:
    response = await client.get("/.well-known/jwks.json")
    (key,) = response.json()["keys"]
    assert (key["kty"], key["crv"], key["alg"], key["use"]) == ("EC", "P-256", "ES256", "sig")
    assert "d" not in key
    assert "public" in response.headers["cache-control"]


async def test_the_docs_page_gets_tokens_by_the_password_grant(client: httpx.AsyncClient) -> None:
    await sign_up(client)
    response = await client.post("/oauth/token", data=FORM | {"scope": "", "client_id": "x"})
    assert response.status_code == 200, response.text
    assert response.headers["cache-control"] == "no-store"
    tokens = response.json()
    headers = {"authorization": f"Bearer {tokens['access_token']}"}
    assert (await client.get("/users/me", headers=headers)).status_code == 200
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert (await client.post("/oauth/token", data=form)).status_code == 200
    again = await client.post("/oauth/token", data=form)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": "password"}, "invalid_request"),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
        (FORM | {"password": OTHER_PASSWORD}, "invalid_grant"),
        (FORM | {"username": "nobody@example.com"}, "invalid_grant"),
        (FORM | {"username": "x" * 300}, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, "invalid_grant"),
        (FORM | {f"field{number}": "x" for number in range(20)}, "invalid_request"),
    ],
)
async def test_the_token_endpoint_answers_the_errors_of_rfc_6749(
    client: httpx.AsyncClient, form: dict[str, str], error: str
) -> None:
    await sign_up(client)
    response = await client.post("/oauth/token", data=form)
    assert (response.status_code, response.json()["error"]) == (400, error), response.text
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        ("application/json", b"{}"),
        ("application/x-www-form-urlencoded", b"grant_type=password&grant_type=password"),
        ("multipart/form-data; boundary=x", b"--x--"),
        ("", b""),
    ],
)
async def test_the_token_endpoint_reads_forms_only(
    client: httpx.AsyncClient, content_type: str, content: bytes
) -> None:
    response = await client.post(
        "/oauth/token", content=content, headers={"content-type": content_type}
    )
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


async def test_guesses_at_the_token_endpoint_are_delayed_too(client: httpx.AsyncClient) -> None:
    await sign_up(client)
    for _ in range(5):
        await client.post("/oauth/token", data=FORM | {"password": OTHER_PASSWORD})
    response = await client.post("/oauth/token", data=FORM)
    assert (response.status_code, response.headers["retry-after"]) == (429, "1")
