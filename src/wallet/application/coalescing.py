"""Coalescing: whatever arrived while the last batch was in flight rides in the next one.

There is no timer. An idle coalescer starts at once; a loaded one takes what waits, up to a cap, on
a few *lanes* (each one database connection and one stripe of system accounts). Work runs in tasks
of its own: a client that goes away does not decide about money, it only stops waiting.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from wallet.domain.accounts import STRIPES
from wallet.domain.errors import DeadlineExceeded, OutcomeUnknown, Overloaded
from wallet.domain.ledger import Instruction, Result

LANES = 2
BATCH_SIZE_MAX = 32
QUEUE_SIZE_MAX = 2048
WAIT_MAX_S = 1.4


class Writer(Protocol):
    """What carries out batches."""

    async def carry_out(
        self, instructions: Sequence[Instruction], stripe: int = 0
    ) -> Sequence[Result]:
        """Return one result per instruction, in order."""
        ...


@dataclass(frozen=True, slots=True)
class _Waiting:
    instruction: Instruction
    future: asyncio.Future[Result]
    since_s: float


class Coalescer:
    """Gathers single instructions into batches; bounded in queue, batch and waiting time."""

    def __init__(
        self,
        writer: Writer,
        *,
        first_stripe: int = 0,
        lanes: int = LANES,
        batch_size_max: int = BATCH_SIZE_MAX,
        queue_size_max: int = QUEUE_SIZE_MAX,
        wait_max_s: float = WAIT_MAX_S,
    ) -> None:
        self._writer = writer
        self._batch_size_max = batch_size_max
        self._queue_size_max = queue_size_max
        self._wait_max_s = wait_max_s
        self._queue: deque[_Waiting] = deque()
        self._idle_stripes = [(first_stripe + lane) % STRIPES for lane in range(lanes)]
        self._tasks: set[asyncio.Task[None]] = set()
        self._draining = False
        self.taken = 0
        """How many instructions have gone into batches so far."""

    @property
    def queue_length(self) -> int:
        """How many instructions wait for a lane."""
        return len(self._queue)

    async def carry_out(self, instruction: Instruction) -> Result:
        """Return the instruction's result.

        Raises `Overloaded` at once if the queue is full or the service is shutting down; then, as
        after a `DeadlineExceeded`, nothing was done. Being cancelled does not cancel the work.
        """
        if self._draining or len(self._queue) >= self._queue_size_max:
            raise Overloaded
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._queue.append(_Waiting(instruction, future, loop.time()))
        if self._idle_stripes:
            task = loop.create_task(self._run_lane(self._idle_stripes.pop()))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await future

    async def drain(self) -> None:
        """Refuse what is new and wait until everything accepted so far has its result."""
        self._draining = True
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _run_lane(self, stripe: int) -> None:
        try:
            while batch := self._take():
                await self._carry_out_batch(batch, stripe)
        except asyncio.CancelledError:
            while self._queue:
                _answer(self._queue.popleft(), Overloaded())
            raise
        finally:
            self._idle_stripes.append(stripe)

    async def _carry_out_batch(self, batch: Sequence[_Waiting], stripe: int) -> None:
        """Answer everybody in a batch, whatever happens; only being cancelled ends the lane."""
        try:
            results = await self._writer.carry_out([w.instruction for w in batch], stripe)
            for waiting, result in zip(batch, results, strict=True):
                _answer(waiting, result)
        except Exception as error:  # noqa: BLE001 - the lane must live for those who wait
            _answer_all(batch, error)
        except asyncio.CancelledError:
            _answer_all(batch, OutcomeUnknown())
            raise

    def _take(self) -> list[_Waiting]:
        """Take the next batch; whoever has waited too long is told that nothing was done."""
        now_s = asyncio.get_running_loop().time()
        batch: list[_Waiting] = []
        while self._queue and len(batch) < self._batch_size_max:
            waiting = self._queue.popleft()
            if now_s - waiting.since_s > self._wait_max_s:
                _answer(waiting, DeadlineExceeded())
            else:
                batch.append(waiting)
        self.taken += len(batch)
        return batch


def _answer_all(batch: Sequence[_Waiting], result: Result) -> None:
    for waiting in batch:
        _answer(waiting, result)


def _answer(waiting: _Waiting, result: Result) -> None:
    if not waiting.future.done():
        waiting.future.set_result(result)
