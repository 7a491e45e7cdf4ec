"""In-memory twins of what staff read and write."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from tests.fakes.ledger import MemoryStore, MemoryTransaction
from tests.fakes.movements import refusals_of
from wallet.domain.accounts import Account, Purpose
from wallet.domain.adjustments import Adjustment, AdjustmentAlreadyDecided, AdjustmentStatus
from wallet.domain.audit_trail import TOLD_AS_EVENTS, Act, ActKind, ActPlace, ActSearch
from wallet.domain.back_office import EventPlace, PeopleSearch, WalletSearch
from wallet.domain.cards import PersonCard, WalletCard, card_of
from wallet.domain.events import Event
from wallet.domain.ids import first_id_at
from wallet.domain.movements import Refusal
from wallet.domain.tallies import DAY, HOUR, KEPT, MINUTE, Tally, TallyProgress, floor_to
from wallet.domain.users import User
from wallet.domain.wallets import WalletView


class People(Protocol):
    """What these twins need of a store of people."""

    @property
    def users(self) -> Mapping[UUID, User]: ...
    @property
    def handles(self) -> Mapping[str, "Handle"]: ...
    @property
    def emails(self) -> Mapping[str, UUID]: ...


class Handle(Protocol):
    """Whose a handle is or was."""

    @property
    def user_id(self) -> UUID: ...


class MemoryAuditTrail:
    """Acts, in the order in which they were written."""

    def __init__(self, transaction: MemoryTransaction) -> None:
        self._store = transaction.store

    async def add(self, act: Act) -> None:
        self._store.acts.append(act)

    async def get(self, id_: UUID) -> Act | None:
        return next((act for act in self._store.acts if act.id == id_), None)

    async def has_viewed(self, actor_id: UUID, person_id: UUID, since: datetime) -> bool:
        return any(
            act.kind is ActKind.PERSON_VIEWED
            and (act.actor.id, act.subject_id) == (actor_id, person_id)
            and act.happened_at >= since
            for act in self._store.acts
        )

    async def page(
        self, search: ActSearch, *, before: ActPlace | None, limit: int
    ) -> Sequence[Act]:
        found = [
            act
            for act in self._store.acts
            if search.actor_id in (None, act.actor.id)
            and search.subject_id in (None, act.subject_id, act.person_id)
            and search.kind in (None, act.kind.value)
            and (search.since is None or act.happened_at >= search.since)
            and (search.until is None or act.happened_at < search.until)
            and (search.views or act.kind is not ActKind.PERSON_VIEWED)
            and (before is None or (act.happened_at, act.id) < (before.happened_at, before.id))
        ]
        return sorted(found, key=lambda a: (a.happened_at, a.id), reverse=True)[:limit]

    async def count(self, person_id: UUID, limit: int) -> int:
        return min(
            limit,
            len(
                [
                    act
                    for act in self._store.acts
                    if act.person_id == person_id and act.kind is not ActKind.PERSON_VIEWED
                ]
            ),
        )


class MemoryAdjustments:
    """Adjustments as they are committed."""

    def __init__(self, transaction: MemoryTransaction) -> None:
        self._store = transaction.store

    async def get(self, adjustment_id: UUID) -> Adjustment | None:
        return self._store.adjustments.get(adjustment_id)

    async def page(
        self, status: AdjustmentStatus | None, *, before: UUID | None, limit: int
    ) -> Sequence[Adjustment]:
        found = [
            adjustment
            for adjustment in self._store.adjustments.values()
            if status in (None, adjustment.status) and (before is None or adjustment.id < before)
        ]
        return sorted(found, key=lambda a: a.id, reverse=True)[:limit]

    async def reject(self, adjustment: Adjustment) -> None:
        if self._store.adjustments[adjustment.id].status is not AdjustmentStatus.PENDING:
            raise AdjustmentAlreadyDecided
        self._store.adjustments[adjustment.id] = adjustment


class MemoryBackOffice:
    """What staff look at."""

    def __init__(self, transaction: MemoryTransaction, people: People) -> None:
        self._store = transaction.store
        self._people = people

    async def people(
        self, search: PeopleSearch, *, before: UUID | None, limit: int
    ) -> Sequence[PersonCard]:
        found = [
            card_of(user)
            for user in self._people.users.values()
            if (before is None or user.id < before)
            and search.id in (None, user.id)
            and search.role in (None, user.role)
            and search.closed in (None, user.closed_at is not None)
            and (not search.words or self._is_called(user, search.words))
        ]
        return sorted(found, key=lambda card: card.id, reverse=True)[:limit]

    def _is_called(self, user: User, words: Sequence[str]) -> bool:
        whole = " ".join(words).lower()
        first, last = user.first_name.lower(), user.last_name.lower()
        called = [first, last, f"{first} {last}", f"{last} {first}"]
        called += [name for name, row in self._people.handles.items() if row.user_id == user.id]
        called += [name for name, id_ in self._people.emails.items() if id_ == user.id]
        head, _, rest = whole.partition(" ")
        if rest and first.startswith(head) and last.startswith(rest):
            return True
        if rest and last.startswith(head) and first.startswith(rest):
            return True
        return any(name.startswith(whole) for name in called)

    async def cards(self, ids: Sequence[UUID]) -> Mapping[UUID, PersonCard]:
        users = self._people.users
        return {id_: card_of(users[id_]) for id_ in ids if id_ in users}

    async def wallets(
        self, search: WalletSearch, *, before: UUID | None, limit: int
    ) -> Sequence[WalletCard]:
        found = [
            card
            for card in map(self._card, self._store.accounts.values())
            if card is not None
            and (before is None or card.wallet.id < before)
            and search.currency in (None, card.wallet.currency)
            and search.frozen in (None, bool(card.wallet.freeze))
        ]
        return sorted(found, key=lambda card: card.wallet.id, reverse=True)[:limit]

    async def wallet(self, wallet_id: UUID) -> WalletCard | None:
        return (await self.wallets_at([wallet_id])).get(wallet_id)

    async def wallets_at(self, wallet_ids: Collection[UUID]) -> Mapping[UUID, WalletCard]:
        accounts = self._store.accounts
        found = {id_: self._card(accounts[id_]) for id_ in wallet_ids if id_ in accounts}
        return {id_: card for id_, card in found.items() if card is not None}

    async def wallets_of(self, owner_id: UUID) -> Sequence[WalletCard]:
        places = sorted(place for place in self._store.wallets if place[0] == owner_id)
        cards = [self._card(self._store.accounts[self._store.wallets[place]]) for place in places]
        return [card for card in cards if card is not None]

    def _card(self, account: Account) -> WalletCard | None:
        if account.owner_id is None or account.owner_id not in self._people.users:
            return None
        view = WalletView(
            id=account.id,
            owner_id=account.owner_id,
            currency=account.currency,
            posted=account.posted,
            held=account.held,
            version=account.version,
            floor=account.floor,
            freeze=account.freeze,
            created_at=self._store.created[account.id],
            closed_at=self._store.created[account.id] if account.closed else None,
        )
        owner = card_of(self._people.users[account.owner_id])
        return WalletCard(view, owner, account.head_booked_at)

    async def refusals(self, owner_id: UUID, limit: int) -> Sequence[Refusal]:
        return [r for r in refusals_of(self._store) if r.owner_id == owner_id][:limit]

    async def events(
        self, person_id: UUID, *, before: EventPlace | None, limit: int
    ) -> Sequence[Event]:
        found = [
            event
            for event in self._store.events
            if event.person_id == person_id
            and event.kind not in TOLD_AS_EVENTS
            and (before is None or (event.happened_at, event.id) < (before.happened_at, before.id))
        ]
        return sorted(found, key=lambda e: (e.happened_at, e.id), reverse=True)[:limit]


class MemoryTallies:
    """Counts anew at each look: `counted` is what a real one would have kept."""

    def __init__(self, transaction: MemoryTransaction, people: People) -> None:
        self._store: MemoryStore = transaction.store
        self._people = people

    async def now(self) -> datetime:
        return self._store.clock()

    async def first_booked_at(self) -> datetime | None:
        times = [e.booked_at for entries in self._store.entries.values() for e in entries]
        return min(times, default=None)

    async def begin(self, progress: TallyProgress) -> None:
        if self._store.tally_progress is None:
            self._store.tally_progress = progress

    async def lease(self, holder: UUID, lease_s: float) -> TallyProgress | None:
        if self._store.tally_holder not in (None, holder):
            return None
        self._store.tally_holder = holder
        return self._store.tally_progress

    async def add(self, since: datetime, until: datetime) -> None:
        for tally in self._booked(since, until):
            self._store.tallies.append(tally)
        self._store.tally_people |= self._active(since, until)
        self._store.tally_hours |= self._active(since, until, HOUR)

    async def replace(self, since: datetime, until: datetime) -> None:
        kept = [t for t in self._store.tallies if not since <= t.since < until]
        self._store.tallies[:] = kept
        await self.add(since, until)

    async def advance(self, progress: TallyProgress) -> None:
        self._store.tally_progress = progress
        oldest = progress.counted_to - KEPT
        self._store.tallies[:] = [t for t in self._store.tallies if t.since >= oldest]

    async def progress(self) -> TallyProgress | None:
        return self._store.tally_progress

    async def by_hour(self, since: datetime) -> Sequence[Tally]:
        return _summed(
            [t for t in self._store.tallies if t.since >= since], lambda at: floor_to(at, HOUR)
        )

    async def by_minute(self, since: datetime, until: datetime) -> Sequence[Tally]:
        return _summed([t for t in self._store.tallies if since <= t.since < until], lambda at: at)

    async def uncounted(self, since: datetime) -> Sequence[Tally]:
        return self._booked(since, datetime.max.replace(tzinfo=since.tzinfo))

    async def active_people(self, day: datetime, uncounted_since: datetime) -> int:
        counted = {person for at, person in self._store.tally_people if at == day}
        young = self._active(max(day, uncounted_since), day + DAY)
        return len(counted | {person for _, person in young})

    async def active_by_hour(
        self, since: datetime, uncounted_since: datetime
    ) -> Mapping[datetime, int]:
        counted = {(hour, person) for hour, person in self._store.tally_hours if hour >= since}
        young = self._active(max(since, uncounted_since), since + 36_500 * DAY, HOUR)
        return Counter(hour for hour, _ in counted | young)

    async def sign_ups_by_hour(self, since: datetime) -> Mapping[datetime, int]:
        users = [user for user in self._people.users.values() if user.id >= first_id_at(since)]
        return Counter(floor_to(user.created_at, HOUR) for user in users)

    async def sign_ups(self, since: datetime, until: datetime) -> int:
        low, high = first_id_at(since), first_id_at(until)
        return sum(low <= id_ < high for id_ in self._people.users)

    async def system_balances(self) -> Mapping[tuple[str, Purpose], int]:
        found: defaultdict[tuple[str, Purpose], int] = defaultdict(int)
        for account in self._store.accounts.values():
            if account.purpose is not Purpose.WALLET:
                found[str(account.currency), account.purpose] += account.posted
        return found

    def _booked(self, since: datetime, until: datetime) -> list[Tally]:
        tallies = [
            Tally(floor_to(e.booked_at, MINUTE), e.kind, e.currency, "", 1, e.posted_delta)
            for entries in self._store.entries.values()
            for e in entries
            if since <= e.booked_at < until and e.posted_delta > 0
        ]
        tallies += [
            Tally(
                floor_to(o.booked_at, MINUTE),
                o.header.kind,
                o.header.currency,
                o.refusal.code,
                1,
                o.header.amount,
            )
            for o in self._store.outcomes.values()
            if o.refusal is not None and since <= o.booked_at < until
        ]
        return _summed(tallies, lambda at: at)

    def _active(
        self, since: datetime, until: datetime, span: timedelta = DAY
    ) -> set[tuple[datetime, UUID]]:
        owners = {id_: place[0] for place, id_ in self._store.wallets.items()}
        return {
            (floor_to(e.booked_at, span), owners[e.account_id])
            for entries in self._store.entries.values()
            for e in entries
            if since <= e.booked_at < until and e.account_id in owners
        }


def _summed(tallies: Sequence[Tally], place: "Place") -> list[Tally]:
    sums: defaultdict[tuple[datetime, int, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for t in tallies:
        total = sums[place(t.since), t.kind, t.currency, t.refusal_code]
        total[0] += t.instructions
        total[1] += t.amount
    return [Tally(*key, *total) for key, total in sums.items()]


class Place(Protocol):
    """Returns the beginning of the span that a moment belongs to."""

    def __call__(self, at: datetime, /) -> datetime: ...
