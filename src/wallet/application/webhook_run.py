"""One endpoint's run: while it lasts, this process alone sends to the endpoint.

Streams are sent side by side, a few at a time; in a stream the next event waits until the one
before was acknowledged or given up. How far a stream has come is written with each event, together
with the log: a process that dies in between has it sent once more, and never skipped.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from random import Random
from uuid import UUID

from wallet.application.ports import Message, ReportError
from wallet.application.unit_of_work import UnitOfWorkFactory
from wallet.application.webhook_courier import Courier
from wallet.domain.errors import Unavailable
from wallet.domain.events import ENDPOINT_DISABLED, Event, Happening
from wallet.domain.webhooks import (
    GONE,
    Cause,
    Cursor,
    Delivery,
    DisabledReason,
    Endpoint,
    Schedule,
)

LEASE_S = 10.0
RENEW_EVERY_S = 2.0
STREAMS_MAX = 4
"""How many streams of an endpoint are sent side by side."""
SLOW_MS = 1_000
"""An endpoint that answers no faster gets one at a time."""
PAGE = 50
TURN_MAX = 100
"""After so many events a stream makes room for others of its endpoint."""
LOOK_EVERY_S = 1.0
OUTAGE_PAUSE_S = 0.5
DRAIN_S = 3.0
BROKEN_PAUSE_S = 60.0
"""How long an event waits that this service fails to send for a reason of its own."""

DISABLED_SUBJECT = "A webhook endpoint of your wallet was disabled"
DISABLED_TEXT = """\
Your webhook endpoint

{url}

