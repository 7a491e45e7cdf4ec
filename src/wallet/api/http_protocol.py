"""uvicorn's HTTP protocol with limits on size and slowness, which no ASGI application can set.

uvicorn alone buffers 8 MiB of headers and waits for ever. This subclass refuses more than 32 KiB
or 100 headers (431), a longer address than 8 KiB (414), ten seconds without complete headers or
without a byte of an incomplete body (408), and whatever is no HTTP, `Content-Length` together
with `Transfer-Encoding` included (400): each time as a problem, after the answers that are still
owed to earlier requests of the connection, and never in between.

One timer per connection looks every ten seconds at what the callbacks noted; nothing is armed or
cancelled per request. The idle time of kept-alive connections remains uvicorn's.
"""

import asyncio
from typing import Any, Final
from uuid import uuid4

from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from wallet.api.middleware import EdgeOptions, security_headers
from wallet.api.problems import (
    AddressTooLong,
    HeadersTooLarge,
    MalformedRequest,
    ProtocolError,
    RequestTimeout,
    problem,
)

START: Final = "http.response.start"
CONTENT_LENGTH: Final = b"content-length"
NEW_LINE: Final = b"\r\n"

IDLE: Final = 0
HEADERS: Final = 1
BODY: Final = 2


class WholeAnswerCycle(RequestResponseCycle):
    """A request and its answer, which leaves in one piece where it is given in one piece.

    uvicorn writes headers and body apart, which is a system call more and a packet more, and looks
    at each header with two regular expressions; here the finished head is looked at once.
    """

    held: Any = None

    async def send(self, message: Any) -> None:
        """Take a message of the application; a head with a length waits for its body."""
        held = self.held
        if held is None:
            if message["type"] == START and not self.response_started and _has_length(message):
                self.held = message
                return
        else:
            self.held = None
            # After a head that was given up comes another one: uvicorn's own, of an error.
            if message["type"] != START:
                if not message.get("more_body", False) and self._write_whole(held, message):
                    return
                await super().send(held)
        await super().send(message)

    def _write_whole(self, start: Any, message: Any) -> bool:
        """Write a whole answer at once; return False if it is for uvicorn to write."""
        body: bytes = message.get("body", b"")
        if self.flow.write_paused or self.disconnected or self.scope["method"] == "HEAD":
            return False
        headers = [*self.default_headers, *start["headers"]]
        content = [STATUS_LINE[start["status"]]]
        for name, value in headers:
            if name == b"connection" or name == b"transfer-encoding":
                return False
            if name == CONTENT_LENGTH and value != b"%d" % len(body):
                return False
            content += (name, b": ", value, NEW_LINE)
        if not self.keep_alive:
            content.append(b"connection: close\r\n")
        content.append(NEW_LINE)
        head = b"".join(content)
        if head.count(b"\n") != len(headers) + 3 - self.keep_alive or b"\0" in head:
            # Somebody tries to end a header early: uvicorn refuses it.
            return False
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        self.transport.write(head + body)
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
        return True


def _has_length(start: Any) -> bool:
    return any(name == CONTENT_LENGTH for name, _ in start.get("headers", ()))


