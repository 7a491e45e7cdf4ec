"""The service as a process under attack: unsafe settings, roles, files, and bytes on a socket."""

import json
import socket
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from tests.conftest import Cluster, Database, reachable_directory
from tests.integration.serving import Serving, clean_environment, serving

from wallet.infrastructure.mail import SmtpMailer

HIDDEN = "hidden-word"
NEVER = "postgresql://service:hidden-word@127.0.0.1:1/wallet"


def pem_of(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


KEY = pem_of(ec.generate_private_key(ec.SECP256R1()))
SAFE = {
    "WALLET_ENVIRONMENT": "production",
    "WALLET_DATABASE_URL": NEVER,
    "WALLET_SIGNING_KEY": KEY,
    "WALLET_SECOND_FACTOR_KEY": "hidden-word" * 3,
    "WALLET_WEBHOOK_KEY": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    "WALLET_PUBLIC_URL": "https://wallet.example",
    "WALLET_SMTP_URL": "smtp://user:hidden-word@127.0.0.1:1",
    "WALLET_MAIL_FROM": "Wallet <no-reply@wallet.example>",
    "WALLET_ALLOW_SANDBOX": "true",
}


def start(directory: Path, **environment: str) -> tuple[int, str]:
    """Run `wallet serve` to its end; return its exit code and everything it said."""
    done = subprocess.run(
        [sys.executable, "-m", "wallet", "serve", "--port", "0"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
        cwd=directory,
        env=clean_environment(WALLET_DATA_DIRECTORY=str(directory / "data"), **environment),
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    with reachable_directory() as directory:
        yield directory


# One unsafe thing each: (setting, value, what may not be shown).
UNSAFE = [
    ("WALLET_DATABASE_URL", "", ""),
    ("WALLET_SIGNING_KEY", "", ""),
    ("WALLET_SIGNING_KEY", HIDDEN, HIDDEN),
    ("WALLET_SIGNING_KEY", pem_of(ec.generate_private_key(ec.SECP384R1())), "BEGIN"),
    ("WALLET_SIGNING_KEY", pem_of(rsa.generate_private_key(65537, 2048)), "BEGIN"),
    ("WALLET_PREVIOUS_SIGNING_KEY", HIDDEN, HIDDEN),
    ("WALLET_SECOND_FACTOR_KEY", "", ""),
    ("WALLET_SECOND_FACTOR_KEY", "hidden-word" * 2, "hidden-word"),
    ("WALLET_PREVIOUS_SECOND_FACTOR_KEY", "hidden-word" * 2, "hidden-word"),
    ("WALLET_WEBHOOK_KEY", "", ""),
    ("WALLET_WEBHOOK_KEY", HIDDEN, HIDDEN),
    ("WALLET_PREVIOUS_WEBHOOK_KEY", HIDDEN, HIDDEN),
    ("WALLET_WEBHOOK_LOOPBACK", "true", ""),
    ("WALLET_PUBLIC_URL", "http://hidden-word.example", HIDDEN),
    ("WALLET_SMTP_URL", "", ""),
    ("WALLET_MAIL_FROM", "hidden-word <no-reply@localhost>", HIDDEN),
    ("WALLET_PASSWORD_LENGTH_MIN", "8", ""),
    ("WALLET_CORS_ORIGINS", "https://hidden-word.example,*", HIDDEN),
    ("WALLET_LOG_LEVEL", "debug", ""),
    ("WALLET_ALLOW_SANDBOX", "false", ""),
]


@pytest.mark.slow
def test_production_refuses_each_unsafe_setting_by_its_name_and_never_shows_it(place: Path) -> None:
    with ThreadPoolExecutor(2) as starters:
        told = list(starters.map(lambda row: start(place, **SAFE | {row[0]: row[1]}), UNSAFE))
    for (name, value, secret), (code, said) in zip(UNSAFE, told, strict=True):
        assert code == 1, (name, value, said)
        assert name in said
        assert "Traceback" not in said, said
        assert not secret or secret not in said, said
        others = {setting for setting in SAFE if setting != name} - {"WALLET_ENVIRONMENT"}
        assert not [other for other in others if f"{other} " in said], said
    assert not (place / "data/signing-key.pem").exists()
    assert not (place / "data/webhook-key").exists()


def test_safe_settings_are_taken_and_only_the_database_is_missing(place: Path) -> None:
    code, said = start(place, **SAFE)
    assert code == 1
    assert said.startswith("The database cannot be reached:")
    assert HIDDEN not in said


@pytest.mark.slow
def test_an_empty_secret_file_is_no_secret(place: Path) -> None:
    empty = place / "empty"
    empty.write_text("\n")
    for name in ("WALLET_SIGNING_KEY", "WALLET_WEBHOOK_KEY", "WALLET_SMTP_URL"):
        environment = {key: value for key, value in SAFE.items() if key != name}
        code, said = start(place, **environment, **{f"{name}_FILE": str(empty)})
        assert code == 1
        assert f"{name} must be set" in said


def test_an_empty_file_is_no_address_of_a_database(place: Path) -> None:
    empty = place / "empty-too"
    empty.write_text("\n")
    environment = {key: value for key, value in SAFE.items() if key != "WALLET_DATABASE_URL"}
    code, said = start(place, **environment, WALLET_DATABASE_URL_FILE=str(empty))
    assert code == 1
    assert "WALLET_DATABASE_URL must be set" in said


@pytest.mark.slow
@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:hidden-word/x@127.0.0.1:1/wallet",
        "postgresql://user:hidden-word#x@127.0.0.1:1/wallet",
        "postgresql://user:hidden[word@127.0.0.1:1/wallet",
        "mysql://user:hidden-word@127.0.0.1:1/wallet",
    ],
)
def test_a_database_url_that_cannot_be_read_is_named_and_not_shown(place: Path, url: str) -> None:
    code, said = start(place, WALLET_DATABASE_URL=url)
    assert code == 1
    assert HIDDEN not in said
    assert "Traceback" not in said
    assert "WALLET_DATABASE_URL" in said


@pytest.mark.parametrize("url", ["smtp://user:hidden-word/x@mail", "smtp://user:hidden-word#@mail"])
def test_an_smtp_url_that_cannot_be_read_is_not_shown(url: str) -> None:
    with pytest.raises(ValueError, match="SMTP URL") as refused:
        SmtpMailer.of_url(url, "Wallet <no-reply@wallet.example>")
    assert HIDDEN not in str(refused.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["WALLET_METRICS_NETWORKS", "WALLET_TRUSTED_PROXIES", "WALLET_THROUGHPUT_LIMIT"]
)
def test_a_setting_that_is_not_valid_is_named_and_not_shown(place: Path, name: str) -> None:
    code, said = start(place, **{name: HIDDEN})
    assert code == 1
    assert name in said
    assert HIDDEN not in said


# The database: who may do what, and what it promises.


@asynccontextmanager
async def logged_in(url: str, **settings: str) -> AsyncIterator["asyncpg.Connection"]:
    connection = await asyncpg.connect(url, server_settings=settings)
    try:
        yield connection
    finally:
        await connection.close()


OWNERS_AFFAIRS = [
    "SET ROLE wallet_owner",
    "SET SESSION AUTHORIZATION wallet_owner",
    "SET ROLE postgres",
    "GRANT wallet_owner TO wallet_service",
    "ALTER ROLE wallet_service SUPERUSER",
    "ALTER ROLE wallet_owner PASSWORD 'x'",
    "CREATE ROLE mine",
    "CREATE DATABASE mine",
    "CREATE SCHEMA mine",
    "CREATE TABLE mine (id integer)",
    "CREATE EXTENSION dblink",
    "CREATE FUNCTION mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "CREATE TRIGGER t BEFORE UPDATE ON accounts EXECUTE FUNCTION ri_fkey_noaction_upd()",
    "CREATE RULE mine AS ON INSERT TO entries DO INSTEAD NOTHING",
    "ALTER TABLE entries DISABLE TRIGGER ALL",
    "ALTER TABLE accounts OWNER TO wallet_service",
    "ALTER TABLE accounts DROP CONSTRAINT accounts_available_not_below_floor",
    "DROP TABLE entries",
    "TRUNCATE entries, instructions, batches",
    "UPDATE entries SET posted_delta = 0",
    "DELETE FROM entries",
    "UPDATE instructions SET amount = 1",
    "DELETE FROM instructions",
    "DELETE FROM events",
    "DELETE FROM users",
    "UPDATE schema_migrations SET sha256 = 'x'",
    "SET session_replication_role = replica",
    "COPY users TO '/tmp/users'",
    "COPY users TO PROGRAM 'cat'",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT rolpassword FROM pg_authid",
    "ALTER SYSTEM SET fsync = off",
    "SELECT pg_reload_conf()",
]


async def test_the_embedded_databases_own_log_in_cannot_become_owner(database: Database) -> None:
    for role in (None, "wallet_application", "wallet_verifier", "wallet_janitor"):
        settings = {} if role is None else {"role": role}
        async with logged_in(database.url, **settings) as connection:
            for statement in OWNERS_AFFAIRS:
                with pytest.raises(asyncpg.PostgresError) as refused:
                    await connection.execute(statement)
                assert refused.value.sqlstate == "42501", (role, statement, refused.value)


async def test_no_role_of_the_service_is_more_than_it_seems(database: Database) -> None:
    async with logged_in(database.superuser_url) as connection:
        rows = await connection.fetch(
            "SELECT rolname, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, "
            "rolcanlogin FROM pg_roles WHERE rolname LIKE 'wallet%' ORDER BY rolname"
        )
        members = await connection.fetch(
            "SELECT g.rolname FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid "
            "JOIN pg_roles r ON r.oid = m.member WHERE r.rolname = 'wallet_service' "
            "AND NOT m.admin_option ORDER BY 1"
        )
    flags = {row["rolname"]: [name for name, on in row.items() if on is True] for row in rows}
    assert flags == {
        "wallet_application": [],
        "wallet_janitor": [],
        "wallet_owner": ["rolcreaterole", "rolcanlogin"],
        "wallet_service": ["rolcanlogin"],
        "wallet_verifier": [],
    }
    assert [row["rolname"] for row in members] == [
        "wallet_application", "wallet_janitor", "wallet_verifier",
    ]  # fmt: skip


async def test_the_verifier_reads_no_password_hashes(database: Database) -> None:
    async with logged_in(database.url, role="wallet_verifier") as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT password_hash FROM users")


@pytest.fixture
async def unsafe_database(cluster: Cluster, template: str) -> AsyncIterator[str]:
    """Yield a database that would acknowledge what it may lose."""
    name = f"test_{uuid4().hex}"
    await cluster.administer(
        f"CREATE DATABASE {name} TEMPLATE {template} OWNER wallet_owner",
        f"ALTER DATABASE {name} SET synchronous_commit = off",
    )
    try:
        yield name
    finally:
        await cluster.administer(f"DROP DATABASE {name} WITH (FORCE)")


async def test_production_refuses_a_database_that_may_lose_commits(
    cluster: Cluster, unsafe_database: str, place: Path
) -> None:
    environment = SAFE | {
        "WALLET_DATABASE_URL": cluster.url(unsafe_database),
        "WALLET_DATABASE_OWNER_URL": cluster.url(unsafe_database, owner=True),
    }
    code, said = start(place, **environment)
    assert code == 1
    assert "switched off: synchronous_commit." in said
    assert "Traceback" not in said


# Production, served.


@pytest.fixture(scope="module")
def serving_place() -> Iterator[Path]:
    with reachable_directory() as directory:
        yield directory


@asynccontextmanager
async def in_production(database: Database, directory: Path) -> AsyncIterator[Serving]:
    environment = SAFE | {
        "WALLET_DATABASE_URL": database.url,
        "WALLET_DATABASE_OWNER_URL": database.owner_url,
        "WALLET_DATA_DIRECTORY": str(directory / "data"),
    }
    with serving(directory, environment=environment) as service:
        yield service


async def test_production_shows_no_mail_takes_no_password_grant_and_keeps_no_key(
    database: Database, serving_place: Path
) -> None:
    async with in_production(database, serving_place) as service:
        async with httpx.AsyncClient(base_url=service.url) as client:
            mail = await client.get("/dev/mail")
            form = {"grant_type": "password", "username": "a@example.com", "password": "b"}
            grant = await client.post("/oauth/token", data=form)
            live = await client.get("/health/live")
            document = (await client.get("/openapi.json")).json()
        log = service.log.read_text()
    assert (mail.status_code, mail.json()["code"]) == (404, "not-found")
    assert (grant.status_code, grant.json()["error"]) == (400, "unsupported_grant_type")
    assert live.headers["strict-transport-security"] == "max-age=63072000; includeSubDomains"
    schemes = document["components"]["securitySchemes"]
    assert set(schemes) == {"accessToken", "apiKey", "sessionCookie", "csrfToken"}
    assert not (serving_place / "data/signing-key.pem").exists()
    assert not (serving_place / "data/second-factor-key").exists()
    assert not (serving_place / "data/mail").exists()
    assert "/dev/mail" not in log
    for secret in (HIDDEN, "BEGIN PRIVATE KEY", database.url, database.owner_url):
        assert secret not in log


def raw(service: Serving, request: bytes) -> bytes:
    """Send bytes and return everything that comes until the connection is closed."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=5) as connection:
        connection.sendall(request)
        said = b""
        while piece := connection.recv(65_536):
            said += piece
        return said


HEAD = b"Host: x\r\nConnection: close\r\n"
MALFORMED = {
    "two lengths": b"POST /users HTTP/1.1\r\n%bContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "one length twice": (
        b"POST /users HTTP/1.1\r\n%bContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}"
    ),
    "length and chunks": (
        b"POST /users HTTP/1.1\r\n%bContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\n\r\n"
    ),
    "chunks not last": b"POST /users HTTP/1.1\r\n%bTransfer-Encoding: chunked, x\r\n\r\n0\r\n\r\n",
    "chunks misspelt": b"POST /users HTTP/1.1\r\n%bTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "space before colon": b"GET /users/me HTTP/1.1\r\n%bAuthorization : Bearer x\r\n\r\n",
    "folded header": b"GET /users/me HTTP/1.1\r\n%bX-A: a\r\n b\r\n\r\n",
    "NUL in a header": b"GET /users/me HTTP/1.1\r\n%bX-A: a\x00b\r\n\r\n",
    "lone CR in a header": b"GET /users/me HTTP/1.1\r\n%bX-A: a\rSet-Cookie: b=1\r\n\r\n",
    "control character": b"GET /a\x01b HTTP/1.1\r\n%b\r\n",
    "another protocol": b"PRI * HTTP/2.0\r\n%b\r\nSM\r\n\r\n",
    "a tunnel": b"CONNECT evil.example:443 HTTP/1.1\r\n%b\r\n",
}
POLICIES = {
    "content-security-policy: default-src 'none'; frame-ancestors 'none'",
    "referrer-policy: no-referrer",
    "strict-transport-security: max-age=63072000; includesubdomains",
}


async def test_requests_that_two_servers_could_read_differently_are_refused(
    database: Database, serving_place: Path
) -> None:
    async with in_production(database, serving_place) as service:
        said = {name: raw(service, text % HEAD) for name, text in MALFORMED.items()}
    for name, answer in said.items():
        assert answer.startswith(b"HTTP/1.1 400 "), (name, answer)
        assert answer.count(b"HTTP/1.1 ") == 1, name
        assert b"content-type: application/problem+json" in answer
        assert b"cache-control: no-store" in answer
        assert b"x-content-type-options: nosniff" in answer
        assert b"set-cookie" not in answer.lower()


UPGRADE = (
    b"GET /users/me HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
NO_HOST = b"GET /health/live HTTP/1.1\r\nConnection: close\r\n\r\n"
TWO_HOSTS = b"GET /health/live HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n"


async def test_a_refusal_of_the_protocol_has_the_security_headers_too(
    database: Database, serving_place: Path
) -> None:
    async with in_production(database, serving_place) as service:
        said = raw(service, MALFORMED["two lengths"] % HEAD).decode().lower()
    assert [policy for policy in POLICIES if policy not in said] == []


async def test_a_refused_websocket_has_the_security_headers_too(
    database: Database, serving_place: Path
) -> None:
    async with in_production(database, serving_place) as service:
        said = raw(service, UPGRADE).decode().lower()
    assert said.startswith("http/1.1 404 ")
    assert [policy for policy in POLICIES if policy not in said] == []


async def test_a_request_says_exactly_once_which_host_it_is_for(
    database: Database, serving_place: Path
) -> None:
    async with in_production(database, serving_place) as service:
        said = [raw(service, request) for request in (NO_HOST, TWO_HOSTS)]
    assert [answer.split(b" ")[1] for answer in said] == [b"400", b"400"]


# Files of the default installation.


def modes_below(directory: Path) -> dict[str, int]:
    return {
        path.relative_to(directory).as_posix(): stat.S_IMODE(path.lstat().st_mode)
        for path in directory.rglob("*")
        if not path.is_symlink() and not stat.S_ISSOCK(path.lstat().st_mode)
    }


def test_keys_passwords_mails_and_data_are_for_their_owner_only(place: Path) -> None:
    data = place / "fresh"
    environment = {"WALLET_DATA_DIRECTORY": str(data)}
    with serving(place, environment=environment) as service:
        body = {
            "first_name": "A", "last_name": "B", "email": "a@example.com",
            "password": "seven green lamps at dusk",
        }  # fmt: skip
        assert httpx.post(f"{service.url}/users", json=body).status_code == 201
        for _ in range(100):
            if httpx.get(f"{service.url}/dev/mail").json()["items"]:
                break
            time.sleep(0.05)
        modes = modes_below(data)
        passwords = json.loads((data / "postgres/cluster/passwords.json").read_text())
        log = service.log.read_text()
        command_lines = subprocess.run(
            ["ps", "-eo", "args"], capture_output=True, text=True, check=True
        ).stdout
    assert modes["signing-key.pem"] == 0o600
    assert modes["postgres/cluster/passwords.json"] == 0o600
    assert modes["postgres/cluster/data"] == 0o700
    assert modes["mail"] == 0o700
    mails = [mode for name, mode in modes.items() if name.startswith("mail/")]
    assert mails
    assert set(mails) == {0o600}
    writable = [name for name, mode in modes.items() if mode & 0o022]
    assert writable == []
    readable = {
        name
        for name, mode in modes.items()
        if mode & 0o044 and not name.startswith("postgres/cluster/data/")
    }
    assert not [name for name in readable if "password" in name or "key" in name or "log" in name]
    for secret in passwords.values():
        assert secret not in log
        assert secret not in command_lines
