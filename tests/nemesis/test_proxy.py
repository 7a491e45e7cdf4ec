"""The proxy breaks what it is told to break, and nothing else."""

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio
from tests.nemesis.proxy import Proxy

# One message of PostgreSQL's protocol, larger than what a pump reads at once.
SIZE = 200_000
MESSAGE = (SIZE.to_bytes(4, "big") + bytes(range(256)) * 1_000)[:SIZE]


@pytest_asyncio.fixture(loop_scope="session")
async def proxy() -> AsyncIterator[Proxy]:
    """Yield a proxy before a server that says back what it hears."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, Proxy(server.sockets[0].getsockname()[:2]) as proxy:
        yield proxy


async def test_what_is_sent_in_pieces_arrives_whole_however_the_pieces_change_meanwhile(
    proxy: Proxy,
) -> None:
    proxy.slow_down(piece_size=100)
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(MESSAGE)
    await asyncio.sleep(0.1)
    proxy.slow_down(piece_size=37)
    await asyncio.sleep(0.1)
    proxy.heal()
    heard = await asyncio.wait_for(reader.readexactly(len(MESSAGE)), timeout=20)
    writer.close()
    assert heard == MESSAGE
