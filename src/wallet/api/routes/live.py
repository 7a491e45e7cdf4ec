"""Live streams: what moves, as it moves, by WebSocket and by server-sent events.

Tokens never stand in an address: a WebSocket brings its token, or a ticket, in the first message,
an event stream in the `Authorization` header, or it has the session cookie. Both end when the
credential expires or its session is revoked; both go on from the last event ids that the client has
seen, with nothing missing and nothing doubled.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from time import monotonic
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Header, Query, Request, Response, WebSocket
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect, WebSocketState

from wallet.api import answers
from wallet.api.deadlines import BoundedRoute
from wallet.api.dependencies import authenticated_until, current_person
from wallet.api.fields import JsonObject
from wallet.api.key_scopes import require_access
from wallet.api.middleware import current_request_id
from wallet.api.money import BALANCE_EXAMPLE, SIGNED_IN
from wallet.api.problems import ValidationFailed, problem, problem_responses
from wallet.api.routes.transactions import TRANSACTION_EXAMPLE
from wallet.api.state import use_cases
from wallet.application.key_authentication import NEVER
from wallet.application.live import EXPIRED, REVOKED, LiveHub, Stream, StreamEnded
from wallet.application.use_cases import UseCases
from wallet.domain.errors import Forbidden, Invalid, Unauthenticated, WalletError
from wallet.domain.events import type_of
from wallet.domain.history import Line
from wallet.domain.live import (
    LastEventIdInvalid,
    StreamsExhausted,
    TooManyStreams,
    positions_of,
)
from wallet.domain.sessions import Principal, SessionRevoked, TokenExpired
from wallet.domain.spending import ApiKeyExpired, ApiKeyRevoked
from wallet.domain.wallets import WalletNotFound

router = APIRouter(tags=["Live"], route_class=BoundedRoute)
Person = Annotated[Principal, Depends(current_person)]

FIRST_MESSAGE_S = 10.0
UNKNOWN_MAX = 500
"""So many sockets of a process may be open before their first message has come."""
SEND_S = 10.0
"""Who takes nothing for so long is cut off."""
HEARTBEAT_S = 15.0
EVENT_IDS_LENGTH_MAX = 8_000
WALLETS_MAX = 200

CLOSED_MALFORMED, CLOSED_UNAUTHENTICATED, CLOSED_FORBIDDEN = 4400, 4401, 4403
CLOSED_SLOW, CLOSED_REFUSED = 4408, 4429
CLOSED_RESTART, CLOSED_GONE = 1012, 1001
_ENDS: Mapping[str, type[WalletError]] = {EXPIRED: TokenExpired, REVOKED: SessionRevoked}
_ENDS_OF_KEYS: Mapping[str, type[WalletError]] = {EXPIRED: ApiKeyExpired, REVOKED: ApiKeyRevoked}


class MessageInvalid(Invalid):
    """The message is not one that a live stream takes."""

    code = "message-invalid"


class SubscribeMessage(BaseModel):
    """The first message on a WebSocket, and any later one, which only brings a newer credential.

    That is an access token, or a ticket.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    access_token: str | None = None
    ticket: str | None = None
    wallet_ids: list[str] | None = Field(None, max_length=WALLETS_MAX)
    last_event_ids: list[str] = Field([], max_length=WALLETS_MAX)


def event_of(line: Line) -> dict[str, Any]:
    """Return an entry as an event; one that only holds or releases is no transaction."""
    entry = line.entry
    return {
        "type": "entry",
        "id": entry.event_id,
        "event_type": type_of(entry),
        "timestamp": answers.moment(entry.booked_at),
        "balance": answers.balance_after(entry),
        "transaction": answers.line(line) if entry.posted_delta else None,
    }


def ready(stream: Stream) -> dict[str, Any]:
    """Return what a stream begins with: the balances as they were when it was opened."""
    return {
        "type": "ready",
        "balances": [answers.balance(wallet) for wallet in stream.wallets],
        "expires_at": _end(stream.expires_at),
    }


def _end(expires_at: datetime) -> str | None:
    return None if expires_at == NEVER else answers.moment(expires_at)


def _error_of(stream: Stream | None, reason: str) -> type[WalletError] | None:
    """Return what the end of a stream is told as; a closing process tells nothing."""
    machine = stream is not None and stream.principal.grant is not None
    return (_ENDS_OF_KEYS if machine else _ENDS).get(reason)


def problem_event(error: WalletError, *, instance: str) -> dict[str, Any]:
    """Return why a stream ends."""
    _, body, _ = problem(error, instance=instance, request_id=current_request_id() or "")
    return {"type": "problem", "problem": orjson.loads(body)}


# By WebSocket.


