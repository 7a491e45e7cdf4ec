"""The client that sends webhooks, over real sockets: where it connects, what it puts up with."""

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.integration.receiver import Receiver, answer, receiving

from wallet.domain.webhook_addresses import AddressPolicy, WebhookUrlInvalid
from wallet.infrastructure import webhook_client
from wallet.infrastructure.webhook_client import Resolver, WebhookClient

HOST = "shop.example"


class Anywhere(AddressPolicy):
    """Takes 127.0.0.1 for a public address, as these tests have no other."""

    def admits(self, address: IPv4Address | IPv6Address) -> bool:
        return str(address) == "127.0.0.1" or super().admits(address)


class Names:
    """A name server that says what it is told, each time the next thing."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def certificate(directory: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return a server's context with a certificate of a name, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    file = directory / f"{name}.pem"
    file.write_bytes(
        pem
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cadata=pem.decode())


DEVELOPMENT = WebhookClient(AddressPolicy(loopback=True), Resolver(2))
HEADERS = [("webhook-id", "a:1"), ("webhook-timestamp", "1"), ("webhook-signature", "v1,x")]


async def sent(client: WebhookClient, url: str, timeout_s: float = 2.0) -> tuple[object, ...]:
    found = await client.send(url, HEADERS, b'{"a":1}', timeout_s=timeout_s)
    return (found.status, found.failure)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def test_it_posts_json_with_the_headers_it_was_given(receiver: Receiver) -> None:
    receiver.path = "/hooks?shop=1"
    found = await DEVELOPMENT.send(receiver.url, HEADERS, b'{"a":1}', timeout_s=2)
    assert (found.status, found.body, found.failure) == (200, "ok", None)
    (request,) = receiver.received
    assert (request.target, request.body) == ("/hooks?shop=1", b'{"a":1}')
    assert request.headers | {"host": f"127.0.0.1:{receiver.port}"} == {
        "host": f"127.0.0.1:{receiver.port}", "content-length": "7", "connection": "close",
        "content-type": "application/json", "user-agent": "Wallet-Webhooks/1", "accept": "*/*",
        "webhook-id": "a:1", "webhook-timestamp": "1", "webhook-signature": "v1,x",
    }  # fmt: skip


async def test_a_redirect_is_a_failure_and_not_followed(receiver: Receiver) -> None:
    for status in (301, 302, 303, 307, 308):
        to = f"location: http://127.0.0.1:{receiver.port}/inside\r\n"
        receiver.behave = lambda _, s=status, t=to: answer(s, b"", t)  # type: ignore[misc]
        assert await sent(DEVELOPMENT, receiver.url) == (status, None)
    assert [request.target for request in receiver.received] == ["/hooks"] * 5


async def test_64_kib_of_an_answer_are_read_and_some_of_it_kept(receiver: Receiver) -> None:
    read = 0

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal read
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n")
        with suppress(OSError), closing(writer):
            while True:
                writer.write(b"\xc3\xbc\x00" * 4_096)
                read += 3 * 4_096
                await writer.drain()

    server = await asyncio.start_server(endless, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        found = await DEVELOPMENT.send(f"http://127.0.0.1:{port}/", [], b"{}", timeout_s=3)
    assert (found.status, found.failure) == (200, None)
    assert found.body == ("\u00fc\ufffd" * 1_000)
    assert read < 8 * 1024 * 1024


@pytest.mark.parametrize(
    ("said", "failure"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "answer-malformed"),
        (b"\x15\x03\x01\x00\x02\x02\x16", "answer-malformed"),
        (b"", "answer-malformed"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20_000, "answer-malformed"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfive.", "answer-malformed"),
        (b"HTTP/1.1 abc\r\n\r\n", "answer-malformed"),
        (60.0, "timeout"),
    ],
)
async def test_what_is_no_answer_is_a_failure(
    receiver: Receiver, said: bytes | float, failure: str
) -> None:
    receiver.behave = lambda _: said
    assert await sent(DEVELOPMENT, receiver.url, 0.3) == (None, failure)


async def test_an_answer_that_drips_is_cut_off_in_time(receiver: Receiver) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            for byte in b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n":
                if writer.is_closing():
                    return
                writer.write(bytes([byte]))
                await asyncio.sleep(0.05)

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        began_s = asyncio.get_running_loop().time()
        assert await sent(DEVELOPMENT, f"http://127.0.0.1:{port}/", 0.3) == (None, "timeout")
        assert asyncio.get_running_loop().time() - began_s < 1.5


async def test_nobody_there_is_a_failure_with_a_word_for_it() -> None:
    async with receiving() as receiver:
        gone = receiver.url
    assert await sent(DEVELOPMENT, gone) == (None, "connection-failed")
    nowhere = WebhookClient(AddressPolicy(), Resolver(1))
    assert await sent(nowhere, "https://no-such-host.invalid/", 4) == (None, "name-not-found")


async def test_what_asks_for_time_is_heard(receiver: Receiver) -> None:
    for header, expected in (
        ("retry-after: 120", 120),
        ("retry-after: soon", None),
        ("a: b", None),
    ):
        receiver.behave = lambda _, h=header: answer(429, b"", h + "\r\n")  # type: ignore[misc]
        found = await DEVELOPMENT.send(receiver.url, [], b"{}", timeout_s=2)
        assert found.retry_after_s == expected


# Where it connects.

INSIDE = [
    "127.0.0.1", "10.0.0.5", "192.168.0.1", "172.20.0.1", "169.254.169.254", "100.64.0.1",
    "0.0.0.1", "::1", "fe80::1%eth0", "fc00::1", "::ffff:127.0.0.1", "::ffff:7f00:1",
    "64:ff9b::7f00:1", "2002:7f00:1::", "255.255.255.255",
]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
async def test_a_name_that_leads_inside_is_refused_when_registered_and_when_sent(
    address: str,
) -> None:
    for found in ([address], ["93.184.216.34", address]):
        client = WebhookClient(AddressPolicy(), Names(found))
        with pytest.raises(WebhookUrlInvalid) as refused:
            await client.check(f"https://{HOST}/")
        assert refused.value.facts == {"reason": "not-public"}
        assert await sent(client, f"https://{HOST}/") == (None, "address-refused")


async def test_a_url_that_was_let_through_before_is_judged_again_when_sent() -> None:
    client = WebhookClient(AddressPolicy(), Names(["93.184.216.34"]))
    for url in ("http://127.0.0.1:9/", "https://169.254.169.254/", "http://shop.example/"):
        assert await sent(client, url) == (None, "url-refused")


async def test_a_name_is_looked_up_once_and_that_address_is_connected_to(
    tmp_path: Path,
) -> None:
    server, trusting = certificate(tmp_path, HOST)
    async with receiving(tls=server) as receiver:
        names = Names(["127.0.0.1"], ["10.0.0.1"])
        client = WebhookClient(Anywhere(), names, tls=trusting)
        url = f"https://{HOST}:{receiver.port}/"
        assert await sent(client, url) == (200, None)
        assert names.asked == [HOST]
        assert receiver.received[0].headers["host"] == f"{HOST}:{receiver.port}"
        # The name server has changed its mind: now the name leads inside.
        assert await sent(client, url) == (None, "address-refused")
        assert len(receiver.received) == 1


async def test_the_certificate_must_be_the_names_and_trusted(tmp_path: Path) -> None:
    other, trusting_other = certificate(tmp_path, "other.example")
    asked: list[str | None] = []
    other.sni_callback = lambda _, name, __: asked.append(name)
    async with receiving(tls=other) as receiver:
        url = f"https://{HOST}:{receiver.port}/"
        for tls in (trusting_other, None):
            client = WebhookClient(Anywhere(), Names(["127.0.0.1"]), tls=tls)
            assert await sent(client, url) == (None, "tls-failed")
        assert receiver.received == []
    assert asked == [HOST, HOST], "the name is said in TLS, not the address"


async def test_plain_http_does_not_pass_for_tls(receiver: Receiver) -> None:
    client = WebhookClient(Anywhere(), Names(["127.0.0.1"]))
    status, failure = await sent(client, f"https://{HOST}:{receiver.port}/", 0.5)
    assert status is None
    assert failure in {"tls-failed", "timeout", "connection-failed"}
    assert receiver.received == []


async def test_a_second_address_is_tried_where_the_first_refuses(tmp_path: Path) -> None:
    class Loopbacks(AddressPolicy):
        def admits(self, address: IPv4Address | IPv6Address) -> bool:
            return address in {IPv4Address("127.0.0.2"), IPv4Address("127.0.0.1")}

    server, trusting = certificate(tmp_path, HOST)
    async with receiving(tls=server) as receiver:
        client = WebhookClient(Loopbacks(), Names(["127.0.0.2", "127.0.0.1"]), tls=trusting)
        assert await sent(client, f"https://{HOST}:{receiver.port}/") == (200, None)


async def test_a_slow_name_server_is_not_waited_for_longer_than_a_receiver() -> None:
    async def never(host: str, port: int) -> Sequence[str]:
        await asyncio.sleep(60)
        return []

    client = WebhookClient(AddressPolicy(), never)
    assert await sent(client, f"https://{HOST}/", 0.2) == (None, "timeout")


async def test_a_name_server_that_does_not_answer_holds_one_thread_for_a_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answering = threading.Event()
    asked: list[str] = []

    def look_up(host: str, port: int) -> list[str]:
        asked.append(host)
        if host == "slow.example":
            answering.wait(10)
        return ["127.0.0.1"]

    monkeypatch.setattr(webhook_client, "_look_up", look_up)
    resolver = Resolver(2)
    try:
        waiting = [asyncio.create_task(resolver("slow.example", 443)) for _ in range(5)]
        await asyncio.sleep(0.05)
        assert await resolver("fast.example", 443) == ["127.0.0.1"]
        (held,) = [t for t in threading.enumerate() if t.name == "look-up-slow.example"]
        assert held.daemon, "a process that ends does not wait for it"
        waiting[0].cancel()
        answering.set()
        assert await asyncio.gather(*waiting[1:]) == [["127.0.0.1"]] * 4
        assert asked == ["slow.example", "fast.example"]
        assert await resolver("slow.example", 443) == ["127.0.0.1"]
        assert len(asked) == 3, "an answer is not kept for later"
    finally:
        resolver.close()


async def test_a_name_that_cannot_be_looked_up_now_may_be_registered() -> None:
    async def down(host: str, port: int) -> Sequence[str]:
        raise OSError

    await WebhookClient(AddressPolicy(), down).check(f"https://{HOST}/")


@asynccontextmanager
async def silent() -> AsyncIterator[int]:
    """Run a server that accepts and says nothing."""

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            await reader.read()

    server = await asyncio.start_server(wait, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_a_handshake_that_never_comes_ends_in_time() -> None:
    async with silent() as port:
        client = WebhookClient(Anywhere(), Names(["127.0.0.1"]))
        assert await sent(client, f"https://{HOST}:{port}/", 0.3) == (None, "timeout")
