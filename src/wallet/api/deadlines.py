"""The deadline of a whole request, counted from when its body has arrived.

Five seconds are promised; giving a cut-off connection back may take another half second.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from fastapi import Request, Response
from fastapi.routing import APIRoute

from wallet.domain.errors import DeadlineExceeded, OutcomeUnknown

REQUEST_S = 4.3
GRANULARITY_S = 0.1
SAFE_METHODS = frozenset({"GET", "HEAD"})

T = TypeVar("T")
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class _Due:
    """One request under way, and when its time is up."""

    __slots__ = ("at_s", "expired", "task")

    def __init__(self, task: "asyncio.Task[Any]", at_s: float) -> None:
        self.task: asyncio.Task[Any] | None = task
        self.at_s = at_s
        self.expired = False


class _Queue:
    """The requests of one event loop in the order in which their time is up.

    All have the same time, so it is the order in which they came, and one timer serves them all:
    one for each (`asyncio.timeout`) would cost several times as much. It looks every
    `GRANULARITY_S` seconds at most.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.waiting: deque[_Due] = deque()
        self.timer: asyncio.TimerHandle | None = None

    def add(self, task: "asyncio.Task[Any]") -> _Due:
        due = _Due(task, self.loop.time() + REQUEST_S)
        self.waiting.append(due)
        if self.timer is None:
            self.timer = self.loop.call_later(REQUEST_S, self._look)
        return due

    def _look(self) -> None:
        now_s = self.loop.time()
        waiting = self.waiting
        while waiting and (waiting[0].task is None or waiting[0].at_s <= now_s):
            due = waiting.popleft()
            if due.task is not None:
                due.expired = True
                due.task.cancel()
        self.timer = None
        if waiting:
            wait_s = max(GRANULARITY_S, waiting[0].at_s - now_s)
            self.timer = self.loop.call_later(wait_s, self._look)


_QUEUES: "WeakKeyDictionary[asyncio.AbstractEventLoop, _Queue]" = WeakKeyDictionary()


async def within_deadline(method: str, work: Awaitable[T]) -> T:
    """Return what a request's work returns, if that takes no longer than `REQUEST_S` seconds.

    What moves money runs in tasks of its own and is not ended by it: `OutcomeUnknown` says that the
    outcome is not known, which is the truth, and the key finds it out. Reads raise
    `DeadlineExceeded`.
    """
    loop = asyncio.get_running_loop()
    queue = _QUEUES.get(loop)
    if queue is None:
        queue = _QUEUES[loop] = _Queue(loop)
    task = asyncio.current_task(loop)
    assert task is not None  # noqa: S101 - a coroutine that runs on a loop runs in a task
    cancelling = task.cancelling()
    due = queue.add(task)
    try:
        return await work
    except asyncio.CancelledError as error:
        # Cancelled by somebody else as well, it stays cancelled.
        if not due.expired or task.uncancel() > cancelling:
            raise
        if method in SAFE_METHODS:
            raise DeadlineExceeded from error
        raise OutcomeUnknown from error
    finally:
        due.task = None


class BoundedRoute(APIRoute):
    """A route that answers within `REQUEST_S` seconds, whatever the database does."""

    def get_route_handler(self) -> Handler:
        """Return FastAPI's handler, bounded."""
        handler: Handler = super().get_route_handler()

        async def bounded(request: Request) -> Response:
            if request.method not in SAFE_METHODS:
                # How long a client takes to send is the protocol's business, and is cached here.
                await request.body()
            return await within_deadline(request.method, handler(request))

        return bounded
