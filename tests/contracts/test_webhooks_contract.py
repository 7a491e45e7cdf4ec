"""What every unit of work promises of webhooks: cursors, leases, the log, and numbered events."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from tests.contracts.books import Books
from tests.stories.world import person, wallet

from wallet.application.event_log import EventLog
from wallet.domain.events import Event
from wallet.domain.webhooks import Answer, Cause, Cursor, Delivery, DisabledReason, Endpoint
from wallet.infrastructure.identifiers import new_id

NOW = datetime(2026, 11, 25, tzinfo=UTC)
HOLDER, OTHER = uuid4(), uuid4()


def endpoint_of(books: Books, name: str | None = None) -> Endpoint:
    return Endpoint(
        id=new_id(),
        owner_id=person(name or books.alice),
        url="https://shop.example/",
        description="The shop",
        event_types=("transfer.sent",),
        secret=b"closed",
        created_at=NOW,
    )


async def added(books: Books, endpoint: Endpoint | None = None) -> Endpoint:
    endpoint = endpoint or endpoint_of(books)
    async with books.unit_of_work() as work:
        await work.webhooks.add(endpoint)
        await work.commit()
    return endpoint


async def got(books: Books, endpoint: Endpoint) -> Endpoint | None:
    async with books.unit_of_work() as work:
        return await work.webhooks.get(endpoint.owner_id, endpoint.id)


async def raised(books: Books, *stream_ids: UUID) -> set[UUID]:
    async with books.unit_of_work() as work:
        woken = await work.sendings.raise_targets(stream_ids)
        await work.commit()
    return woken


async def claimed(books: Books, holder: UUID = HOLDER) -> list[UUID]:
    async with books.unit_of_work() as work:
        found = await work.sendings.claim(holder, 1_000, 30)
        await work.commit()
    return [endpoint.id for endpoint in found]


async def due(books: Books, endpoint: Endpoint) -> list[Cursor]:
    async with books.unit_of_work() as work:
        return list(await work.sendings.due(endpoint.id, [], 10))


async def moved(books: Books, cursor: Cursor, version: int, holder: UUID = HOLDER) -> Cursor | None:
    async with books.unit_of_work() as work:
        found = await work.sendings.advance(holder, cursor, version)
        await work.commit()
    return found


async def postponed(books: Books, cursor: Cursor, pause_s: float) -> None:
    async with books.unit_of_work() as work:
        await work.sendings.postpone(HOLDER, cursor, pause_s, NOW)
        await work.commit()


async def released(books: Books, endpoint: Endpoint, holder: UUID = HOLDER) -> None:
    async with books.unit_of_work() as work:
        await work.sendings.release(holder, endpoint.id)
        await work.commit()


def usd(books: Books) -> UUID:
    return wallet(books.alice, "USD")


async def with_news(books: Books, payments: int = 1) -> Endpoint:
    """Return an endpoint of Alice's that is leased and has so many payments to be told of."""
    endpoint = await added(books)
    for _ in range(payments):
        await books.carry_out(books.pay(1))
    assert await raised(books, usd(books)) == {endpoint.id}
    assert endpoint.id in await claimed(books)
    return endpoint


async def test_an_endpoint_is_its_owners_and_nobody_elses(books: Books) -> None:
    endpoint = await added(books)
    assert await got(books, endpoint) == endpoint
    async with books.unit_of_work() as work:
        assert await work.webhooks.get(person(books.bob), endpoint.id) is None
        assert await work.webhooks.of_owner(person(books.alice)) == [endpoint]
        assert await work.webhooks.of_owner(person(books.bob)) == []


async def test_changes_are_kept_and_what_is_removed_is_gone(books: Books) -> None:
    endpoint = await added(books)
    changed = replace(
        endpoint, url="https://other.example/", description=None, event_types=(),
        secret=b"new", previous_secret=b"closed", previous_secret_until=NOW,
    )  # fmt: skip
    async with books.unit_of_work() as work:
        await work.webhooks.save(changed)
        await work.commit()
    assert await got(books, endpoint) == changed
    async with books.unit_of_work() as work:
        await work.webhooks.remove_all(endpoint.owner_id)
        await work.commit()
    assert await got(books, endpoint) is None


