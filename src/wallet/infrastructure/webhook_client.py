"""Sends webhooks to addresses that are allowed, and to no other.

A name is looked up once; every address it has must be one that webhooks may be sent to, and exactly
one of those is connected to, with the name as Host and in TLS. What a name server says a moment
later changes nothing.
"""

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from ipaddress import ip_address

import h11

from wallet.domain.webhook_addresses import AddressPolicy, Destination, WebhookUrlInvalid
from wallet.domain.webhooks import ANSWER_SHOWN_MAX, Answer
from wallet.infrastructure.http_exchange import Reply, Request, exchange

ANSWER_SIZE_MAX = 64 * 1024
ADDRESSES_MAX = 3
CHECK_TIMEOUT_S = 2.0
LOOK_UP_THREADS = 64
AGENT = "Wallet-Webhooks/1"

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses of a host; raises `OSError` if it has none."""


class NotPublic(OSError):
    """The name leads to an address that webhooks may not be sent to."""


class Resolver:
    """Looks names up in threads, one for a name at a time, and only so many in all.

    A name server that does not answer holds a thread for as long as it likes, and no more than one:
    whoever asks for the same name meanwhile waits for the same answer. The threads are daemons, so
    that a process that ends does not wait for them.
    """

    def __init__(self, threads_max: int = LOOK_UP_THREADS) -> None:
        self._turns = asyncio.Semaphore(threads_max)
        self._asked: dict[tuple[str, int], asyncio.Task[list[str]]] = {}

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Return the addresses of a host."""
        place = (host, port)
        asked = self._asked.get(place)
        if asked is None:
            asked = asyncio.get_running_loop().create_task(self._ask(host, port))
            self._asked[place] = asked
            asked.add_done_callback(lambda answered: self._answered(place, answered))
        return list(dict.fromkeys(await asyncio.shield(asked)))

    def close(self) -> None:
        """Wait for no name server any longer."""
        for asked in list(self._asked.values()):
            asked.cancel()

    async def _ask(self, host: str, port: int) -> list[str]:
        async with self._turns:
            loop = asyncio.get_running_loop()
            answer: asyncio.Future[list[str]] = loop.create_future()

            def look() -> None:
                try:
                    found = _look_up(host, port)
                except OSError as error:
                    settle: Callable[[], object] = partial(answer.set_exception, error)
                else:
                    settle = partial(answer.set_result, found)
                # The loop may have ended meanwhile.
                with suppress(RuntimeError):
                    loop.call_soon_threadsafe(lambda: answer.done() or settle())

            threading.Thread(target=look, name=f"look-up-{host}", daemon=True).start()
            return await answer

    def _answered(self, place: tuple[str, int], answered: "asyncio.Task[list[str]]") -> None:
        del self._asked[place]
        # Whoever asked may have given up: an error that nobody waits for any more is no news.
        if not answered.cancelled():
            answered.exception()


def _look_up(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise socket.gaierror(socket.EAI_NONAME, "no such name") from error
    return [str(address[0]) for *_, address in found]


class WebhookClient:
    """Posts to one address at a time, within a deadline, and reads so much of the answer."""

    def __init__(
        self, policy: AddressPolicy, resolve: Resolve, *, tls: ssl.SSLContext | None = None
    ) -> None:
        self._policy = policy
        self._resolve = resolve
        self._tls = tls or ssl.create_default_context()

    async def check(self, url: str) -> None:
        """Raise `WebhookUrlInvalid` for a URL that leads where webhooks may not be sent.

        A name that cannot be looked up now is let through: it is looked up again at each request.
        """
        destination = self._policy.destination(url)
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                await self._addresses(destination)
        except NotPublic:
            raise WebhookUrlInvalid(
                "The host must have a public address.", reason="not-public"
            ) from None
        except (OSError, TimeoutError):
            return

    async def send(
        self, url: str, headers: Sequence[tuple[str, str]], body: bytes, *, timeout_s: float
    ) -> Answer:
        """Post a body and return what came of it, whatever that is, after `timeout_s` at most."""
        began_s = time.perf_counter()

        def failed(word: str) -> Answer:
            return Answer(_ms(began_s), failure=word)

        try:
            async with asyncio.timeout(timeout_s):
                return await self._send(url, headers, body, began_s)
        except WebhookUrlInvalid:
            return failed("url-refused")
        except NotPublic:
            return failed("address-refused")
        except TimeoutError:
            return failed("timeout")
        except socket.gaierror:
            return failed("name-not-found")
        except ssl.SSLError:
            return failed("tls-failed")
        except OSError:
            return failed("connection-failed")
        except h11.ProtocolError:
            return failed("answer-malformed")

    async def _send(
        self, url: str, headers: Sequence[tuple[str, str]], body: bytes, began_s: float
    ) -> Answer:
        destination = self._policy.destination(url)
        addresses = await self._addresses(destination)
        all_headers = [
            ("content-type", "application/json"),
            ("user-agent", AGENT),
            ("accept", "*/*"),
            *headers,
        ]
        for place, address in enumerate(addresses[:ADDRESSES_MAX]):
            request = Request(
                method="POST",
                target=destination.target,
                authority=destination.authority,
                host=destination.host,
                address=address,
                port=destination.port,
                tls=self._tls if destination.scheme == "https" else None,
                headers=all_headers,
                body=body,
            )
            try:
                return await _answered(request, began_s)
            except ConnectionRefusedError:
                # Nothing was sent: another address of the same name may be served.
                if place + 1 == len(addresses[:ADDRESSES_MAX]):
                    raise
        raise socket.gaierror(socket.EAI_NONAME, "no address")

    async def _addresses(self, destination: Destination) -> Sequence[str]:
        """Return the addresses of a destination, all of which may be connected to."""
        if destination.address is not None:
            return [str(destination.address)]
        found = await self._resolve(destination.host, destination.port)
        if not all(self._policy.admits(ip_address(address)) for address in found):
            raise NotPublic
        return found


async def _answered(request: Request, began_s: float) -> Answer:
    async with exchange(request) as reply:
        content = await reply.body(ANSWER_SIZE_MAX)
        return Answer(
            duration_ms=_ms(began_s),
            status=reply.status,
            body=_shown(content),
            retry_after_s=_retry_after_s(reply),
        )


def _shown(content: bytes) -> str:
    """Return the beginning of an answer as text that can be stored."""
    text = content[: 4 * ANSWER_SHOWN_MAX].decode("utf-8", "replace").replace("\x00", "\ufffd")
    return text[:ANSWER_SHOWN_MAX]


def _retry_after_s(reply: Reply) -> int | None:
    value = reply.headers.get("retry-after", "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else None


def _ms(began_s: float) -> int:
    return round((time.perf_counter() - began_s) * 1000)
