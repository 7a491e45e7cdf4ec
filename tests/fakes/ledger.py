"""The in-memory twin of the PostgreSQL books: the same protocols, dictionaries instead of tables.

Row locks are asyncio locks taken in id order; what a unit of work writes shows only at its commit.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from wallet.domain.accounts import Account, Freeze, Purpose
from wallet.domain.adjustments import Adjustment
from wallet.domain.audit_trail import Act
from wallet.domain.audits import Progress
from wallet.domain.events import Event
from wallet.domain.funding import Funding, FundingStatus
from wallet.domain.history import Counterparty, Line, Look, Page, merged_page, order
from wallet.domain.journal import Details, Entry
from wallet.domain.ledger import Book, Key, Outcome, SpendingPlace
from wallet.domain.merkle import Place
from wallet.domain.money import Currency
from wallet.domain.proofs import Checkpoint, LogHead, PublicKey, Run
from wallet.domain.refunds import Refund
from wallet.domain.safe_mode import SafeModeEntered
from wallet.domain.search import Count, Search, Stretch, stretches_of
from wallet.domain.spending import Spending
from wallet.domain.tallies import Tally, TallyProgress
from wallet.domain.wallets import WalletAlreadyOpen, WalletNotEmpty, WalletView
from wallet.domain.webhooks import Cursor, Delivery, Endpoint
from wallet.infrastructure.identifiers import new_id

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class MemoryClock:
    """A clock that ticks a microsecond at each reading."""

    now: datetime = START

    def __call__(self) -> datetime:
        self.now += timedelta(microseconds=1)
        return self.now


@dataclass
class MemoryLogTables:
    """What is committed of the log."""

    head: LogHead | None = None
    holder: UUID | None = None
    tiles: dict[Place, bytes] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    checkpoints: list[Checkpoint] = field(default_factory=list)
    keys: list[PublicKey] = field(default_factory=list)

    def copy(self) -> "MemoryLogTables":
        return replace(
            self,
            tiles=dict(self.tiles),
            runs=list(self.runs),
            checkpoints=list(self.checkpoints),
            keys=list(self.keys),
        )


@dataclass
class MemoryLease:
    """Who sends to an endpoint, and when it has something due."""

    due_at: datetime | None = None
    holder: UUID | None = None
    held_until: datetime | None = None


@dataclass
class MemoryWebhookTables:
    """What is committed of webhooks; cursors by (endpoint, stream), with when they are due."""

    endpoints: dict[UUID, Endpoint] = field(default_factory=dict)
    leases: dict[UUID, MemoryLease] = field(default_factory=dict)
    cursors: dict[tuple[UUID, UUID], tuple[Cursor, datetime]] = field(default_factory=dict)
    deliveries: dict[tuple[UUID, UUID], Delivery] = field(default_factory=dict)

    def copy(self) -> "MemoryWebhookTables":
        return MemoryWebhookTables(
            dict(self.endpoints),
            {id_: copy(lease) for id_, lease in self.leases.items()},
            dict(self.cursors),
            dict(self.deliveries),
        )


@dataclass
class MemoryStore:
    """Everything that is committed."""

    clock: MemoryClock = field(default_factory=MemoryClock)
    accounts: dict[UUID, Account] = field(default_factory=dict)
    created: dict[UUID, datetime] = field(default_factory=dict)
    wallets: dict[tuple[UUID, str], UUID] = field(default_factory=dict)
    default_currencies: dict[UUID, str] = field(default_factory=dict)
    entries: dict[UUID, list[Entry]] = field(default_factory=dict)
    outcomes: dict[Key, Outcome] = field(default_factory=dict)
    details: dict[tuple[UUID, UUID], Details] = field(default_factory=dict)
    fundings: dict[tuple[UUID, UUID], Funding] = field(default_factory=dict)
    spendings: dict[SpendingPlace, Spending] = field(default_factory=dict)
    key_payments: dict[tuple[UUID, UUID], UUID] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    people: dict[UUID, Counterparty] = field(default_factory=dict)
    batches: dict[UUID, list[UUID]] = field(default_factory=dict)
    log: MemoryLogTables = field(default_factory=MemoryLogTables)
    webhooks: MemoryWebhookTables = field(default_factory=MemoryWebhookTables)
    safe_modes: list[SafeModeEntered] = field(default_factory=list)
    audit: Progress = field(default_factory=Progress)
    auditor: UUID | None = None
    acts: list[Act] = field(default_factory=list)
    refunds: list[Refund] = field(default_factory=list)
    adjustments: dict[UUID, Adjustment] = field(default_factory=dict)
    tallies: list[Tally] = field(default_factory=list)
    tally_people: set[tuple[datetime, UUID]] = field(default_factory=set)
    tally_hours: set[tuple[datetime, UUID]] = field(default_factory=set)
    tally_progress: TallyProgress | None = None
    tally_holder: UUID | None = None
    row_locks: dict[object, asyncio.Lock] = field(default_factory=dict)


class MemoryTransaction:
    """What one unit of work holds and has written so far."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.held: list[asyncio.Lock] = []
        self.writes: list[object] = []

    async def lock(self, places: Sequence[object]) -> None:
        """Take the locks of these places, in the order given, until the transaction ends."""
        for place in places:
            lock = self.store.row_locks.setdefault(place, asyncio.Lock())
            if lock not in self.held:
                await lock.acquire()
                self.held.append(lock)

    def release(self) -> None:
        for lock in self.held:
            lock.release()
        self.held.clear()


