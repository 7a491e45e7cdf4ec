"""In-memory twins of what statements, insight and live streams are made of."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from tests.fakes.ledger import MemoryHistory, MemoryTransaction
from wallet.domain.history import Counterparty, Line
from wallet.domain.insights import COUNTERPARTIES_MAX, Flow, Flows, Stretch
from wallet.domain.journal import Entry, Kind
from wallet.domain.statements import BalanceAt, Holder


class MemoryStatements:
    """What statements are made of, as it is committed."""

    def __init__(self, transaction: MemoryTransaction) -> None:
        self._store = transaction.store
        self._history = MemoryHistory(transaction)

    async def balances_at(
        self, owner_id: UUID, wallet_id: UUID, instants: Sequence[datetime]
    ) -> Sequence[BalanceAt] | None:
        account = self._store.accounts.get(wallet_id)
        if account is None or account.owner_id != owner_id:
            return None
        balances = []
        for instant in instants:
            before = [
                entry
                for entry in self._store.entries.get(wallet_id, [])
                if entry.booked_at < instant
            ]
            posted = before[-1].posted_after if before else 0
            held = before[-1].held_after if before else 0
            booked_at = before[-1].booked_at if before else None
            balances.append(
                BalanceAt(wallet_id, account.currency, len(before), posted, held, booked_at)
            )
        return balances

    async def lines_between(
        self, wallet_id: UUID, after_version: int, up_to_version: int
    ) -> Sequence[Line]:
        return [
            self._history.line_of(entry)
            for entry in self._store.entries.get(wallet_id, [])[after_version:up_to_version]
            if entry.posted_delta
        ]

    async def holder(self, owner_id: UUID) -> Holder:
        known = self._store.people.get(owner_id)
        if known is None:
            return Holder(owner_id, "", "", None)
        return Holder(owner_id, known.first_name, known.initial, known.handle)


class MemoryInsights:
    """Sums of entries, as they are committed."""

    def __init__(self, transaction: MemoryTransaction) -> None:
        self._store = transaction.store
        self._history = MemoryHistory(transaction)

    async def flows(self, wallet_id: UUID, stretches: Sequence[Stretch]) -> Sequence[Flows]:
        entries = self._store.entries.get(wallet_id, [])
        return [self._flows(entries[s.after : s.up_to]) for s in stretches]

    def _flows(self, entries: Sequence[Entry]) -> Flows:
        kinds: dict[Kind, Flow] = {}
        parties: dict[UUID, tuple[Counterparty, Flow]] = {}
        for entry in filter(lambda e: e.posted_delta, entries):
            delta = entry.posted_delta
            flow = Flow(delta, 1, 0, 0) if delta > 0 else Flow(0, 0, -delta, 1)
            kinds[entry.kind] = kinds.get(entry.kind, Flow()).plus(flow)
            party = self._history.line_of(entry).counterparty
            if party is not None:
                known = parties.get(party.user_id, (party, Flow()))[1]
                parties[party.user_id] = (party, known.plus(flow))
        largest = sorted(parties.values(), key=lambda p: -(p[1].amount_in + p[1].amount_out))
        return Flows(dict(sorted(kinds.items())), largest[:COUNTERPARTIES_MAX])


class MemoryStreams:
    """What live streams read, as it is committed; batches name every account there is."""

    def __init__(self, transaction: MemoryTransaction) -> None:
        self._store = transaction.store
        self._history = MemoryHistory(transaction)

    async def lines_after(self, places: Mapping[UUID, int], limit: int) -> Sequence[Line]:
        return [
            self._history.line_of(entry)
            for account_id, version in sorted(places.items())
            for entry in self._store.entries.get(account_id, [])[version : version + limit]
        ]

    async def changed_since(
        self, since: datetime | None, account_ids: Collection[UUID]
    ) -> tuple[datetime, Mapping[UUID, int]]:
        versions = {id_: len(self._store.entries.get(id_, [])) for id_ in account_ids}
        return self._store.clock(), {id_: v for id_, v in versions.items() if v}
