"""An endpoint's run: order, attempts, giving up, pausing, and what a dying process leaves."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from tests.fakes.ledger import MemoryStore
from tests.fakes.town import new_ids
from tests.fakes.unit_of_work import MemoryUnitOfWork
from tests.stories.world import World, person, wallet

from wallet.application import webhook_relay, webhook_run
from wallet.application.ports import Message
from wallet.application.unit_of_work import Interrupted, UnitOfWork
from wallet.application.webhook_courier import Courier, SecretUnreadable
from wallet.application.webhook_relay import WebhookRelay
from wallet.application.webhook_run import Post
from wallet.domain.events import Event, Happening
from wallet.domain.webhooks import Answer, DisabledReason, Endpoint, Schedule

OK = Answer(1, status=200)
BROKEN = Answer(1, status=500)
ALICE, BOB = person("alice"), person("bob")
ALICES, BOBS = wallet("alice", "USD"), wallet("bob", "USD")

Behave = Callable[[str, str], Answer]


class PlainBox:
    """Keeps secrets as they are."""

    def again(self, closed: bytes, context: bytes) -> bytes:
        return closed

    def close(self, secret: bytes, context: bytes) -> bytes:
        return secret

    def open(self, closed: bytes, context: bytes) -> bytes:
        if closed == b"lost":
            raise SecretUnreadable
        return closed


class Town:
    """A relay on an in-memory ledger, and receivers that answer as they are told."""

    def __init__(self, schedule: Schedule | None = None) -> None:
        self.store = MemoryStore()
        self.world = World(self.unit_of_work)
        self.behave: Behave = lambda url, event_id: OK
        self.sent: list[tuple[str, str]] = []
        self.under_way = 0
        self.under_way_max = 0
        self.pause_s: Callable[[str], float] = lambda url: 0
        self.outage_in = 0
        self.errors: list[BaseException] = []
        self.mails: list[Message] = []
        self.post = Post(
            unit_of_work=self.unit_of_work,
            courier=Courier(
                sender=self, box=PlainBox(), render=self.render,
                clock=lambda: self.store.clock.now, new_id=new_ids(),
            ),
            schedule=schedule or Schedule(),
            slots=asyncio.Semaphore(16),
            holder=uuid4(),
            notify=self.mails.append,
            report=self.errors.append,
            public_url="http://localhost:4000",
            random=Random(7),
        )  # fmt: skip
        self.unrenderable = ""

    def unit_of_work(self) -> UnitOfWork:
        self.outage_in -= 1
        if self.outage_in == 0:
            raise Interrupted
        return MemoryUnitOfWork(self.store)

    def render(self, event: Happening) -> bytes:
        if event.id == self.unrenderable:
            raise ValueError("a mistake of ours")
        return event.id.encode()

    async def check(self, url: str) -> None:
        """Let everything through."""

    async def send(
        self, url: str, headers: Sequence[tuple[str, str]], body: bytes, *, timeout_s: float
    ) -> Answer:
        event_id = dict(headers)["webhook-id"]
        assert body == event_id.encode()
        self.sent.append((url, event_id))
        self.under_way += 1
        self.under_way_max = max(self.under_way_max, self.under_way)
        await asyncio.sleep(self.pause_s(url))
        self.under_way -= 1
        return self.behave(url, event_id)

    async def open(self, name: str = "alice", currency: str = "USD") -> UUID:
        return await self.world.open(name, currency)

    async def pay(self, *amounts: int) -> None:
        for amount in amounts:
            await self.world.carry_out(self.world.transfer("alice", "bob", amount))

    async def endpoint(
        self, url: str = "x", owner_id: UUID = ALICE, types: tuple[str, ...] = (), **more: Any
    ) -> UUID:
        endpoint = Endpoint(
            id=self.post.courier.new_id(), owner_id=owner_id, url=url, description=None,
            event_types=types, secret=b"s" * 32, created_at=self.store.clock(), **more,
        )  # fmt: skip
        async with self.unit_of_work() as work:
            await work.webhooks.add(endpoint)
            await work.commit()
        return endpoint.id

    def known(self, endpoint_id: UUID) -> Endpoint:
        return self.store.webhooks.endpoints[endpoint_id]

    def pass_time(self, **duration: float) -> None:
        self.store.clock.now += timedelta(**duration)

    @asynccontextmanager
    async def relaying(self) -> Any:
        relay = WebhookRelay(self.post, reading=self.unit_of_work)
        relay.poke()
        task = asyncio.create_task(relay.run())
        try:
            yield relay
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def until(self, found: Callable[[], bool], relay: WebhookRelay) -> None:
        """Let the relay look again and again until something is so."""
        async with asyncio.timeout(5):
            while not found():
                relay.poke()
                await asyncio.sleep(0.005)

    async def settled(self, relay: WebhookRelay) -> None:
        """Let the relay do everything that it has to do now."""
        for _ in range(4):
            relay.poke()
            await asyncio.sleep(0.02)
            await self.until(lambda: relay.runs_count == 0, relay)

    def ids(self, url: str = "x") -> list[str]:
        return [event_id for to, event_id in self.sent if to == url]


def alices(*versions: int) -> list[str]:
    return [f"{ALICES}:{version}" for version in versions]


@pytest.fixture
async def town() -> Town:
    town = Town()
    await town.open("alice")
    await town.open("bob")
    await town.world.fund("alice", 1_000)
    return town


async def test_an_endpoint_hears_of_what_happens_after_it_was_made(town: Town) -> None:
    await town.pay(1)
    await town.endpoint()
    await town.pay(2, 3)
    async with town.relaying() as relay:
        await town.settled(relay)
    assert town.ids() == alices(3, 4)
    assert town.errors == []


async def test_each_side_of_a_transfer_hears_of_its_own_entry(town: Town) -> None:
    await town.endpoint("a")
    await town.endpoint("b", BOB)
    await town.pay(2)
    async with town.relaying() as relay:
        await town.settled(relay)
    assert (town.ids("a"), town.ids("b")) == (alices(2), [f"{BOBS}:1"])


async def test_what_moves_no_money_is_told_as_well(town: Town) -> None:
    await town.endpoint()
    async with town.unit_of_work() as work:
        await work.events.add(Event(uuid4(), ALICE, "user.updated", {}, town.store.clock()))
        await work.commit()
    async with town.relaying() as relay:
        await town.settled(relay)
    assert town.ids() == [f"{ALICE}:1"]


async def test_only_the_types_that_are_wanted_are_sent_and_the_rest_passed_over(
    town: Town,
) -> None:
    bobs = await town.endpoint("b", BOB, ("transfer.sent",))
    await town.pay(*[1] * 60)
    await town.world.carry_out(town.world.transfer("bob", "alice", 5))
    await town.pay(1)
    async with town.relaying() as relay:
        await town.settled(relay)
    assert town.ids("b") == [f"{BOBS}:61"]
    cursor, _ = town.store.webhooks.cursors[bobs, BOBS]
    assert (cursor.version, cursor.target) == (62, 62)


async def test_the_next_event_waits_until_the_one_before_is_acknowledged(town: Town) -> None:
    failing = {alices(3)[0]}
    town.behave = lambda url, id_: BROKEN if id_ in failing else OK
    await town.endpoint()
    await town.pay(1, 2, 3)
    async with town.relaying() as relay:
        await town.settled(relay)
        assert town.ids() == alices(2, 3)
        town.pass_time(seconds=4)
        await town.settled(relay)
        assert town.ids() == alices(2, 3), "it is not time yet"
        failing.clear()
        town.pass_time(seconds=3)
        await town.settled(relay)
    assert town.ids() == alices(2, 3, 3, 4)


async def test_another_stream_of_the_same_endpoint_goes_on(town: Town) -> None:
    euros = await town.open("alice", "EUR")
    town.behave = lambda url, id_: BROKEN if id_.startswith(str(ALICES)) else OK
    await town.endpoint()
    await town.pay(1)
    await town.world.fund("alice", 5, "EUR")
    await town.world.fund("alice", 6, "EUR")
    async with town.relaying() as relay:
        await town.settled(relay)
    assert sorted(town.ids()) == sorted([*alices(2), f"{euros}:1", f"{euros}:2"])


async def test_an_endpoint_that_fails_for_three_days_is_disabled_and_loses_nothing(
    town: Town,
) -> None:
    town.behave = lambda url, id_: BROKEN
    endpoint_id = await town.endpoint()
    await town.pay(1, 2)
    async with town.relaying() as relay:
        for pause_s in (0, 6, 360, 2_160, 8_640, 21_600, 43_200, 60_480, 86_400, 103_680):
            assert town.known(endpoint_id).enabled
            town.pass_time(seconds=pause_s)
            await town.settled(relay)
        assert town.ids() == alices(*[2] * 10)
        assert town.known(endpoint_id).disabled_reason is DisabledReason.FAILING
        (event,) = [e for e in town.store.events if e.kind == "webhook.endpoint.disabled"]
        assert (event.person_id, event.facts["reason"]) == (ALICE, "failing")

        await town.pay(3)
        town.behave = lambda url, id_: OK
        await town.settled(relay)
        assert len(town.ids()) == 10, "nothing is sent to an endpoint that is disabled"
        async with town.unit_of_work() as work:
            await work.webhooks.enable(endpoint_id, town.store.clock(), skip=False)
        await town.settled(relay)
    again = town.ids()[10:]
    assert [id_ for id_ in again if id_ != f"{ALICE}:1"] == alices(2, 3, 4)
    assert f"{ALICE}:1" in again


async def test_an_event_that_alone_fails_is_given_up_and_what_follows_is_sent(town: Town) -> None:
    town.behave = lambda url, id_: BROKEN if id_ == alices(2)[0] else OK
    euros = await town.open("alice", "EUR")
    endpoint_id = await town.endpoint()
    await town.pay(1, 2)
    async with town.relaying() as relay:
        for day in range(5):
            await town.world.fund("alice", 5, "EUR")
            await town.settled(relay)
            town.pass_time(days=1)
            assert day < 3 or town.known(endpoint_id).enabled
        await town.settled(relay)
    assert town.known(endpoint_id).enabled
    assert town.ids()[-1] != alices(2)[0]
    assert alices(3)[0] in town.ids()
    assert [f"{euros}:{n}" for n in range(1, 6)] == [i for i in town.ids() if str(euros) in i]


async def test_what_waits_is_sent_at_once_when_the_endpoint_is_there_again(town: Town) -> None:
    town.behave = lambda url, id_: BROKEN
    await town.open("alice", "EUR")
    await town.endpoint()
    await town.pay(1)
    async with town.relaying() as relay:
        await town.settled(relay)
        town.pass_time(seconds=6)
        await town.settled(relay)
        assert town.ids() == alices(2, 2), "the next attempt comes in five minutes"
        town.pass_time(seconds=20)
        town.behave = lambda url, id_: OK
        await town.world.fund("alice", 5, "EUR")
        await town.settled(relay)
    assert town.ids()[-1] == alices(2)[0]


async def test_410_disables_at_once_and_says_so_by_event(town: Town) -> None:
    town.behave = lambda url, id_: Answer(1, status=410)
    endpoint_id = await town.endpoint()
    await town.pay(1, 2)
    async with town.relaying() as relay:
        await town.settled(relay)
    assert town.ids() == alices(2)
    assert town.known(endpoint_id).disabled_reason is DisabledReason.GONE
    assert [e.kind for e in town.store.events] == ["webhook.endpoint.disabled"]


async def test_a_receiver_that_asks_for_time_gets_it(town: Town) -> None:
    town.behave = lambda url, id_: Answer(1, status=429, retry_after_s=600)
    await town.endpoint()
    await town.pay(1)
    async with town.relaying() as relay:
        await town.settled(relay)
        town.pass_time(seconds=599)
        await town.settled(relay)
        assert len(town.ids()) == 1
        town.pass_time(seconds=125)
        await town.settled(relay)
    assert len(town.ids()) == 2


async def test_a_slow_endpoint_does_not_delay_another_and_gets_one_request_at_a_time(
    town: Town,
) -> None:
    for currency in ("EUR", "GBP", "CHF", "SEK", "NOK"):
        await town.open("alice", currency)
    town.pause_s = lambda url: 0.2 if url == "slow" else 0
    town.behave = lambda url, id_: Answer(2_000 if url == "slow" else 1, status=200)
    await town.endpoint("slow")
    await town.endpoint("fast", BOB)
    for currency in ("EUR", "GBP", "CHF", "SEK", "NOK"):
        await town.world.fund("alice", 5, currency)
    await town.pay(*[1] * 10)
    async with town.relaying() as relay:
        await town.until(lambda: len(town.ids("fast")) == 10, relay)
        assert len(town.ids("slow")) <= 4
        await town.until(lambda: len(town.ids("slow")) >= 6, relay)
        town.under_way_max = 0
        await town.until(lambda: len(town.ids("slow")) >= 9, relay)
        assert town.under_way_max == 1


@pytest.mark.parametrize("place", range(1, 11))
async def test_an_outage_of_the_database_anywhere_costs_time_and_no_event(
    town: Town, place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_run, "OUTAGE_PAUSE_S", 0.001)
    monkeypatch.setattr(webhook_relay, "RETRY_S", 0.001)
    await town.endpoint()
    await town.pay(1, 2, 3)
    town.outage_in = place

    def is_done() -> bool:
        # A lease that could not be given back runs out.
        town.pass_time(seconds=1)
        return town.ids()[-1:] == alices(4)

    async with town.relaying() as relay:
        await town.until(is_done, relay)
    assert town.outage_in <= 0, "it happened"
    assert list(dict.fromkeys(town.ids())) == alices(2, 3, 4)
    assert len(town.ids()) <= 4, "at most one comes again"
    assert town.errors == []


async def test_an_event_that_we_cannot_send_holds_up_its_stream_alone_and_is_reported(
    town: Town,
) -> None:
    euros = await town.open("alice", "EUR")
    await town.endpoint()
    town.unrenderable = alices(2)[0]
    await town.pay(1, 2)
    await town.world.fund("alice", 5, "EUR")
    async with town.relaying() as relay:
        await town.settled(relay)
        assert town.ids() == [f"{euros}:1"]
        assert [str(error) for error in town.errors] == ["a mistake of ours"]
        town.unrenderable = ""
        town.pass_time(seconds=61)
        await town.settled(relay)
    assert town.ids()[1:] == alices(2, 3)


async def test_a_secret_whose_key_is_lost_fails_like_an_attempt_and_sends_nothing(
    town: Town,
) -> None:
    endpoint_id = await town.endpoint()
    tables = town.store.webhooks
    tables.endpoints[endpoint_id] = replace(town.known(endpoint_id), secret=b"lost")
    await town.pay(1)
    async with town.relaying() as relay:
        await town.settled(relay)
    assert town.sent == []
    (delivery,) = tables.deliveries.values()
    assert delivery.answer.failure == "secret-unreadable"
    assert delivery.next_attempt_at is not None


async def test_a_request_under_way_is_finished_and_written_down_when_the_process_ends(
    town: Town,
) -> None:
    town.pause_s = lambda url: 0.1
    endpoint_id = await town.endpoint()
    await town.pay(1, 2)
    async with town.relaying() as relay:
        await town.until(lambda: bool(town.sent), relay)
    cursor, _ = town.store.webhooks.cursors[endpoint_id, ALICES]
    assert (town.ids(), cursor.version) == (alices(2), 2)
    assert town.store.webhooks.leases[endpoint_id].holder is None


async def test_two_processes_share_endpoints_and_send_nothing_twice(town: Town) -> None:
    for n in range(8):
        await town.endpoint(f"e{n}")
    await town.pay(*[1] * 20)
    town.pause_s = lambda url: 0.001
    async with town.relaying() as one, town.relaying() as other:
        other._post = replace(town.post, holder=uuid4())
        await town.until(lambda: len(town.sent) >= 160, one)
        await town.settled(one)
    assert len(town.sent) == 160
    for n in range(8):
        assert town.ids(f"e{n}") == alices(*range(2, 22))


async def test_going_back_sends_again_and_what_is_under_way_does_not_undo_it(town: Town) -> None:
    endpoint_id = await town.endpoint()
    await town.pay(1, 2, 3)
    async with town.relaying() as relay:
        await town.settled(relay)
        assert town.ids() == alices(2, 3, 4)
        town.pause_s = lambda url: 0.05
        await town.pay(4)
        await town.until(lambda: len(town.sent) == 4, relay)
        async with town.unit_of_work() as work:
            assert await work.webhooks.rewind(endpoint_id, {ALICES: 2}) == 2
        await town.until(lambda: len(town.sent) >= 7, relay)
        await town.settled(relay)
    assert town.ids() == alices(2, 3, 4, 5, 3, 4, 5)


async def test_a_hint_reaches_the_endpoint_without_a_look(town: Town) -> None:
    await town.endpoint()
    async with town.relaying() as relay:
        await town.settled(relay)
        relay._look_at_s += 3_600
        await town.pay(1)
        relay.hint({ALICES, uuid4()})
        async with asyncio.timeout(2):
            while not town.sent:
                await asyncio.sleep(0.005)
    assert town.ids() == alices(2)


async def test_an_account_that_nobody_follows_wakes_nobody_a_second_time(town: Town) -> None:
    await town.endpoint()
    async with town.relaying() as relay:
        await town.settled(relay)
        relay._look_at_s += 3_600
        relay.hint({BOBS})
        await asyncio.sleep(0.1)
        relay.hint({BOBS})
        assert not relay._wake.is_set()
        relay.poke()
        relay.hint({BOBS})
        assert BOBS in relay._heard, "somebody has just made an endpoint: it may be his"


async def test_nothing_is_kept_of_hints_while_nobody_wants_webhooks(town: Town) -> None:
    relay = WebhookRelay(town.post, reading=town.unit_of_work)
    relay.hint({ALICES})
    assert not relay._heard