async def test_it_begins_behind_what_there_is_and_waits_for_what_comes(books: Books) -> None:
    endpoint = await added(books)
    assert await raised(books, usd(books)) == set()
    await books.carry_out(books.pay(1))
    await books.carry_out(books.pay(2))
    found = await got(books, endpoint)
    assert found is not None
    assert found.waiting == 2
    assert await raised(books, usd(books), uuid4()) == {endpoint.id}
    assert await raised(books, usd(books)) == set(), "that is known"
    assert await claimed(books) == [endpoint.id]
    assert await due(books, endpoint) == [Cursor(endpoint.id, usd(books), 1, 3)]


async def test_a_look_finds_what_no_hint_was_heard_of(books: Books) -> None:
    endpoint = await added(books)
    await books.carry_out(books.pay(1))
    async with books.unit_of_work() as work:
        look = await work.sendings.look()
        assert await work.sendings.followed([usd(books), uuid4()]) == {usd(books)}
    assert look.watched
    assert usd(books) in look.behind
    await raised(books, *look.behind)
    async with books.unit_of_work() as work:
        look = await work.sendings.look()
    assert usd(books) not in look.behind
    assert look.due
    assert endpoint.id in await claimed(books)


async def test_one_process_at_a_time_has_the_lease(books: Books) -> None:
    endpoint = await with_news(books)
    assert endpoint.id not in await claimed(books, OTHER)
    (cursor,) = await due(books, endpoint)
    assert await moved(books, cursor, 2, OTHER) is None, "who has no lease moves nothing"
    async with books.unit_of_work() as work:
        assert await work.sendings.renew(OTHER, endpoint.id, 30) is None
        assert (await work.sendings.renew(HOLDER, endpoint.id, 30)) == endpoint
        await work.commit()
    await released(books, endpoint, OTHER)
    assert endpoint.id not in await claimed(books, OTHER)
    await released(books, endpoint)
    assert endpoint.id in await claimed(books, OTHER)


async def test_a_lease_runs_out(books: Books) -> None:
    endpoint = await with_news(books)
    async with books.unit_of_work() as work:
        await work.sendings.renew(HOLDER, endpoint.id, -1)
        await work.commit()
    assert endpoint.id in await claimed(books, OTHER)


async def test_a_cursor_moves_on_once(books: Books) -> None:
    endpoint = await with_news(books, 2)
    (cursor,) = await due(books, endpoint)
    following = await moved(books, cursor, 2)
    assert following == Cursor(endpoint.id, usd(books), 2, 3)
    assert await moved(books, cursor, 2) is None, "it is not there any more"
    last = await moved(books, following, 3)
    assert last == Cursor(endpoint.id, usd(books), 3, 3)
    assert await due(books, endpoint) == []
    await released(books, endpoint)
    assert endpoint.id not in await claimed(books)


async def test_a_failure_is_counted_and_waited_for(books: Books) -> None:
    endpoint = await with_news(books)
    (cursor,) = await due(books, endpoint)
    await postponed(books, cursor, 3_600)
    assert await due(books, endpoint) == []
    await released(books, endpoint)
    assert endpoint.id not in await claimed(books)
    await books.carry_out(books.pay(2))
    assert await raised(books, usd(books)) == set(), "the next one waits behind the first"
    async with books.unit_of_work() as work:
        await work.webhooks.wake(endpoint.id)
        await work.commit()
    assert endpoint.id in await claimed(books)
    assert await due(books, endpoint) == [Cursor(endpoint.id, usd(books), 1, 3, 1, NOW)]


async def test_what_was_tried_often_is_not_woken(books: Books) -> None:
    endpoint = await with_news(books)
    (cursor,) = await due(books, endpoint)
    await postponed(books, replace(cursor, attempts=30), 3_600)
    async with books.unit_of_work() as work:
        await work.webhooks.wake(endpoint.id)
        await work.commit()
    assert await due(books, endpoint) == []


async def test_failing_begins_once_and_ends_with_a_success(books: Books) -> None:
    endpoint = await added(books)
    later = NOW + timedelta(seconds=9)
    async with books.unit_of_work() as work:
        assert await work.sendings.failing(endpoint.id, NOW) == NOW
        assert await work.sendings.failing(endpoint.id, later) == NOW
        assert not await work.sendings.recovered(endpoint.id, later), "that was but a moment"
        assert not await work.sendings.recovered(endpoint.id, later)
        assert await work.sendings.failing(endpoint.id, NOW) == NOW
        assert await work.sendings.recovered(endpoint.id, NOW + timedelta(seconds=10))
        assert await work.sendings.failing(uuid4(), NOW) == NOW
        await work.commit()
    found = await got(books, endpoint)
    assert found is not None
    assert found.failing_since is None


