"""What staff read and write, in memory and on PostgreSQL."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4, uuid5

import pytest
from tests.contracts.office import Office, told
from tests.stories.world import NAMESPACE, person, wallet

from wallet.application.tallying import Tallying
from wallet.domain.accounts import Freeze, Purpose
from wallet.domain.adjustments import AdjustmentAlreadyDecided, AdjustmentStatus
from wallet.domain.audit_trail import Act, ActKind, ActPlace, ActSearch, SubjectKind
from wallet.domain.back_office import EventPlace, PeopleSearch, WalletSearch
from wallet.domain.events import Event
from wallet.domain.journal import Kind
from wallet.domain.staff import StaffMember
from wallet.domain.tallies import MINUTE, TallyProgress, floor_to
from wallet.domain.users import Role
from wallet.domain.wallets import WalletNotEmpty
from wallet.infrastructure.identifiers import new_id, utc_now

SAM = StaffMember(uuid5(NAMESPACE, "staff sam"), "Sam", Role.SUPPORT, "r-1")


def act(number: int, kind: ActKind = ActKind.WALLET_FROZEN, **more: object) -> Act:
    made = Act(
        id=UUID(int=number),
        kind=kind,
        happened_at=datetime.fromisoformat("2026-11-22T12:00:00+00:00") + timedelta(number),
        actor=SAM,
        subject_kind=SubjectKind.WALLET,
        subject_id=wallet("alice", "USD"),
        person_id=person("alice"),
        reason="because",
        before={"frozen": "none"},
        after={"frozen": "send", "n": [1, None, "é"]},
    )
    return replace(made, **more)  # type: ignore[arg-type]


async def with_acts(office: Office, *acts: Act) -> None:
    async with office.unit_of_work() as work:
        for item in acts:
            await work.audit_trail.add(item)
        await work.commit()


async def found(office: Office, search: ActSearch, before: ActPlace | None = None) -> list[int]:
    async with office.unit_of_work() as work:
        acts = await work.audit_trail.page(search, before=before, limit=3)
    return [item.id.int for item in acts]


# The audit trail.


async def test_an_act_is_read_as_it_was_written(office: Office) -> None:
    await with_acts(office, act(1))
    async with office.unit_of_work() as work:
        (read,) = await work.audit_trail.page(ActSearch(), before=None, limit=5)
        assert await work.audit_trail.get(read.id) == read
        assert await work.audit_trail.get(uuid4()) is None
    assert (read, read.seal) == (act(1), act(1).seal)


async def test_acts_are_found_newest_first_by_whatever_is_asked_for(office: Office) -> None:
    other = StaffMember(uuid4(), "Otto", Role.AUDITOR)
    bobs = wallet("bob", "USD")
    await with_acts(
        office,
        act(1),
        act(2, subject_id=bobs, person_id=person("bob")),
        act(3, ActKind.PERSON_VIEWED, subject_id=person("alice"), reason=None, actor=other),
        act(4, ActKind.WALLET_UNFROZEN),
        act(5),
    )
    assert await found(office, ActSearch()) == [5, 4, 3]
    place = ActPlace(act(3).happened_at, UUID(int=3))
    assert await found(office, ActSearch(), place) == [2, 1]
    assert await found(office, ActSearch(actor_id=other.id)) == [3]
    assert await found(office, ActSearch(subject_id=bobs)) == [2]
    assert await found(office, ActSearch(subject_id=person("alice"))) == [5, 4, 3]
    assert await found(office, ActSearch(subject_id=person("alice")), place) == [1]
    assert await found(office, ActSearch(subject_id=person("alice"), views=False)) == [5, 4, 1]
    assert await found(office, ActSearch(subject_id=person("alice"), actor_id=other.id)) == [3]
    assert await found(office, ActSearch(kind="wallet.unfrozen")) == [4]
    span = ActSearch(since=act(2).happened_at, until=act(4).happened_at)
    assert await found(office, span) == [3, 2]
    async with office.unit_of_work() as work:
        assert await work.audit_trail.count(person("alice"), 10) == 3
        assert await work.audit_trail.count(person("alice"), 2) == 2
        assert other.id is not None
        for since, seen in ((3, True), (4, False)):
            at = act(since).happened_at
            assert await work.audit_trail.has_viewed(other.id, person("alice"), at) is seen
        assert not await work.audit_trail.has_viewed(other.id, person("bob"), act(1).happened_at)


# People and wallets.


async def names(office: Office, search: PeopleSearch, limit: int = 10) -> list[str]:
    async with office.unit_of_work() as work:
        cards = await work.back_office.people(search, before=None, limit=limit)
    return sorted(card.handle or "" for card in cards)


async def test_people_are_found_by_beginnings_roles_and_ids(office: Office) -> None:
    await office.add("alice")
    await office.add("alina", "Van Tester", Role.SUPPORT)
    await office.add("bob", "Alison")
    await office.add("mary", "Smith Jones", first_name="Mary Ann")
    for words, expected in {
        ("al",): ["alice", "alina", "bob"],
        ("ALI",): ["alice", "alina", "bob"],
        ("alice@",): ["alice"],
        ("alina", "van"): ["alina"],
        ("van", "tester"): ["alina"],
        ("tester", "ali"): ["alice"],
        ("ice",): [],
        ("al%",): [],
        ("alice", "x"): [],
        ("mary", "ann", "smith", "jones"): ["mary"],
        ("Mary", "Ann", "smi"): ["mary"],
        ("smith", "jones", "mary", "ann"): ["mary"],
        ("van", "tester", "alina"): ["alina"],
        ("mary", "ann", "jones"): [],
    }.items():
        assert await names(office, PeopleSearch(words=words)) == expected, words
    assert await names(office, PeopleSearch(role=Role.SUPPORT)) == ["alina"]
    whole = ("van", "tester", "ali")
    assert await names(office, PeopleSearch(words=whole, role=Role.SUPPORT)) == ["alina"]
    assert await names(office, PeopleSearch(words=("al",), role=Role.USER)) == ["alice", "bob"]
    assert await names(office, PeopleSearch(closed=True)) == []
    assert await names(office, PeopleSearch(id=person("bob"))) == ["bob"]
    assert await names(office, PeopleSearch(id=uuid4())) == []


async def test_lists_go_on_below_the_last_id(office: Office) -> None:
    for name in ("alice", "bob", "carol"):
        await office.add(name)
        await office.world.open(name, "USD")
    async with office.unit_of_work() as work:
        people: list[UUID] = []
        wallets: list[UUID] = []
        for _ in range(3):
            place = people[-1] if people else None
            page = await work.back_office.people(PeopleSearch(), before=place, limit=1)
            people += [card.id for card in page]
            place = wallets[-1] if wallets else None
            cards = await work.back_office.wallets(WalletSearch(), before=place, limit=1)
            wallets += [card.wallet.id for card in cards]
    assert people == sorted(map(person, ("alice", "bob", "carol")), reverse=True)
    assert wallets == sorted((wallet(n, "USD") for n in ("alice", "bob", "carol")), reverse=True)


async def test_wallets_are_filtered_by_currency_and_freeze(office: Office) -> None:
    await told(office)
    await office.world.open("alice", "EUR")
    await office.world.tell("freeze bob send -> done")

    async def owners(search: WalletSearch) -> list[str]:
        async with office.unit_of_work() as work:
            cards = await work.back_office.wallets(search, before=None, limit=10)
        return sorted(f"{card.owner.handle} {card.wallet.currency}" for card in cards)

    assert await owners(WalletSearch()) == ["alice EUR", "alice USD", "bob USD"]
    assert await owners(WalletSearch(currency="USD")) == ["alice USD", "bob USD"]
    assert await owners(WalletSearch(frozen=True)) == ["bob USD"]
    assert await owners(WalletSearch("EUR", frozen=True)) == []
    assert await owners(WalletSearch("USD", frozen=False)) == ["alice USD"]
    assert await owners(WalletSearch(frozen=False)) == ["alice EUR", "alice USD"]
    async with office.unit_of_work() as work:
        card = await work.back_office.wallet(wallet("bob", "USD"))
        assert card is not None
        assert (card.wallet.freeze, card.wallet.posted) == (Freeze.SEND, 110)
        assert await work.back_office.wallet(uuid4()) is None
        of_alice = await work.back_office.wallets_of(person("alice"))
        assert [c.wallet.currency for c in of_alice] == ["EUR", "USD"]


# Movements.


async def test_a_movement_is_found_by_its_id_with_both_sides(office: Office) -> None:
    await told(office)
    paid = office.world.transfers["k1"]
    async with office.unit_of_work() as work:
        movement = await work.movements.movement(paid.id)
        assert movement is not None
        assert (movement.kind, movement.amount, movement.refunded) == (Kind.TRANSFER, 100, 40)
        assert movement.transfer == paid
        assert movement.source.owner is not None
        assert movement.source.owner.handle == "alice"
        assert movement.details is not None
        assert movement.details.reference == "INV-1"
        (refund,) = movement.refunds
        back = await work.movements.movement(refund.id)
        assert back is not None
        assert (back.kind, back.refund_of, back.transfer) == (Kind.REFUND, paid.id, None)
        top_up = await work.movements.movement(office.world.fundings["f1"])
        assert top_up is not None
        assert (top_up.source.purpose, top_up.source.owner) == (Purpose.FUNDING, None)
        for missing in (uuid4(), new_id(), person("alice"), UUID(int=2**128 - 1)):
            assert await work.movements.movement(missing) is None


async def test_references_are_found_whole(office: Office) -> None:
    await told(office)
    async with office.unit_of_work() as work:
        assert await work.movements.referenced("INV-1", 5) == [office.world.transfers["k1"].id]
        assert await work.movements.referenced("INV", 5) == []


async def test_refusals_and_events_of_a_person_are_told_newest_first(office: Office) -> None:
    await told(office)
    now = utc_now()
    async with office.unit_of_work() as work:
        for number in (1, 2, 3):
            moment = now + timedelta(seconds=number)
            event = Event(UUID(int=number), person("bob"), f"e{number}", {"a": "b"}, moment)
            await work.events.add(event)
        await work.commit()
    async with office.unit_of_work() as work:
        (refused,) = await work.back_office.refusals(person("bob"), 5)
        assert (refused.code, refused.amount) == ("insufficient-funds", 500)
        assert await work.back_office.refusals(person("alice"), 5) == []
        events = await work.back_office.events(person("bob"), before=None, limit=2)
        assert [event.kind for event in events] == ["e3", "e2"]
        place = EventPlace(events[-1].happened_at, events[-1].id)
        events = await work.back_office.events(person("bob"), before=place, limit=2)
        assert [(event.kind, dict(event.facts)) for event in events] == [("e1", {"a": "b"})]


# Controls and adjustments.


async def test_a_wallet_that_awaits_money_is_not_closed(office: Office) -> None:
    await told(office)
    await office.world.tell("request bob 5 as=f2 -> accepted")
    async with office.unit_of_work() as work:
        await work.ledger.lock([wallet("bob", "USD")], 0)
        with pytest.raises(WalletNotEmpty):
            await work.wallets.control(wallet("bob", "USD"), Freeze.NONE, 0, utc_now())


async def test_adjustments_are_listed_and_rejected_once(office: Office) -> None:
    await told(office)
    await office.world.tell("""
        adjust alice 5 as=a1 -> accepted
        adjust bob -5 as=a2 -> accepted
        approve a1 -> accepted
    """)
    ids = [office.world.adjustments[name][1] for name in ("a1", "a2")]
    async with office.unit_of_work() as work:
        everything = await work.adjustments.page(None, before=None, limit=5)
        assert [a.id for a in everything] == sorted(ids, reverse=True)
        below = await work.adjustments.page(None, before=max(ids), limit=5)
        assert [a.id for a in below] == [min(ids)]
        (pending,) = await work.adjustments.page(AdjustmentStatus.PENDING, before=None, limit=5)
        assert (pending.id, pending.amount) == (ids[1], -5)
        rejected = pending.decided(AdjustmentStatus.REJECTED, SAM, "because not", utc_now())
        await work.adjustments.reject(rejected)
        await work.commit()
    async with office.unit_of_work() as work:
        assert await work.adjustments.get(ids[1]) == rejected
        assert await work.adjustments.get(uuid4()) is None
        with pytest.raises(AdjustmentAlreadyDecided):
            await work.adjustments.reject(rejected)


# Tallies.

Counted = list[tuple[int, str, int, int]]


async def counted(office: Office, since: datetime, until: datetime) -> Counted:
    async with office.unit_of_work() as work:
        tallies = await work.tallies.by_minute(since, until)
        hours = await work.tallies.by_hour(floor_to(since, timedelta(hours=1)))
    by_minute: dict[tuple[int, str], list[int]] = {}
    for tally in tallies:
        total = by_minute.setdefault((tally.kind, tally.refusal_code), [0, 0])
        total[0] += tally.instructions
        total[1] += tally.amount
    assert sum(t.instructions for t in hours) == sum(n for n, _ in by_minute.values())
    return sorted((kind, code, n, amount) for (kind, code), (n, amount) in by_minute.items())


EVERYTHING: Counted = [
    (1, "", 2, 150),
    (1, "insufficient-funds", 1, 500),
    (3, "", 1, 1_000),
    (6, "", 1, 40),
]


async def test_what_was_booked_is_counted_and_counted_again_to_the_same(office: Office) -> None:
    await told(office)
    async with office.unit_of_work() as work:
        now = await work.tallies.now()
        first = await work.tallies.first_booked_at()
        assert first is not None
        since, until = floor_to(first, MINUTE), now + MINUTE
        await work.tallies.add(since, now)
        await work.commit()
    assert await counted(office, since, until) == EVERYTHING
    async with office.unit_of_work() as work:
        await work.tallies.replace(since, until)
        await work.commit()
    assert await counted(office, since, until) == EVERYTHING
    async with office.unit_of_work() as work:
        young = await work.tallies.uncounted(since)
        assert sum(t.instructions for t in young) == 5
        day = floor_to(now, timedelta(days=1))
        assert await work.tallies.active_people(day, now) == 2
        assert await work.tallies.active_people(day - timedelta(days=1), now) == 0
        # Who was counted already is not counted again because of something young.
        hour = floor_to(since, timedelta(hours=1))
        for uncounted_since in (since, now):
            active = await work.tallies.active_by_hour(hour, uncounted_since)
            assert max(active.values()) == 2
        assert await work.tallies.active_by_hour(hour + timedelta(hours=2), now) == {}
        assert sum((await work.tallies.sign_ups_by_hour(hour)).values()) > 0
        balances = await work.tallies.system_balances()
        assert balances["USD", Purpose.FUNDING] == -1_000


async def test_counting_in_steps_comes_to_the_same_as_counting_at_once(office: Office) -> None:
    await told(office)
    async with office.unit_of_work() as work:
        first, now = await work.tallies.first_booked_at(), await work.tallies.now()
        assert first is not None
        middle = first + (now - first) / 3
        for since, until in ((first, middle), (middle, middle), (middle, now + MINUTE)):
            await work.tallies.add(since, until)
        await work.commit()
    assert await counted(office, floor_to(first, MINUTE), now + MINUTE) == EVERYTHING


async def test_one_process_counts_at_a_time(office: Office) -> None:
    one, other = uuid4(), uuid4()
    progress = TallyProgress(utc_now() - timedelta(hours=2), utc_now() - timedelta(hours=2))
    async with office.unit_of_work() as work:
        assert await work.tallies.progress() is None
        await work.tallies.begin(progress)
        await work.tallies.begin(TallyProgress(utc_now(), utc_now()))
        assert await work.tallies.progress() == progress
        assert await work.tallies.lease(one, 60) == progress
        further = replace(progress, counted_to=utc_now())
        await work.tallies.advance(further)
        await work.commit()
    async with office.unit_of_work() as work:
        assert await work.tallies.lease(other, 60) is None
        assert await work.tallies.lease(one, 60) == further


async def test_a_counter_catches_up_and_goes_on_where_another_was(office: Office) -> None:
    await told(office)
    reported: list[BaseException] = []

    def tallying() -> Tallying:
        return Tallying(unit_of_work=office.unit_of_work, holder=SAM_ID, report=reported.append)

    assert await tallying().count() is None  # Nothing is old enough yet.
    await age(office)
    steps = [await tallying().count() for _ in range(30)]
    done = [step for step in steps if step is not None]
    assert [step.again for step in done].count(True) > 2
    assert done[0].until - done[0].since == timedelta(minutes=10)
    assert reported == []
    async with office.unit_of_work() as work:
        now, progress = await work.tallies.now(), await work.tallies.progress()
        assert progress is not None
        assert now - progress.counted_to < timedelta(seconds=25)
        assert sum(t.instructions for t in await work.tallies.by_hour(now - timedelta(days=2))) == 0


SAM_ID = uuid5(NAMESPACE, "holder")
Age = Callable[[Office], Awaitable[None]]


async def age(office: Office) -> None:
    """Let counting think that it has stood still for an hour, before which nothing was booked."""
    async with office.unit_of_work() as work:
        past = floor_to(await work.tallies.now() - timedelta(hours=1), timedelta(minutes=10))
        await work.tallies.advance(TallyProgress(past, past))
        await work.commit()
