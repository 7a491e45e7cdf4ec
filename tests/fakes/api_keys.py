"""API keys in memory: those of people, and what they have spent in the books."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from tests.fakes.ledger import MemoryClock, MemoryStore, MemoryTransaction
from wallet.domain.api_keys import SECRETS_MAX, ApiKey, Grant, KeySecret, KnownSecret

MINUTE = timedelta(minutes=1)


@dataclass
class KeyRow:
    """A key as it is kept; its spending is kept with the books."""

    key: ApiKey
    account_id: UUID | None
    revoked_at: datetime | None = None


@dataclass
class SecretRow:
    secret: KeySecret
    end_set_at: datetime | None = None


class ApiKeyStore:
    """What is committed of API keys."""

    def __init__(self, clock: MemoryClock) -> None:
        self.clock = clock
        self.keys: dict[UUID, KeyRow] = {}
        self.secrets: dict[bytes, SecretRow] = {}

    def snapshot(self) -> tuple[dict[UUID, KeyRow], dict[bytes, SecretRow]]:
        return (
            {id_: replace(row) for id_, row in self.keys.items()},
            {digest: replace(row) for digest, row in self.secrets.items()},
        )

    def restore(self, state: tuple[dict[UUID, KeyRow], dict[bytes, SecretRow]]) -> None:
        self.keys, self.secrets = state


class MemoryApiKeys:
    """API keys of one unit of work; writes show at once."""

    def __init__(
        self, store: ApiKeyStore, books: MemoryStore, transaction: MemoryTransaction
    ) -> None:
        self._store = store
        self._books = books
        self._transaction = transaction

    async def add(self, key: ApiKey, secret: KeySecret) -> None:
        account_id = None
        if key.spending is not None:
            account_id = key.spending.rule.account_id
            self._books.spendings[key.spending.place] = key.spending
        self._store.keys[key.id] = KeyRow(replace(key, spending=None), account_id)
        self._store.secrets[secret.digest] = SecretRow(secret)

    async def get(self, owner_id: UUID, api_key_id: UUID) -> ApiKey | None:
        row = self._store.keys.get(api_key_id)
        if row is None or row.key.owner_id != owner_id or row.revoked_at is not None:
            return None
        return self._whole(row)

    async def lock(self, owner_id: UUID, api_key_id: UUID) -> ApiKey | None:
        return await self.get(owner_id, api_key_id)

    async def page(self, owner_id: UUID, *, before: UUID | None, limit: int) -> Sequence[ApiKey]:
        own = [
            self._whole(row)
            for row in self._store.keys.values()
            if row.key.owner_id == owner_id
            and row.revoked_at is None
            and (before is None or row.key.id.int < before.int)
        ]
        return sorted(own, key=lambda key: key.id.int, reverse=True)[:limit]

    async def count_live(self, owner_id: UUID, now: datetime) -> int:
        return sum(
            row.key.owner_id == owner_id and row.revoked_at is None and row.key.is_live(now)
            for row in self._store.keys.values()
        )

    async def rotate(
        self, secret: KeySecret, hint: str, old_end: datetime, now: datetime
    ) -> Sequence[tuple[UUID, datetime]]:
        older = [
            row
            for row in self._store.secrets.values()
            if row.secret.api_key_id == secret.api_key_id
            and (row.secret.expires_at is None or row.secret.expires_at > now)
        ]
        older.sort(key=lambda row: (row.secret.created_at, row.secret.id.int), reverse=True)
        changed = []
        for number, row in enumerate(older, 1):
            ends_at = old_end if number < SECRETS_MAX else now
            if row.secret.expires_at is None or row.secret.expires_at > ends_at:
                self._end(row, ends_at)
                changed.append((row.secret.id, ends_at))
        self._store.secrets[secret.digest] = SecretRow(secret)
        row_of_key = self._store.keys[secret.api_key_id]
        row_of_key.key = replace(row_of_key.key, hint=hint)
        return changed

    async def revoke(self, api_key_ids: Sequence[UUID], now: datetime) -> Sequence[UUID]:
        ended = []
        for id_ in api_key_ids:
            row = self._store.keys[id_]
            row.revoked_at = now
            for secret in self._store.secrets.values():
                if secret.secret.api_key_id == id_:
                    self._end(secret, min(secret.secret.expires_at or now, now))
                    ended.append(secret.secret.id)
            if row.account_id is not None:
                place = (row.account_id, id_)
                await self._transaction.lock([place])
                self._books.spendings[place] = replace(self._books.spendings[place], ended=True)
        return ended

    async def revoke_all(self, owner_id: UUID, now: datetime) -> Sequence[UUID]:
        own = [
            row.key.id
            for row in self._store.keys.values()
            if row.key.owner_id == owner_id and row.revoked_at is None
        ]
        return await self.revoke(own, now)

    async def find(self, digests: Sequence[bytes]) -> Mapping[bytes, KnownSecret]:
        found = {}
        for digest in digests:
            row = self._store.secrets.get(digest)
            if row is None:
                continue
            key_row = self._store.keys[row.secret.api_key_id]
            key = key_row.key
            found[digest] = KnownSecret(
                id=row.secret.id,
                owner_id=key.owner_id,
                grant=Grant(key.id, frozenset(key.scopes), key_row.account_id is not None),
                expires_at=row.secret.expires_at,
                key_expires_at=key.expires_at,
                revoked=key_row.revoked_at is not None,
            )
        return found

    async def ended_within(self, age: timedelta) -> Sequence[tuple[UUID, datetime | None]]:
        now = self._store.clock()
        found: list[tuple[UUID, datetime | None]] = []
        for row in self._store.secrets.values():
            if row.end_set_at is None or row.end_set_at <= now - age:
                continue
            ends_at = row.secret.expires_at
            revoked = self._store.keys[row.secret.api_key_id].revoked_at is not None
            found.append(
                (row.secret.id, None if revoked or ends_at is None or ends_at <= now else ends_at)
            )
        return found

    async def used(self, uses: Mapping[UUID, datetime]) -> None:
        for id_, at in uses.items():
            row = self._store.keys.get(id_)
            if row is None:
                continue
            last = row.key.last_used_at
            if last is None or last <= at - MINUTE:
                row.key = replace(row.key, last_used_at=at)

    def _whole(self, row: KeyRow) -> ApiKey:
        if row.account_id is None:
            return row.key
        return replace(row.key, spending=self._books.spendings[(row.account_id, row.key.id)])

    def _end(self, row: SecretRow, ends_at: datetime) -> None:
        row.secret = replace(row.secret, expires_at=ends_at)
        row.end_set_at = self._store.clock()
