"""In-memory twins of events that move no money, of webhook endpoints, and of what is to be sent."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from tests.fakes.ledger import MemoryLease, MemoryTransaction
from wallet.domain.events import Event, Happening
from wallet.domain.webhook_repository import Look
from wallet.domain.webhooks import (
    RECOVERED_AFTER,
    WOKEN_ATTEMPTS_MAX,
    Cursor,
    Delivery,
    DisabledReason,
    Endpoint,
)


class MemoryEvents:
    """Events of one unit of work."""

    def __init__(self, transaction: MemoryTransaction) -> None:
        self._store = transaction.store

    async def add(self, event: Event) -> None:
        self._store.events.append(event)

    async def after(self, places: Mapping[UUID, int], limit: int) -> Sequence[Happening]:
        return [
            happening
            for person_id, version in sorted(places.items())
            for happening in self._of(person_id)[version : version + limit]
        ]

    async def head(self, person_id: UUID) -> int:
        return len(self._of(person_id))

    async def times(self, places: Mapping[UUID, int]) -> Sequence[datetime]:
        found = []
        for stream_id, version in places.items():
            entries = self._store.entries.get(stream_id, [])
            times = [e.booked_at for e in entries] or [e.happened_at for e in self._of(stream_id)]
            found += times[version - 1 : version] if version else []
        return found

    async def before(
        self, person_id: UUID, heads: Mapping[UUID, int], instant: datetime
    ) -> Mapping[UUID, int]:
        places = {
            id_: sum(e.booked_at < instant for e in self._store.entries.get(id_, []))
            for id_ in heads
        }
        own = self._of(person_id)
        since = [e.version for e in own if e.happened_at >= instant]
        return {**places, person_id: min(since) - 1 if since else len(own)}

    def _of(self, person_id: UUID) -> list[Happening]:
        own = [event for event in self._store.events if event.person_id == person_id]
        return [
            Happening(person_id, number, e.kind, e.happened_at, facts=dict(e.facts))
            for number, e in enumerate(own, 1)
        ]


class _Tables:
    def __init__(self, transaction: MemoryTransaction) -> None:
        self._store = transaction.store

    @property
    def _now(self) -> datetime:
        return self._store.clock.now

    def _head(self, stream_id: UUID) -> int:
        account = self._store.accounts.get(stream_id)
        if account is not None:
            return account.version
        return sum(event.person_id == stream_id for event in self._store.events)

    def _cursors(self, endpoint_id: UUID) -> list[tuple[Cursor, datetime]]:
        return [
            found
            for place, found in self._store.webhooks.cursors.items()
            if place[0] == endpoint_id
        ]

    def _put(self, cursor: Cursor, due_at: datetime) -> None:
        place = (cursor.endpoint_id, cursor.stream_id)
        self._store.webhooks.cursors[place] = (cursor, due_at)

    def _wake(self, endpoint_id: UUID) -> None:
        lease = self._store.webhooks.leases[endpoint_id]
        lease.due_at = self._now if lease.due_at is None else min(lease.due_at, self._now)


class MemoryWebhooks(_Tables):
    """Endpoints and their log; writes show at once."""

    async def add(self, endpoint: Endpoint) -> None:
        tables = self._store.webhooks
        tables.endpoints[endpoint.id] = endpoint
        tables.leases[endpoint.id] = MemoryLease()
        own = [id_ for place, id_ in self._store.wallets.items() if place[0] == endpoint.owner_id]
        for stream_id in (*own, endpoint.owner_id):
            head = self._head(stream_id)
            self._put(Cursor(endpoint.id, stream_id, head, head), self._now)

    async def of_owner(self, owner_id: UUID) -> Sequence[Endpoint]:
        own = [e for e in self._store.webhooks.endpoints.values() if e.owner_id == owner_id]
        return [self._shown(e) for e in sorted(own, key=lambda e: (e.created_at, e.id))]

    async def get(self, owner_id: UUID, endpoint_id: UUID) -> Endpoint | None:
        endpoint = self._store.webhooks.endpoints.get(endpoint_id)
        if endpoint is None or endpoint.owner_id != owner_id:
            return None
        return self._shown(endpoint)

    def _shown(self, endpoint: Endpoint) -> Endpoint:
        waiting = sum(
            max(c.target, self._head(c.stream_id), c.version) - c.version
            for c, _ in self._cursors(endpoint.id)
        )
        return replace(endpoint, waiting=waiting)

    async def save(self, endpoint: Endpoint) -> None:
        known = self._store.webhooks.endpoints[endpoint.id]
        self._store.webhooks.endpoints[endpoint.id] = replace(
            known,
            url=endpoint.url,
            description=endpoint.description,
            event_types=endpoint.event_types,
            secret=endpoint.secret,
            previous_secret=endpoint.previous_secret,
            previous_secret_until=endpoint.previous_secret_until,
        )

    async def after(self, endpoint_id: UUID | None, limit: int) -> Sequence[Endpoint]:
        found = sorted(self._store.webhooks.endpoints.items())
        return [one for id_, one in found if endpoint_id is None or id_ > endpoint_id][:limit]

    async def enable(self, endpoint_id: UUID, now: datetime, *, skip: bool) -> None:
        for cursor, _ in self._cursors(endpoint_id):
            head = max(cursor.target, self._head(cursor.stream_id))
            version = head if skip else cursor.version
            self._put(Cursor(endpoint_id, cursor.stream_id, version, head), self._now)
        known = self._store.webhooks.endpoints[endpoint_id]
        self._store.webhooks.endpoints[endpoint_id] = replace(
            known, disabled_reason=None, disabled_at=None, failing_since=None
        )
        self._wake(endpoint_id)

    async def disable(self, endpoint_id: UUID, reason: DisabledReason, now: datetime) -> bool:
        known = self._store.webhooks.endpoints.get(endpoint_id)
        if known is None or not known.enabled:
            return False
        self._store.webhooks.endpoints[endpoint_id] = replace(
            known, disabled_reason=reason, disabled_at=now
        )
        return True

    async def remove(self, endpoint_id: UUID) -> None:
        tables = self._store.webhooks
        del tables.endpoints[endpoint_id], tables.leases[endpoint_id]
        tables.cursors = {p: c for p, c in tables.cursors.items() if p[0] != endpoint_id}
        tables.deliveries = {p: d for p, d in tables.deliveries.items() if p[0] != endpoint_id}

    async def remove_all(self, owner_id: UUID) -> None:
        for endpoint in await self.of_owner(owner_id):
            await self.remove(endpoint.id)

    async def follow(self, owner_id: UUID, account_id: UUID) -> None:
        for endpoint in self._store.webhooks.endpoints.values():
            if endpoint.owner_id == owner_id:
                self._put(Cursor(endpoint.id, account_id, 0, 0), self._now)

    async def rewind(self, endpoint_id: UUID, places: Mapping[UUID, int]) -> int:
        count = 0
        for cursor, _ in self._cursors(endpoint_id):
            version = places.get(cursor.stream_id, cursor.version)
            if version < cursor.version:
                count += cursor.version - version
                self._put(replace(cursor, version=version, attempts=0, tried_since=None), self._now)
        self._wake(endpoint_id)
        return count

    async def wake(self, endpoint_id: UUID) -> None:
        for cursor, due_at in self._cursors(endpoint_id):
            if cursor.target > cursor.version and cursor.attempts <= WOKEN_ATTEMPTS_MAX:
                self._put(cursor, min(due_at, self._now))
        self._wake(endpoint_id)

    async def log(self, delivery: Delivery) -> None:
        if delivery.endpoint_id in self._store.webhooks.endpoints:
            place = (delivery.endpoint_id, delivery.id)
            self._store.webhooks.deliveries[place] = delivery

    async def deliveries(
        self, endpoint_id: UUID, *, before: UUID | None, succeeded: bool | None, limit: int
    ) -> Sequence[Delivery]:
        own = [
            d
            for place, d in self._store.webhooks.deliveries.items()
            if place[0] == endpoint_id
            and (before is None or d.id < before)
            and succeeded in (None, d.answer.succeeded)
        ]
        return sorted(own, key=lambda d: d.id, reverse=True)[:limit]

    async def delivery(self, endpoint_id: UUID, delivery_id: UUID) -> Delivery | None:
        return self._store.webhooks.deliveries.get((endpoint_id, delivery_id))


class MemorySendings(_Tables):
    """Leases and cursors; writes show at once."""

    async def look(self) -> Look:
        enabled = [e for e in self._store.webhooks.endpoints.values() if e.enabled]
        behind = [
            c.stream_id
            for e in enabled
            for c, _ in self._cursors(e.id)
            if self._head(c.stream_id) > c.target
        ]
        return Look(bool(enabled), behind, any(self._is_free(e.id) for e in enabled))

    def _is_free(self, endpoint_id: UUID) -> bool:
        lease = self._store.webhooks.leases[endpoint_id]
        held = lease.held_until is not None and lease.held_until >= self._now
        return lease.due_at is not None and lease.due_at <= self._now and not held

    def _is_enabled(self, endpoint_id: UUID) -> bool:
        endpoint = self._store.webhooks.endpoints.get(endpoint_id)
        return endpoint is not None and endpoint.enabled

    async def followed(self, stream_ids: Collection[UUID]) -> set[UUID]:
        return {
            stream_id
            for endpoint_id, stream_id in self._store.webhooks.cursors
            if stream_id in stream_ids and self._is_enabled(endpoint_id)
        }

    async def raise_targets(self, stream_ids: Collection[UUID]) -> set[UUID]:
        woken = set()
        for (endpoint_id, stream_id), (cursor, due_at) in list(
            self._store.webhooks.cursors.items()
        ):
            head = self._head(stream_id)
            if stream_id in stream_ids and self._is_enabled(endpoint_id) and head > cursor.target:
                due_at = due_at if cursor.target > cursor.version else self._now
                self._put(replace(cursor, target=head), due_at)
                if due_at <= self._now:
                    self._wake(endpoint_id)
                    woken.add(endpoint_id)
        return woken

    async def claim(self, holder: UUID, limit: int, lease_s: float) -> Sequence[Endpoint]:
        tables = self._store.webhooks
        free = [id_ for id_, e in tables.endpoints.items() if e.enabled and self._is_free(id_)]
        for id_ in free[:limit]:
            tables.leases[id_].holder = holder
            tables.leases[id_].held_until = self._now + timedelta(seconds=lease_s)
        return [tables.endpoints[id_] for id_ in free[:limit]]

    async def renew(self, holder: UUID, endpoint_id: UUID, lease_s: float) -> Endpoint | None:
        if not (self._holds(holder, endpoint_id) and self._is_enabled(endpoint_id)):
            return None
        lease = self._store.webhooks.leases[endpoint_id]
        lease.held_until = self._now + timedelta(seconds=lease_s)
        return self._store.webhooks.endpoints[endpoint_id]

    def _holds(self, holder: UUID, endpoint_id: UUID) -> bool:
        lease = self._store.webhooks.leases.get(endpoint_id)
        return lease is not None and lease.holder == holder

    async def release(self, holder: UUID, endpoint_id: UUID) -> None:
        if self._holds(holder, endpoint_id):
            due = [
                at for c, at in self._cursors(endpoint_id)
                if c.target > c.version and self._is_enabled(endpoint_id)
            ]  # fmt: skip
            self._store.webhooks.leases[endpoint_id] = MemoryLease(min(due, default=None))

    async def due(
        self, endpoint_id: UUID, besides: Collection[UUID], limit: int
    ) -> Sequence[Cursor]:
        if not self._is_enabled(endpoint_id):
            return []
        found = [
            (due_at, cursor)
            for cursor, due_at in self._cursors(endpoint_id)
            if cursor.target > cursor.version
            and due_at <= self._now
            and cursor.stream_id not in besides
        ]
        return [cursor for _, cursor in sorted(found, key=lambda pair: pair[0])][:limit]

    def _current(self, holder: UUID, cursor: Cursor) -> Cursor | None:
        place = (cursor.endpoint_id, cursor.stream_id)
        found = self._store.webhooks.cursors.get(place)
        if found is None or found[0].version != cursor.version:
            return None
        return found[0] if self._holds(holder, cursor.endpoint_id) else None

    async def advance(self, holder: UUID, cursor: Cursor, version: int) -> Cursor | None:
        current = self._current(holder, cursor)
        if current is None:
            return None
        moved = replace(current, version=version, attempts=0, tried_since=None)
        self._put(moved, self._now)
        return moved if self._is_enabled(cursor.endpoint_id) else None

    async def postpone(self, holder: UUID, cursor: Cursor, pause_s: float, now: datetime) -> None:
        current = self._current(holder, cursor)
        if current is not None:
            since = current.tried_since or now
            tried = replace(current, attempts=cursor.attempts + 1, tried_since=since)
            self._put(tried, self._now + timedelta(seconds=pause_s))

    async def recovered(self, endpoint_id: UUID, now: datetime) -> bool:
        endpoint = self._store.webhooks.endpoints.get(endpoint_id)
        if endpoint is None or endpoint.failing_since is None:
            return False
        self._store.webhooks.endpoints[endpoint_id] = replace(endpoint, failing_since=None)
        return now - endpoint.failing_since >= RECOVERED_AFTER

    async def failing(self, endpoint_id: UUID, now: datetime) -> datetime:
        endpoint = self._store.webhooks.endpoints.get(endpoint_id)
        if endpoint is None:
            return now
        since = endpoint.failing_since or now
        self._store.webhooks.endpoints[endpoint_id] = replace(endpoint, failing_since=since)
        return since
