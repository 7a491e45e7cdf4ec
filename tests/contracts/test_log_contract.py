"""What every unit of work promises of the log, and that the sealer misses and doubles nothing."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID, uuid4, uuid5

import pytest
import pytest_asyncio
from tests.contracts.books import Books, save_payment
from tests.fakes.signing import new_key, signer
from tests.stories.world import wallet

from wallet.application import sealing
from wallet.application.proofs import Proofs
from wallet.application.sealing import Sealer
from wallet.domain.history import TransactionNotFound
from wallet.domain.merkle import leaf_hash, verify_consistency, verify_inclusion
from wallet.domain.proofs import (
    CheckpointNotFound,
    ConsistencyInvalid,
    LogHead,
    ReceiptNotReady,
    Unsealed,
)
from wallet.infrastructure.identifiers import new_id, utc_now
from wallet.infrastructure.postgres.pool import Connection
from wallet.infrastructure.security.keys import SigningKeys
from wallet.infrastructure.security.signing import Es256Signer


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def empty_log(superuser: Connection) -> None:
    """The log is one for a database, which the tests of this module share."""
    await superuser.execute("TRUNCATE log_head, log_tiles, log_runs, checkpoints, log_keys")


HOLDERS = UUID(int=5)


@dataclass
class Sealing:
    """A sealer on books, with a clock that a test may move."""

    books: Books
    entries_max: int = 2_000
    moved: timedelta = timedelta()
    reported: list[BaseException] = field(default_factory=list)
    key: Es256Signer = field(default_factory=signer)

    def __post_init__(self) -> None:
        self.sealer = Sealer(
            unit_of_work=self.books.unit_of_work,
            signer=self.key,
            clock=lambda: utc_now() + self.moved,
            new_id=new_id,
            report=self.reported.append,
            entries_max=self.entries_max,
        )
        # Sealers of one test follow on each other: whose turn it is, is a test of its own.
        self.sealer._holder = uuid5(HOLDERS, self.books.suffix)

    async def all(self) -> int:
        """Seal until nothing is left; return how many entries that were."""
        total = await self.sealer.seal()
        while self.sealer.behind:
            total += await self.sealer.seal()
        return total

    @property
    def proofs(self) -> Proofs:
        return Proofs(unit_of_work=self.books.unit_of_work, signer=self.key, clock=utc_now)


async def position(books: Books, name: str, version: int) -> int | None:
    async with books.unit_of_work() as work:
        return await work.log.position(wallet(name, "USD"), version)


async def size(books: Books) -> int:
    async with books.unit_of_work() as work:
        head = await work.log.head()
    return 0 if head is None else head.size


async def pay(books: Books, times: int = 1) -> None:
    for _ in range(times):
        await books.carry_out(books.pay(1))


async def test_before_the_first_sealing_there_is_no_log(books: Books) -> None:
    async with books.unit_of_work() as work:
        assert await work.log.head() is None
        assert await work.log.latest() is None
        assert await work.log.checkpoints(None, 10) == []
        assert await work.log.keys() == []
        assert await work.log.tiles([(0, 0)]) == {}
        assert await work.log.position(wallet(books.alice, "USD"), 1) is None


async def test_every_entry_is_sealed_once_and_in_order_of_its_account(books: Books) -> None:
    await pay(books, 3)
    first = await Sealing(books).all()
    assert first == await size(books) > 0
    places = [await position(books, books.alice, version) for version in range(1, 5)]
    assert places == list(range(places[0] or 0, (places[0] or 0) + 4))
    assert await position(books, books.alice, 5) is None
    assert await position(books, books.carol, 1) is None


async def test_a_second_round_takes_up_only_what_is_new(books: Books) -> None:
    sealing = Sealing(books)
    await sealing.all()
    before = await size(books)
    assert await sealing.all() == 0
    await pay(books)
    assert await sealing.all() == 2
    assert await size(books) == before + 2
    assert {await position(books, books.alice, 2), await position(books, books.bob, 1)} == {
        before,
        before + 1,
    }


async def test_an_entry_that_shows_late_is_sealed_all_the_same(books: Books) -> None:
    sealing = Sealing(books)
    await sealing.all()
    async with books.unit_of_work() as work:
        assert await save_payment(work, books, books.pay(1))
        # Meanwhile others commit and are sealed.
        await books.world.fund(books.carol, 5)
        sealed_meanwhile = await sealing.all()
        await work.commit()
    assert sealed_meanwhile == 2
    assert await sealing.all() == 2
    assert await position(books, books.bob, 1) is not None


async def test_rounds_are_bounded_and_go_on_where_they_ended(books: Books) -> None:
    await pay(books, 7)
    sealing = Sealing(books, entries_max=3)
    counts = [await sealing.sealer.seal()]
    while sealing.sealer.behind:
        counts.append(await sealing.sealer.seal())
    assert max(counts) == 3
    assert [await position(books, books.alice, v) is not None for v in (1, 8, 9)] == [
        True,
        True,
        False,
    ]
    async with books.unit_of_work() as work:
        account = [wallet(books.alice, "USD")]
        assert await work.log.unsealed(account) == []


async def test_a_sealer_that_has_forgotten_everything_misses_nothing(books: Books) -> None:
    await Sealing(books).all()
    await pay(books)
    later = Sealing(books, moved=timedelta(hours=2))
    assert await later.all() == 2


async def test_one_process_seals_at_a_time(books: Books) -> None:
    mine, theirs = uuid4(), uuid4()
    async with books.unit_of_work() as work:
        assert await work.log.lease(mine, uuid4(), 60) is not None
        await work.commit()
    async with books.unit_of_work() as work:
        head = await work.log.lease(mine, uuid4(), 60)
        assert isinstance(head, LogHead)
        async with books.unit_of_work() as other:
            assert await other.log.lease(theirs, uuid4(), 60) is None
        await work.commit()
    async with books.unit_of_work() as work:
        assert await work.log.lease(theirs, uuid4(), 60) is None
    async with books.unit_of_work() as work:
        assert await work.log.lease(mine, uuid4(), 60) == head


async def test_leaves_are_the_hashes_of_entries(books: Books) -> None:
    await pay(books)
    await Sealing(books).all()
    async with books.unit_of_work() as work:
        hashes = await work.log.hashes([Unsealed(wallet(books.alice, "USD"), 0, 2)])
        tiles = await work.log.tiles([(0, 0)])
        first = await work.log.position(wallet(books.alice, "USD"), 1)
    assert [version for _, version, _ in hashes] == [1, 2]
    leaves = tiles[0, 0]
    assert first is not None
    for n, (_, _, hash_) in enumerate(hashes):
        assert leaves[(first + n) * 32 : (first + n + 1) * 32] == leaf_hash(hash_)


async def test_each_round_that_grew_the_log_signs_a_checkpoint(books: Books) -> None:
    sealing = Sealing(books)
    await sealing.all()
    await sealing.sealer.seal()
    await pay(books)
    await sealing.all()
    async with books.unit_of_work() as work:
        found = await work.log.checkpoints(None, 10)
        below = await work.log.checkpoints(found[0].tree_size, 10)
        keys = await work.log.keys()
        assert await work.log.at(found[1].tree_size) == found[1]
        assert await work.log.at(10**6) is None
        assert await work.log.latest() == found[0]
    assert [c.tree_size for c in found] == [await size(books), await size(books) - 2]
    assert below == found[1:]
    assert keys == [signer().public_key()]
    public = signer()._key.public
    assert all(public.verify(c.signed, c.signature) for c in found)


async def test_a_new_key_signs_what_the_old_one_left(books: Books) -> None:
    await Sealing(books).all()
    rotated = Sealing(books, key=Es256Signer(SigningKeys(new_key())))
    assert await rotated.all() == 0
    async with books.unit_of_work() as work:
        latest = await work.log.latest()
        assert latest is not None
        assert latest.key_id == rotated.key.public_key().key_id
        assert len(await work.log.checkpoints(None, 10)) == 1
        assert (await work.log.keys())[0].key_id == latest.key_id


async def test_a_receipt_is_there_once_its_entry_is_sealed(books: Books) -> None:
    sealing = Sealing(books)
    await sealing.all()
    paid = await books.carry_out(books.pay(1))
    owner = paid.header.owner_id
    assert owner is not None
    with pytest.raises(ReceiptNotReady):
        await sealing.proofs.receipt(owner, paid.header.id)
    await sealing.all()
    receipt = await sealing.proofs.receipt(owner, paid.header.id)
    assert verify_inclusion(
        leaf_hash(bytes.fromhex(receipt["entry"]["hash"])),
        receipt["inclusion"]["position"],
        receipt["checkpoint"]["tree_size"],
        [bytes.fromhex(hash_) for hash_ in receipt["inclusion"]["hashes"]],
        bytes.fromhex(receipt["checkpoint"]["root_hash"]),
    )
    with pytest.raises(TransactionNotFound):
        await sealing.proofs.receipt(uuid4(), paid.header.id)
    with pytest.raises(TransactionNotFound):
        await sealing.proofs.receipt(owner, uuid4())


async def test_any_two_sizes_are_proved_consistent(books: Books) -> None:
    sealing = Sealing(books)
    with pytest.raises(CheckpointNotFound):
        await sealing.proofs.consistency(1, 1)
    await sealing.all()
    first = await sealing.proofs.latest()
    await pay(books, 3)
    await sealing.all()
    second = await sealing.proofs.latest()
    assert await sealing.proofs.at(first.tree_size) == first
    path = await sealing.proofs.consistency(first.tree_size, second.tree_size)
    assert verify_consistency(
        first.tree_size, second.tree_size, first.root_hash, second.root_hash, path
    )
    with pytest.raises(ConsistencyInvalid):
        await sealing.proofs.consistency(second.tree_size, first.tree_size)
    with pytest.raises(CheckpointNotFound):
        await sealing.proofs.consistency(1, second.tree_size + 1)


async def test_a_failing_round_is_reported_and_tried_again(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "INTERVAL_S", 0.01)
    here = Sealing(books)
    failures = [RuntimeError("once")]
    seal = here.sealer.seal

    async def flaky() -> int:
        if failures:
            raise failures.pop()
        return await seal()

    monkeypatch.setattr(here.sealer, "seal", flaky)
    running = asyncio.create_task(here.sealer.run())
    async with asyncio.timeout(10):
        while not await size(books):
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.wait([running])
    assert [str(error) for error in here.reported] == ["once"]
