"""In-memory twins of what is kept about people.

Units of work run one after the other here, and leaving one without a commit puts everything back.
"""

import asyncio
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from tests.fakes.api_keys import ApiKeyStore, MemoryApiKeys
from tests.fakes.browser_sessions import MemoryLiveTickets, MemorySessionCookies
from tests.fakes.ledger import (
    MemoryClock,
    MemoryFundings,
    MemoryHistory,
    MemoryLedger,
    MemoryStore,
    MemoryTransaction,
    MemoryWallets,
)
from tests.fakes.looking_back import MemoryInsights, MemoryStatements, MemoryStreams
from tests.fakes.movements import MemoryMovements
from tests.fakes.proofs import MemoryAudits, MemoryLog, MemorySafeModes
from tests.fakes.second_factors import MemorySecondFactors
from tests.fakes.staff import (
    MemoryAdjustments,
    MemoryAuditTrail,
    MemoryBackOffice,
    MemoryTallies,
)
from tests.fakes.webhooks import MemoryEvents, MemorySendings, MemoryWebhooks
from wallet.domain.adjustments import Adjustments
from wallet.domain.api_keys import ApiKeys
from wallet.domain.audit_trail import AuditTrail
from wallet.domain.audits import Audits
from wallet.domain.back_office import BackOffice
from wallet.domain.browser_sessions import (
    LiveTicket,
    LiveTickets,
    SessionCookie,
    SessionCookies,
)
from wallet.domain.events import Events
from wallet.domain.funding import Fundings
from wallet.domain.history import History
from wallet.domain.insights import Insights
from wallet.domain.ledger import Ledger
from wallet.domain.live import Streams
from wallet.domain.movements import Movements
from wallet.domain.proofs import Log
from wallet.domain.safe_mode import SafeModes
from wallet.domain.second_factors import SecondFactor, SecondFactors
from wallet.domain.sessions import (
    MailPurpose,
    MailToken,
    MailTokens,
    RefreshToken,
    Session,
    Sessions,
)
from wallet.domain.statements import StatementLines
from wallet.domain.tallies import Tallies
from wallet.domain.users import EmailTaken, HandleTaken, User, Users
from wallet.domain.wallets import Wallets
from wallet.domain.webhook_repository import Sendings, Webhooks


@dataclass
class HandleRow:
    user_id: UUID
    taken_at: datetime
    freed_at: datetime | None = None


@dataclass
class PeopleStore:
    """Everything about people that is committed."""

    clock: MemoryClock
    users: dict[UUID, User] = field(default_factory=dict)
    emails: dict[str, UUID] = field(default_factory=dict)
    handles: dict[str, HandleRow] = field(default_factory=dict)
    sessions: dict[UUID, Session] = field(default_factory=dict)
    refresh_tokens: dict[bytes, RefreshToken] = field(default_factory=dict)
    revoked: dict[UUID, datetime] = field(default_factory=dict)
    mail_tokens: dict[bytes, MailToken] = field(default_factory=dict)
    second_factors: dict[UUID, SecondFactor] = field(default_factory=dict)
    recovery_codes: dict[tuple[UUID, bytes], bool] = field(default_factory=dict)
    cookies: dict[bytes, SessionCookie] = field(default_factory=dict)
    tickets: dict[bytes, LiveTicket] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.api_keys = ApiKeyStore(self.clock)

    def snapshot(self) -> dict[str, Any]:
        apart = {"clock", "api_keys"}
        state = {name: dict(value) for name, value in vars(self).items() if name not in apart}
        state["handles"] = {handle: copy(row) for handle, row in self.handles.items()}
        return state

    def restore(self, state: dict[str, Any]) -> None:
        vars(self).update(state)


