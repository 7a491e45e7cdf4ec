"""Live streams: whatever happens to the connection, nothing is missing and nothing is doubled."""

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sdks.python.tests.conftest import PASSWORD, client_of, new_name, sign_up
from sdks.python.tests.live_service import LiveService, live_service

from wallet_sdk import (
    AsyncWallet,
    ConnectionFailed,
    Entry,
    Money,
    Ready,
    Retries,
    Wallet,
    problems,
)

PATIENT = Retries(deadline_s=60, attempts_max=100, backoff_max_s=1.0)


@pytest.fixture(scope="module")
def mortal() -> Iterator[LiveService]:
    with live_service() as running:
        yield running


def watched(service: LiveService) -> Wallet:
    wallet = client_of(service, retries=PATIENT)
    sign_up(wallet, new_name("watched"))
    return wallet


def versions(entries: list[Entry]) -> list[int]:
    return [int(entry.id.rpartition(":")[2]) for entry in entries]


def listen_in_a_thread(wallet: Wallet, begin: str) -> list[Entry]:
    """Collect entries until 7.77 USD come."""
    seen = []
    with closing(wallet.live.entries(last_event_id=begin)) as stream:
        for entry in stream:
            seen.append(entry)
            if entry.transaction is not None and entry.transaction.amount == 777:
                return seen
    raise AssertionError("the stream ended")


async def listen(wallet: AsyncWallet, begin: str) -> list[Entry]:
    """Collect entries until 7.77 USD come."""
    seen = []
    async with aclosing(wallet.live.entries(last_event_id=begin)) as stream:
        async for entry in stream:
            seen.append(entry)
            if entry.transaction is not None and entry.transaction.amount == 777:
                return seen
    raise AssertionError("the stream ended")


async def test_a_stream_goes_on_over_the_death_of_the_service(mortal: LiveService) -> None:
    person = watched(mortal)
    stop = threading.Event()

    made: list[int] = []

    def top_up_until_stopped() -> None:
        while not stop.is_set():
            person.wallets.top_up(Money(1, "USD"))
            made.append(1)

    def wait_for_more() -> None:
        """Wait until some more have been made, however long a slow machine takes for them."""
        enough, until_s = len(made) + 8, time.monotonic() + 60
        while len(made) < enough:
            assert time.monotonic() < until_s, f"nothing goes on at {len(made)}"
            time.sleep(0.01)

    def kill_twice() -> None:
        try:
            for _ in range(2):
                wait_for_more()
                mortal.kill()
                mortal.start()
            wait_for_more()
        finally:
            stop.set()

    begin = f"{person.wallets.balance().wallet_id}:0"
    email = person.users.me().email
    assert email is not None
    async with AsyncWallet(mortal.url, retries=PATIENT) as other:
        await other.log_in(email, PASSWORD)
        with ThreadPoolExecutor(4) as threads:
            here = threads.submit(listen_in_a_thread, person, begin)
            there = asyncio.create_task(listen(other, begin))
            paying = threads.submit(top_up_until_stopped)
            await asyncio.wrap_future(threads.submit(kill_twice))
            await asyncio.wrap_future(paying)
            person.wallets.top_up(Money(777, "USD"))
            async with asyncio.timeout(30):
                found = await there
                twin = await asyncio.wrap_future(here)
    assert len(made) > 20
    assert versions(found) == list(range(1, len(made) + 2))
    assert versions(twin) == versions(found)
    assert found[-1].balance.posted == len(made) + 777


async def test_listening_goes_on_from_an_entry_that_was_dealt_with(service: LiveService) -> None:
    person = watched(service)
    async with AsyncWallet(service.url, tokens=person.tokens) as wallet:
        async with aclosing(wallet.live.events()) as stream:
            async for event in stream:
                if isinstance(event, Ready):
                    for cents in (1, 2, 3):
                        await wallet.wallets.top_up(Money(cents, "USD"))
                    continue
                if event.balance.posted == 3:
                    kept = event.resume_from
                    break
        await wallet.wallets.top_up(Money(4, "USD"))
        amounts = []
        async with aclosing(wallet.live.entries(last_event_id=kept)) as entries:
            async for entry in entries:
                assert entry.transaction is not None
                amounts.append(entry.transaction.money)
                if len(amounts) == 2:
                    break
    assert amounts == [Money(3, "USD"), Money(4, "USD")]


async def test_a_note_with_odd_line_ends_arrives_whole(service: LiveService) -> None:
    payer, payee = watched(service), watched(service)
    payer.wallets.top_up(Money(100, "USD"))
    note = "one\u2028two\u2029three\u0085four\x0bfive\x1csix\nseven\r\neight"
    async with AsyncWallet(service.url, tokens=payee.tokens) as wallet:
        async with aclosing(wallet.live.events()) as stream:
            async for event in stream:
                if isinstance(event, Entry):
                    assert event.transaction is not None
                    assert event.transaction.note == note
                    break
                payer.transfers.create(
                    to_user_id=payee.users.me().id, amount=Money(1, "USD"), note=note
                )


async def test_a_token_that_ends_in_the_middle_is_renewed(strict_service: LiveService) -> None:
    person = watched(strict_service)
    tokens = person.tokens
    assert tokens is not None
    # The client thinks that it is good for long: the service ends the stream.
    later = datetime.now(UTC) + timedelta(hours=1)
    tokens = replace(tokens, expires_at=later, renew_at=later)
    kept: list[object] = []
    async with AsyncWallet(strict_service.url, tokens=tokens, on_tokens=kept.append) as wallet:
        opened = 0
        async with asyncio.timeout(60), aclosing(wallet.live.events()) as stream:
            async for event in stream:
                if isinstance(event, Ready):
                    opened += 1
                    if opened == 2:
                        await wallet.wallets.top_up(Money(5, "USD"))
                else:
                    assert event.balance.posted == 5
                    break
        assert len(kept) == 1


async def test_a_stream_ends_with_its_session(service: LiveService) -> None:
    person = watched(service)
    async with AsyncWallet(service.url, tokens=person.tokens) as wallet:
        with pytest.raises(problems.Unauthenticated):
            async with asyncio.timeout(20):
                async for _ in wallet.live.events():
                    await asyncio.to_thread(person.log_out)


async def test_balances_are_told_first_and_then_as_they_change(service: LiveService) -> None:
    person = watched(service)
    person.wallets.open("JPY")
    person.wallets.top_up(Money(10, "USD"))
    told = []
    async with AsyncWallet(service.url, tokens=person.tokens) as wallet:
        async with aclosing(wallet.live.balances()) as stream:
            async for balance in stream:
                told.append(str(balance.available_money))
                if len(told) == 2:
                    await wallet.wallets.top_up(Money(500, "JPY"))
                if len(told) == 3:
                    break
    assert sorted(told[:2]) == ["0 JPY", "0.10 USD"]
    assert told[2] == "500 JPY"


async def test_patience_has_an_end(service: LiveService) -> None:
    tokens = watched(service).tokens
    async with AsyncWallet("http://127.0.0.1:9", tokens=tokens) as wallet:
        with pytest.raises(ConnectionFailed):
            async with asyncio.timeout(20):
                async for _ in wallet.live.entries(patience_s=1.0):
                    pass
