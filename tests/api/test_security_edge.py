"""The edge of the whole application under attack: origins, headers, addresses, logs, SQL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.api.people import PASSWORD, sign_up
from tests.conftest import Database, Service, room_in_window, running_service, settings_of

from wallet.settings import Settings

ORIGIN = "https://app.example"


def production(**changes: Any) -> Settings:
    """Return settings that production takes; no mail server listens at the address."""
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    given: dict[str, Any] = {
        "environment": "production",
        "database_url": "postgresql://unused@db/wallet",
        "signing_key": pem.decode(),
        "second_factor_key": "at least thirty-two random characters",
        "webhook_key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "public_url": "https://wallet.example",
        "smtp_url": "smtp://127.0.0.1:1",
        "mail_from": "Wallet <no-reply@wallet.example>",
        "allow_sandbox": True,
    }
    settings = settings_of(**{**given, **changes})
    settings.check()
    return settings


@asynccontextmanager
async def served(
    database: Database, directory: Path, settings: Settings
) -> AsyncIterator[tuple[Service, httpx.AsyncClient]]:
    async with (
        running_service(database, directory, settings) as service,
        service.client() as client,
    ):
        yield service, client


async def crash(*_: object, **__: object) -> None:
    """Fail as nobody foresaw, with a caller's words in the message."""
    raise ValueError("marked-words of a caller")


