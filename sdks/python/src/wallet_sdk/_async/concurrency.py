"""What waiting, locking and running to the end are in asynchronous code; `_sync` has its own."""

import asyncio
from asyncio import Lock as Lock
from asyncio import sleep as sleep
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Wait for work that goes on to its end even if whoever waits is cancelled.

    A refresh that is broken off would lose the new tokens, and with them the session.
    """
    task = asyncio.ensure_future(work)
    task.add_done_callback(_seen)
    return await asyncio.shield(task)


def _seen(task: "asyncio.Future[Any]") -> None:
    if not task.cancelled():
        task.exception()
