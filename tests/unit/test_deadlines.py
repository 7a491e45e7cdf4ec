"""One deadline for every request, kept by one timer."""

import asyncio
from collections.abc import Iterator

import pytest

from wallet.api import deadlines
from wallet.api.deadlines import within_deadline
from wallet.domain.errors import DeadlineExceeded, OutcomeUnknown


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(deadlines, "REQUEST_S", 0.05)
    monkeypatch.setattr(deadlines, "GRANULARITY_S", 0.01)
    deadlines._QUEUES.clear()
    yield
    deadlines._QUEUES.clear()


async def after(seconds: float, value: str = "done") -> str:
    await asyncio.sleep(seconds)
    return value


async def test_what_is_in_time_returns() -> None:
    assert await within_deadline("GET", after(0)) == "done"


async def test_a_read_that_takes_too_long_did_nothing_and_a_write_is_not_known() -> None:
    with pytest.raises(DeadlineExceeded):
        await within_deadline("GET", after(5))
    with pytest.raises(OutcomeUnknown):
        await within_deadline("POST", after(5))


async def test_errors_pass_through() -> None:
    async def fall() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await within_deadline("GET", fall())


async def test_each_of_many_has_the_whole_time_whenever_it_began() -> None:
    async def one(begin_s: float, takes_s: float) -> str:
        await asyncio.sleep(begin_s)
        try:
            return await within_deadline("GET", after(takes_s))
        except DeadlineExceeded:
            return "late"

    began_s = asyncio.get_running_loop().time()
    said = await asyncio.gather(
        *(one(n * 0.01, 0.001 if n % 2 else 5.0) for n in range(20)),
    )
    assert said == ["late", "done"] * 10
    assert asyncio.get_running_loop().time() - began_s < 2


async def test_cancelled_by_somebody_else_it_stays_cancelled() -> None:
    task = asyncio.create_task(within_deadline("GET", after(5)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_task_outlives_the_deadline_of_one_request_and_has_another() -> None:
    with pytest.raises(DeadlineExceeded):
        await within_deadline("GET", after(5))
    current = asyncio.current_task()
    assert current is not None
    assert current.cancelling() == 0
    assert await within_deadline("GET", after(0.001)) == "done"


async def test_what_is_over_is_forgotten() -> None:
    for _ in range(100):
        await within_deadline("GET", after(0))
    (queue,) = deadlines._QUEUES.values()
    await asyncio.sleep(0.1)
    assert list(queue.waiting) == []
    assert queue.timer is None
