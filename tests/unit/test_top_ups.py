"""Top-ups over memory: three steps, any of which may fail, and never a lie about what was done."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from tests.fakes.ledger import MemoryStore
from tests.fakes.unit_of_work import MemoryUnitOfWork
from tests.stories.world import World, person, wallet

from wallet.application.directory import Directory
from wallet.application.idempotency import IdempotencyKey
from wallet.application.ledger_writer import LedgerWriter
from wallet.application.top_ups import RESUME_AFTER_S, TopUp, TopUps
from wallet.domain.accounts import InsufficientFunds
from wallet.domain.errors import (
    DeadlineExceeded,
    OutcomeUnknown,
    Overloaded,
    Unavailable,
)
from wallet.domain.funding import (
    Funding,
    FundingStatus,
    GatewayAnswer,
    TopUpDeclined,
    Verdict,
)
from wallet.domain.journal import Kind
from wallet.domain.ledger import Instruction, Result
from wallet.domain.money import UnknownCurrency
from wallet.domain.wallets import WalletNotFound
from wallet.infrastructure.identifiers import new_id

ALICE = person("alice")
APPROVED = GatewayAnswer(Verdict.APPROVED)
PENDING = GatewayAnswer(Verdict.PENDING)
DECLINED = GatewayAnswer(Verdict.DECLINED, "no-money")


class Source:
    """A funding source that says what it is told to, and remembers who asked."""

    name = "test-source"

    def __init__(self) -> None:
        self.answers: dict[int, GatewayAnswer | Exception] = {}
        self.charged: list[UUID] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def charge(self, funding: Funding) -> GatewayAnswer:
        self.charged.append(funding.id)
        await self.gate.wait()
        answer = self.answers.get(funding.amount, APPROVED)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Bank:
    """The use case over memory; `fail` makes the next instruction of a kind fail."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.world = World(self.unit_of_work)
        self.writer = LedgerWriter(self.unit_of_work)
        self.source = Source()
        self.reported: list[BaseException] = []
        self.fail: dict[Kind, Exception] = {}
        self.reads_fail: Callable[[], bool] = lambda: False
        self.top_ups = TopUps(
            mover=self,
            gateway=self.source,
            directory=Directory(self.unit_of_work),
            unit_of_work=self.unit_of_work,
            new_id=new_id,
            clock=self.store.clock,
            report=self.reported.append,
        )

    def unit_of_work(self) -> MemoryUnitOfWork:
        return MemoryUnitOfWork(self.store)

    async def carry_out(self, instruction: Instruction) -> Result:
        error = self.fail.pop(instruction.header.kind, None)
        if error is not None:
            raise error
        return (await self.writer.carry_out([instruction]))[0]

    async def create(self, amount: int, key: str = "k") -> TopUp:
        return await self.top_ups.create(ALICE, amount, None, IdempotencyKey(key))

    def later(self) -> None:
        self.store.clock.now += timedelta(seconds=RESUME_AFTER_S + 1)

    @property
    def balance(self) -> int:
        return self.store.accounts[wallet("alice", "USD")].posted


@pytest.fixture
async def bank() -> Bank:
    bank = Bank()
    await bank.world.open("alice", "USD")
    return bank


async def test_an_approved_top_up_is_credited(bank: Bank) -> None:
    top_up = await bank.create(500)
    assert top_up.funding.status is FundingStatus.SETTLED
    assert top_up.entry is not None
    assert top_up.entry.instruction_id == top_up.funding.id
    assert bank.balance == 500


async def test_a_repeated_key_charges_and_credits_once(bank: Bank) -> None:
    first = await bank.create(500)
    again = await bank.create(500)
    assert (first.replayed, again.replayed) == (False, True)
    assert again.entry == first.entry
    assert bank.source.charged == [first.funding.id]
    assert bank.balance == 500


async def test_a_decline_is_refused_every_time_and_says_that_it_was_stored(bank: Bank) -> None:
    bank.source.answers[500] = DECLINED
    with pytest.raises(TopUpDeclined) as first:
        await bank.create(500)
    with pytest.raises(TopUpDeclined) as again:
        await bank.create(500)
    assert first.value.facts == again.value.facts
    assert first.value.facts["reason"] == "no-money"
    assert (first.value.replayed, again.value.replayed) == (False, True)
    assert len(bank.source.charged) == 1
    assert bank.balance == 0


@pytest.mark.parametrize("answer", [PENDING, Unavailable(), TimeoutError()])
async def test_what_the_source_has_not_decided_is_pending_until_it_has(
    bank: Bank, answer: GatewayAnswer | Exception
) -> None:
    bank.source.answers[500] = answer
    assert (await bank.create(500)).funding.status is FundingStatus.PENDING
    assert bank.balance == 0
    bank.source.answers[500] = APPROVED
    bank.later()
    assert await bank.top_ups.resume_pending() == 1
    assert await bank.top_ups.resume_pending() == 0
    assert bank.balance == 500
    assert (await bank.create(500)).funding.status is FundingStatus.SETTLED
    assert bank.balance == 500


@pytest.mark.parametrize("error", [Overloaded(), DeadlineExceeded(), OutcomeUnknown()])
@pytest.mark.parametrize("kind", [Kind.TOP_UP, Kind.TOP_UP_DECLINE])
async def test_once_recorded_a_failure_is_pending_and_never_nothing_was_done(
    bank: Bank, error: Exception, kind: Kind
) -> None:
    if kind is Kind.TOP_UP_DECLINE:
        bank.source.answers[500] = DECLINED
    bank.fail[kind] = error
    top_up = await bank.create(500)
    assert top_up.funding.status is FundingStatus.PENDING
    assert bank.reported == [error]
    bank.later()
    assert await bank.top_ups.resume_pending() == 1
    assert bank.balance == (500 if kind is Kind.TOP_UP else 0)


