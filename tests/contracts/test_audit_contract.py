"""Safe mode and the progress of the self-audit, in memory and on PostgreSQL."""

from datetime import timedelta
from uuid import uuid4

import pytest
import pytest_asyncio
from tests.contracts.books import Books

from wallet.application.safe_mode import GuardedMover, SafeMode
from wallet.domain.audits import Progress
from wallet.domain.ledger import Instruction, Result
from wallet.domain.safe_mode import SafeModeEntered, SafeModeOn
from wallet.infrastructure.identifiers import new_id, utc_now
from wallet.infrastructure.postgres.pool import Connection


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def nothing_yet(superuser: Connection) -> None:
    await superuser.execute("TRUNCATE safe_modes, audits")


def safe_mode(books: Books, told: list[SafeModeEntered | None] | None = None) -> SafeMode:
    def report(error: BaseException) -> None:
        raise error

    return SafeMode(
        unit_of_work=books.unit_of_work,
        clock=utc_now,
        new_id=new_id,
        report=report,
        alarm=(told if told is not None else []).append,
    )


async def test_safe_mode_is_entered_once_and_left_once(books: Books) -> None:
    first = SafeModeEntered(new_id(), utc_now(), "a")
    async with books.unit_of_work() as work:
        assert await work.safe_modes.current() is None
        assert not await work.safe_modes.leave(utc_now(), "ops", "b")
        assert await work.safe_modes.enter(first)
        await work.commit()
    async with books.unit_of_work() as work:
        assert not await work.safe_modes.enter(SafeModeEntered(new_id(), utc_now(), "again"))
        assert await work.safe_modes.current() == first
        assert await work.safe_modes.leave(utc_now(), "ops", "looked")
        assert await work.safe_modes.current() is None
        assert await work.safe_modes.enter(SafeModeEntered(new_id(), utc_now(), "anew"))


async def test_every_process_hears_of_safe_mode_at_its_next_look_and_is_told_once(
    books: Books,
) -> None:
    told: list[SafeModeEntered | None] = []
    here, there = safe_mode(books), safe_mode(books, told)
    await there.refresh()
    await here.enter("the books are wrong")
    assert here.current is not None
    assert there.current is None
    for _ in range(2):
        await there.refresh()
    assert [entered and entered.reason for entered in told] == ["the books are wrong"]
    assert await here.leave("ops", "looked into it")
    assert not await here.leave("ops", "once more")
    await there.refresh()
    assert told[1:] == [None]


async def test_no_money_moves_in_safe_mode(books: Books) -> None:
    class Mover:
        async def carry_out(self, instruction: Instruction) -> Result:
            return await books.carry_out(instruction)

    mode = safe_mode(books)
    mover = GuardedMover(mode, Mover())
    assert not isinstance(await mover.carry_out(books.pay(1)), Exception)
    await mode.enter("doubt")
    with pytest.raises(SafeModeOn) as refused:
        await mover.carry_out(books.pay(1))
    assert refused.value.retry_after_s >= 10
    await mode.leave("ops", "done")
    assert not isinstance(await mover.carry_out(books.pay(1)), Exception)


async def test_one_process_audits_at_a_time_and_the_next_goes_on(books: Books) -> None:
    mine, theirs, now = uuid4(), uuid4(), utc_now()
    async with books.unit_of_work() as work:
        assert await work.audits.lease(mine, 60) == Progress()
        await work.audits.advance(Progress(mine, 7, 9, now))
        await work.commit()
    async with books.unit_of_work() as work:
        assert await work.audits.lease(theirs, 60) is None
    async with books.unit_of_work() as work:
        assert await work.audits.lease(mine, 60) == Progress(mine, 7, 9, now)
        await work.audits.advance(Progress(completed_at=now + timedelta(seconds=1)))
        await work.audits.advance(Progress(began_at=now))
        await work.commit()
    async with books.unit_of_work() as work:
        found = await work.audits.lease(mine, 60)
    assert found == Progress(began_at=now, completed_at=now + timedelta(seconds=1))
