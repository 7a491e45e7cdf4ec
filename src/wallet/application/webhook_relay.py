"""The relay: hears of what was booked, finds what it did not hear of, and starts runs.

Nothing is written for webhooks on the money path. After COMMIT it is told which accounts have
changed; those that somebody follows are compared with how far their endpoints know of them. Each
second it compares all of them, and whatever hint was lost with a process is found. Endpoints that
have something due are leased one by one, so that processes share them.
"""

import asyncio
from collections.abc import Collection, Set
from contextlib import suppress
from random import Random
from uuid import UUID

from wallet.application.unit_of_work import Interrupted, UnitOfWorkFactory
from wallet.application.webhook_run import LEASE_S, EndpointRun, Post

LOOK_EVERY_S = 1.0
LOOK_SHARE = 50
"""A look that takes long is had so many times as seldom: it never takes more than 2 %."""
GATHER_S = 0.01
RETRY_S = 0.5
CLAIMS_MAX = 50
RUNS_MAX = 1_000
"""So many endpoints are sent to at a time by one process."""
HEARD_MAX = 100_000
UNFOLLOWED_FOR_S = 10.0
"""How long an account that nobody follows is remembered as such."""


class WebhookRelay:
    """Feeds one process's runs, and starts and ends them."""

    def __init__(self, post: Post, *, reading: UnitOfWorkFactory) -> None:
        self._post = post
        self._reading = reading
        self._random = Random()  # noqa: S311 - it spreads looks and guards nothing
        self._wake = asyncio.Event()
        self._heard: set[UUID] = set()
        self._unfollowed: set[UUID] = set()
        self._forget_at_s = 0.0
        self._look_at_s = 0.0
        self._runs: dict[UUID, tuple[EndpointRun, asyncio.Task[None]]] = {}
        self.is_watched = False
        """Whether anybody wants webhooks; as of the last look."""

    @property
    def runs_count(self) -> int:
        """How many endpoints this process sends to just now."""
        return len(self._runs)

    def hint(self, account_ids: Set[UUID]) -> None:
        """Hear that accounts have changed; costs little, and never waits."""
        if not self.is_watched:
            return
        news = account_ids - self._unfollowed
        if news and len(self._heard) < HEARD_MAX:
            self._heard |= news
            self._wake.set()

    def poke(self) -> None:
        """Look at once: somebody has just made or changed an endpoint here."""
        self.is_watched = True
        self._unfollowed.clear()
        self._look_at_s = 0.0
        self._wake.set()

    async def run(self) -> None:
        """Relay until cancelled; then requests under way may end."""
        try:
            while True:
                await self._wait()
                try:
                    await self._round()
                except Exception as error:  # noqa: BLE001 - a relay that dies would never be missed
                    if not isinstance(error, Interrupted):
                        self._post.report(error)
                    await asyncio.sleep(RETRY_S)
        finally:
            await self._end()

    async def _wait(self) -> None:
        pause_s = self._look_at_s - asyncio.get_running_loop().time()
        if pause_s > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._wake.wait()
            # Whatever is booked in the same moment goes together.
            await asyncio.sleep(GATHER_S)
        self._wake.clear()

    async def _round(self) -> None:
        heard, self._heard = self._heard, set()
        due = await self._raise(heard)
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        if began_s >= self._look_at_s:
            if began_s >= self._forget_at_s:
                self._unfollowed.clear()
                self._forget_at_s = began_s + UNFOLLOWED_FOR_S
            due = await self._look() or due
            pause_s = max(LOOK_EVERY_S, LOOK_SHARE * (loop.time() - began_s))
            self._look_at_s = loop.time() + pause_s * self._random.uniform(0.8, 1.0)
        if due:
            await self._claim()

    async def _look(self) -> bool:
        """Look for what was not heard of; return whether there may be something to claim."""
        try:
            async with self._reading() as work:
                look = await work.sendings.look()
        except Interrupted:
            # It may have taken too long; what is due is found nevertheless.
            return True
        self.is_watched = look.watched
        return await self._raise(set(look.behind)) or look.due

    async def _raise(self, stream_ids: Collection[UUID]) -> bool:
        """Note what is new; return whether endpoints have news that nobody here sends to yet."""
        if not stream_ids:
            return False
        async with self._reading() as work:
            followed = await work.sendings.followed(stream_ids)
        self._unfollowed.update(id_ for id_ in stream_ids if id_ not in followed)
        if not followed:
            return False
        async with self._post.unit_of_work() as work:
            woken = await work.sendings.raise_targets(followed)
            await work.commit()
        for endpoint_id in woken & self._runs.keys():
            self._runs[endpoint_id][0].news.set()
        return bool(woken - self._runs.keys())

    async def _claim(self) -> None:
        while len(self._runs) < RUNS_MAX:
            async with self._post.unit_of_work() as work:
                claimed = await work.sendings.claim(self._post.holder, CLAIMS_MAX, LEASE_S)
                await work.commit()
            for endpoint in claimed:
                self._start(EndpointRun(self._post, endpoint), endpoint.id)
            if len(claimed) < CLAIMS_MAX:
                return

    def _start(self, run: EndpointRun, endpoint_id: UUID) -> None:
        task = asyncio.get_running_loop().create_task(run.run())
        self._runs[endpoint_id] = (run, task)

        def ended(_: object) -> None:
            if self._runs.get(endpoint_id, (None, None))[1] is task:
                del self._runs[endpoint_id]
            if not task.cancelled() and (error := task.exception()) is not None:
                self._post.report(error)

        task.add_done_callback(ended)

    async def _end(self) -> None:
        tasks = [task for _, task in self._runs.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