async def answers_by_status(service: Service, client: httpx.AsyncClient) -> dict[int, Any]:
    """Bring about every status that the application itself can answer."""
    alice = await sign_up(client, "alice")
    bob = await sign_up(client, "bob")
    big = b"{" + b" " * 70_000 + b"}"
    as_json = {"content-type": "application/json"}
    found = [
        await client.get("/health/live"),
        await alice.top_up(10),
        await alice.top_up(90_003),
        await client.post("/users/logout", headers=bob.headers),
        await client.get("/"),
        await client.post("/users", content=b"{", headers=as_json),
        await client.get("/users/me"),
        await client.request(
            "DELETE", "/users/me", json={"password": "wrong one"}, headers=alice.headers
        ),
        await client.get("/nowhere"),
        await client.put("/users", json={}),
        await alice.post("/wallets", {"currency": "USD"}),
        await client.post("/users", content=big, headers=as_json),
        await client.post("/users", content=b"a=b", headers={"content-type": "text/plain"}),
        await client.post("/users", json={}),
    ]
    wrong = {"email": "x@example.com", "password": "y"}
    found += [await client.post("/users/login", json=wrong) for _ in range(6)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(service.app.state.use_cases.wallets, "of_person", crash)
        found.append(await alice.get("/wallets"))
    ready = service.app.state.edge
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(service.app.state, "edge", type(ready)(crash, ready.render_metrics, []))
        found.append(await client.get("/health/ready"))
    return {answer.status_code: answer for answer in found}


STATUSES = {
    200, 201, 202, 204, 307, 400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 500, 503,
}  # fmt: skip


async def test_in_production_every_status_has_every_security_header(
    database: Database, tmp_path: Path
) -> None:
    async with served(database, tmp_path, production()) as (service, client):
        found = await answers_by_status(service, client)
    assert set(found) == STATUSES
    for status, answer in found.items():
        expected = {
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
            "cross-origin-resource-policy": "same-origin",
            "strict-transport-security": "max-age=63072000; includeSubDomains",
            "cache-control": "no-store",
            "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
        }
        for name, value in expected.items():
            assert answer.headers.get_list(name) == [value], (status, name)
        assert len(answer.headers["x-request-id"]) == 24, status
        assert not {"server", "x-powered-by", "set-cookie"} & set(answer.headers), status
        if status >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["request_id"] == answer.headers["x-request-id"]


async def test_a_crash_tells_nothing_of_itself(service: Service, client: httpx.AsyncClient) -> None:
    found = await answers_by_status(service, client)
    for status in (500, 503):
        assert "marked-words" not in found[status].text
        for word in ("ValueError", "Traceback", "File ", ".py", "crash"):
            assert word not in found[status].text
    assert "marked-words" not in service.log_text()
    assert "internal-error" in service.log_text()


async def test_the_pages_may_load_from_here_only_and_be_framed_by_nobody(
    database: Database, tmp_path: Path
) -> None:
    async with served(database, tmp_path, production()) as (_, client):
        for path in ("/docs", "/redoc"):
            answer = await client.get(path)
            policy = answer.headers.get_list("content-security-policy")
            assert len(policy) == 1, path
            directives = dict(part.split(" ", 1) for part in policy[0].split("; "))
            assert directives["default-src"] == "'none'"
            assert directives["frame-ancestors"] == "'none'"
            if answer.status_code == 200:  # The pages have been built.
                assert directives["script-src"] == "'self'"
                assert directives["connect-src"] == "'self'"
                assert directives["base-uri"] == "'none'"
                assert "unsafe" not in policy[0]


async def test_production_has_no_mailbox_and_no_password_grant(
    database: Database, tmp_path: Path
) -> None:
    async with served(database, tmp_path, production()) as (service, client):
        alice = await sign_up(client, "alice")
        for path in ("/dev/mail", "/dev/mail/", "//dev/mail", "/%64ev/mail", "/dev%2fmail"):
            assert (await client.get(path)).status_code == 404, path
        form = {"grant_type": "password", "username": alice.email, "password": PASSWORD}
        refused = await client.post("/oauth/token", data=form)
        assert (refused.status_code, refused.json()["error"]) == (400, "unsupported_grant_type")
        schemes = service.app.openapi()["components"]["securitySchemes"]
    assert set(schemes) == {"accessToken", "apiKey", "sessionCookie", "csrfToken"}


# Origins.

LOOKALIKES = [
    "https://evil.example",
    "null",
    "https://app.example.evil.example",
    "https://evilapp.example",
    "https://app.example:8443",
    "https://app.example.",
    "https://APP.EXAMPLE",
    "http://app.example",
    "https://app.example, https://evil.example",
    "https://app.example\t",
    "https://\u0430pp.example",
    "*",
    "",
]


async def test_a_strange_origin_gets_no_word_of_permission_whatever_the_status(
    database: Database, tmp_path: Path
) -> None:
    async with served(database, tmp_path, settings_of(cors_origins=(ORIGIN,))) as (_, client):
        for origin in LOOKALIKES:
            headers = [(b"origin", origin.encode()), (b"cookie", b"session=1")]
            preflight = [*headers, (b"access-control-request-method", b"POST")]
            found = [
                await client.get("/health/live", headers=headers),
                await client.get("/users/me", headers=headers),
                await client.get("/nowhere", headers=headers),
                await client.put("/users", headers=headers),
                await client.post("/users", json=[], headers=headers),
                await client.request("OPTIONS", "/users", headers=preflight),
            ]
            statuses = [answer.status_code for answer in found]
            assert statuses == [200, 401, 404, 405, 422, 403], origin
            for answer in found:
                assert not [name for name in answer.headers if name.startswith("access-control")]
                assert answer.headers["vary"] == "Origin"


async def test_a_listed_origin_is_never_allowed_to_send_cookies(
    database: Database, tmp_path: Path
) -> None:
    settings = settings_of(cors_origins=(ORIGIN,))
    async with served(database, tmp_path, settings) as (_, client):
        asked = {"origin": ORIGIN, "access-control-request-method": "DELETE"}
        for answer in (
            await client.get("/users/me", headers={"origin": ORIGIN}),
            await client.request("OPTIONS", "/users/me", headers=asked),
        ):
            assert answer.headers["access-control-allow-origin"] == ORIGIN
            assert "access-control-allow-credentials" not in answer.headers
        assert "access-control-allow-private-network" not in answer.headers


async def test_by_default_no_page_of_anybody_may_call(client: httpx.AsyncClient) -> None:
    for origin in (ORIGIN, "http://localhost:4000", "null"):
        asked = {"origin": origin, "access-control-request-method": "POST"}
        for answer in (
            await client.get("/health/live", headers={"origin": origin}),
            await client.request("OPTIONS", "/users", headers=asked),
        ):
            assert not [name for name in answer.headers if name.startswith("access-control")]


# Where a request says it comes from.

CLAIMS = (
    "x-forwarded-for", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "cf-connecting-ip",
    "true-client-ip", "fastly-client-ip", "x-original-forwarded-for", "forwarded", "via",
    "x-forwarded-host", "x-remote-addr",
)  # fmt: skip


async def test_a_forged_address_escapes_no_guard_and_is_noted_nowhere(
    database: Database, tmp_path: Path
) -> None:
    settings = settings_of(log_in_limit=3)
    async with served(database, tmp_path, settings) as (service, client):
        alice = await sign_up(client, "alice")
        for place, claim in enumerate(CLAIMS):
            await room_in_window(5)
            async with service.client(f"192.0.2.{place}") as attacker:
                statuses = []
                for number in range(3):
                    address = f"198.51.100.{number}"
                    value = f"for={address}" if claim == "forwarded" else address
                    body = {"email": f"x{place}{number}@example.com", "password": "y"}
                    answer = await attacker.post("/users/login", json=body, headers={claim: value})
                    statuses.append(answer.status_code)
                body = {"email": alice.email, "password": PASSWORD}
                forged = {claim: "198.51.100.99"}
                refused = await attacker.post("/users/login", json=body, headers=forged)
            assert (statuses, refused.status_code) == ([401, 401, 401], 429), claim
        async with service.client("192.0.2.200") as other:
            forged = dict.fromkeys(CLAIMS, "198.51.100.99")
            entered = await other.post("/users/login", json=body, headers=forged)
        assert entered.status_code == 200
        sessions = (await alice.get("/users/me/sessions")).json()["items"]
    assert [session["address"] for session in sessions] == ["192.0.2.200", "127.0.0.1"]


@pytest.mark.parametrize(
    ("peer", "forwarded", "noted"),
    [
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["6.6.6.6, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["6.6.6.6", "203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["127.0.0.1, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["<script>"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("192.0.2.7", ["203.0.113.9"], "192.0.2.7"),
        ("::ffff:10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
    ],
)
async def test_of_a_forwarded_address_only_what_our_own_proxy_saw_is_believed(
    database: Database, tmp_path: Path, peer: str, forwarded: list[str], noted: str
) -> None:
    settings = settings_of(trusted_proxies=("10.0.0.0/8",))
    async with (
        served(database, tmp_path, settings) as (service, _),
        service.client(peer) as client,
    ):
        alice = await sign_up(client, "alice")
        headers = [("x-forwarded-for", value) for value in forwarded]
        body = {"email": alice.email, "password": PASSWORD}
        answer = await client.post("/users/login", json=body, headers=headers)
        alice.access_token = answer.json()["access_token"]
        sessions = (await alice.get("/users/me/sessions")).json()["items"]
    assert next(s["address"] for s in sessions if s["current"]) == noted


async def test_a_customer_with_a_whole_ipv6_network_is_one_customer(
    database: Database, tmp_path: Path
) -> None:
    async with served(database, tmp_path, settings_of(log_in_limit=3)) as (service, _):
        statuses = []
        await room_in_window(5)
        for number in range(4):
            async with service.client(f"2001:db8::{number:x}:1") as client:
                body = {"email": f"x{number}@example.com", "password": "y"}
                statuses.append((await client.post("/users/login", json=body)).status_code)
    assert statuses == [401, 401, 401, 429]


async def test_in_production_the_metrics_are_not_for_strangers_behind_our_own_proxy(
    database: Database, tmp_path: Path
) -> None:
    settings = production(trusted_proxies=("127.0.0.1/32",))
    async with served(database, tmp_path, settings) as (_, client):
        assert (await client.get("/metrics")).status_code == 200
        stranger = {"x-forwarded-for": "203.0.113.9"}
        assert (await client.get("/metrics", headers=stranger)).status_code == 404


async def test_in_production_the_metrics_are_not_for_strangers(
    database: Database, tmp_path: Path
) -> None:
    async with (
        served(database, tmp_path, production()) as (service, _),
        service.client("203.0.113.9") as client,
    ):
        claims = {"x-forwarded-for": "127.0.0.1", "host": "localhost"}
        strange = await client.get("/metrics", headers=claims)
        missing = await client.get("/nowhere", headers=claims)
    assert (strange.status_code, strange.json()["code"]) == (404, "not-found")
    assert strange.json().keys() == missing.json().keys()


async def test_the_host_header_reaches_no_answer_and_no_mail(client: httpx.AsyncClient) -> None:
    evil = {"host": "evil.example", "x-forwarded-host": "evil.example", "x-forwarded-proto": "http"}
    client.headers.update(evil)
    await sign_up(client, "alice")
    root = await client.get("/")
    assert (root.status_code, root.headers["location"]) == (307, "/docs")
    reset = await client.post("/password-resets", json={"email": "alice@example.com"})
    assert reset.status_code == 202
    for _ in range(100):
        mails = (await client.get("/dev/mail")).json()["items"]
        if len(mails) == 2:
            break
        await asyncio.sleep(0.02)
    assert len(mails) == 2
    for mail in mails:
        assert "http://localhost:4000/" in mail["text"]
        assert "evil.example" not in mail["text"]
    for path in ("/openapi.json", "/nowhere", "/docs"):
        assert "evil.example" not in (await client.get(path)).text


# Requests that are something else than they seem.


async def test_a_method_is_what_the_request_line_says(client: httpx.AsyncClient) -> None:
    alice = await sign_up(client, "alice")
    for name in ("x-http-method-override", "x-http-method", "x-method-override"):
        headers = {**alice.headers, name: "DELETE"}
        answer = await client.post("/users/me", json={"password": PASSWORD}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (405, "method-not-allowed")
    query = await client.post("/users/me?_method=DELETE", headers=alice.headers)
    assert query.status_code == 405
    for method in ("HEAD", "TRACE", "OPTIONS", "CONNECT", "PROPFIND"):
        answer = await client.request(method, "/users/me", headers=alice.headers)
        assert answer.status_code == 405, method
    assert (await alice.get("/users/me")).status_code == 200
