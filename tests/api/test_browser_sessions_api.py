"""Pages with a session cookie: log-in, use, log-out, and what another site's page can do."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio
from tests.api.browsers import (
    PATH,
    SAME_ORIGIN,
    Page,
    ask_to_log_in,
    code_now,
    cookie_in,
    open_page,
    turn_on,
)
from tests.api.people import PASSWORD, Person, balance_of, sign_up, sign_up_with
from tests.conftest import Database, Service, running_service, settings_of

from wallet.api.hot_routes import HotRoutes

TRANSFER, BALANCE = "/wallets/transfer", "/wallets/my-balance"


@pytest_asyncio.fixture(loop_scope="session")
async def alice(client: httpx.AsyncClient) -> Person:
    await sign_up(client, "bob")
    return await sign_up_with(client, "alice", 1_000)


@pytest_asyncio.fixture(loop_scope="session")
async def page(client: httpx.AsyncClient, alice: Person) -> Page:
    return (await open_page(client, alice.email))[0]


def outcome(answer: httpx.Response) -> tuple[int, str | None]:
    return answer.status_code, answer.json().get("code") if answer.content else None


# Log-in and log-out.


async def test_logging_in_sets_a_cookie_that_no_script_reads(
    client: httpx.AsyncClient, alice: Person
) -> None:
    answer = await ask_to_log_in(client, alice.email)
    document = answer.json()
    assert document["user"] == {
        "id": alice.id, "handle": "alice", "first_name": "Alice", "last_name": "Tester",
        "email": "alice@example.com", "role": "user",
    }  # fmt: skip
    assert document.keys() == {"user", "csrf_token", "expires_at", "second_factor"}
    assert re.fullmatch(
        r"__Host-wallet=[A-Za-z0-9_-]{43}; Max-Age=43200; Path=/; HttpOnly; Secure; "
        r"SameSite=Strict",
        answer.headers["set-cookie"],
    )
    assert answer.headers.get_list("set-cookie") == [answer.headers["set-cookie"]]
    assert answer.headers["cache-control"] == "no-store"
    assert cookie_in(answer) not in answer.text


async def test_a_page_finds_its_session_again_and_ends_it(page: Page) -> None:
    found = await page.get("/session")
    assert found.status_code == 200
    assert found.json()["csrf_token"] == page.csrf_token
    ended = await page.request("DELETE", "/session")
    assert ended.status_code == 204
    assert ended.headers["set-cookie"] == (
        "__Host-wallet=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Strict"
    )
    assert outcome(await page.get("/session")) == (401, "session-revoked")
    assert outcome(await page.get(BALANCE)) == (401, "session-revoked")


async def test_a_second_factor_is_asked_for_here_too(
    client: httpx.AsyncClient, alice: Person
) -> None:
    secret, codes = await turn_on(alice)
    assert outcome(await ask_to_log_in(client, alice.email)) == (401, "second-factor-required")
    wrong = await ask_to_log_in(client, alice.email, otp="000000")
    assert outcome(wrong) == (401, "second-factor-wrong")
    assert "set-cookie" not in wrong.headers
    entered = await ask_to_log_in(client, alice.email, otp=code_now(secret, 1))
    assert entered.json()["second_factor"] is True
    assert (await ask_to_log_in(client, alice.email, otp=codes[0])).status_code == 200


async def test_a_page_can_set_up_the_second_factor_and_stays_logged_in(
    page: Page, alice: Person
) -> None:
    begun = await page.post(PATH, {"password": PASSWORD})
    confirmed = await page.post(f"{PATH}/confirm", {"otp": code_now(begun.json()["secret"])})
    assert len(confirmed.json()["recovery_codes"]) == 10
    assert (await page.get("/session")).json()["second_factor"] is True
    assert outcome(await alice.get("/users/me")) == (401, "session-revoked")


async def test_logging_in_again_ends_the_session_that_the_browser_had(
    client: httpx.AsyncClient, page: Page, alice: Person
) -> None:
    again = await ask_to_log_in(client, alice.email, cookie=page.cookie)
    assert cookie_in(again) != page.cookie
    assert outcome(await page.get("/session")) == (401, "session-revoked")


async def test_a_cookie_that_was_planted_is_not_taken_on(
    client: httpx.AsyncClient, alice: Person
) -> None:
    planted = "p" * 43
    entered = await ask_to_log_in(client, alice.email, cookie=planted)
    assert cookie_in(entered) != planted
    assert outcome(await Page(client, planted, "").get("/session")) == (401, "session-revoked")


async def test_the_session_is_in_the_list_and_ended_from_there(page: Page, alice: Person) -> None:
    items = (await page.get("/users/me/sessions")).json()["items"]
    assert [item["current"] for item in items].count(True) == 1
    current = next(item["id"] for item in items if item["current"])
    ended = await alice.client.delete(f"/users/me/sessions/{current}", headers=alice.headers)
    assert ended.status_code == 204
    assert outcome(await page.get(BALANCE)) == (401, "session-revoked")


# The API by cookie.


async def test_everything_works_by_cookie_as_it_does_by_token(page: Page, alice: Person) -> None:
    paid = await page.post(TRANSFER, {"to_handle": "bob", "amount": 10})
    assert paid.status_code == 201
    batch = {"transfers": [{"to_handle": "bob", "amount": 1}]}
    assert (await page.post("/transfers/batch", batch)).status_code == 201
    for path in (BALANCE, "/transactions", "/users/me", "/wallets", "/users/me/export"):
        by_cookie, by_token = await page.get(path), await alice.get(path)
        assert by_cookie.status_code == by_token.status_code == 200
        if path != "/users/me/export":
            assert by_cookie.json() == by_token.json(), path
    renamed = await page.request("PATCH", "/users/me", json={"first_name": "Alys"})
    assert renamed.json()["first_name"] == "Alys"


async def test_hot_routes_serve_a_page_without_fastapi(service: Service, page: Page) -> None:
    seen: list[str] = []
    layer: Any = service.app.middleware_stack
    while not isinstance(layer, HotRoutes):
        layer = layer.app
    inner = layer.app

    async def counting(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["path"])
        await inner(scope, receive, send)

    layer.app = counting
    assert (await page.get(BALANCE)).status_code == 200
    assert (await page.post(TRANSFER, {"to_handle": "bob", "amount": 1})).status_code == 201
    assert seen == []
    refused = await page.request("POST", TRANSFER, json={}, headers={"x-csrf-token": "x"})
    assert outcome(refused) == (403, "csrf-token-wrong")
    assert seen == [TRANSFER]


async def test_a_read_by_cookie_costs_no_statement_about_the_session(
    service: Service, page: Page
) -> None:
    sessions = service.app.state.use_cases.browser_sessions
    asked = 0
    good = sessions._unit_of_work

    def counting() -> Any:
        nonlocal asked
        asked += 1
        return good()

    sessions._unit_of_work = counting
    for _ in range(20):
        assert (await page.get(BALANCE)).status_code == 200
    assert asked == 0


async def test_other_cookies_are_none_of_our_business(page: Page, alice: Person) -> None:
    headers = {**page.reading, "cookie": f"theme=dark; __Host-wallet={page.cookie}; a=b"}
    assert (await page.client.get(BALANCE, headers=headers)).status_code == 200
    headers = {**alice.headers, "cookie": "theme=dark; x__Host-wallet=1; wallet=2"}
    assert (await page.client.get(BALANCE, headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "cookie",
    [
        "__Host-wallet=",
        "__Host-wallet=x",
        "__Host-wallet=" + "x" * 43,
        "__Host-wallet=" + "x" * 4_000,
        "__Host-wallet=caf\u00e9",
        '__Host-wallet="{cookie}"',
        "__Host-wallet={cookie}; __Host-wallet={cookie}",
        "__Host-wallet={cookie}x",
    ],
)
async def test_a_cookie_that_is_none_of_ours_lets_nobody_in(page: Page, cookie: str) -> None:
    value = cookie.replace("{cookie}", page.cookie).encode()
    headers = [(b"cookie", value), (b"sec-fetch-site", b"same-origin")]
    for path in (BALANCE, "/users/me", "/session"):
        answer = await page.client.get(path, headers=headers)
        assert outcome(answer) == (401, "session-revoked"), path


# Forged requests.

# What a browser says of a request that one of our pages sends, and what it says of others.
OURS = [
    {"sec-fetch-site": "same-origin"},
    {"sec-fetch-site": "same-origin", "origin": "http://localhost"},
    {"origin": "http://localhost"},
    {"origin": "http://localhost:4000"},
]
THEIRS = [
    {},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "nonsense"},
    {"sec-fetch-site": ""},
    {"sec-fetch-site": "cross-site", "origin": "http://localhost"},
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://localhost.evil.example"},
    {"origin": "http://localhost:4001"},
    {"origin": "javascript://localhost"},
    {"referer": "http://localhost/app"},
]
CHANGES = [
    ("POST", TRANSFER, {"to_handle": "bob", "amount": 1}),
    ("POST", "/wallets/topup", {"amount": 1}),
    ("POST", "/wallets", {"currency": "EUR"}),
    ("PATCH", "/users/me", {"first_name": "Mallory"}),
    ("DELETE", "/users/me", {"password": PASSWORD}),
    ("DELETE", "/session", None),
    ("POST", "/live/tickets", None),
    ("POST", PATH, {"password": PASSWORD}),
]


@pytest.mark.parametrize("said", THEIRS)
async def test_a_page_of_another_site_can_neither_change_nor_read(
    page: Page, alice: Person, said: dict[str, str]
) -> None:
    cookie = {"cookie": f"__Host-wallet={page.cookie}", "x-csrf-token": page.csrf_token}
    for method, path, body in CHANGES:
        forged = await page.client.request(method, path, json=body, headers=cookie | said)
        assert outcome(forged) == (403, "cross-site-request"), path
    for path in (BALANCE, "/transactions", "/users/me", "/session", "/live/events"):
        read = await page.client.get(path, headers=cookie | said)
        assert outcome(read) == (403, "cross-site-request"), path
    assert await balance_of(alice) == 1_000
    assert (await page.get("/session")).json()["user"]["first_name"] == "Alice"


@pytest.mark.parametrize("said", OURS)
async def test_our_own_pages_can(page: Page, said: dict[str, str]) -> None:
    headers = {"cookie": f"__Host-wallet={page.cookie}", "x-csrf-token": page.csrf_token} | said
    body = {"to_handle": "bob", "amount": 1}
    assert (await page.client.post(TRANSFER, json=body, headers=headers)).status_code == 201


@pytest.mark.parametrize("token", [None, "", "x", "other"])
async def test_a_change_needs_the_csrf_token_of_this_very_session(
    client: httpx.AsyncClient, page: Page, alice: Person, token: str | None
) -> None:
    other = (await open_page(client, alice.email))[0]
    headers = dict(page.reading)
    if token is not None:
        headers["x-csrf-token"] = other.csrf_token if token == "other" else token
    for method, path, body in CHANGES:
        refused = await client.request(method, path, json=body, headers=headers)
        assert outcome(refused) == (403, "csrf-token-wrong"), path
    assert await balance_of(alice) == 1_000
    twice = [*headers.items(), ("x-csrf-token", page.csrf_token)]
    if token is not None:
        refused = await client.post(TRANSFER, json=CHANGES[0][2], headers=twice)
        assert outcome(refused) == (403, "csrf-token-wrong")


async def test_reading_needs_none(page: Page) -> None:
    assert (await page.client.get(BALANCE, headers=page.reading)).status_code == 200
    assert (await page.client.head("/users/me", headers=page.reading)).status_code in {200, 405}


@pytest.mark.parametrize("said", THEIRS)
async def test_another_sites_page_cannot_log_a_browser_in(
    client: httpx.AsyncClient, alice: Person, said: dict[str, str]
) -> None:
    body = {"email": alice.email, "password": PASSWORD}
    forged = await client.post("/session", json=body, headers=said)
    assert outcome(forged) == (403, "cross-site-request")
    assert "set-cookie" not in forged.headers


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None]
)
async def test_a_form_cannot_log_a_browser_in(
    client: httpx.AsyncClient, alice: Person, media_type: str | None
) -> None:
    content = f'{{"email":"{alice.email}","password":"{PASSWORD}"}}'
    headers = SAME_ORIGIN if media_type is None else SAME_ORIGIN | {"content-type": media_type}
    forged = await client.post("/session", content=content, headers=headers)
    assert outcome(forged) == (415, "unsupported-media-type")
    assert "set-cookie" not in forged.headers


async def test_a_cookie_and_a_token_at_once_are_refused(page: Page, alice: Person) -> None:
    for credential in ("Bearer nonsense", alice.headers["authorization"], "Basic YTpi", ""):
        headers = {**page.headers, "authorization": credential}
        for method, path, body in CHANGES:
            refused = await page.client.request(method, path, json=body, headers=headers)
            assert outcome(refused) == (400, "two-credentials"), path
        refused = await page.client.get(BALANCE, headers=headers)
        assert outcome(refused) == (400, "two-credentials")
        body = {"email": alice.email, "password": PASSWORD}
        refused = await page.client.post("/session", json=body, headers=headers)
        assert outcome(refused) == (400, "two-credentials")
    assert await balance_of(alice) == 1_000


async def test_a_token_is_no_session_of_a_page_and_a_cookie_no_grant(
    page: Page, alice: Person
) -> None:
    assert outcome(await alice.get("/session")) == (401, "unauthenticated")
    form = {"grant_type": "refresh_token", "refresh_token": page.cookie}
    refused = await page.client.post("/oauth/token", data=form, headers=page.headers)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    bearer = {"authorization": f"Bearer {page.cookie}"}
    assert outcome(await page.client.get(BALANCE, headers=bearer)) == (401, "token-invalid")
    refresh = {"refresh_token": page.cookie}
    answer = await page.client.post("/users/refresh", json=refresh)
    assert outcome(answer) == (401, "refresh-token-invalid")


async def test_pages_of_origins_that_cors_allows_get_nothing_by_cookie(
    database: Database, tmp_path: Path
) -> None:
    settings = settings_of(cors_origins=("https://app.example",))
    async with running_service(database, tmp_path, settings) as service, service.client() as client:
        alice = await sign_up(client, "alice")
        page = (await open_page(client, alice.email))[0]
        said = {"origin": "https://app.example", "sec-fetch-site": "cross-site"}
        headers = {**page.headers, **said}
        answer = await client.get(BALANCE, headers=headers)
        assert outcome(answer) == (403, "cross-site-request")
        assert "access-control-allow-credentials" not in answer.headers


# Secrets.


async def test_cookies_and_csrf_tokens_are_in_no_log(service: Service, page: Page) -> None:
    await page.post(TRANSFER, {"to_handle": "bob", "amount": 1})
    await page.post("/live/tickets")

    @service.app.get("/crash")
    async def crash() -> None:
        raise OSError(f"cookie: a=b; __Host-wallet={page.cookie}; c=d")

    assert (await page.client.get("/crash", headers=page.headers)).status_code == 500
    log = service.log_text()
    assert "__Host-wallet" not in log
    assert page.cookie not in log
    assert page.csrf_token not in log


async def test_the_database_holds_digests_only(service: Service, page: Page) -> None:
    ticket = (await page.post("/live/tickets")).json()["ticket"]
    connection = await asyncpg.connect(service.database.superuser_url)
    try:
        rows = await connection.fetch(
            "SELECT s::text || c::text || coalesce(t::text, '') AS row FROM sessions s "
            "LEFT JOIN session_cookies c ON c.session_id = s.id "
            "LEFT JOIN live_tickets t ON t.session_id = s.id"
        )
    finally:
        await connection.close()
    text = "".join(str(row["row"]) for row in rows if row["row"] is not None)
    assert text.count("\\x") >= 2
    for secret in (page.cookie, page.csrf_token, ticket):
        assert secret not in text


# Several processes.


@pytest_asyncio.fixture(loop_scope="session")
async def there(database: Database, tmp_path: Path, service: Service) -> AsyncIterator[Service]:
    """Yield another process of the same service: the same database and keys, memory of its own."""
    async with running_service(database, tmp_path, settings_of()) as other:
        yield other


async def test_a_session_is_known_in_every_process_and_ended_in_all_within_two_seconds(
    page: Page, there: Service
) -> None:
    async with there.client() as client:
        same = Page(client, page.cookie, page.csrf_token)
        assert (await same.post(TRANSFER, {"to_handle": "bob", "amount": 1})).status_code == 201
        assert (await page.request("DELETE", "/session")).status_code == 204
        async with asyncio.timeout(2):
            while (await same.get(BALANCE)).status_code == 200:
                await asyncio.sleep(0.05)
        assert outcome(await same.get(BALANCE)) == (401, "session-revoked")


async def test_a_session_survives_the_process(database: Database, tmp_path: Path) -> None:
    async with running_service(database, tmp_path, settings_of()) as one, one.client() as client:
        alice = await sign_up(client, "alice")
        page = (await open_page(client, alice.email))[0]
    async with running_service(database, tmp_path, settings_of()) as two, two.client() as client:
        again = Page(client, page.cookie, page.csrf_token)
        assert (await again.post("/wallets", {"currency": "EUR"})).status_code == 201
        assert (await again.get("/session")).json()["csrf_token"] == page.csrf_token


async def test_how_long_sessions_last_is_a_setting(database: Database, tmp_path: Path) -> None:
    settings = settings_of(browser_session_idle_minutes=5, browser_session_hours=1)
    async with running_service(database, tmp_path, settings) as service, service.client() as client:
        alice = await sign_up(client, "alice")
        page, entered = await open_page(client, alice.email)
        assert "Max-Age=3600;" in entered.headers["set-cookie"]
        connection = await asyncpg.connect(database.superuser_url)
        try:
            row = await connection.fetchrow(
                "SELECT s.expires_at - s.created_at, c.ends_at - s.created_at "
                "FROM sessions s JOIN session_cookies c ON c.session_id = s.id"
            )
            await connection.execute("UPDATE sessions SET expires_at = now()")
        finally:
            await connection.close()
        assert row is not None
        assert (row[0].total_seconds(), row[1].total_seconds()) == (300, 3600)
        service.app.state.use_cases.browser_sessions._known.clear()
        assert outcome(await page.get(BALANCE)) == (401, "session-revoked")
