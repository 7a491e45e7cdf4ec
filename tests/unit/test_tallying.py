"""The counter: what is too much for the database at once is counted in halves."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from tests.fakes.ledger import MemoryStore, MemoryTransaction
from tests.fakes.people import PeopleStore
from tests.fakes.staff import MemoryTallies
from tests.fakes.unit_of_work import MemoryUnitOfWork

from wallet.application.tallying import Tallying
from wallet.application.unit_of_work import Interrupted
from wallet.domain.tallies import TallyProgress, TallyStep, floor_to


class SlowTallies(MemoryTallies):
    """Cannot count more than three minutes before the database loses its patience."""

    tried: list[timedelta]

    async def add(self, since: datetime, until: datetime) -> None:
        self.tried.append(until - since)
        if until - since > timedelta(minutes=3):
            raise Interrupted


async def test_a_stretch_that_takes_too_long_is_counted_in_halves_and_none_is_left_out() -> None:
    store = MemoryStore()
    people = PeopleStore(store.clock)
    tried: list[timedelta] = []

    def unit_of_work() -> MemoryUnitOfWork:
        work = MemoryUnitOfWork(store, people)
        work.tallies = SlowTallies(MemoryTransaction(store), people)
        work.tallies.tried = tried
        return work

    began = store.clock.now
    store.tally_progress = TallyProgress(began, began)
    store.clock.now += timedelta(minutes=12, seconds=20)
    tallying = Tallying(unit_of_work=unit_of_work, holder=UUID(int=1), report=lambda _: None)
    steps: list[TallyStep] = []
    for _ in range(20):
        try:
            step = await tallying.count()
        except Interrupted:
            continue
        if step is None:
            break
        if not step.again:
            steps.append(step)
    assert tried[:4] == [timedelta(minutes=n) for n in (10, 5, 2, 4)]
    assert max(step.until - step.since for step in steps) <= timedelta(minutes=3)
    assert steps[0].since == began
    assert [s.since for s in steps[1:]] == [s.until for s in steps[:-1]]
    assert steps[-1].until - began == pytest.approx(timedelta(minutes=12), abs=timedelta(seconds=1))


async def test_after_a_long_standstill_only_what_is_looked_at_is_counted() -> None:
    store = MemoryStore()
    people = PeopleStore(store.clock)
    long_ago = store.clock.now
    store.tally_progress = TallyProgress(long_ago, long_ago)
    store.clock.now += timedelta(days=300)
    tallying = Tallying(
        unit_of_work=lambda: MemoryUnitOfWork(store, people),
        holder=UUID(int=1),
        report=lambda _: None,
    )
    steps: list[TallyStep] = []
    while (step := await tallying.count()) is not None:
        steps.append(step)
        assert len(steps) < 700
        if store.clock.now - step.until < timedelta(minutes=1):
            break
    first = next(step for step in steps if not step.again)
    assert first.since == floor_to(store.clock.now - timedelta(hours=49), timedelta(hours=1))
    counted = [step for step in steps if not step.again]
    assert [s.since for s in counted[1:]] == [s.until for s in counted[:-1]]
    assert store.tally_progress.counted_to == counted[-1].until
    assert store.clock.now - counted[-1].until < timedelta(minutes=1)
