"""The service by https: with a certificate of its own for phones, and with one that was given."""

import asyncio
import hashlib
import json
import signal
import socket
import ssl
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
import websockets
from tests.conftest import reachable_directory
from tests.integration.serving import Serving, clean_environment, serving

from wallet.infrastructure.tls_certificate import own_certificate

PASSWORD = "seven green lamps at dusk"


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    with reachable_directory() as path:
        yield path


@pytest.fixture(scope="module")
def phone(directory: Path) -> Iterator[Serving]:
    environment = {"WALLET_DATA_DIRECTORY": str(directory)}
    with serving(
        directory, "--phone", "--workers", "2", environment=environment, scheme="https"
    ) as running:
        yield running


@pytest.fixture
def trust(directory: Path) -> ssl.SSLContext:
    """Whoever has compared the fingerprint, and trusts this certificate alone."""
    return ssl.create_default_context(cafile=directory / "tls-certificate.pem")


def join(client: httpx.Client) -> None:
    person = {
        "first_name": "Ada",
        "last_name": "Adams",
        "email": "ada@example.com",
        "password": PASSWORD,
    }
    assert client.post("/users", json=person).status_code in {201, 409}


def test_a_browser_stays_logged_in_and_pays_from_its_own_origin(
    phone: Serving, trust: ssl.SSLContext
) -> None:
    with httpx.Client(base_url=phone.url, verify=trust) as client:
        join(client)
        own = {"origin": phone.url, "sec-fetch-site": "same-origin"}
        body = {"email": "ada@example.com", "password": PASSWORD}
        entered = client.post("/session", json=body, headers=own)
        assert entered.status_code in {200, 201}, entered.text
        assert all("Secure" in one for one in entered.headers.get_list("set-cookie"))
        token = entered.json()["csrf_token"]
        added = client.post(
            "/wallets/topup", json={"amount": 500}, headers=own | {"x-csrf-token": token}
        )
        assert added.status_code == 201, added.text
        assert "strict-transport-security" not in added.headers


def test_live_numbers_come_through_it(phone: Serving, trust: ssl.SSLContext) -> None:
    async def watch(token: str) -> dict[str, object]:
        url = phone.url.replace("https", "wss") + "/live"
        async with websockets.connect(url, ssl=trust) as stream, asyncio.timeout(10):
            await stream.send(json.dumps({"access_token": token, "last_event_ids": []}))
            answer: dict[str, object] = json.loads(await stream.recv())
            return answer

    with httpx.Client(base_url=phone.url, verify=trust) as client:
        join(client)
        body = {"email": "ada@example.com", "password": PASSWORD}
        token = client.post("/users/login", json=body).json()["access_token"]
    assert asyncio.run(watch(token))["type"] == "ready"


def test_others_do_not_trust_it_and_nothing_is_said_in_the_clear(phone: Serving) -> None:
    with pytest.raises(httpx.ConnectError, match="self-signed"):
        httpx.get(f"{phone.url}/health/live")
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{phone.port}/health/live")


def test_old_protocols_are_refused(phone: Serving, trust: ssl.SSLContext) -> None:
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        trust.minimum_version = ssl.TLSVersion.TLSv1
        trust.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", phone.port)) as plain, pytest.raises(ssl.SSLError):
        trust.wrap_socket(plain, server_hostname="localhost")


def test_whoever_is_slow_or_talks_too_much_is_shown_out_here_too(
    phone: Serving, trust: ssl.SSLContext
) -> None:
    def answer_to(sent: bytes) -> bytes:
        plain = socket.create_connection(("127.0.0.1", phone.port), timeout=20)
        with closing(trust.wrap_socket(plain, server_hostname="localhost")) as connection:
            connection.sendall(sent)
            heard = b""
            while b"\r\n\r\n" not in heard and (more := connection.recv(65_536)):
                heard += more
            return heard.split(b"\r\n")[0]

    assert answer_to(b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"a" * 400_000).endswith(
        b"431 Request Header Fields Too Large"
    )
    assert answer_to(b"GET / HTTP/1.1\r\nhost:").endswith(b"408 Request Timeout")


def test_the_terminal_shows_the_address_a_picture_of_it_and_the_fingerprint(
    phone: Serving, directory: Path
) -> None:
    said = phone.log.read_text()
    der = ssl.PEM_cert_to_DER_cert((directory / "tls-certificate.pem").read_text())
    digest = hashlib.sha256(der).hexdigest().upper()
    assert digest in said.replace(":", "").replace("\n  ", "")
    assert f":{phone.port}/app" in said
    assert "█" in said


def test_a_certificate_that_was_given_is_served_and_a_renewed_one_after_a_signal(
    directory: Path,
) -> None:
    given = directory / "given"
    given.mkdir()
    names = ("localhost", "127.0.0.1")
    files = own_certificate(given, names)
    environment = {
        "WALLET_DATA_DIRECTORY": str(directory),
        "WALLET_TLS_CERTIFICATE_FILE": str(files.certificate),
        "WALLET_TLS_KEY_FILE": str(files.key),
    }
    with serving(directory, "--workers", "2", environment=environment, scheme="https") as running:
        trust = ssl.create_default_context(cafile=files.certificate)
        answer = httpx.get(f"https://localhost:{running.port}/health/ready", verify=trust)
        assert answer.status_code == 200
        before = files.fingerprint()
        assert shown_by(running) == before
        own_certificate(given, (*names, "wallet.example"))
        assert files.fingerprint() != before
        running.process.send_signal(signal.SIGHUP)
        until_s = time.monotonic() + 30
        while shown_by(running) != files.fingerprint():
            assert time.monotonic() < until_s
            time.sleep(0.1)
        assert f"https://localhost:{running.port}" in running.log.read_text()


def shown_by(running: Serving) -> str:
    """Return the fingerprint of the certificate that whoever connects is shown."""
    pem = ssl.get_server_certificate(("127.0.0.1", running.port), timeout=10)
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).digest().hex(":").upper()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"WALLET_TLS_CERTIFICATE_FILE": "a.pem"}, "WALLET_TLS_KEY_FILE"),
        ({"WALLET_TLS_KEY_FILE": "a.pem"}, "WALLET_TLS_CERTIFICATE_FILE"),
        (
            {"WALLET_TLS_CERTIFICATE_FILE": "a.pem", "WALLET_TLS_KEY_FILE": "a.pem"},
            "a.pem cannot be read",
        ),
    ],
)
def test_half_a_certificate_does_not_start(
    directory: Path, settings: dict[str, str], named: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "wallet", "serve", "--port", "0"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=directory,
        env=clean_environment(WALLET_DATA_DIRECTORY=str(directory), **settings),
    )
    assert done.returncode == 1
    assert named in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