class MemoryLedger:
    """The books of one unit of work."""

    def __init__(self, transaction: MemoryTransaction) -> None:
        self._transaction = transaction
        self._store = transaction.store
        self.saved: Book | None = None

    async def lock(
        self, account_ids: Sequence[UUID], stripe: int, keys: Sequence[Key] = ()
    ) -> Book:
        repeats = any(key in self._store.outcomes for key in keys)
        await self._transaction.lock(sorted(set(account_ids)))
        book = self._book(account_ids, stripe)
        book.repeats = repeats
        return book

    async def peek(self, account_ids: Sequence[UUID], stripe: int) -> Book:
        return self._book(account_ids, stripe)

    def _book(self, account_ids: Sequence[UUID], stripe: int) -> Book:
        accounts = {
            id_: copy(self._store.accounts[id_])
            for id_ in account_ids
            if id_ in self._store.accounts
        }
        times = [a.head_booked_at for a in accounts.values() if a.head_booked_at]
        return Book(accounts, max([self._store.clock(), *times]), stripe)

    async def outcomes(self, keys: Sequence[Key]) -> Mapping[Key, Outcome]:
        return {k: self._store.outcomes[k] for k in keys if k in self._store.outcomes}

    async def fundings(self, places: Sequence[tuple[UUID, UUID]]) -> Mapping[UUID, Funding]:
        known = self._store.fundings
        return {place[1]: known[place] for place in places if place in known}

    async def refunded(self, places: Sequence[tuple[UUID, UUID]]) -> Mapping[UUID, int]:
        found: dict[UUID, int] = {}
        for refund in self._store.refunds:
            if (refund.account_id, refund.transfer_id) in places:
                found[refund.transfer_id] = found.get(refund.transfer_id, 0) + refund.amount
        return found

    async def adjustments(self, places: Sequence[tuple[UUID, UUID]]) -> Mapping[UUID, Adjustment]:
        known = self._store.adjustments
        return {
            id_: known[id_]
            for account_id, id_ in places
            if id_ in known and known[id_].account_id == account_id
        }

    async def spendings(
        self, places: Collection[SpendingPlace], *, lock: bool = True
    ) -> Mapping[SpendingPlace, Spending]:
        known = self._store.spendings
        if lock:
            await self._transaction.lock(sorted(place for place in places if place in known))
        return {place: known[place] for place in places if place in known}

    async def save(self, book: Book) -> bool:
        keys = [outcome.header.key for outcome in book.outcomes]
        await self._transaction.lock(sorted(keys))
        if any(key in self._store.outcomes for key in keys):
            return False
        self.saved = book
        return True

    def apply(self) -> None:
        book, store = self.saved, self._store
        if book is None:
            return
        changed = book.changed_accounts()
        for account in changed:
            store.accounts[account.id] = copy(account)
        if changed:
            store.batches[new_id()] = [account.id for account in changed]
        for entry in book.entries:
            store.entries.setdefault(entry.account_id, []).append(entry)
        for outcome in book.outcomes:
            store.outcomes[outcome.header.key] = outcome
            if outcome.details is not None:
                for entry in book.entries:
                    if entry.instruction_id == outcome.header.id:
                        place = (entry.account_id, outcome.header.id)
                        store.details[place] = outcome.details
        for funding in book.changed_fundings.values():
            store.fundings[(funding.account_id, funding.id)] = funding
        store.refunds += book.new_refunds
        store.adjustments.update(book.changed_adjustments)
        store.acts += book.acts
        store.spendings.update(book.changed_spendings)
        store.key_payments |= {(p[0], made): p[1] for p, made in book.key_payments}