{why}, so nothing more is sent to it. Nothing is lost: once it is enabled again
(PATCH {public_url}/webhook-endpoints/{id} with {{"enabled": true}}), it goes on where it stopped.
"""
_WHY = {
    DisabledReason.FAILING: "has not acknowledged anything for days",
    DisabledReason.GONE: "has answered 410 Gone",
}


@dataclass(frozen=True, slots=True)
class Post:
    """What all runs of a process share; `slots` bounds how many requests are under way."""

    unit_of_work: UnitOfWorkFactory
    courier: Courier
    schedule: Schedule
    slots: asyncio.Semaphore
    holder: UUID
    notify: Callable[[Message], None]
    report: ReportError
    public_url: str
    random: Random


class EndpointRun:
    """Sends what an endpoint has waiting, then gives its lease back."""

    def __init__(self, post: Post, endpoint: Endpoint) -> None:
        self._post = post
        self._endpoint = endpoint
        self._busy: dict[UUID, asyncio.Task[None]] = {}
        self._streams_max = STREAMS_MAX
        self._closing = False
        self._failed = False
        self._renewed_s = asyncio.get_running_loop().time()
        self.news = asyncio.Event()

    async def run(self) -> None:
        """Run until nothing is due, the lease is lost, or the process ends."""
        try:
            await self._send()
        except Unavailable:
            self._failed = True
        finally:
            await self._drain()
            if self._failed:
                # What the database did not take is sent again, but not at once.
                await asyncio.sleep(OUTAGE_PAUSE_S)
            with suppress(Unavailable):
                await self._release()

    async def _send(self) -> None:
        while not self._failed:
            if not await self._renewed():
                return
            self.news.clear()
            free = self._streams_max - len(self._busy)
            if free > 0:
                async with self._post.unit_of_work() as work:
                    due = await work.sendings.due(self._endpoint.id, list(self._busy), free)
                for cursor in due:
                    self._start(cursor)
            if not self._busy:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self.news.wait()

    async def _renewed(self) -> bool:
        """Keep the lease, and hear of changes to the endpoint."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._renewed_s < RENEW_EVERY_S:
            return True
        async with self._post.unit_of_work() as work:
            endpoint = await work.sendings.renew(self._post.holder, self._endpoint.id, LEASE_S)
            await work.commit()
        if endpoint is None:
            return False
        self._endpoint, self._renewed_s = endpoint, now_s
        return True

    async def _release(self) -> None:
        async with self._post.unit_of_work() as work:
            await work.sendings.release(self._post.holder, self._endpoint.id)
            await work.commit()

    async def _drain(self) -> None:
        """Let requests under way end, and begin no more."""
        self._closing = True
        tasks = list(self._busy.values())
        if not tasks:
            return
        try:
            await asyncio.wait(tasks, timeout=DRAIN_S)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, cursor: Cursor) -> None:
        task = asyncio.get_running_loop().create_task(self._supervised(cursor))
        self._busy[cursor.stream_id] = task

        def ended(_: object) -> None:
            self._busy.pop(cursor.stream_id, None)
            self.news.set()

        task.add_done_callback(ended)

    async def _supervised(self, cursor: Cursor) -> None:
        try:
            await self._stream(cursor)
        except Unavailable:
            self._failed = True
        except Exception as error:  # noqa: BLE001 - one event must not stop all others
            self._post.report(error)
            try:
                await self._postpone(cursor, BROKEN_PAUSE_S, self._post.courier.clock())
            except Unavailable:
                self._failed = True

    async def _stream(self, first: Cursor) -> None:
        """Send the events of one stream in order, as far as a turn goes."""
        cursor: Cursor | None = first
        sent = 0
        while cursor is not None and cursor.version < cursor.target and sent < TURN_MAX:
            events = await self._read(cursor)
            if not events:
                raise LookupError(f"stream {cursor.stream_id} ends at {cursor.version}")
            for event in events:
                if self._closing:
                    return
                cursor = await self._handled(cursor, event, is_last=event is events[-1])
                if cursor is None:
                    return
                sent += 1

    async def _handled(self, cursor: Cursor, event: Happening, *, is_last: bool) -> Cursor | None:
        """Send an event or pass it over; None ends the turn."""
        if self._endpoint.wants(event.type):
            return await self._attempt(cursor, event)
        # What is passed over is written down with the next one that is not, or at the end.
        if is_last:
            return await self._advance(cursor, event.version)
        return cursor

    async def _read(self, cursor: Cursor) -> Sequence[Happening]:
        place = {cursor.stream_id: cursor.version}
        async with self._post.unit_of_work() as work:
            if cursor.stream_id == self._endpoint.owner_id:
                return await work.events.after(place, PAGE)
            lines = await work.streams.lines_after(place, PAGE)
        return [Happening.of(line) for line in lines]

    async def _attempt(self, cursor: Cursor, event: Happening) -> Cursor | None:
        async with self._post.slots:
            delivery = await self._post.courier.bring(
                self._endpoint, event, Cause.EVENT, attempt=cursor.attempts + 1
            )
        answer = delivery.answer
        self._streams_max = STREAMS_MAX if answer.duration_ms < SLOW_MS else 1
        if answer.succeeded:
            return await self._acknowledged(cursor, event.version, delivery)
        if answer.status == GONE:
            await self._log(delivery)
            await self._disable(DisabledReason.GONE)
            return None
        return await self._failure(cursor, event.version, delivery)

    async def _acknowledged(
        self, cursor: Cursor, version: int, delivery: Delivery
    ) -> Cursor | None:
        async with self._post.unit_of_work() as work:
            await work.webhooks.log(delivery)
            following = await work.sendings.advance(self._post.holder, cursor, version)
            recovered = await work.sendings.recovered(self._endpoint.id, delivery.sent_at)
            await work.commit()
        if recovered:
            # It is there again: what waits for its next attempt need not wait any longer.
            async with self._post.unit_of_work() as work:
                await work.webhooks.wake(self._endpoint.id)
                await work.commit()
        return following

    async def _failure(self, cursor: Cursor, version: int, delivery: Delivery) -> Cursor | None:
        now = delivery.sent_at
        tried_since = cursor.tried_since or now
        pause_s = self._post.schedule.pause_s(
            cursor.attempts + 1,
            (now - tried_since).total_seconds(),
            self._post.random.random(),
            delivery.answer.retry_after_s,
        )
        if pause_s is not None:
            await self._postpone(cursor, pause_s, now, delivery.tried_again_after(pause_s))
            return None
        async with self._post.unit_of_work() as work:
            await work.webhooks.log(delivery)
            failing_since = await work.sendings.failing(self._endpoint.id, now)
            await work.commit()
        if failing_since <= tried_since:
            # Nothing at all was acknowledged since: it is the endpoint, and not this event.
            await self._disable(DisabledReason.FAILING)
            return None
        return await self._advance(cursor, version)

    async def _postpone(
        self, cursor: Cursor, pause_s: float, now: datetime, delivery: Delivery | None = None
    ) -> None:
        async with self._post.unit_of_work() as work:
            if delivery is not None:
                await work.webhooks.log(delivery)
            await work.sendings.postpone(self._post.holder, cursor, pause_s, now)
            await work.sendings.failing(self._endpoint.id, now)
            await work.commit()

    async def _advance(self, cursor: Cursor, version: int) -> Cursor | None:
        async with self._post.unit_of_work() as work:
            following = await work.sendings.advance(self._post.holder, cursor, version)
            await work.commit()
        return following

    async def _log(self, delivery: Delivery) -> None:
        async with self._post.unit_of_work() as work:
            await work.webhooks.log(delivery)
            await work.commit()

    async def _disable(self, reason: DisabledReason) -> None:
        """Send nothing more, and say so by an event and by mail."""
        endpoint, courier = self._endpoint, self._post.courier
        now = courier.clock()
        facts = {"endpoint_id": str(endpoint.id), "url": endpoint.url, "reason": reason.value}
        async with self._post.unit_of_work() as work:
            if not await work.webhooks.disable(endpoint.id, reason, now):
                return
            await work.events.add(
                Event(courier.new_id(), endpoint.owner_id, ENDPOINT_DISABLED, facts, now)
            )
            owner = await work.users.get(endpoint.owner_id)
            await work.commit()
        if owner is not None and owner.email is not None:
            text = DISABLED_TEXT.format(
                url=endpoint.url,
                why=_WHY[reason],
                public_url=self._post.public_url.rstrip("/"),
                id=endpoint.id,
            )
            self._post.notify(Message(owner.email, DISABLED_SUBJECT, text))
