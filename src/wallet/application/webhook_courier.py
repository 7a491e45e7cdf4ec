"""The courier: makes one request of an event, signed, and says what came of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from wallet.application.ports import Clock, NewId
from wallet.domain.events import Happening
from wallet.domain.webhooks import Answer, Cause, Delivery, Endpoint, headers_of

TIMEOUT_S = 5.0
SHORT_TIMEOUT_S = 3.0
"""How long a receiver has where somebody waits for the delivery."""

Render = Callable[[Happening], bytes]
"""Returns the body of an event, as it is sent and signed."""

Observe = Callable[[Answer], object]
"""Told what came of each request."""


class SecretUnreadable(Exception):
    """A secret was encrypted with a key that is not among the settings."""


class SecretBox(Protocol):
    """Keeps secrets encrypted; `context` is what a secret belongs to, and opens no other."""

    def close(self, secret: bytes, context: bytes) -> bytes:
        """Return a secret as it may be stored."""
        ...

    def open(self, closed: bytes, context: bytes) -> bytes:
        """Return a stored secret; raise `SecretUnreadable`."""
        ...

    def again(self, closed: bytes, context: bytes) -> bytes:
        """Return a stored secret under the present key: as it is, if that is its key.

        Raises `SecretUnreadable`.
        """
        ...


class WebhookSender(Protocol):
    """Makes requests to addresses that are allowed, and to no other."""

    async def check(self, url: str) -> None:
        """Raise `WebhookUrlInvalid` for a URL that leads where webhooks may not be sent."""
        ...

    async def send(
        self, url: str, headers: Sequence[tuple[str, str]], body: bytes, *, timeout_s: float
    ) -> Answer:
        """Post a body and return what came of it, whatever that is, after `timeout_s` at most."""
        ...


def ignore(answer: Answer) -> None:
    """Count nothing."""


@dataclass(frozen=True, slots=True)
class Courier:
    """Renders, signs and sends."""

    sender: WebhookSender
    box: SecretBox
    render: Render
    clock: Clock
    new_id: NewId
    observe: Observe = ignore

    async def bring(
        self,
        endpoint: Endpoint,
        event: Happening,
        cause: Cause,
        *,
        attempt: int = 1,
        timeout_s: float = TIMEOUT_S,
    ) -> Delivery:
        """Send an event to an endpoint; return the delivery, which is not logged yet."""
        body = self.render(event)
        return await self.bring_again(
            endpoint, event.id, event.type, body, cause, attempt=attempt, timeout_s=timeout_s
        )

    async def bring_again(
        self,
        endpoint: Endpoint,
        event_id: str,
        event_type: str,
        body: bytes,
        cause: Cause,
        *,
        attempt: int = 1,
        timeout_s: float = TIMEOUT_S,
    ) -> Delivery:
        """Send what was rendered before."""
        delivery_id, now = self.new_id(), self.clock()
        try:
            opened = self.secrets(endpoint)
        except SecretUnreadable:
            answer = Answer(0, failure="secret-unreadable")
        else:
            headers = headers_of(opened, event_id, int(now.timestamp()), body)
            answer = await self.sender.send(endpoint.url, headers, body, timeout_s=timeout_s)
        self.observe(answer)
        return Delivery(
            id=delivery_id,
            endpoint_id=endpoint.id,
            event_id=event_id,
            event_type=event_type,
            cause=cause,
            attempt=attempt,
            sent_at=now,
            url=endpoint.url,
            body=body.decode(),
            answer=answer,
        )

    def secrets(self, endpoint: Endpoint) -> list[bytes]:
        """Return the secrets that sign for an endpoint now; raise `SecretUnreadable`."""
        closed = endpoint.secrets(self.clock())
        return [self.box.open(secret, endpoint.id.bytes) for secret in closed]