async def test_a_disabled_endpoint_gets_nothing_and_goes_on_where_it_stopped(books: Books) -> None:
    endpoint = await with_news(books)
    (cursor,) = await due(books, endpoint)
    async with books.unit_of_work() as work:
        assert await work.webhooks.disable(endpoint.id, DisabledReason.OWNER, NOW)
        assert not await work.webhooks.disable(endpoint.id, DisabledReason.GONE, NOW)
        await work.commit()
    assert await due(books, endpoint) == []
    assert await moved(books, cursor, 2) is None, "it is written down, and nothing more is sent"
    await books.carry_out(books.pay(1))
    assert await raised(books, usd(books)) == set()
    async with books.unit_of_work() as work:
        assert await work.sendings.renew(HOLDER, endpoint.id, 30) is None
        await work.commit()
    await released(books, endpoint)
    found = await got(books, endpoint)
    assert found is not None
    assert (found.disabled_reason, found.disabled_at) == (DisabledReason.OWNER, NOW)
    assert found.waiting == 1
    async with books.unit_of_work() as work:
        await work.webhooks.enable(endpoint.id, NOW, skip=False)
        await work.commit()
    assert endpoint.id in await claimed(books)
    assert await due(books, endpoint) == [Cursor(endpoint.id, usd(books), 2, 3)]


async def test_what_was_missed_can_be_skipped(books: Books) -> None:
    endpoint = await with_news(books)
    async with books.unit_of_work() as work:
        await work.webhooks.disable(endpoint.id, DisabledReason.FAILING, NOW)
        await work.webhooks.enable(endpoint.id, NOW, skip=True)
        await work.commit()
    found = await got(books, endpoint)
    assert found is not None
    assert (found.enabled, found.waiting) == (True, 0)
    assert await due(books, endpoint) == []


async def test_going_back_never_goes_forward(books: Books) -> None:
    endpoint = await with_news(books, 3)
    (cursor,) = await due(books, endpoint)
    assert await moved(books, cursor, 4) is not None
    async with books.unit_of_work() as work:
        places = {usd(books): 2, person(books.alice): 99, uuid4(): 0}
        assert await work.webhooks.rewind(endpoint.id, places) == 2
        assert await work.webhooks.rewind(endpoint.id, {usd(books): 3}) == 0
        await work.commit()
    assert await due(books, endpoint) == [Cursor(endpoint.id, usd(books), 2, 4)]


async def test_an_account_that_is_opened_is_followed_from_its_first_entry(books: Books) -> None:
    endpoint = await added(books)
    euros = wallet(books.alice, "EUR")
    await books.world.open(books.alice, "EUR")
    async with books.unit_of_work() as work:
        await work.webhooks.follow(person(books.alice), euros)
        await work.commit()
    await books.world.fund(books.alice, 5, "EUR")
    assert await raised(books, euros) == {endpoint.id}
    assert await claimed(books) == [endpoint.id]
    assert await due(books, endpoint) == [Cursor(endpoint.id, euros, 0, 1)]


def delivery(endpoint: Endpoint, *, status: int | None, minute: int = 0) -> Delivery:
    answer = Answer(12, status, None if status is None else "said", None if status else "timeout")
    return Delivery(
        id=new_id(), endpoint_id=endpoint.id, event_id="a:1", event_type="transfer.sent",
        cause=Cause.EVENT, attempt=1, sent_at=NOW + timedelta(minutes=minute),
        url=endpoint.url, body="{}", answer=answer,
    )  # fmt: skip


async def test_the_log_is_read_newest_first_by_pages_and_by_outcome(books: Books) -> None:
    endpoint = await added(books)
    kept = [delivery(endpoint, status=s) for s in (200, None, 500, 204)]
    kept.sort(key=lambda d: d.id)
    async with books.unit_of_work() as work:
        for one in kept:
            await work.webhooks.log(one)
        await work.webhooks.log(replace(kept[0], id=new_id(), endpoint_id=uuid4()))
        await work.commit()
    async with books.unit_of_work() as work:

        async def read(**options: object) -> list[Delivery]:
            given = {"before": None, "succeeded": None, "limit": 10} | options
            return list(await work.webhooks.deliveries(endpoint.id, **given))  # type: ignore[arg-type]

        assert await read() == kept[::-1]
        assert await read(limit=3) == kept[:0:-1]
        assert await read(before=kept[1].id) == [kept[0]]
        failed = [d for d in kept[::-1] if not d.answer.succeeded]
        assert await read(succeeded=False) == failed
        assert await read(succeeded=True) == [d for d in kept[::-1] if d.answer.succeeded]
        assert await read(succeeded=False, before=failed[0].id) == failed[1:]
        assert await work.webhooks.delivery(endpoint.id, kept[2].id) == kept[2]
        assert await work.webhooks.delivery(uuid4(), kept[2].id) is None