async def test_before_it_is_recorded_a_failure_says_that_nothing_was_done(bank: Bank) -> None:
    bank.fail[Kind.TOP_UP_REQUEST] = Overloaded()
    with pytest.raises(Overloaded):
        await bank.create(500)
    bank.later()
    assert await bank.top_ups.resume_pending() == 0
    assert bank.source.charged == []


async def test_a_replay_that_cannot_be_read_leaves_the_outcome_open(bank: Bank) -> None:
    await bank.create(500)
    bank.fail[Kind.TOP_UP] = Overloaded()
    with pytest.raises(OutcomeUnknown):
        await bank.create(500)


async def test_a_client_that_goes_away_does_not_stop_a_top_up(bank: Bank) -> None:
    bank.source.gate.clear()
    task = asyncio.create_task(bank.create(500))
    while not bank.source.charged:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    bank.source.gate.set()
    await bank.top_ups.drain()
    assert bank.balance == 500


async def test_many_fundings_that_never_end_do_not_starve_one_that_can(bank: Bank) -> None:
    bank.source.answers[1] = PENDING
    for n in range(60):
        await bank.create(1, f"stuck {n}")
    bank.fail[Kind.TOP_UP] = Overloaded()
    await bank.create(500, "interrupted")
    bank.later()
    assert await bank.top_ups.resume_pending() == 1
    assert bank.balance == 500


async def test_one_funding_that_fails_does_not_stop_the_round(bank: Bank) -> None:
    bank.source.answers[1] = PENDING
    await bank.create(1, "odd")
    bank.fail[Kind.TOP_UP] = Overloaded()
    await bank.create(500, "interrupted")
    bank.source.answers[1] = RuntimeError("the source answered nonsense")
    bank.later()
    assert await bank.top_ups.resume_pending() == 1
    assert [type(error) for error in bank.reported] == [Overloaded, RuntimeError]
    assert bank.balance == 500


async def test_young_fundings_are_left_to_those_who_made_them(bank: Bank) -> None:
    bank.source.answers[500] = PENDING
    await bank.create(500)
    bank.source.answers[500] = APPROVED
    assert await bank.top_ups.resume_pending() == 0


async def test_two_recoveries_at_once_credit_once(bank: Bank) -> None:
    bank.source.answers[500] = PENDING
    await bank.create(500)
    bank.source.answers[500] = APPROVED
    bank.later()
    await asyncio.gather(bank.top_ups.resume_pending(), bank.top_ups.resume_pending())
    assert bank.balance == 500


async def test_a_decline_that_comes_too_late_answers_what_was_decided(bank: Bank) -> None:
    bank.source.answers[500] = PENDING
    pending = (await bank.create(500)).funding
    bank.source.answers[500] = APPROVED
    bank.later()
    await bank.top_ups.resume_pending()
    late = await bank.top_ups._decline(pending, "too-late", replayed=False)
    assert late.funding.status is FundingStatus.SETTLED
    assert late.entry is not None


async def test_a_settlement_that_comes_too_late_answers_what_was_decided(bank: Bank) -> None:
    bank.source.answers[500] = DECLINED
    with pytest.raises(TopUpDeclined) as declined:
        await bank.create(500)
    place = (wallet("alice", "USD"), UUID(declined.value.facts["top_up_id"]))
    stale = replace(bank.store.fundings[place], status=FundingStatus.PENDING, decided_at=None)
    late = await bank.top_ups._settle(stale, replayed=False)
    assert late.funding.status is FundingStatus.DECLINED
    assert bank.balance == 0


async def test_people_at_the_limit_do_not_stop_the_top_ups_of_others(bank: Bank) -> None:
    for n in range(9):
        await bank.create(10**15, f"rich {n}")
    await bank.world.open("bob", "USD")
    for n in range(9):
        top_up = await bank.top_ups.create(person("bob"), 10**15, None, IdempotencyKey(f"bob {n}"))
        assert top_up.funding.status is FundingStatus.SETTLED


async def test_money_that_was_paid_is_never_refused_for_good(bank: Bank) -> None:
    bank.source.answers[500] = PENDING
    await bank.create(500)
    account = bank.store.accounts[wallet("alice", "USD")]
    account.posted = 9 * 10**15
    bank.source.answers[500] = APPROVED
    bank.later()
    assert await bank.top_ups.resume_pending() == 0
    account.posted = 0
    assert await bank.top_ups.resume_pending() == 1
    assert bank.balance == 500


async def test_a_currency_without_a_wallet_is_refused(bank: Bank) -> None:
    with pytest.raises(WalletNotFound):
        await bank.top_ups.create(ALICE, 5, "EUR", IdempotencyKey("k"))
    with pytest.raises(UnknownCurrency):
        await bank.top_ups.create(ALICE, 5, "ZZZ", IdempotencyKey("k"))


async def test_too_many_at_once_are_turned_away_before_anything_is_recorded(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wallet.application.top_ups.TASKS_MAX", 1)
    bank.source.gate.clear()
    first = asyncio.create_task(bank.create(500))
    while not bank.source.charged:
        await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await bank.create(600, "other")
    bank.source.gate.set()
    assert (await first).funding.status is FundingStatus.SETTLED


async def test_the_way_out_is_refused_like_any_payment(bank: Bank) -> None:
    await bank.world.open("bob", "USD")
    result = await bank.world.carry_out(bank.world.transfer("alice", "bob", 1))
    assert not isinstance(result, Exception)
    assert isinstance(result.refusal, InsufficientFunds)
