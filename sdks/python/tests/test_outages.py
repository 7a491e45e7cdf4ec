"""The service dies, and answers are lost: no payment is made twice, and none is forgotten."""

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from sdks.python.tests.conftest import client_of, new_name, sign_up
from sdks.python.tests.cutting_proxy import CuttingProxy
from sdks.python.tests.live_service import LiveService, live_service

from wallet_sdk import (
    AsyncWallet,
    ConnectionFailed,
    Money,
    OutcomeUnknown,
    Retries,
    Wallet,
    problems,
)

PATIENT = Retries(deadline_s=60, attempts_max=100, backoff_max_s=1.0)
HASTY = Retries(deadline_s=5, attempts_max=2)


@pytest.fixture(scope="module")
def mortal() -> Iterator[LiveService]:
    with live_service() as running:
        yield running


def payer_and_payee(service: LiveService, cents: int) -> tuple[Wallet, Wallet, str]:
    payer = client_of(service, retries=PATIENT)
    payee = client_of(service, retries=PATIENT)
    sign_up(payer, new_name("payer"))
    handle = new_name("payee")
    sign_up(payee, handle)
    payer.wallets.top_up(Money(cents, "USD"))
    return payer, payee, handle


async def test_a_service_killed_twice_in_mid_use_loses_and_doubles_no_payment(
    mortal: LiveService,
) -> None:
    payer, payee, handle = payer_and_payee(mortal, 100_000)
    stop = threading.Event()
    ids: list[str] = []

    def pay_until_stopped(number: int) -> None:
        while not stop.is_set():
            paid = payer.transfers.create(
                to_handle=handle, amount=1, currency="USD", note=f"thread {number}"
            )
            ids.append(paid.id)

    async def pay_as_well(wallet: AsyncWallet) -> None:
        while not stop.is_set():
            paid = await wallet.transfers.create(to_handle=handle, amount=Money(1, "USD"))
            ids.append(paid.id)

    def wait_for_more() -> None:
        """Wait until some more were paid, however long a slow machine takes for them."""
        enough, until_s = len(ids) + 20, time.monotonic() + 60
        while len(ids) < enough:
            assert time.monotonic() < until_s, f"nothing goes on at {len(ids)}"
            time.sleep(0.01)

    def kill_twice() -> None:
        try:
            for _ in range(2):
                wait_for_more()
                mortal.kill()
                time.sleep(0.3)
                mortal.start()
            wait_for_more()
        finally:
            stop.set()

    async with AsyncWallet(mortal.url, tokens=payer.tokens, retries=PATIENT) as other:
        with ThreadPoolExecutor(6) as threads:
            paying = [threads.submit(pay_until_stopped, number) for number in range(4)]
            killing = threads.submit(kill_twice)
            await asyncio.gather(*(pay_as_well(other) for _ in range(4)))
            killing.result()
            for done in paying:
                done.result()
    assert len(ids) > 50
    assert len(set(ids)) == len(ids)
    assert payee.wallets.balance().posted == len(ids)
    assert payer.wallets.balance().posted == 100_000 - len(ids)
    assert {line.id for line in payee.transactions.list(page_size=200)} == set(ids)
    assert mortal.verify().rstrip().endswith("intact.")


def test_a_service_that_stays_away_leaves_the_outcome_unknown_until_it_is_back(
    mortal: LiveService,
) -> None:
    payer, payee, handle = payer_and_payee(mortal, 1_000)
    hasty = payer.patient(HASTY)
    mortal.kill()
    with pytest.raises(ConnectionFailed) as raised:
        hasty.transfers.create(to_handle=handle, amount=Money(100, "USD"), idempotency_key="gone")
    assert raised.value.idempotency_key == "gone"
    with pytest.raises(ConnectionFailed):
        hasty.wallets.balance()
    mortal.start()
    assert payer.settle("gone").status == "unknown"
    assert payee.wallets.balance().posted == 0


@pytest.fixture
def lossy(service: LiveService) -> Iterator[CuttingProxy]:
    """A way to the service on which every answer to a request with `lose-me` in it gets lost."""
    with closing(CuttingProxy(service.port, lambda request: b"lose-me" in request)) as proxy:
        yield proxy


