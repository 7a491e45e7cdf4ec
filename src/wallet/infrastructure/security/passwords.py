"""Argon2id through passlib, on a small thread pool of its own.

A hash takes some 20 to 60 ms of a core and 19 MiB of memory, so only a few are made at a time and
only so many may wait: a crowd at the log-in must not take the cores away from the money.
"""

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from passlib.hash import argon2

from wallet.domain.errors import Overloaded

MEMORY_KIB = 19 * 1024
ROUNDS = 2
PARALLELISM = 1
THREADS = 2
WAITING_MAX = 64
_RETRY_AFTER_S = 2.0

_T = TypeVar("_T")


class Argon2Passwords:
    """Hashes and verifies passwords; `threads` at a time, at most `waiting_max` more in line."""

    def __init__(
        self,
        *,
        threads: int = THREADS,
        waiting_max: int = WAITING_MAX,
        memory_kib: int = MEMORY_KIB,
        rounds: int = ROUNDS,
    ) -> None:
        self._scheme = argon2.using(
            type="ID", memory_cost=memory_kib, rounds=rounds, parallelism=PARALLELISM
        )
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="passwords")
        self._running_max = threads + waiting_max
        self._running = 0
        self._decoy: str = self._scheme.hash(secrets.token_urlsafe())

    async def hash(self, password: str) -> str:
        """Return a new hash in PHC format; raise `Overloaded` when too many wait."""
        return await self._run(lambda: str(self._scheme.hash(password)))

    async def verify(self, password: str, stored: str | None) -> bool:
        """Return whether `stored` is a hash of `password`; raise `Overloaded`.

        Without one, a decoy with the same parameters is verified, and the answer is no.
        """
        right = await self._run(lambda: bool(self._scheme.verify(password, stored or self._decoy)))
        return right and stored is not None

    def needs_update(self, stored: str) -> bool:
        """Return whether a hash was made with other parameters than these."""
        return bool(self._scheme.needs_update(stored))

    def close(self) -> None:
        """Let running hashes end and take no more."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], _T]) -> _T:
        if self._running >= self._running_max:
            raise Overloaded(retry_after_s=_RETRY_AFTER_S)
        self._running += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        finally:
            self._running -= 1