class MemoryWallets:
    """Wallets of one unit of work; writes show at once, which no test here can tell."""

    def __init__(self, transaction: MemoryTransaction) -> None:
        self._transaction = transaction
        self._store = transaction.store

    async def open(self, account: Account, created_at: datetime) -> None:
        assert account.owner_id is not None
        place = (account.owner_id, str(account.currency))
        if place in self._store.wallets:
            raise WalletAlreadyOpen
        self._store.wallets[place] = account.id
        self._store.accounts[account.id] = copy(account)
        self._store.created[account.id] = created_at
        self._store.default_currencies.setdefault(*place)

    async def add_system_accounts(self, accounts: Sequence[Account], created_at: datetime) -> None:
        for account in accounts:
            self._store.accounts.setdefault(account.id, copy(account))

    async def find(self, owner_id: UUID, currency: str) -> UUID | None:
        return self._store.wallets.get((owner_id, currency))

    async def find_many(
        self, places: Sequence[tuple[UUID, str]]
    ) -> Mapping[tuple[UUID, str], UUID]:
        known = self._store.wallets
        return {place: known[place] for place in places if place in known}

    async def default_currencies(self, owner_ids: Sequence[UUID]) -> Mapping[UUID, Currency]:
        known = self._store.default_currencies
        return {id_: Currency(known[id_]) for id_ in owner_ids if id_ in known}

    async def of_owner(self, owner_id: UUID) -> Sequence[WalletView]:
        places = sorted(place for place in self._store.wallets if place[0] == owner_id)
        return [self._view(self._store.wallets[place]) for place in places]

    async def get(self, owner_id: UUID, currency: str | None) -> WalletView | None:
        code = currency or self._store.default_currencies.get(owner_id)
        id_ = self._store.wallets.get((owner_id, code or ""))
        return None if id_ is None else self._view(id_)

    async def get_many(
        self, places: Sequence[tuple[UUID, str | None]]
    ) -> Mapping[tuple[UUID, str | None], WalletView]:
        found = {place: await self.get(*place) for place in places}
        return {place: view for place, view in found.items() if view is not None}

    async def close_all(self, owner_id: UUID, closed_at: datetime) -> None:
        ids = [id_ for place, id_ in self._store.wallets.items() if place[0] == owner_id]
        await self._transaction.lock(sorted(ids))
        accounts = [self._store.accounts[id_] for id_ in ids]
        if any(account.posted or account.held for account in accounts):
            raise WalletNotEmpty
        if any(
            f.account_id in ids and f.status is FundingStatus.PENDING
            for f in self._store.fundings.values()
        ):
            raise WalletNotEmpty
        for account in accounts:
            account.closed = True

    async def control(
        self, wallet_id: UUID, freeze: Freeze, floor: int, closed_at: datetime | None
    ) -> None:
        if closed_at is not None and any(
            f.account_id == wallet_id and f.status is FundingStatus.PENDING
            for f in self._store.fundings.values()
        ):
            raise WalletNotEmpty
        account = self._store.accounts[wallet_id]
        account.freeze, account.floor = freeze, floor
        account.closed = account.closed or closed_at is not None

    def _view(self, id_: UUID) -> WalletView:
        account = self._store.accounts[id_]
        assert account.owner_id is not None
        created = self._store.created[id_]
        return WalletView(
            id=id_,
            owner_id=account.owner_id,
            currency=account.currency,
            posted=account.posted,
            held=account.held,
            version=account.version,
            floor=account.floor,
            freeze=account.freeze,
            created_at=created,
            closed_at=created if account.closed else None,
        )


