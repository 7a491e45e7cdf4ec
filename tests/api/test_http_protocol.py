"""What a hostile or broken client sends to the port is refused as a problem in bounded time.

A real uvicorn listens on a loopback port, and plain sockets speak to it. Its time limits are
shorter than in production, so that reaching them takes no ten seconds.
"""

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, Request, WebSocket, WebSocketDisconnect

from wallet.api.http_protocol import BoundedHttpProtocol
from wallet.api.middleware import Edge
from wallet.api.problems import install_problems

Address = tuple[str, int]


class HastyProtocol(BoundedHttpProtocol):
    """The protocol as it is, but for its patience."""

    silence_s = 0.4
    request_s = 1.2
    linger_s = 0.3


def application() -> FastAPI:
    app = FastAPI(redirect_slashes=False)

    def nothing(*_args: object, **_fields: object) -> None:
        return

    install_problems(app, log_crash=nothing)
    app.add_middleware(Edge, log=nothing, log_crash=nothing, observe=nothing)

    @app.get("/")
    async def root(request: Request) -> dict[str, Any]:
        return {"trailer": request.headers.get("x-trailer"), "path": request.url.path}

    @app.post("/body")
    async def body(request: Request) -> dict[str, Any]:
        size = len(await request.body())
        return {"size": size, "trailer": request.headers.get("x-trailer")}

    @app.websocket("/live")
    async def live(websocket: WebSocket) -> None:
        await websocket.accept()
        with suppress(WebSocketDisconnect):
            await websocket.send_text(await websocket.receive_text())
            await websocket.receive_text()

    @app.post("/json")
    async def read_json(content: dict[str, Any]) -> dict[str, int]:
        return {"size": len(content)}

    return app


@pytest.fixture(scope="module")
def address() -> Iterator[Address]:
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        application(),
        http=HastyProtocol,
        loop="uvloop",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_keep_alive=2,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    logger = logging.getLogger("uvicorn.error")
    level_before = logger.level
    logger.setLevel(logging.CRITICAL)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield listener.getsockname()
    server.should_exit = True
    thread.join(timeout=10)
    listener.close()
    logger.setLevel(level_before)


class Client:
    """A socket that reads whole answers."""

    def __init__(self, address: Address) -> None:
        self.socket = socket.create_connection(address, timeout=10)
        self.held = b""

    def close(self) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        # The server may rightly hang up in the middle of nonsense.
        with suppress(ConnectionError):
            self.socket.sendall(data)

    def read(self) -> tuple[int, dict[str, str], bytes]:
        while b"\r\n\r\n" not in self.held:
            self._more()
        head, _, self.held = self.held.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        size = int(headers.get("content-length", "0"))
        while len(self.held) < size:
            self._more()
        body, self.held = self.held[:size], self.held[size:]
        return int(first.split()[1]), headers, body

    def _more(self) -> None:
        data = self.socket.recv(65_536)
        if not data:
            raise EOFError(self.held)
        self.held += data

    def is_closed(self) -> bool:
        """Wait for the server to hang up; what it still says would be one answer too many."""
        try:
            return self.socket.recv(65_536) == b"" and self.held == b""
        except ConnectionError:
            return True


@pytest.fixture
def client(address: Address) -> Iterator[Client]:
    with closing(Client(address)) as one:
        yield one


@contextmanager
def within(seconds: float) -> Iterator[None]:
    start = time.monotonic()
    yield
    assert time.monotonic() - start < seconds


def expect_problem(client: Client, status: int, code: str) -> dict[str, Any]:
    answer, headers, body = client.read()
    document: dict[str, Any] = json.loads(body)
    assert (answer, document["status"], document["code"]) == (status, status, code)
    assert headers["content-type"] == "application/problem+json"
    assert headers["x-request-id"] == document["request_id"]
    assert client.is_closed()
    return document


def expect_root(client: Client) -> dict[str, str]:
    status, headers, body = client.read()
    assert (status, json.loads(body)) == (200, {"trailer": None, "path": "/"})
    return headers


GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /body HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


def test_eight_megabytes_of_headers_are_refused(client: Client) -> None:
    with within(2):
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n" + (b"X-A: " + b"a" * 8000 + b"\r\n") * 1000)
        expect_problem(client, 431, "headers-too-large")