@router.websocket("/live")
async def live(socket: WebSocket) -> None:
    """Stream the entries of a person's wallets to a WebSocket."""
    hub: LiveHub = socket.app.state.use_cases.live
    await socket.accept()
    stream: Stream | None = None
    try:
        with hub.admitted(UNKNOWN_MAX):
            async with asyncio.timeout(FIRST_MESSAGE_S):
                stream = await _subscribed(socket, hub)
        await _send(socket, ready(stream))
        await _streamed(socket, stream)
    except WebSocketDisconnect:
        pass
    except TimeoutError:
        await _closed(socket, CLOSED_SLOW, None)
    except StreamEnded as end:
        await _ended(socket, stream, end.reason)
    except Unauthenticated as error:
        await _closed(socket, CLOSED_UNAUTHENTICATED, error)
    except Forbidden as error:
        await _closed(socket, CLOSED_FORBIDDEN, error)
    except Invalid as error:
        await _closed(socket, CLOSED_MALFORMED, error)
    except WalletError as error:
        await _closed(socket, CLOSED_REFUSED, error)
    finally:
        if stream is not None:
            hub.close_stream(stream)


async def _subscribed(socket: WebSocket, hub: LiveHub) -> Stream:
    message = await _message(socket)
    principal, expires_at = await _authenticated(socket, message)
    socket.app.state.throughput.require(principal.user_id, monotonic())
    socket.scope["state"]["person_id"] = principal.user_id
    if principal.grant is not None:
        socket.scope["state"]["api_key_id"] = principal.grant.api_key_id
    # What moves is the same by either way.
    require_access(principal, "streamEvents")
    wallet_ids = None
    if message.wallet_ids is not None:
        try:
            wallet_ids = [UUID(id_) for id_ in message.wallet_ids]
        except ValueError:
            raise MessageInvalid from None
    seen = positions_of(message.last_event_ids)
    return await hub.open(principal, expires_at, wallet_ids=wallet_ids, seen=seen)


async def _authenticated(
    socket: WebSocket, message: SubscribeMessage
) -> tuple[Principal, datetime]:
    cases: UseCases = socket.app.state.use_cases
    if message.ticket is not None and message.access_token is None:
        return await cases.live_tickets.redeem(message.ticket)
    if message.access_token is None or message.ticket is not None:
        raise MessageInvalid
    return await cases.log_in.authenticate_until(message.access_token)