class MemoryUsers:
    """People of one unit of work."""

    def __init__(self, store: PeopleStore) -> None:
        self._store = store

    async def add(self, user: User) -> None:
        if user.email in self._store.emails:
            raise EmailTaken
        if user.handle is not None:
            self._take(user.id, user.handle, user.created_at)
        if user.email is not None:
            self._store.emails[user.email] = user.id
        self._store.users[user.id] = user

    async def get(self, user_id: UUID) -> User | None:
        return self._store.users.get(user_id)

    async def lock(self, user_id: UUID) -> User | None:
        return self._store.users.get(user_id)

    async def by_email(self, address: str) -> User | None:
        user_id = self._store.emails.get(address)
        return None if user_id is None else self._store.users[user_id]

    async def by_handle(self, handle: str) -> User | None:
        row = self._store.handles.get(handle)
        return None if row is None or row.freed_at else self._store.users[row.user_id]

    async def find_many(
        self, *, ids: Sequence[UUID], addresses: Sequence[str], handles: Sequence[str]
    ) -> Sequence[User]:
        found = [await self.get(id_) for id_ in ids]
        found += [await self.by_email(address) for address in addresses]
        found += [await self.by_handle(handle) for handle in handles]
        return list({user.id: user for user in found if user is not None}.values())

    async def save(self, user: User) -> None:
        old = self._store.users[user.id]
        self._store.users[user.id] = replace(
            old,
            first_name=user.first_name,
            last_name=user.last_name,
            password_hash=user.password_hash,
            role=user.role,
            default_currency=user.default_currency,
        )

    async def verify_email(self, user_id: UUID, address: str, now: datetime) -> bool:
        if self._store.emails.get(address) != user_id:
            return False
        user = self._store.users[user_id]
        self._store.users[user_id] = replace(user, email_verified_at=user.email_verified_at or now)
        return True

    async def take_handle(self, user_id: UUID, handle: str, now: datetime) -> None:
        self._free(user_id, now)
        self._take(user_id, handle, now)
        self._store.users[user_id] = replace(self._store.users[user_id], handle=handle)

    async def handles(self, user_id: UUID) -> list[str]:
        own = [(r.taken_at, h) for h, r in self._store.handles.items() if r.user_id == user_id]
        return [handle for _, handle in sorted(own)]

    async def close(self, user: User) -> None:
        assert user.closed_at is not None
        self._free(user.id, user.closed_at)
        for address in [a for a, id_ in self._store.emails.items() if id_ == user.id]:
            del self._store.emails[address]
        self._store.users[user.id] = user

    def _free(self, user_id: UUID, now: datetime) -> None:
        for row in self._store.handles.values():
            if row.user_id == user_id and row.freed_at is None:
                row.freed_at = now

    def _take(self, user_id: UUID, handle: str, now: datetime) -> None:
        row = self._store.handles.setdefault(handle, HandleRow(user_id, now))
        if row.user_id != user_id:
            raise HandleTaken
        row.freed_at = None


class MemorySessions:
    """Sessions of one unit of work."""

    def __init__(self, store: PeopleStore) -> None:
        self._store = store

    async def add(self, session: Session, token: RefreshToken) -> None:
        self._store.sessions[session.id] = session
        self._store.refresh_tokens[token.digest] = token

    async def lock_token(self, digest: bytes) -> RefreshToken | None:
        return self._store.refresh_tokens.get(digest)

    async def lock(self, session_id: UUID) -> Session | None:
        return self._store.sessions.get(session_id)

    async def rotate(self, used: RefreshToken, fresh: RefreshToken, session: Session) -> None:
        self._store.refresh_tokens[used.digest] = replace(used, used_at=session.last_used_at)
        self._store.refresh_tokens[fresh.digest] = fresh
        self._store.sessions[session.id] = session

    async def of_user(self, user_id: UUID, now: datetime) -> Sequence[Session]:
        own = [s for s in self._store.sessions.values() if s.user_id == user_id and s.is_live(now)]
        return sorted(own, key=lambda s: (s.last_used_at, s.id.int), reverse=True)

    async def is_live(self, session_id: UUID, now: datetime) -> bool:
        session = self._store.sessions.get(session_id)
        return session is not None and session.is_live(now)

    async def revoke(self, session_ids: Sequence[UUID], now: datetime) -> None:
        for id_ in session_ids:
            session = self._store.sessions.get(id_)
            if session is not None and session.revoked_at is None:
                self._store.sessions[id_] = replace(session, revoked_at=now)
            self._store.revoked.setdefault(id_, self._store.clock())

    async def revoke_all(
        self, user_id: UUID, now: datetime, *, spare: UUID | None = None
    ) -> Sequence[UUID]:
        ended = [
            s.id
            for s in self._store.sessions.values()
            if s.user_id == user_id and s.revoked_at is None and s.id != spare
        ]
        await self.revoke(ended, now)
        return ended

    async def revoked_within(self, age: timedelta) -> Sequence[UUID]:
        since = self._store.clock() - age
        return [id_ for id_, at in self._store.revoked.items() if at > since]