def test_one_header_that_never_ends_is_refused(client: Client) -> None:
    with within(2):
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-A: " + b"a" * 8_000_000)
        expect_problem(client, 431, "headers-too-large")


def test_five_thousand_headers_are_refused(client: Client) -> None:
    with within(2):
        lines = b"".join(b"X-%d: 1\r\n" % number for number in range(5000))
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n")
        expect_problem(client, 431, "headers-too-large")


@pytest.mark.parametrize(("count", "status"), [(100, 200), (101, 431)])
def test_a_hundred_headers_are_the_most(client: Client, count: int, status: int) -> None:
    lines = b"".join(b"X-%d: 1\r\n" % number for number in range(count - 1))
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n")
    assert client.read()[0] == status


@pytest.mark.parametrize(("size", "status"), [(32_700, 200), (32_800, 431)])
def test_32_kib_of_headers_are_the_most(client: Client, size: int, status: int) -> None:
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-A: " + b"a" * size + b"\r\n\r\n")
    assert client.read()[0] == status


def test_a_long_address_is_refused(client: Client) -> None:
    client.send(b"GET /?" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n")
    assert expect_problem(client, 414, "uri-too-long")["instance"] == "/"


def test_an_address_that_never_ends_is_refused(client: Client) -> None:
    with within(2):
        client.send(b"GET /" + b"a" * 2_000_000)
        expect_problem(client, 414, "uri-too-long")


def test_headers_that_come_one_byte_at_a_time_are_cut_off(client: Client) -> None:
    with within(2):
        for byte in b"GET / HTTP/1.1\r\nHo":
            client.send(bytes([byte]))
            time.sleep(0.03)
        expect_problem(client, 408, "request-timeout")


def test_a_connection_that_says_nothing_is_closed_without_a_word(client: Client) -> None:
    with within(2):
        assert client.is_closed()


def test_an_empty_line_does_not_keep_a_connection_open_for_ever(client: Client) -> None:
    with within(4):
        client.send(GET)
        expect_root(client)
        client.send(b"\r\n")
        assert client.is_closed()


def test_a_body_that_stalls_is_cut_off(client: Client) -> None:
    with within(2):
        client.send(POST + b"Content-Length: 10\r\n\r\n12345")
        assert expect_problem(client, 408, "request-timeout")["instance"] == "/body"


def test_a_body_that_trickles_has_a_minute_in_all(client: Client) -> None:
    with within(3):
        client.send(POST + b"Content-Length: 1000\r\n\r\n")
        for _ in range(8):
            client.send(b"1")
            time.sleep(0.2)
        expect_problem(client, 408, "request-timeout")


def test_a_body_that_comes_in_two_parts_is_whole(client: Client) -> None:
    client.send(POST + b"Content-Length: 10\r\n\r\n12345")
    time.sleep(0.2)
    client.send(b"67890")
    assert json.loads(client.read()[2]) == {"size": 10, "trailer": None}


@pytest.mark.parametrize(
    "request_bytes",
    [
        POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"garbage\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nHost: a\r\nX-A: b\x00c\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n X-A: b\r\n\r\n",
        b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
    ids=[
        "length then chunked",
        "chunked then length",
        "two lengths",
        "unknown transfer encoding",
        "bad chunk size",
        "garbage",
        "tls",
        "nul",
        "folded header",
        "connect",
        "http/2",
    ],
)
def test_what_is_no_http_is_refused(client: Client, request_bytes: bytes) -> None:
    with within(2):
        client.send(request_bytes)
        expect_problem(client, 400, "malformed-request")


def test_a_kept_alive_connection_serves_again_and_again(client: Client) -> None:
    for _ in range(5):
        client.send(GET)
        headers = expect_root(client)
        assert "connection" not in headers
    # Longer than any request may stand still, but not than a connection may be idle.
    time.sleep(1.0)
    client.send(GET)
    expect_root(client)


def test_pipelined_requests_are_answered_in_order(client: Client) -> None:
    client.send(GET + POST + b"Content-Length: 3\r\n\r\nabc" + GET)
    expect_root(client)
    assert json.loads(client.read()[2])["size"] == 3
    expect_root(client)


def test_a_refusal_waits_for_the_answers_that_are_owed(client: Client) -> None:
    client.send(GET + GET + b"garbage\r\n\r\n")
    expect_root(client)
    expect_root(client)
    expect_problem(client, 400, "malformed-request")


def test_a_broken_body_behind_another_request_is_refused_in_its_turn(client: Client) -> None:
    client.send(GET + CHUNKED + b"xyz\r\n")
    expect_root(client)
    expect_problem(client, 400, "malformed-request")


def test_thousands_of_pipelined_requests_are_cut_off(client: Client) -> None:
    with within(3):
        client.send(GET * 5000)
        answered = 0
        while (answer := client.read())[0] == 200:
            answered += 1
        assert answer[0] == 400
        assert 64 <= answered <= 70


def test_trailers_never_become_headers(client: Client) -> None:
    client.send(CHUNKED + b"3\r\nabc\r\n0\r\nX-Trailer: marked\r\n\r\n")
    assert json.loads(client.read()[2]) == {"size": 3, "trailer": None}


def test_trailers_that_never_end_are_cut_off(client: Client) -> None:
    with within(2):
        client.send(CHUNKED + b"3\r\nabc\r\n0\r\n" + b"X-Trailer: marked\r\n" * 200_000)
        expect_problem(client, 431, "headers-too-large")


def test_a_body_that_is_announced_too_large_is_refused_before_it_comes(client: Client) -> None:
    with within(2):
        client.send(POST + b"Content-Length: 67108864\r\n\r\n")
        status, _, body = client.read()
        assert (status, json.loads(body)["code"]) == (413, "body-too-large")


def test_64_mebibytes_are_refused_although_they_are_sent(client: Client) -> None:
    with within(3):
        client.send(POST + b"Content-Length: 67108864\r\n\r\n" + b"x" * 67_108_864)
        assert client.read()[0] == 413
        assert client.is_closed()


def test_64_mebibytes_in_chunks_are_refused(client: Client) -> None:
    with within(3):
        client.send(CHUNKED + (b"10000\r\n" + b"x" * 65_536 + b"\r\n") * 1024)
        assert client.read()[0] == 413
        assert client.is_closed()


def test_a_small_body_that_was_refused_leaves_the_connection_usable(client: Client) -> None:
    client.send(POST + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\n")
    status, _, body = client.read()
    assert (status, json.loads(body)["code"]) == (415, "unsupported-content-encoding")
    client.send(b"12345" + GET)
    expect_root(client)


def test_who_asked_before_sending_and_was_refused_must_connect_anew(client: Client) -> None:
    with within(2):
        client.send(POST + b"Expect: 100-continue\r\nContent-Length: 100000\r\n\r\n")
        assert client.read()[0] == 413
        assert client.is_closed()


def test_who_asks_before_sending_is_told_to_go_on(client: Client) -> None:
    client.send(POST + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n")
    assert client.read()[0] == 100
    client.send(b"abc")
    assert json.loads(client.read()[2])["size"] == 3


def test_a_rest_of_a_refused_body_that_never_comes_closes_the_connection(client: Client) -> None:
    with within(2):
        client.send(POST + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\n1")
        assert client.read()[0] == 415
        assert client.is_closed()


def test_json_nested_a_hundred_thousand_deep_is_refused(client: Client) -> None:
    head = b"POST /json HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: "
    with within(2):
        client.send(head + b"60000\r\n\r\n" + b"[" * 60_000)
        status, _, body = client.read()
        assert (status, json.loads(body)["code"]) == (400, "malformed-json")
        client.send(head + b"100000\r\n\r\n" + b"[" * 100_000)
        assert client.read()[0] == 413


def test_an_upgrade_that_is_not_offered_is_ignored(client: Client) -> None:
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
    expect_root(client)


def test_the_server_still_serves_while_others_dawdle(address: Address) -> None:
    with closing(Client(address)) as first, closing(Client(address)) as second:
        first.send(b"GET / HTTP/1.1\r\nHo")
        second.send(GET)
        expect_root(second)
        expect_problem(first, 408, "request-timeout")


def test_a_websocket_outlives_the_limits_of_a_request(client: Client) -> None:
    client.send(
        b"GET /live HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    assert client.read()[0] == 101
    time.sleep(0.6)
    # A masked text frame "hi" whose mask is zero, and its echo.
    client.send(b"\x81\x82\x00\x00\x00\x00hi")
    assert client.socket.recv(10) == b"\x81\x02hi"
