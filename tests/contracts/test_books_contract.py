"""What every unit of work over the books promises: locks, rollback, outcomes and keys."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest
from tests.contracts.books import Books, save_payment, waits
from tests.stories.world import person, spoken, wallet

from wallet.domain.accounts import Freeze, Purpose
from wallet.domain.journal import Details
from wallet.domain.ledger import Header
from wallet.domain.transfers import CreateTransfer

# Locks.


async def test_locking_returns_the_accounts_there_are_and_leaves_out_the_others(
    books: Books,
) -> None:
    book = await books.locked(books.alice, books.bob, "nobody")
    assert sorted(book.accounts, key=lambda id_: id_.int) == books.ids(books.alice, books.bob)


async def test_a_locked_account_shows_floor_freeze_and_balances(books: Books) -> None:
    await books.adjust(wallet(books.alice, "USD"), -50, Freeze.BOTH)
    account = (await books.locked(books.alice)).accounts[wallet(books.alice, "USD")]
    assert (account.posted, account.held, account.version) == (100, 0, 1)
    assert (account.floor, account.freeze, account.closed) == (-50, Freeze.BOTH, False)
    assert (account.purpose, account.owner_id) == (Purpose.WALLET, person(books.alice))


async def test_whoever_locks_second_waits_and_then_sees_what_the_first_one_did(
    books: Books,
) -> None:
    async with books.unit_of_work() as first:
        assert await save_payment(first, books, books.pay(30))
        second = asyncio.create_task(books.locked(books.alice))
        assert await waits(second)
        await first.commit()
    account = (await asyncio.wait_for(second, 2)).accounts[wallet(books.alice, "USD")]
    assert (account.posted, account.version) == (70, 2)


async def test_a_lock_is_free_again_after_a_rollback(books: Books) -> None:
    async with books.unit_of_work() as first:
        await save_payment(first, books, books.pay(30))
    account = (await asyncio.wait_for(books.locked(books.alice), 2)).accounts
    assert account[wallet(books.alice, "USD")].posted == 100


async def test_other_accounts_do_not_wait(books: Books) -> None:
    async with books.unit_of_work() as first:
        await first.ledger.lock(books.ids(books.alice, books.bob), 0)
        await asyncio.wait_for(books.locked(books.carol), 1)


async def test_peeking_waits_for_nobody(books: Books) -> None:
    async with books.unit_of_work() as first:
        await first.ledger.lock(books.ids(books.alice), 0)
        async with books.unit_of_work() as second:
            book = await asyncio.wait_for(second.ledger.peek(books.ids(books.alice), 0), 1)
            assert book.accounts[wallet(books.alice, "USD")].posted == 100


async def test_locks_asked_for_in_opposite_orders_do_not_deadlock(books: Books) -> None:
    ids = books.ids(books.alice, books.bob, books.carol)

    async def lock(order: Sequence[UUID]) -> None:
        async with books.unit_of_work() as work:
            await work.ledger.lock(order, 0)
            await asyncio.sleep(0)

    async with asyncio.timeout(5):
        await asyncio.gather(*(lock(order) for order in [ids, ids[::-1]] * 15))


async def test_a_batch_is_not_booked_before_an_earlier_entry(books: Books) -> None:
    first = (await books.carry_out(books.pay(1))).booked_at
    second = (await books.carry_out(books.pay(1))).booked_at
    assert second >= first


# Rollback.


async def test_an_exception_inside_rolls_back(books: Books) -> None:
    payment = books.pay(30)

    async def fall_over() -> None:
        async with books.unit_of_work() as work:
            await save_payment(work, books, payment)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fall_over()
    assert not (await books.carry_out(payment)).replayed


async def test_being_cancelled_inside_rolls_back_and_frees_the_locks(books: Books) -> None:
    payment = books.pay(30)
    saved = asyncio.Event()

    async def hang() -> None:
        async with books.unit_of_work() as work:
            await save_payment(work, books, payment)
            saved.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hang())
    await asyncio.wait_for(saved.wait(), 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not (await asyncio.wait_for(books.carry_out(payment), 3)).replayed


# Outcomes, read back.


async def test_an_accepted_transfer_is_read_back_as_it_was(books: Books) -> None:
    payment = books.pay(30)
    written = Details(
        salt=bytes(range(32)),
        note='lunch "à la carte" ☕\n',
        reference="INV-1",
        metadata={"z": "1", "order": "4711", "ключ": "", "a b": "€"},
    )
    first = await books.carry_out(CreateTransfer(payment.header, payment.actor_id, written))
    assert await books.stored(payment.header) == first


async def test_a_transfer_without_details_is_read_back_without(books: Books) -> None:
    payment = books.pay(30)
    first = await books.carry_out(payment)
    assert (await books.stored(payment.header), first.details) == (first, None)


@pytest.mark.parametrize("written", [{"note": ""}, {"reference": "r"}, {"metadata": {"k": "v"}}])
async def test_each_part_of_the_details_is_read_back_by_itself(
    written: dict[str, str], books: Books
) -> None:
    payment = books.pay(30)
    details = Details(salt=bytes(32), **written)  # type: ignore[arg-type]
    await books.carry_out(CreateTransfer(payment.header, payment.actor_id, details))
    assert (await books.stored(payment.header)).details == details


async def test_a_refusal_is_read_back_with_its_facts_in_their_order(books: Books) -> None:
    payment = books.pay(101)
    first = (await books.carry_out(payment)).refusal
    again = (await books.stored(payment.header)).refusal
    assert first is not None
    assert again is not None
    assert (type(again), again.detail) == (type(first), first.detail)
    assert list(again.facts.items()) == list(first.facts.items())


async def test_a_replayed_outcome_is_the_first_one(books: Books) -> None:
    payment = books.pay(30, note="lunch")
    first = await books.carry_out(payment)
    again = await books.carry_out(payment)
    assert (first.replayed, again.replayed) == (False, True)
    assert (again.entry, again.details, again.header) == (first.entry, first.details, first.header)


async def test_every_step_of_a_top_up_is_read_back_as_it_was(books: Books) -> None:
    steps = [books.world.request(books.alice, 10, {"as": "f"})]
    first = await books.carry_out(steps[0])
    settle = books.world.settle(books.alice, "f", {"of": "10"})
    settled = await books.carry_out(settle)
    assert await books.stored(steps[0].header) == first
    assert await books.stored(settle.header) == settled


async def test_a_declined_top_up_is_read_back_as_it_was(books: Books) -> None:
    await books.carry_out(books.world.request(books.alice, 10, {"as": "f"}))
    decline = books.world.decline(books.alice, "f", {"of": "10"})
    first = await books.carry_out(decline)
    assert await books.stored(decline.header) == first


async def test_a_key_without_an_outcome_and_one_of_another_scope_are_left_out(
    books: Books,
) -> None:
    payment = books.pay(30)
    await books.carry_out(payment)
    async with books.unit_of_work() as work:
        keys = [("person:somebody-else", payment.header.key_digest), (payment.header.scope, b"?")]
        assert await work.ledger.outcomes(keys) == {}


# Keys taken meanwhile.


def with_one_key(books: Books) -> tuple[CreateTransfer, CreateTransfer]:
    """Return two payments under one key that share no account."""
    first = books.pay(10, key=f"k-{books.suffix}")
    return first, CreateTransfer(_elsewhere(books, first.header), person(books.carol))


def _elsewhere(books: Books, header: Header) -> Header:
    other = books.world.transfer(books.carol, "nobody", 10, {"no-wallet": "yes"}).header
    return Header(
        **{name: getattr(other, name) for name in Header.__slots__}
        | {"scope": header.scope, "key_digest": header.key_digest}
    )


async def test_a_key_that_another_commits_first_is_found_taken(books: Books) -> None:
    first, second = with_one_key(books)
    async with books.unit_of_work() as two:
        async with books.unit_of_work() as one:
            assert await save_payment(one, books, first)
            saving = asyncio.create_task(save_payment(two, books, second))
            assert await waits(saving)
            await one.commit()
        assert not await asyncio.wait_for(saving, 2)
    assert (await books.stored(first.header)).header == first.header


async def test_a_key_that_another_gives_back_is_free(books: Books) -> None:
    first, second = with_one_key(books)
    async with books.unit_of_work() as two:
        async with books.unit_of_work() as one:
            assert await save_payment(one, books, first)
            saving = asyncio.create_task(save_payment(two, books, second))
            assert await waits(saving)
        assert await asyncio.wait_for(saving, 2)


async def test_one_key_for_two_requests_at_once_has_one_effect(books: Books) -> None:
    first, second = with_one_key(books)
    said = await asyncio.gather(*(books.world.carry_out(each) for each in (first, second)))
    words = sorted(spoken(result) for result in said)
    assert "idempotency-key-reused" in words
    assert words != ["idempotency-key-reused"] * 2


async def test_one_key_fired_many_times_at_once_has_one_effect(books: Books) -> None:
    payment = books.pay(30)
    said = await asyncio.gather(*(books.world.carry_out(payment) for _ in range(12)))
    assert sorted(map(spoken, said)) == ["accepted", *["accepted again"] * 11]
    account = (await books.locked(books.alice)).accounts[wallet(books.alice, "USD")]
    assert (account.posted, account.version) == (70, 2)