class MemoryMailTokens:
    """Mailed tokens of one unit of work; one that is used up is forgotten."""

    def __init__(self, store: PeopleStore) -> None:
        self._store = store

    async def add(self, token: MailToken) -> None:
        self._store.mail_tokens[token.digest] = token

    async def take(self, digest: bytes, purpose: MailPurpose, now: datetime) -> MailToken | None:
        token = self._store.mail_tokens.get(digest)
        if token is None or token.purpose is not purpose or token.expires_at <= now:
            return None
        return self._store.mail_tokens.pop(digest)

    async def spend_all(self, user_id: UUID, purpose: MailPurpose, now: datetime) -> None:
        for digest, token in list(self._store.mail_tokens.items()):
            if token.user_id == user_id and token.purpose is purpose:
                del self._store.mail_tokens[digest]


class MemoryPeopleUnitOfWork:
    """A unit of work on both stores."""

    ledger: Ledger
    wallets: Wallets
    fundings: Fundings
    history: History
    statements: StatementLines
    insights: Insights
    streams: Streams
    users: Users
    sessions: Sessions
    session_cookies: SessionCookies
    live_tickets: LiveTickets
    second_factors: SecondFactors
    api_keys: ApiKeys
    mail_tokens: MailTokens
    events: Events
    webhooks: Webhooks
    sendings: Sendings
    log: Log
    safe_modes: SafeModes
    audits: Audits
    audit_trail: AuditTrail
    adjustments: Adjustments
    back_office: BackOffice
    movements: Movements
    tallies: Tallies

    def __init__(self, people: PeopleStore, books: MemoryStore, lock: asyncio.Lock) -> None:
        self._people = people
        self._books = books
        self._lock = lock
        self._committed = False

    async def __aenter__(self) -> Self:
        await self._lock.acquire()
        books = self._books
        self._before = self._people.snapshot()
        self._accounts = {id_: copy(account) for id_, account in books.accounts.items()}
        self._wallets = dict(books.wallets)
        self._events = list(books.events)
        self._acts = list(books.acts)
        self._spendings = dict(books.spendings)
        self._api_keys = self._people.api_keys.snapshot()
        self._webhooks = books.webhooks.copy()
        transaction = MemoryTransaction(books)
        self.ledger = MemoryLedger(transaction)
        self.wallets = MemoryWallets(transaction)
        self.fundings = MemoryFundings(transaction)
        self.history = MemoryHistory(transaction)
        self.statements = MemoryStatements(transaction)
        self.insights = MemoryInsights(transaction)
        self.streams = MemoryStreams(transaction)
        self.events = MemoryEvents(transaction)
        self.webhooks = MemoryWebhooks(transaction)
        self.sendings = MemorySendings(transaction)
        self.log = MemoryLog(transaction)
        self.safe_modes = MemorySafeModes(transaction)
        self.audits = MemoryAudits(transaction)
        self.audit_trail = MemoryAuditTrail(transaction)
        self.adjustments = MemoryAdjustments(transaction)
        self.back_office = MemoryBackOffice(transaction, self._people)
        self.movements = MemoryMovements(transaction, self._people)
        self.tallies = MemoryTallies(transaction, self._people)
        self.users = MemoryUsers(self._people)
        self.sessions = MemorySessions(self._people)
        self.session_cookies = MemorySessionCookies(self._people)
        self.live_tickets = MemoryLiveTickets(self._people)
        self.second_factors = MemorySecondFactors(self._people)
        self.mail_tokens = MemoryMailTokens(self._people)
        self.api_keys = MemoryApiKeys(self._people.api_keys, books, transaction)
        self._transaction = transaction
        return self

    async def commit(self) -> None:
        await asyncio.sleep(0)
        self._committed = True

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._committed:
            self._people.restore(self._before)
            self._books.accounts = self._accounts
            self._books.wallets = self._wallets
            self._books.events = self._events
            self._books.acts = self._acts
            self._books.spendings = self._spendings
            self._people.api_keys.restore(self._api_keys)
            self._books.webhooks = self._webhooks
        self._transaction.release()
        self._lock.release()
