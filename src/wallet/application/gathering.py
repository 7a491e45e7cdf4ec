"""Gathering: what many ask for at once is looked up for all of them in one statement.

There is no timer. Whoever asks begins a look-up that starts in the next turn of the loop, and takes
along whoever asks until then; whoever comes later begins the next one. So an answer is never older
than the question.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Generic, TypeVar

KEYS_MAX = 1_000
"""How much one statement looks up at most."""

K = TypeVar("K")
V = TypeVar("V")


class Gathered(Generic[K, V]):
    """Look-ups by key that share statements."""

    def __init__(self, find: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._find = find
        self._wanted: dict[K, None] = {}
        self._next: asyncio.Task[Mapping[K, V]] | None = None

    async def get(self, keys: Iterable[K]) -> Mapping[K, V]:
        """Return what is found of these and perhaps of others; what does not exist is left out.

        Raises what the look-up raises.
        """
        self._wanted.update(dict.fromkeys(keys))
        if self._next is None:
            self._next = asyncio.get_running_loop().create_task(self._look_up())
        # One who goes away must not end the look-up of the others.
        return await asyncio.shield(self._next)

    async def _look_up(self) -> Mapping[K, V]:
        await asyncio.sleep(0)
        wanted, self._wanted, self._next = list(self._wanted), {}, None
        if len(wanted) <= KEYS_MAX:
            return await self._find(wanted)
        rest = iter(wanted)
        found: dict[K, V] = {}
        while part := list(islice(rest, KEYS_MAX)):
            found |= await self._find(part)
        return found