class BoundedHttpProtocol(HttpToolsProtocol):
    """The protocol of one connection; hand the class to `uvicorn.Config(http=…)`."""

    headers_size_max = 32 * 1024
    headers_count_max = 100
    address_size_max = 8 * 1024
    pipelined_count_max = 64
    # What is read and thrown away of a request that was answered before it was complete, so that
    # the client finds the answer instead of a reset connection.
    discarded_size_max = 1024 * 1024
    silence_s = 10.0
    request_s = 60.0
    linger_s = 1.0
    # The headers that every answer has; whoever builds the application sets them to its own.
    policies = security_headers(EdgeOptions())

    phase = HEADERS
    began_s = 0.0
    progress_s = 0.0
    unparsed_size = 0
    # What happened while the present piece of data was parsed, and how large the piece is.
    piece_size = 0
    began_here = False
    body_here = False
    spoken = False
    discarded_size = 0
    refusal: ProtocolError | None = None
    lingering = False
    watch: asyncio.TimerHandle | None = None

    # What the transport tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the connection's only timer."""
        super().connection_made(transport)  # type: ignore[arg-type]  # uvicorn narrows it itself
        self.began_s = self.progress_s = self.loop.time()
        self.watch = self.loop.call_later(self.silence_s, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop looking."""
        self._stop_watch()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, and count what the parser holds back without an end in sight."""
        if self.refusal is not None or self.lingering:
            self._discard(len(data))
            return
        self.began_here = self.body_here = False
        self.piece_size = len(data)
        super().data_received(data)
        if self.phase != IDLE and self.refusal is None:
            self._limit_unparsed()

    def handle_websocket_upgrade(self) -> None:
        """Leave the connection to the WebSocket protocol, which has limits of its own."""
        self._stop_watch()
        super().handle_websocket_upgrade()

    # What the parser tells.

    def on_message_begin(self) -> None:
        """Note when the headers began."""
        super().on_message_begin()
        self.phase = HEADERS
        self.began_here = self.spoken = True
        self.unparsed_size = 0
        self.began_s = self.progress_s = self.loop.time()

    def on_headers_complete(self) -> None:
        """Refuse oversized headers before there is a request."""
        if self._headers_too_large():
            self.refusal = HeadersTooLarge()
        elif self._host_is_missing():
            self.refusal = MalformedRequest("A request names exactly one host.")
        elif len(self.url) > self.address_size_max:
            self.refusal = AddressTooLong()
        elif len(self.pipeline) >= self.pipelined_count_max:
            self.refusal = MalformedRequest("Too many requests wait on this connection.")
        if self.refusal is not None:
            # The parser turns any exception of a callback into its own, which ends the parsing.
            raise self.refusal
        super().on_headers_complete()
        if self.parser.should_upgrade() and self._should_upgrade():
            return
        # uvicorn has made it and its task has not begun to run; it takes no class to make it of.
        self.cycle.__class__ = WholeAnswerCycle
        self.phase = BODY
        self.unparsed_size = 0
        self.progress_s = self.loop.time()
        # Trailers come through on_header too and must not become headers of the request.
        self.headers = []

    def on_body(self, body: bytes) -> None:
        """Pass the body on, or throw it away where the answer is out already."""
        self.body_here = True
        self.progress_s = self.loop.time()
        if self.cycle is not None and self.cycle.response_complete:
            self._discard(len(body))
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the request is complete: from here on the client waits for us."""
        self.phase = IDLE
        self.discarded_size = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what the parser could not take; uvicorn calls this."""
        self._refuse(self.refusal or MalformedRequest())

    def on_response_complete(self) -> None:
        """Go on with the next request, or give the refusal that waited for its turn."""
        was_last = not self.pipeline
        super().on_response_complete()
        if not was_last:
            return
        if self.refusal is not None:
            self._write_refusal(self.refusal)
        elif self.phase == BODY and self.expect_100_continue:
            # Whether the body will still come is the client's choice, so the bytes that follow
            # could be either that body or the next request.
            self._linger()

    # Limits.

    def _headers_too_large(self) -> bool:
        if len(self.headers) > self.headers_count_max:
            return True
        if self.began_here and self.piece_size <= self.headers_size_max:
            # Headers that came in one small piece of data are small, without adding them up.
            return False
        size = sum(len(name) + len(value) + 4 for name, value in self.headers)
        return size > self.headers_size_max

    def _host_is_missing(self) -> bool:
        """Whether HTTP/1.1's one `Host` is not there once: servers may differ on which counts."""
        hosts = sum(name == b"host" for name, _ in self.headers)
        return hosts > 1 or (hosts == 0 and self.parser.get_http_version() != "1.0")

    def _limit_unparsed(self) -> None:
        """Bound what is held back by headers, trailers or chunk extensions that never end."""
        if not self.began_here and not self.body_here:
            self.unparsed_size += self.piece_size
        if self.unparsed_size > self.headers_size_max or len(self.headers) > self.headers_count_max:
            self._refuse(HeadersTooLarge())
        elif len(self.url) > self.address_size_max:
            self._refuse(AddressTooLong())

    def _discard(self, size: int) -> None:
        self.discarded_size += size
        if self.discarded_size <= self.discarded_size_max:
            return
        if self.refusal is not None and not self.lingering:
            # Answers to earlier requests are still owed, so the connection stays, unread.
            self.flow.pause_reading()
        else:
            self.transport.close()

    # Time.

    def _look(self) -> None:
        """Refuse a request that stands still, and look again when the next could do so."""
        now_s = self.loop.time()
        if self.lingering or self.transport.is_closing():
            self.transport.abort()
            return
        wait_s = self.silence_s
        if self.refusal is not None:
            # It is said as soon as the answers are out that are owed before it.
            pass
        elif self.phase == IDLE:
            self._close_if_forgotten()
        elif self.flow.read_paused:
            # We are the ones who do not read.
            self.progress_s = now_s
        else:
            silent_for_s = now_s - self.progress_s
            if silent_for_s >= self.silence_s or now_s - self.began_s >= self.request_s:
                self._give_up()
            wait_s = max(self.silence_s - silent_for_s, 0.001)
        if self.watch is not None and not self.lingering:
            self.watch = self.loop.call_later(wait_s, self._look)

    def _close_if_forgotten(self) -> None:
        """Close an idle connection whose idle timer an empty line has cancelled."""
        answered = self.cycle is None or self.cycle.response_complete
        if answered and self.timeout_keep_alive_task is None:
            self.transport.close()

    def _give_up(self) -> None:
        if self.spoken:
            self._refuse(RequestTimeout())
        else:
            # Nothing ever came, so there is nothing to answer.
            self.transport.close()

    def _stop_watch(self) -> None:
        if self.watch is not None:
            self.watch.cancel()
            self.watch = None

    # Refusing.

    def _refuse(self, refusal: ProtocolError) -> None:
        """Stop reading requests; answer now, or after the answers that are still owed."""
        self.refusal = refusal
        owed = self.cycle is not None and not self.cycle.response_complete
        self.discarded_size = 0
        if self.phase == BODY:
            self._refuse_begun(refusal)
        elif not owed:
            self._write_refusal(refusal)

    def _refuse_begun(self, refusal: ProtocolError) -> None:
        """Refuse the request that the application has already, whose body is incomplete."""
        cycle = self.cycle
        if self.pipeline:
            # It has not begun yet and never will; the answers before it go first.
            self.pipeline.popleft()
        elif cycle.response_complete:
            self._linger()
        elif cycle.response_started:
            self.transport.close()
        else:
            # The application learns that the client is gone; what it still says goes nowhere.
            cycle.disconnected = True
            cycle.message_event.set()
            self._write_refusal(refusal)

    def _write_refusal(self, refusal: ProtocolError) -> None:
        if self.transport.is_closing():
            return
        self.logger.info("Refused a request: %s.", refusal.code)
        request_id = uuid4().hex
        status, body, headers = problem(refusal, instance=self._path(), request_id=request_id)
        lines = [STATUS_LINE[status]]
        for name, value in [
            *self.server_state.default_headers,
            *headers,
            *self.policies,
            (b"x-request-id", request_id.encode()),
            (b"connection", b"close"),
        ]:
            lines += [name, b": ", value, b"\r\n"]
        self.transport.write(b"".join([*lines, b"\r\n", body]))
        self._linger()

    def _path(self) -> str:
        """Return what is known of the path, shortened."""
        address: bytes = getattr(self, "url", b"")
        return address.partition(b"?")[0][:256].decode("ascii", "replace") or "/"

    def _linger(self) -> None:
        """Say that nothing more is sent, read on for a moment, then close.

        Closing at once while the client still sends would reset the connection under the answer.
        """
        self.lingering = True
        self.discarded_size = 0
        self._stop_watch()
        self._unset_keepalive_if_required()
        if not self.transport.can_write_eof():
            self.transport.close()
            return
        self.transport.write_eof()
        self.flow.resume_reading()
        self.watch = self.loop.call_later(self.linger_s, self._look)