async def happen(books: Books, name: str, kind: str, *, commit: bool = True) -> None:
    async with books.unit_of_work() as work:
        event = Event(new_id(), person(name), kind, {"a": "b"}, NOW)
        await work.events.add(event)
        if commit:
            await work.commit()


async def test_events_are_numbered_for_each_person(books: Books) -> None:
    for kind in ("user.updated", "wallet.opened", "user.updated"):
        await happen(books, books.alice, kind)
    await happen(books, books.bob, "user.updated")
    async with books.unit_of_work() as work:
        found = await work.events.after({person(books.alice): 1, person(books.bob): 0}, 10)
        assert await work.events.head(person(books.alice)) == 3
        assert await work.events.head(uuid4()) == 0
        assert len(await work.events.after({person(books.alice): 0}, 2)) == 2
    told = {(e.stream_id, e.version, e.type) for e in found}
    assert told == {
        (person(books.alice), 2, "wallet.opened"),
        (person(books.alice), 3, "user.updated"),
        (person(books.bob), 1, "user.updated"),
    }
    assert found[0].facts == {"a": "b"}


async def test_places_are_found_by_time(books: Books) -> None:
    await books.carry_out(books.pay(1))
    line = (await books.page(books.alice)).lines[0].entry
    await happen(books, books.alice, "user.updated")
    me = person(books.alice)
    async with books.unit_of_work() as work:
        heads = {usd(books): 2}
        before = await work.events.before(me, heads, min(NOW, line.booked_at))
        after = await work.events.before(me, heads, datetime(2100, 1, 1, tzinfo=UTC))
        between = await work.events.before(me, heads, line.booked_at)
        assert await work.events.times({usd(books): 2}) == [line.booked_at]
        assert await work.events.times({me: 1}) == [NOW]
        assert await work.events.times({me: 0, usd(books): 0}) == []
    assert before[me] == 0
    assert after == {usd(books): 2, me: 1}
    assert between[usd(books)] == 1


async def test_the_list_of_events_follows_every_stream_page_by_page(books: Books) -> None:
    for amount in (1, 2, 3):
        await books.carry_out(books.pay(amount))
    await happen(books, books.alice, "user.updated")
    me, log = person(books.alice), EventLog(books.unit_of_work)
    found, place = [], None
    while True:
        page = await log.page(me, place, types=(), limit=2)
        found += [event.id for event in page.events]
        place = page.place
        if not page.more:
            break
    assert sorted(found) == sorted([*(f"{usd(books)}:{n}" for n in (1, 2, 3, 4)), f"{me}:1"])
    assert [i for i in found if i.startswith(str(usd(books)))] == [
        f"{usd(books)}:{n}" for n in (1, 2, 3, 4)
    ]
    await books.carry_out(books.pay(4))
    page = await log.page(me, place, types=(), limit=10)
    assert [event.id for event in page.events] == [f"{usd(books)}:5"]
    only = await log.page(me, None, types=("user.updated",), limit=10)
    assert [event.id for event in only.events] == [f"{me}:1"]
    behind = await log.page(me, {usd(books): 3}, types=(), limit=10)
    assert {f"{usd(books)}:4", f"{usd(books)}:5"} <= {event.id for event in behind.events}
    assert f"{usd(books)}:3" not in {event.id for event in behind.events}
    assert (await log.one(me, usd(books), 5)).type == "transfer.sent"


async def test_all_endpoints_are_read_page_by_page_whoever_owns_them(books: Books) -> None:
    own = {(await added(books)).id, (await added(books, endpoint_of(books, books.bob))).id}
    found: list[UUID] = []
    async with books.unit_of_work() as work:
        while page := await work.webhooks.after(found[-1] if found else None, 1):
            found += [endpoint.id for endpoint in page]
    assert found == sorted(found)
    assert own <= set(found)
