"""The coalescer: natural batches, bounds, two lanes, and nobody left without an answer."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID

import pytest
from tests.fakes.ledger import MemoryStore
from tests.fakes.unit_of_work import MemoryUnitOfWork
from tests.stories.world import World, spoken

from wallet.application.coalescing import (
    BATCH_SIZE_MAX,
    LANES,
    QUEUE_SIZE_MAX,
    Coalescer,
)
from wallet.application.ledger_writer import LedgerWriter
from wallet.domain.errors import DeadlineExceeded, Overloaded
from wallet.domain.journal import Kind
from wallet.domain.ledger import Header, Instruction, Outcome, Result
from wallet.domain.money import Currency
from wallet.domain.transfers import CreateTransfer

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def instruction(number: int) -> CreateTransfer:
    return CreateTransfer(
        Header(
            id=UUID(int=number),
            kind=Kind.TRANSFER,
            scope="person:alice",
            key_digest=sha256(str(number).encode()).digest(),
            fingerprint=bytes(32),
            account_id=UUID(int=1),
            currency=Currency("USD"),
            amount=1,
            owner_id=None,
        ),
        UUID(int=2),
    )


@dataclass
class GatedWriter:
    """Records each batch and finishes it when it is let through."""

    batches: list[list[int]] = field(default_factory=list)
    stripes: list[int] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    in_flight: int = 0
    in_flight_max: int = 0
    results_missing: int = 0

    async def carry_out(
        self, instructions: Sequence[Instruction], stripe: int = 0
    ) -> Sequence[Result]:
        self.batches.append([i.header.id.int for i in instructions])
        self.stripes.append(stripe)
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight, self.in_flight_max)
        try:
            await self.gate.acquire()
        finally:
            self.in_flight -= 1
        if self.failures:
            raise self.failures.pop(0)
        results: list[Result] = [Outcome(i.header, NOW) for i in instructions]
        return results[: len(results) - self.results_missing]

    def let_through(self, batches: int) -> None:
        for _ in range(batches):
            self.gate.release()


@pytest.fixture
def writer() -> GatedWriter:
    return GatedWriter()


def send(coalescer: Coalescer, *numbers: int) -> list[asyncio.Task[Result]]:
    return [asyncio.create_task(coalescer.carry_out(instruction(n))) for n in numbers]


async def a_moment() -> None:
    """Let everything that can run without waiting run."""
    for _ in range(10):
        await asyncio.sleep(0)


async def answered(tasks: Sequence[asyncio.Task[Result]]) -> list[object]:
    """Return what each caller got: the number of an accepted instruction, or an exception."""
    async with asyncio.timeout(2):
        results = await asyncio.gather(*tasks, return_exceptions=True)
    return [r.header.id.int if isinstance(r, Outcome) else r for r in results]


# Batches.


async def test_a_lone_instruction_starts_at_once_as_a_batch_of_one(writer: GatedWriter) -> None:
    tasks = send(Coalescer(writer), 1)
    await a_moment()
    assert writer.batches == [[1]]
    writer.let_through(1)
    assert await answered(tasks) == [1]


async def test_whatever_arrives_while_a_batch_is_in_flight_rides_in_the_next_one_in_order(
    writer: GatedWriter,
) -> None:
    coalescer = Coalescer(writer, lanes=1)
    tasks = send(coalescer, 1)
    await a_moment()
    tasks += send(coalescer, 2, 3)
    await a_moment()
    tasks += send(coalescer, 4)
    await a_moment()
    assert (writer.batches, coalescer.queue_length) == ([[1]], 3)
    writer.let_through(1)
    await a_moment()
    assert (writer.batches, coalescer.queue_length) == ([[1], [2, 3, 4]], 0)
    writer.let_through(1)
    assert await answered(tasks) == [1, 2, 3, 4]


async def test_a_batch_is_no_larger_than_its_cap(writer: GatedWriter) -> None:
    coalescer = Coalescer(writer, lanes=1, batch_size_max=3)
    tasks = send(coalescer, 1)
    await a_moment()
    tasks += send(coalescer, 2, 3, 4, 5, 6, 7, 8)
    writer.let_through(4)
    assert await answered(tasks) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert writer.batches == [[1], [2, 3, 4], [5, 6, 7], [8]]


async def test_everybody_gets_the_result_of_their_own_instruction(writer: GatedWriter) -> None:
    writer.let_through(1000)
    numbers = list(range(1, 201))
    assert await answered(send(Coalescer(writer), *numbers)) == numbers


async def test_the_limits_are_those_that_were_measured() -> None:
    assert (LANES, BATCH_SIZE_MAX, QUEUE_SIZE_MAX) == (2, 32, 2048)


# Lanes.


async def test_two_batches_may_be_in_flight_and_no_third(writer: GatedWriter) -> None:
    coalescer = Coalescer(writer, lanes=2)
    tasks = send(coalescer, 1)
    await a_moment()
    tasks += send(coalescer, 2)
    await a_moment()
    tasks += send(coalescer, 3, 4)
    await a_moment()
    assert writer.batches == [[1], [2]]
    writer.let_through(1)
    await a_moment()
    assert writer.batches == [[1], [2], [3, 4]]
    writer.let_through(2)
    assert await answered(tasks) == [1, 2, 3, 4]
    assert writer.in_flight_max == 2


async def test_stripes_differ_by_lane(writer: GatedWriter) -> None:
    coalescer = Coalescer(writer, lanes=3, first_stripe=4)
    tasks = []
    for number in (1, 2, 3):
        tasks += send(coalescer, number)
        await a_moment()
    assert sorted(writer.stripes) == [4, 5, 6]
    writer.let_through(3)
    await answered(tasks)


async def test_stripes_begin_again_after_the_last_one(writer: GatedWriter) -> None:
    coalescer = Coalescer(writer, lanes=2, first_stripe=15)
    tasks = send(coalescer, 1)
    await a_moment()
    tasks += send(coalescer, 2)
    await a_moment()
    assert sorted(writer.stripes) == [0, 15]
    writer.let_through(2)
    await answered(tasks)


async def test_a_lane_keeps_its_stripe(writer: GatedWriter) -> None:
    coalescer = Coalescer(writer, lanes=1, first_stripe=7, batch_size_max=1)
    writer.let_through(6)
    await answered(send(coalescer, 1, 2, 3))
    await answered(send(coalescer, 4, 5, 6))
    assert writer.stripes == [7, 7, 7, 7, 7, 7]


async def test_a_lane_that_went_idle_starts_again(writer: GatedWriter) -> None:
    coalescer = Coalescer(writer, lanes=1)
    writer.let_through(2)
    assert await answered(send(coalescer, 1)) == [1]
    await a_moment()
    assert await answered(send(coalescer, 2)) == [2]


# Bounds.


async def test_a_full_queue_refuses_at_once_and_nothing_is_done(writer: GatedWriter) -> None:
    coalescer = Coalescer(writer, lanes=1, queue_size_max=2)
    tasks = send(coalescer, 1)
    await a_moment()
    tasks += send(coalescer, 2, 3)
    await a_moment()
    with pytest.raises(Overloaded):
        await coalescer.carry_out(instruction(4))
    writer.let_through(2)
    assert await answered(tasks) == [1, 2, 3]
    assert writer.batches == [[1], [2, 3]]


async def test_a_queue_that_has_room_again_accepts_again(writer: GatedWriter) -> None:
    coalescer = Coalescer(writer, lanes=1, queue_size_max=1)
    tasks = send(coalescer, 1)
    await a_moment()
    tasks += send(coalescer, 2)
    await a_moment()
    with pytest.raises(Overloaded):
        await coalescer.carry_out(instruction(3))
    writer.let_through(1)
    await a_moment()
    tasks += send(coalescer, 4)
    writer.let_through(2)
    assert await answered(tasks) == [1, 2, 4]


async def test_whoever_waited_too_long_is_told_so_and_nothing_is_done(
    writer: GatedWriter,
) -> None:
    coalescer = Coalescer(writer, lanes=1, wait_max_s=0.02)
    tasks = send(coalescer, 1)
    await a_moment()
    tasks += send(coalescer, 2)
    await asyncio.sleep(0.03)
    tasks += send(coalescer, 3)
    await a_moment()
    writer.let_through(2)
    first, second, third = await answered(tasks)
    assert (first, third) == (1, 3)
    assert isinstance(second, DeadlineExceeded)
    assert writer.batches == [[1], [3]]


async def test_those_who_waited_too_long_take_no_place_in_the_batch(writer: GatedWriter) -> None:
    coalescer = Coalescer(writer, lanes=1, wait_max_s=0.02, batch_size_max=2)
    tasks = send(coalescer, 1)
    await a_moment()
    tasks += send(coalescer, 2, 3, 4)
    await asyncio.sleep(0.03)
    tasks += send(coalescer, 5, 6)
    await a_moment()
    writer.let_through(2)
    await answered(tasks)
    assert writer.batches == [[1], [5, 6]]


async def test_a_batch_in_flight_is_not_given_up_for_having_waited(writer: GatedWriter) -> None:
    coalescer = Coalescer(writer, lanes=1, wait_max_s=0.01)
    tasks = send(coalescer, 1)
    await asyncio.sleep(0.02)
    writer.let_through(1)
    assert await answered(tasks) == [1]


# Clients that go away.


async def test_a_client_that_goes_away_in_flight_does_not_cancel_the_work(
    writer: GatedWriter,
) -> None:
    coalescer = Coalescer(writer, lanes=1)
    first, *_ = send(coalescer, 1)
    await a_moment()
    first.cancel()
    await a_moment()
    assert (first.cancelled(), writer.in_flight) == (True, 1)
    writer.let_through(1)
    await coalescer.drain()
    assert (writer.batches, writer.in_flight) == ([[1]], 0)


async def test_a_client_that_goes_away_in_the_queue_does_not_cancel_the_work(
    writer: GatedWriter,
) -> None:
    coalescer = Coalescer(writer, lanes=1)
    tasks = send(coalescer, 1)
    await a_moment()
    gone, stays = send(coalescer, 2, 3)
    await a_moment()
    gone.cancel()
    writer.let_through(2)
    assert await answered([*tasks, stays]) == [1, 3]
    assert writer.batches == [[1], [2, 3]]


async def test_a_client_that_goes_away_does_not_disturb_its_neighbours(
    writer: GatedWriter,
) -> None:
    coalescer = Coalescer(writer, lanes=1)
    tasks = send(coalescer, 1, 2, 3)
    await a_moment()
    tasks[1].cancel()
    writer.let_through(2)
    assert await answered([tasks[0], tasks[2]]) == [1, 3]


# Shutting down.


async def test_draining_waits_for_everything_accepted(writer: GatedWriter) -> None:
    coalescer = Coalescer(writer, lanes=1, batch_size_max=1)
    tasks = send(coalescer, 1, 2, 3)
    await a_moment()
    draining = asyncio.create_task(coalescer.drain())
    writer.let_through(2)
    await a_moment()
    assert not draining.done()
    writer.let_through(1)
    await asyncio.wait_for(draining, 2)
    assert [task.done() for task in tasks] == [True, True, True]


async def test_draining_refuses_what_is_new(writer: GatedWriter) -> None:
    coalescer = Coalescer(writer, lanes=1)
    tasks = send(coalescer, 1)
    await a_moment()
    draining = asyncio.create_task(coalescer.drain())
    await a_moment()
    with pytest.raises(Overloaded):
        await coalescer.carry_out(instruction(2))
    writer.let_through(1)
    await draining
    assert await answered(tasks) == [1]


async def test_draining_an_idle_coalescer_returns_at_once(writer: GatedWriter) -> None:
    async with asyncio.timeout(1):
        await Coalescer(writer).drain()


# A writer that falls over.


async def test_a_crash_in_the_writer_answers_everybody_in_the_batch(writer: GatedWriter) -> None:
    coalescer = Coalescer(writer, lanes=1)
    tasks = send(coalescer, 1, 2, 3)
    writer.failures = [RuntimeError("x")]
    writer.let_through(1)
    assert [type(answer) for answer in await answered(tasks)] == [RuntimeError] * 3


async def test_a_crash_in_the_writer_does_not_strand_those_who_wait(writer: GatedWriter) -> None:
    coalescer = Coalescer(writer, lanes=1)
    tasks = send(coalescer, 1)
    await a_moment()
    tasks += send(coalescer, 2, 3)
    await a_moment()
    writer.failures = [RuntimeError("x")]
    writer.let_through(2)
    crashed, *others = await answered(tasks)
    assert isinstance(crashed, RuntimeError)
    assert others == [2, 3]


async def test_a_crash_in_the_writer_does_not_strand_those_who_wait_for_the_drain(
    writer: GatedWriter,
) -> None:
    coalescer = Coalescer(writer, lanes=1)
    tasks = send(coalescer, 1)
    await a_moment()
    tasks += send(coalescer, 2)
    await a_moment()
    writer.failures = [RuntimeError("x")]
    writer.let_through(2)
    await coalescer.drain()
    assert (await answered(tasks))[1] == 2


async def test_after_a_crash_the_lane_is_used_again(writer: GatedWriter) -> None:
    coalescer = Coalescer(writer, lanes=1, first_stripe=3)
    writer.failures = [RuntimeError("x")]
    writer.let_through(2)
    await answered(send(coalescer, 1))
    await a_moment()
    assert await answered(send(coalescer, 2)) == [2]
    assert writer.stripes == [3, 3]


async def test_a_writer_that_is_cancelled_leaves_the_outcome_unknown(writer: GatedWriter) -> None:
    coalescer = Coalescer(writer, lanes=1)
    tasks = send(coalescer, 1, 2)
    await a_moment()
    for task in coalescer._tasks:
        task.cancel()
    codes = [getattr(answer, "code", answer) for answer in await answered(tasks)]
    assert codes == ["outcome-unknown", "outcome-unknown"]


async def test_a_writer_that_returns_too_few_results_leaves_nobody_waiting(
    writer: GatedWriter,
) -> None:
    coalescer = Coalescer(writer, lanes=1)
    writer.results_missing = 1
    tasks = send(coalescer, 1, 2)
    writer.let_through(1)
    assert len(await answered(tasks)) == 2


# On the real ledger writer.


async def test_a_hundred_payments_at_once_ride_in_few_batches_and_lose_nothing() -> None:
    store = MemoryStore()
    units = 0

    def unit_of_work() -> MemoryUnitOfWork:
        nonlocal units
        units += 1
        return MemoryUnitOfWork(store)

    world = World(unit_of_work)
    await world.open("alice", "USD")
    await world.open("bob", "USD")
    await world.fund("alice", 1_000)
    units = 0
    coalescer = Coalescer(LedgerWriter(unit_of_work))
    payments = [world.transfer("alice", "bob", 3) for _ in range(100)]
    results = await asyncio.gather(*(coalescer.carry_out(payment) for payment in payments))
    assert {spoken(result) for result in results} == {"accepted"}
    await world.tell("balance alice 700 version=101\nbalance bob 300 version=100")
    assert units <= 10
