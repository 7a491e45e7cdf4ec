"""The ledger writer under a unit of work that fails on cue, before and after its effect."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from uuid import UUID

import pytest
from tests.fakes.ledger import MemoryStore
from tests.fakes.scripted import Fault, Script
from tests.fakes.unit_of_work import MemoryUnitOfWork
from tests.stories.world import World, person, spoken, wallet

from wallet.application.ledger_writer import TRIES_MAX, LedgerWriter, definite
from wallet.application.unit_of_work import Interrupted, UnitOfWorkFactory
from wallet.domain.accounts import InsufficientFunds
from wallet.domain.errors import OutcomeUnknown
from wallet.domain.journal import Kind
from wallet.domain.ledger import (
    Book,
    Decision,
    Header,
    IdempotencyKeyReused,
    Instruction,
    LedgerInvariantBroken,
    Outcome,
    Result,
)
from wallet.domain.transfers import CreateTransfer, NotYourWallet
from wallet.infrastructure.postgres.unit_of_work import PostgresUnitOfWork

ALICE, BOB = wallet("alice", "USD"), wallet("bob", "USD")


class Hasty(Random):
    """Randomness that never pauses."""

    def uniform(self, a: float, b: float) -> float:
        return a


@dataclass(frozen=True)
class Poisonous:
    """An instruction that makes the code that decides it fall over."""

    inner: CreateTransfer
    details: None = None
    funding_id: None = None
    parts: None = None
    api_key_id: None = None

    @property
    def header(self) -> Header:
        return self.inner.header

    def account_ids(self, stripe: int) -> Sequence[UUID]:
        return self.inner.account_ids(stripe)

    def decide(self, book: Book) -> Decision:
        raise ZeroDivisionError


@pytest.fixture
async def world() -> World:
    """Alice with 100 and Bob with nothing, in memory."""
    store = MemoryStore()
    world = World(lambda: MemoryUnitOfWork(store))
    await world.open("alice", "USD")
    await world.open("bob", "USD")
    await world.fund("alice", 100)
    return world


@pytest.fixture
def script(world: World) -> Script:
    work = world.unit_of_work()
    assert isinstance(work, MemoryUnitOfWork)
    return Script(work._transaction.store)


@pytest.fixture
def writer(script: Script) -> LedgerWriter:
    return hasty(script)


def hasty(script: Script, *, deadline_s: float = 3.5) -> LedgerWriter:
    writer = LedgerWriter(script, deadline_s=deadline_s)
    writer._random = Hasty()
    return writer


def pay(world: World, amount: int = 30, **options: str) -> CreateTransfer:
    return world.transfer("alice", "bob", amount, options)


def balances(script: Script) -> tuple[int, int]:
    return script.store.accounts[ALICE].posted, script.store.accounts[BOB].posted


async def carry_out(writer: LedgerWriter, *instructions: Instruction) -> list[str]:
    return [spoken(result) for result in await writer.carry_out(instructions)]


def free(script: Script) -> bool:
    return not any(lock.locked() for lock in script.store.row_locks.values())


# What is tried again.

BEFORE_COMMIT = ["acquire", "lock", "outcomes", "save", "before commit"]


@pytest.mark.parametrize("place", BEFORE_COMMIT)
async def test_an_interruption_before_the_commit_is_tried_again(
    place: str, world: World, script: Script, writer: LedgerWriter
) -> None:
    script.faults = [Fault(place, Interrupted())]
    assert await carry_out(writer, pay(world)) == ["accepted"]
    assert (script.begun, script.commits, balances(script)) == (2, 1, (70, 30))


async def test_four_interruptions_are_outlasted(
    world: World, script: Script, writer: LedgerWriter
) -> None:
    script.faults = [Fault("lock", Interrupted())] * 4
    assert await carry_out(writer, pay(world)) == ["accepted"]
    assert script.begun == 5


@pytest.mark.parametrize("place", BEFORE_COMMIT)
async def test_there_are_never_more_than_five_tries(
    place: str, world: World, script: Script, writer: LedgerWriter
) -> None:
    script.always = Fault(place, Interrupted())
    assert await carry_out(writer, pay(world), pay(world)) == ["database-unavailable"] * 2
    assert (script.begun, TRIES_MAX) == (5, 5)
    assert balances(script) == (100, 0)


async def test_each_of_a_batch_that_could_not_be_tried_gets_an_error_of_its_own(
    world: World, script: Script, writer: LedgerWriter
) -> None:
    script.always = Fault("acquire", Interrupted())
    first, second = await writer.carry_out([pay(world), pay(world)])
    assert isinstance(first, Interrupted)
    assert isinstance(second, Interrupted)
    assert first is not second


@pytest.mark.parametrize("error", [RuntimeError("x"), LedgerInvariantBroken("x"), KeyError("x")])
@pytest.mark.parametrize("place", ["lock", "save"])
async def test_what_is_no_interruption_is_not_tried_again(
    place: str, error: Exception, world: World, script: Script, writer: LedgerWriter
) -> None:
    script.faults = [Fault(place, error)]
    assert list(await writer.carry_out([pay(world)])) == [error]
    assert (script.begun, balances(script)) == (1, (100, 0))


def test_the_pauses_double_up_to_a_bound_with_full_jitter(script: Script) -> None:
    writer = LedgerWriter(script)
    bounds = {1: 0.04, 2: 0.08, 3: 0.16, 4: 0.32, 5: 0.4, 9: 0.4}
    for attempt, bound in bounds.items():
        pauses = [writer._pause_s(attempt) for _ in range(300)]
        assert 0 <= min(pauses) < bound / 3
        assert bound / 1.5 < max(pauses) <= bound


# Unknown outcomes.


async def test_an_unknown_outcome_that_took_effect_is_found_under_its_key(
    world: World, script: Script, writer: LedgerWriter
) -> None:
    script.faults = [Fault("after commit", OutcomeUnknown())]
    assert await carry_out(writer, pay(world)) == ["accepted again"]
    assert (script.begun, script.commits, balances(script)) == (2, 1, (70, 30))


async def test_an_unknown_outcome_without_effect_is_carried_out_now(
    world: World, script: Script, writer: LedgerWriter
) -> None:
    script.faults = [Fault("before commit", OutcomeUnknown())]
    assert await carry_out(writer, pay(world)) == ["accepted"]
    assert (script.begun, script.commits, balances(script)) == (2, 1, (70, 30))


async def test_an_unknown_refusal_is_found_under_its_key(
    world: World, script: Script, writer: LedgerWriter
) -> None:
    script.faults = [Fault("after commit", OutcomeUnknown())]
    assert await carry_out(writer, pay(world, 101)) == ["insufficient-funds again"]


async def test_an_unknown_batch_has_one_effect_for_each_of_its_instructions(
    world: World, script: Script, writer: LedgerWriter
) -> None:
    script.faults = [Fault("after commit", OutcomeUnknown())]
    said = await carry_out(writer, pay(world, 10), pay(world, 500), pay(world, 20))
    assert said == ["accepted again", "insufficient-funds again", "accepted again"]
    assert balances(script) == (70, 30)


@pytest.mark.parametrize("later", ["acquire", "lock", "outcomes"])
async def test_an_outcome_once_unknown_is_never_called_undone(
    later: str, world: World, script: Script, writer: LedgerWriter
) -> None:
    script.faults = [Fault("after commit", OutcomeUnknown())]
    script.always = Fault(later, Interrupted())
    assert await carry_out(writer, pay(world)) == ["outcome-unknown"]
    assert (script.begun, balances(script)) == (5, (70, 30))


async def test_an_outcome_once_unknown_stays_so_when_a_later_try_falls_over(
    world: World, script: Script, writer: LedgerWriter
) -> None:
    script.faults = [Fault("after commit", OutcomeUnknown()), Fault("lock", RuntimeError("x"))]
    said = await carry_out(writer, pay(world, 10), pay(world, 20))
    assert said == ["outcome-unknown", "outcome-unknown"]


async def test_a_commit_that_never_answers_is_unknown_after_five_tries(
    world: World, script: Script, writer: LedgerWriter
) -> None:
    script.always = Fault("before commit", OutcomeUnknown())
    assert await carry_out(writer, pay(world)) == ["outcome-unknown"]
    assert (script.begun, balances(script)) == (5, (100, 0))


async def test_repeating_an_unknown_outcome_with_its_key_settles_it(
    world: World, script: Script, writer: LedgerWriter
) -> None:
    payment = pay(world)
    script.faults = [Fault("after commit", OutcomeUnknown())] + [Fault("lock", Interrupted())] * 4
    assert await carry_out(writer, payment) == ["outcome-unknown"]
    assert await carry_out(writer, payment) == ["accepted again"]
    assert balances(script) == (70, 30)


# The deadline.


@pytest.mark.parametrize("place", [*BEFORE_COMMIT, "after commit"])
async def test_a_hanging_database_is_given_up_at_the_deadline(
    place: str, world: World, script: Script
) -> None:
    script.always = Fault(place)
    started_s = time.monotonic()
    said = await carry_out(hasty(script, deadline_s=0.03), pay(world), pay(world))
    assert said == ["outcome-unknown", "outcome-unknown"]
    assert time.monotonic() - started_s < 0.5


@pytest.mark.parametrize("place", [*BEFORE_COMMIT, "after commit"])
async def test_giving_up_leaves_no_lock_behind(place: str, world: World, script: Script) -> None:
    script.always = Fault(place)
    await hasty(script, deadline_s=0.03).carry_out([pay(world)])
    assert free(script)


async def test_pauses_between_tries_do_not_outlast_the_deadline(
    world: World, script: Script
) -> None:
    script.always = Fault("lock", Interrupted())
    writer = LedgerWriter(script, deadline_s=0.03)
    writer._pause_s = lambda attempt: 60.0  # type: ignore[method-assign]
    started_s = time.monotonic()
    assert await carry_out(writer, pay(world)) == ["outcome-unknown"]
    assert time.monotonic() - started_s < 0.5
    assert script.begun == 1


async def test_a_caller_that_is_cancelled_leaves_no_lock_behind(
    world: World, script: Script, writer: LedgerWriter
) -> None:
    script.always = Fault("before commit")
    task = asyncio.create_task(writer.carry_out([pay(world)]))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (free(script), balances(script)) == (True, (100, 0))


# Poison.


@pytest.mark.parametrize("position", [0, 1, 2, 3])
async def test_only_the_poisonous_instruction_of_a_batch_fails(
    position: int, world: World, script: Script, writer: LedgerWriter
) -> None:
    batch: list[Instruction] = [pay(world, 10), pay(world, 20), pay(world, 30)]
    batch.insert(position, Poisonous(pay(world, 5)))
    said = await carry_out(writer, *batch)
    expected = ["accepted", "accepted", "accepted"]
    expected.insert(position, "ZeroDivisionError")
    assert said == expected
    assert balances(script) == (40, 60)


async def test_poison_that_shows_only_at_the_save_fails_alone(
    world: World, script: Script, writer: LedgerWriter
) -> None:
    first, bad, last = pay(world, 10), pay(world, 20), pay(world, 30)
    script.poison = {bad.header.key_digest}
    assert await carry_out(writer, first, bad, last) == ["accepted", "RuntimeError", "accepted"]
    assert (script.begun, balances(script)) == (4, (60, 40))


async def test_a_batch_of_poison_alone_is_not_carried_out_twice(
    world: World, script: Script, writer: LedgerWriter
) -> None:
    assert await carry_out(writer, Poisonous(pay(world))) == ["ZeroDivisionError"]
    assert script.begun == 1


async def test_one_by_one_each_instruction_has_its_own_five_tries(
    world: World, script: Script, writer: LedgerWriter
) -> None:
    script.always = Fault("lock", Interrupted())
    script.faults = [Fault("lock", RuntimeError("x"))]
    said = await carry_out(writer, pay(world), pay(world))
    assert said == ["database-unavailable", "database-unavailable"]
    assert script.begun == 1 + 5 + 5


async def test_a_refusal_is_no_poison(world: World, script: Script, writer: LedgerWriter) -> None:
    said = await carry_out(writer, pay(world, 60), pay(world, 60), pay(world, 40))
    assert said == ["accepted", "insufficient-funds", "accepted"]
    assert script.begun == 1


# Keys.


async def test_a_key_taken_meanwhile_is_answered_with_the_winners_outcome(
    world: World, script: Script, writer: LedgerWriter
) -> None:
    payment = pay(world)
    winner = Outcome(payment.header, script.store.clock(), refusal=InsufficientFunds(amount=30))

    def meddle() -> None:
        script.store.outcomes[payment.header.key] = winner

    script.before_save = meddle
    assert await carry_out(writer, payment) == ["insufficient-funds again"]
    assert (script.begun, script.commits, balances(script)) == (2, 0, (100, 0))


async def test_a_key_taken_meanwhile_for_something_else_is_refused(
    world: World, script: Script, writer: LedgerWriter
) -> None:
    payment, other = pay(world, 30, key="k"), pay(world, 31, key="k")

    def meddle() -> None:
        script.store.outcomes[payment.header.key] = Outcome(other.header, script.store.clock())

    script.before_save = meddle
    (result,) = await writer.carry_out([payment])
    assert isinstance(result, IdempotencyKeyReused)


async def test_a_key_taken_meanwhile_does_not_harm_its_neighbours(
    world: World, script: Script, writer: LedgerWriter
) -> None:
    first, second = pay(world, 10), pay(world, 20)

    def meddle() -> None:
        script.store.outcomes[first.header.key] = Outcome(first.header, script.store.clock())

    script.before_save = meddle
    assert await carry_out(writer, first, second) == ["accepted again", "accepted"]
    assert balances(script) == (80, 20)


async def test_one_key_fired_a_hundred_times_at_once_has_one_effect(
    world: World, script: Script, writer: LedgerWriter
) -> None:
    payment = pay(world)
    said = await asyncio.gather(*(carry_out(writer, payment) for _ in range(100)))
    assert sorted(map(str, said)) == ["['accepted again']"] * 99 + ["['accepted']"]
    assert balances(script) == (70, 30)


# Order, locks, and what is not written.


async def test_results_come_in_the_order_of_the_instructions(
    world: World, writer: LedgerWriter
) -> None:
    repeated = pay(world, 5, key="k")
    said = await carry_out(
        writer,
        pay(world, 101),
        repeated,
        world.transfer("alice", "bob", 7, {"by": "eve"}),
        repeated,
        world.transfer("alice", "alice", 1),
        pay(world, 6, key="k"),
        pay(world, 95),
    )
    assert said == [
        "insufficient-funds",
        "accepted",
        "not-your-wallet",
        "accepted again",
        "self-transfer",
        "idempotency-key-reused",
        "accepted",
    ]


async def test_accounts_are_locked_in_id_order_each_once(
    world: World, script: Script, writer: LedgerWriter
) -> None:
    back = world.transfer("bob", "alice", 1)
    await writer.carry_out([pay(world), back, pay(world)])
    assert script.locked == [sorted([ALICE, BOB], key=lambda id_: id_.int)]


async def test_what_is_not_decided_is_not_saved_and_not_committed(
    world: World, script: Script, writer: LedgerWriter
) -> None:
    script.always = Fault("save", RuntimeError("nothing is to be saved"))
    (result,) = await writer.carry_out([world.transfer("alice", "bob", 1, {"by": "eve"})])
    assert isinstance(result, NotYourWallet)
    assert (script.commits, free(script)) == (0, True)


async def test_a_repeat_alone_saves_nothing(
    world: World, script: Script, writer: LedgerWriter
) -> None:
    payment = pay(world)
    await writer.carry_out([payment])
    script.always = Fault("save", RuntimeError("nothing is to be saved"))
    assert await carry_out(writer, payment) == ["accepted again"]


async def test_an_empty_batch_has_no_results(writer: LedgerWriter) -> None:
    assert list(await writer.carry_out([])) == []


async def test_an_observer_sees_each_batch_once_with_its_results(
    world: World, script: Script
) -> None:
    seen: list[tuple[list[Kind], list[str]]] = []

    def observe(instructions: Sequence[Instruction], results: Sequence[Result]) -> None:
        seen.append(([i.header.kind for i in instructions], [spoken(r) for r in results]))

    script.faults = [Fault("lock", Interrupted())]
    writer = LedgerWriter(script, observe=observe)
    await writer.carry_out([pay(world, 10), pay(world, 500)])
    assert seen == [([Kind.TRANSFER, Kind.TRANSFER], ["accepted", "insufficient-funds"])]


async def test_an_observer_that_falls_over_does_not_hide_what_was_done(
    world: World, script: Script
) -> None:
    def observe(instructions: Sequence[Instruction], results: Sequence[Result]) -> None:
        raise RuntimeError("the metrics are broken")

    writer = LedgerWriter(script, observe=observe)
    assert await carry_out(writer, pay(world)) == ["accepted"]


# The preview.


async def test_a_preview_says_what_would_be_and_changes_nothing(
    world: World, script: Script, writer: LedgerWriter
) -> None:
    payment = pay(world)
    result = await writer.preview(payment)
    assert isinstance(result, Outcome)
    assert result.entry is not None
    assert result.entry.posted_after == 70
    assert balances(script) == (100, 0)
    assert payment.header.key not in script.store.outcomes


async def test_a_preview_of_what_would_be_refused_is_the_refusal(
    world: World, writer: LedgerWriter
) -> None:
    assert spoken(await writer.preview(pay(world, 101))) == "insufficient-funds"


async def test_a_preview_waits_for_no_lock(
    world: World, script: Script, writer: LedgerWriter
) -> None:
    async with script() as other:
        await other.ledger.lock([ALICE, BOB], 0)
        async with asyncio.timeout(1):
            assert spoken(await writer.preview(pay(world))) == "accepted"


# The caller's door.


def refused_outcome(world: World, *, replayed: bool) -> Outcome:
    refusal = InsufficientFunds(available=1)
    header = pay(world).header
    clock = MemoryStore().clock
    return Outcome(header, clock(), refusal=refusal, replayed=replayed)


def test_at_the_door_an_accepted_outcome_is_returned(world: World) -> None:
    outcome = Outcome(pay(world).header, MemoryStore().clock())
    assert definite(outcome) is outcome


def test_at_the_door_a_refusal_is_raised(world: World) -> None:
    with pytest.raises(InsufficientFunds) as caught:
        definite(refused_outcome(world, replayed=False))
    assert (caught.value.facts, caught.value.replayed) == ({"available": 1}, False)


def test_at_the_door_a_repeated_refusal_says_that_it_is_one(world: World) -> None:
    with pytest.raises(InsufficientFunds) as caught:
        definite(refused_outcome(world, replayed=True))
    assert (caught.value.facts, caught.value.replayed) == ({"available": 1}, True)


def test_at_the_door_an_error_is_raised_as_it_is() -> None:
    error = OutcomeUnknown()
    with pytest.raises(OutcomeUnknown) as caught:
        definite(error)
    assert caught.value is error


# The unit of work itself.


@pytest.fixture(params=["memory", "postgres"])
def unit_of_work(request: pytest.FixtureRequest) -> UnitOfWorkFactory:
    if request.param == "memory":
        store = MemoryStore()
        return lambda: MemoryUnitOfWork(store)
    pool = request.getfixturevalue("postgres_pool")
    return lambda: PostgresUnitOfWork(pool)


async def test_leaving_a_unit_of_work_without_commit_rolls_back(
    unit_of_work: UnitOfWorkFactory,
) -> None:
    world = World(unit_of_work)
    await world.open("alice", "USD")
    await world.open("bob", "USD")
    await world.fund("alice", 100)
    payment = pay(world)
    async with unit_of_work() as work:
        book = await work.ledger.lock([ALICE, BOB], 0)
        assert [spoken(result) for result in book.decide([payment])] == ["accepted"]
        assert await work.ledger.save(book)
    async with unit_of_work() as work:
        book = await work.ledger.lock([ALICE, BOB], 0)
        assert (book.accounts[ALICE].posted, book.accounts[ALICE].version) == (100, 1)
        assert (book.accounts[BOB].posted, book.accounts[BOB].version) == (0, 0)
        assert await work.ledger.outcomes([payment.header.key]) == {}
        lines = (await work.history.page(person("alice"), before_versions=None, limit=9)).lines
        assert [line.entry.posted_delta for line in lines] == [100]


# Keys used while the locks were waited for.


async def test_a_key_used_while_its_locks_were_waited_for_is_answered_from_the_winner(
    world: World, script: Script, writer: LedgerWriter
) -> None:
    assert await carry_out(writer, pay(world, key="k")) == ["accepted"]
    script.stale_locks = 1
    assert await carry_out(writer, pay(world, key="k")) == ["accepted again"]
    assert balances(script) == (70, 30)


async def test_what_is_not_saved_is_looked_up_before_it_is_refused(
    world: World, script: Script, writer: LedgerWriter
) -> None:
    assert await carry_out(writer, pay(world, key="k")) == ["accepted"]
    script.stale_locks = 1
    theirs = world.transfer("alice", "bob", 30, {"key": "k"})
    # By somebody else it would be forbidden, which is not saved and meets no index.
    forged = replace(theirs, actor_id=person("bob"))
    assert await carry_out(writer, forged) == ["accepted again"]
    assert balances(script) == (70, 30)


async def test_keys_that_are_new_cost_no_look_up(
    world: World, script: Script, writer: LedgerWriter
) -> None:
    script.always = Fault("outcomes at all", RuntimeError("nobody asks"))
    looked: list[object] = []
    script.on_outcomes = looked.append
    assert await carry_out(writer, pay(world), pay(world)) == ["accepted", "accepted"]
    assert looked == []
