"""Answers given in one piece leave in one write; whatever is special is left to uvicorn."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from wallet.api.http_protocol import BoundedHttpProtocol

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
Headers = list[tuple[bytes, bytes]]


class Wire(asyncio.Transport):
    """A transport that keeps what is written, write by write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)}.get(name, default)

    def write(self, data: Any) -> None:
        assert not self.closed
        self.writes.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        return None

    def resume_reading(self) -> None:
        return None


def app_of(*bodies: bytes, headers: Headers, status: int = 200) -> Any:
    async def app(scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        for number, body in enumerate(bodies, 1):
            more = number < len(bodies)
            await send({"type": "http.response.body", "body": body, "more_body": more})

    return app


async def wire_of(app: Any, request: bytes = GET) -> Wire:
    config = uvicorn.Config(app, server_header=False, date_header=False, access_log=False)
    config.load()
    # Without uvicorn's layer for proxies, which is off in the service too.
    config.loaded_app = app
    protocol = BoundedHttpProtocol(config, ServerState(), {})
    wire = Wire()
    protocol.connection_made(wire)
    protocol.data_received(request)
    for _ in range(5):
        await asyncio.sleep(0)
    closed = wire.closed
    protocol.connection_lost(None)
    wire.closed = closed
    return wire


async def test_an_answer_in_one_piece_is_one_write() -> None:
    wire = await wire_of(app_of(b"hello", headers=[(b"content-length", b"5"), (b"x-a", b"1")]))
    assert wire.writes == [
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-a: 1\r\n\r\nhello",
    ]
    assert not wire.closed


async def test_a_connection_that_is_to_be_closed_says_so_and_is() -> None:
    request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    wire = await wire_of(app_of(b"hello", headers=[(b"content-length", b"5")]), request)
    assert wire.writes == [
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello",
    ]
    assert wire.closed


async def test_pipelined_requests_are_answered_in_order() -> None:
    wire = await wire_of(app_of(b"hello", headers=[(b"content-length", b"5")]), GET * 3)
    assert b"".join(wire.writes).count(b"hello") == 3


@pytest.mark.parametrize(
    ("app", "request_", "said"),
    [
        (
            app_of(b"hel", b"lo", headers=[(b"content-length", b"5")]),
            GET,
            b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        ),
        (
            app_of(b"hello", headers=[]),
            GET,
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ),
        (
            app_of(b"hello", headers=[(b"content-length", b"5")]),
            GET.replace(b"GET", b"HEAD"),
            b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
        ),
        (
            app_of(b"hello", headers=[(b"content-length", b"5"), (b"connection", b"close")]),
            GET,
            b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello",
        ),
    ],
)
async def test_what_is_special_is_written_by_uvicorn(
    app: Any, request_: bytes, said: bytes
) -> None:
    assert b"".join((await wire_of(app, request_)).writes) == said


@pytest.mark.parametrize(
    "headers",
    [
        [(b"content-length", b"5"), (b"x-a", b"1\r\nset-cookie: stolen=1")],
        [(b"content-length", b"5"), (b"x-a", b"1\nset-cookie: stolen=1")],
        [(b"content-length", b"5"), (b"x-a\r\nset-cookie", b"1")],
        [(b"content-length", b"5"), (b"x-a", b"\x00")],
    ],
)
async def test_a_header_cannot_be_ended_early(headers: Headers) -> None:
    wire = await wire_of(app_of(b"hello", headers=headers))
    said = b"".join(wire.writes)
    assert b"stolen" not in said
    assert b"hello" not in said


@pytest.mark.parametrize("length", [b"4", b"6", b"x"])
async def test_a_length_that_is_not_the_bodys_ends_the_connection(length: bytes) -> None:
    wire = await wire_of(app_of(b"hello", headers=[(b"content-length", length)]))
    # uvicorn raises where they differ: the client is left with an answer that has no end.
    assert wire.closed


async def test_a_head_whose_body_never_comes_is_an_error_of_ours() -> None:
    async def app(scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        headers = [(b"content-length", b"5")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    wire = await wire_of(app)
    assert b"".join(wire.writes).startswith(b"HTTP/1.1 500 ")