async def _message(socket: WebSocket) -> SubscribeMessage:
    received = await socket.receive()
    if received["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(received.get("code", CLOSED_GONE))
    try:
        return SubscribeMessage.model_validate_json(received.get("text") or "")
    except ValidationError:
        raise MessageInvalid from None


async def _streamed(socket: WebSocket, stream: Stream) -> None:
    """Send what comes while listening for newer tokens, until either side ends it."""
    listening = asyncio.create_task(_listen(socket, stream))
    sending = asyncio.create_task(_feed(socket, stream))
    try:
        done, _ = await asyncio.wait({listening, sending}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in (listening, sending):
            task.cancel()
        await asyncio.gather(listening, sending, return_exceptions=True)


async def _feed(socket: WebSocket, stream: Stream) -> None:
    while True:
        for line in await stream.next():
            await _send(socket, event_of(line))


async def _listen(socket: WebSocket, stream: Stream) -> None:
    while True:
        message = await _message(socket)
        if message.wallet_ids is not None or message.last_event_ids:
            raise MessageInvalid
        principal, expires_at = await _authenticated(socket, message)
        if principal != stream.principal:
            raise MessageInvalid
        stream.extend(expires_at)
        await _send(socket, {"type": "extended", "expires_at": _end(expires_at)})


async def _send(socket: WebSocket, document: Mapping[str, Any]) -> None:
    async with asyncio.timeout(SEND_S):
        await socket.send_text(orjson.dumps(document).decode())


async def _ended(socket: WebSocket, stream: Stream | None, reason: str) -> None:
    error = _error_of(stream, reason)
    if error is None:
        await _closed(socket, CLOSED_RESTART, None)
    else:
        await _closed(socket, CLOSED_UNAUTHENTICATED, error())


async def _closed(socket: WebSocket, code: int, error: WalletError | None) -> None:
    """Say why, then close; a client that does not listen any more is left."""
    with suppress(Exception):
        async with asyncio.timeout(1):
            if socket.application_state is WebSocketState.CONNECTED:
                if error is not None:
                    document = problem_event(error, instance="/live")
                    await socket.send_text(orjson.dumps(document).decode())
                await socket.close(code, None if error is None else error.code)


# By server-sent events.


class EventsQuery(BaseModel):
    """Which wallets."""

    model_config = ConfigDict(extra="forbid")

    wallet_id: list[UUID] = Field(
        [], max_length=WALLETS_MAX, description="Some of your wallets; without it, all of them."
    )


EVENT_SCHEMA: JsonObject = {
    "type": "object",
    "description": "One event of the stream; `data` is JSON.",
    "required": ["event", "data"],
    "properties": {
        "id": {"type": "string", "description": "The last version of every wallet watched."},
        "event": {"type": "string", "enum": ["ready", "entry", "problem"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}
EVENT_EXAMPLE: JsonObject = {
    "id": f"{BALANCE_EXAMPLE['wallet_id']}:2",
    "event": "entry",
    "data": orjson.dumps(
        {
            "type": "entry",
            "id": f"{BALANCE_EXAMPLE['wallet_id']}:2",
            "event_type": "transfer.sent",
            "timestamp": TRANSACTION_EXAMPLE["booked_at"],
            "balance": BALANCE_EXAMPLE,
            "transaction": TRANSACTION_EXAMPLE,
        }
    ).decode(),
}


@router.get(
    "/live/events",
    operation_id="streamEvents",
    summary="Watch your wallets",
    response_class=Response,
    responses={
        200: {
            "description": "A stream of events, for as long as your token is valid.",
            "content": {"text/event-stream": {"schema": EVENT_SCHEMA, "example": EVENT_EXAMPLE}},
        },
        **problem_responses(
            *SIGNED_IN,
            ValidationFailed,
            WalletNotFound,
            LastEventIdInvalid,
            TooManyStreams,
            StreamsExhausted,
        ),
    },
)
async def stream_events(
    request: Request,
    person: Person,
    query: Annotated[EventsQuery, Query()],
    last_event_id: Annotated[
        str | None,
        Header(
            max_length=EVENT_IDS_LENGTH_MAX,
            description="The `id` of the last event you have seen: the stream goes on behind it.",
        ),
    ] = None,
) -> Response:
    """Stream every entry of your wallets as server-sent events, from now or from the last one seen.

    Each `entry` has an id `<wallet>:<version>`, the balance after it, and the transaction (null for
    what only holds or releases). The `id` of the stream says the last version of every wallet.
    """
    hub = use_cases(request).live
    stream = await hub.open(
        person,
        await authenticated_until(request),
        wallet_ids=query.wallet_id or None,
        seen=positions_of([last_event_id]) if last_event_id else {},
    )
    return EventStream(hub, stream)


class EventStream(Response):
    """Server-sent events until the stream ends or the client goes."""

    media_type = "text/event-stream"

    def __init__(self, hub: LiveHub, stream: Stream) -> None:
        super().__init__(
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )
        del self.headers["content-length"]
        self._hub = hub
        self._stream = stream
        # What the client has been told of, which is behind what the stream has handed out.
        self._told = dict(stream.positions)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events; the stream is given back whatever happens."""
        leaving = asyncio.create_task(_gone(receive))
        sending = asyncio.create_task(self._sent(send))
        try:
            await asyncio.wait({leaving, sending}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        except TimeoutError:
            # The client takes nothing any more; uvicorn closes what is not complete.
            return
        finally:
            for task in (leaving, sending):
                task.cancel()
            await asyncio.gather(leaving, sending, return_exceptions=True)
            self._hub.close_stream(self._stream)

    async def _sent(self, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        await self._write(send, _event(ready(self._stream), "ready", self._place()))
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    lines = await self._stream.next()
            except TimeoutError:
                await self._write(send, b": alive\n\n")
            except StreamEnded as end:
                await self._end(send, end.reason)
                return
            else:
                await self._write(send, b"".join(map(self._entry, lines)))

    def _entry(self, line: Line) -> bytes:
        entry = line.entry
        self._told[entry.account_id] = entry.version
        return _event(event_of(line), "entry", self._place())

    def _place(self) -> str:
        return ",".join(f"{id_}:{version}" for id_, version in self._told.items())

    async def _write(self, send: Send, content: bytes) -> None:
        async with asyncio.timeout(SEND_S):
            await send({"type": "http.response.body", "body": content, "more_body": True})

    async def _end(self, send: Send, reason: str) -> None:
        error = _error_of(self._stream, reason)
        last = b""
        if error is not None:
            last = _event(problem_event(error(), instance="/live/events"), "problem", None)
        await send({"type": "http.response.body", "body": last, "more_body": False})


def _event(document: Mapping[str, Any], name: str, id_: str | None) -> bytes:
    """Return one event; JSON has no line breaks that would end it early."""
    head = f"event: {name}\n" if id_ is None else f"id: {id_}\nevent: {name}\n"
    return b"".join((head.encode(), b"data: ", orjson.dumps(document), b"\n\n"))


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