def test_a_payment_whose_answers_are_all_lost_is_unknown_and_can_be_settled(
    service: LiveService, lossy: CuttingProxy
) -> None:
    payer, payee, handle = payer_and_payee(service, 1_000)
    with Wallet(lossy.url, tokens=payer.tokens, retries=HASTY) as unlucky:
        with pytest.raises(OutcomeUnknown) as raised:
            unlucky.transfers.create(
                to_handle=handle, amount=Money(100, "USD"), note="lose-me", idempotency_key="k1"
            )
        assert raised.value.idempotency_key == "k1"
        assert lossy.cuts == 2
    # Both attempts arrived, and the money moved once.
    assert payee.wallets.balance().posted == 100
    settled = payer.settle(raised.value)
    assert settled.status == "accepted"
    assert [line.id for line in payee.transactions.list()] == [settled.id]
    assert payer.settle("k1") == settled
    assert payee.wallets.balance().posted == 100


def test_a_lost_refusal_is_settled_as_refused(service: LiveService, lossy: CuttingProxy) -> None:
    payer, _, handle = payer_and_payee(service, 10)
    with Wallet(lossy.url, tokens=payer.tokens, retries=HASTY) as unlucky:
        with pytest.raises(OutcomeUnknown) as raised:
            unlucky.transfers.create(
                to_handle=handle, amount=Money(100, "USD"), note="lose-me", idempotency_key="k2"
            )
    settled = payer.settle(raised.value)
    assert settled.status == "refused"
    assert settled.refusal is not None
    assert settled.refusal["code"] == "insufficient-funds"
    refusal = problems.error_of(422, settled.refusal)
    assert isinstance(refusal, problems.InsufficientFunds)
    assert refusal.available == 10


def test_a_sign_up_whose_answer_is_lost_is_not_sent_again(
    service: LiveService, lossy: CuttingProxy
) -> None:
    with Wallet(lossy.url) as wallet, pytest.raises(OutcomeUnknown) as raised:
        sign_up(wallet, new_name("lose-me").replace("-", "_") + "_lose-me".replace("_", ""))
    assert raised.value.idempotency_key is None
    assert lossy.cuts == 1


async def test_a_payment_that_is_cancelled_can_be_asked_for_by_its_key(
    service: LiveService,
) -> None:
    payer, payee, handle = payer_and_payee(service, 1_000)
    async with AsyncWallet(service.url, tokens=payer.tokens) as wallet:
        for number in range(20):
            paying = asyncio.create_task(
                wallet.transfers.create(
                    to_handle=handle, amount=Money(1, "USD"), idempotency_key=f"c{number}"
                )
            )
            await asyncio.sleep(number * 0.0005)
            paying.cancel()
            await asyncio.gather(paying, return_exceptions=True)
            await wallet.transfers.create(
                to_handle=handle, amount=Money(1, "USD"), idempotency_key=f"c{number}"
            )
    assert payee.wallets.balance().posted == 20


def test_the_same_key_for_something_else_is_a_defect_that_is_told(service: LiveService) -> None:
    payer, payee, handle = payer_and_payee(service, 1_000)
    payer.transfers.create(to_handle=handle, amount=Money(1, "USD"), idempotency_key="one")
    with pytest.raises(problems.IdempotencyKeyReused):
        payer.transfers.create(to_handle=handle, amount=Money(2, "USD"), idempotency_key="one")
    assert payee.wallets.balance().posted == 1


def test_without_a_key_of_the_callers_two_equal_payments_are_two(service: LiveService) -> None:
    payer, payee, handle = payer_and_payee(service, 1_000)
    for _ in range(2):
        payer.transfers.create(to_handle=handle, amount=Money(1, "USD"))
    assert payee.wallets.balance().posted == 2


def test_a_top_up_that_is_pending_is_settled_as_pending(service: LiveService) -> None:
    payer, _, _ = payer_and_payee(service, 1_000)
    assert payer.wallets.top_up(Money(90_003, "USD"), idempotency_key="later").status == "pending"
    assert payer.settle("later").status == "pending"
    with pytest.raises(problems.TopUpDeclined):
        payer.wallets.top_up(Money(90_001, "USD"))