class MemoryFundings:
    """Fundings as they are committed."""

    def __init__(self, transaction: MemoryTransaction) -> None:
        self._store = transaction.store

    async def get(self, account_id: UUID, funding_id: UUID) -> Funding | None:
        return self._store.fundings.get((account_id, funding_id))

    async def pending(
        self, *, before: datetime, after: Funding | None, limit: int
    ) -> Sequence[Funding]:
        place = (datetime.min.replace(tzinfo=UTC), UUID(int=0))
        if after is not None:
            place = (after.created_at, after.id)
        found = [
            f
            for f in self._store.fundings.values()
            if f.status is FundingStatus.PENDING
            and f.created_at < before
            and (f.created_at, f.id) > place
        ]
        return sorted(found, key=lambda f: (f.created_at, f.id))[:limit]


class MemoryHistory:
    """History as it is committed."""

    def __init__(self, transaction: MemoryTransaction) -> None:
        self._store = transaction.store

    async def page(
        self, owner_id: UUID, *, before_versions: Mapping[UUID, int] | None, limit: int
    ) -> Page:
        own = [id_ for place, id_ in self._store.wallets.items() if place[0] == owner_id]
        before = {id_: self._store.accounts[id_].version + 1 for id_ in own}
        if before_versions is not None:
            before = {id_: before_versions[id_] for id_ in own if id_ in before_versions}
        lines = {
            id_: [
                self.line_of(entry)
                for entry in reversed(self._store.entries.get(id_, []))
                if entry.version < version and entry.posted_delta
            ][: limit + 1]
            for id_, version in before.items()
        }
        return merged_page(lines, before, limit)

    async def search(
        self,
        owner_id: UUID,
        search: Search,
        *,
        next_versions: Mapping[UUID, int] | None,
        limit: int,
    ) -> Page:
        stretches = self._stretches(owner_id, search, next_versions)
        lines = self._found(stretches, search)
        if len(lines) <= limit:
            return Page(lines, None)
        look = Look.of(stretches, 10**6, oldest_first=search.oldest_first)
        return Page(lines[:limit], look.behind(lines[:limit]))

    async def count(self, owner_id: UUID, search: Search) -> Count:
        return Count(len(self._found(self._stretches(owner_id, search, None), search)), exact=True)

    def _stretches(
        self, owner_id: UUID, search: Search, next_versions: Mapping[UUID, int] | None
    ) -> list[Stretch]:
        own = [
            id_
            for place, id_ in self._store.wallets.items()
            if place[0] == owner_id
            and search.currency in (None, place[1])
            and search.wallet_id in (None, id_)
        ]
        heads = {id_: self._store.accounts[id_].version for id_ in own}
        before = {
            (id_, instant): sum(e.booked_at < instant for e in self._store.entries.get(id_, []))
            for id_ in own
            for instant in (search.since, search.until)
            if instant is not None
        }
        return stretches_of(heads, before, search, next_versions)

    def _found(self, stretches: Sequence[Stretch], search: Search) -> list[Line]:
        named, parties = search.counterparty, None
        if named is not None:
            parties = [
                id_
                for (owner_id, _), id_ in self._store.wallets.items()
                if owner_id == named
                or ((p := self._store.people.get(owner_id)) is not None and p.handle == named)
            ]
        lines = [
            self.line_of(entry)
            for stretch in stretches
            for entry in self._store.entries.get(stretch.wallet_id, [])
            if stretch.holds(entry.version)
        ]
        found = [
            line for line in lines if search.admits(line.entry, line.details, line.seen, parties)
        ]
        return sorted(found, key=order, reverse=not search.oldest_first)

    async def line(self, owner_id: UUID, instruction_id: UUID) -> Line | None:
        for place, id_ in self._store.wallets.items():
            for entry in self._store.entries.get(id_, []):
                if place[0] == owner_id and entry.instruction_id == instruction_id:
                    return self.line_of(entry)
        return None

    def line_of(self, entry: Entry) -> Line:
        other = self._store.accounts.get(entry.counterparty_id) if entry.counterparty_id else None
        party = None
        if other is not None and other.purpose is Purpose.WALLET and other.owner_id is not None:
            party = self._store.people.get(other.owner_id)
        details = self._store.details.get((entry.account_id, entry.instruction_id))
        return Line(entry, party, details)
