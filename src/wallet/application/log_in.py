"""Logging in, staying in, and logging out again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NoReturn
from uuid import UUID

from wallet.application.account_mail import digest_of
from wallet.application.authentication import Authentication
from wallet.application.entrance import Attempt, Client, Entrance
from wallet.application.limits import DEFAULT_LIMITS, PeopleLimits
from wallet.application.ports import Clock, NewId, NewSecret, TokenIssuer
from wallet.application.revocations import Revocations
from wallet.application.unit_of_work import UnitOfWork, UnitOfWorkFactory
from wallet.domain.events import Event
from wallet.domain.guards import Guards, subject_of_address
from wallet.domain.sessions import (
    ACCESS_LIFETIME_MAX,
    SESSION_LIFETIME,
    Principal,
    RefreshToken,
    RefreshTokenInvalid,
    RefreshTokenReused,
    Session,
    SessionNotFound,
)


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a log-in hands out; `expires_in_s` is how long the access token lives."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in_s: int


class LogIn:
    """Sessions as people begin, continue and end them."""

    def __init__(
        self,
        *,
        unit_of_work: UnitOfWorkFactory,
        entrance: Entrance,
        guards: Guards,
        tokens: TokenIssuer,
        authentication: Authentication,
        revocations: Revocations,
        clock: Clock,
        new_id: NewId,
        new_secret: NewSecret,
        limits: PeopleLimits = DEFAULT_LIMITS,
        access_lifetime: timedelta = ACCESS_LIFETIME_MAX,
        session_lifetime: timedelta = SESSION_LIFETIME,
    ) -> None:
        if not timedelta(seconds=1) <= access_lifetime <= ACCESS_LIFETIME_MAX:
            raise ValueError("access tokens live between 1 s and 15 minutes")
        self._unit_of_work = unit_of_work
        self._entrance = entrance
        self._guards = guards
        self._tokens = tokens
        self._revocations = revocations
        self._clock = clock
        self._new_id = new_id
        self._new_secret = new_secret
        self._limits = limits
        self._access_lifetime = access_lifetime
        self._session_lifetime = session_lifetime
        self.authenticate = authentication.authenticate
        self.authenticate_until = authentication.authenticate_until
        self.jwks = tokens.jwks

    async def log_in(self, attempt: Attempt) -> Tokens:
        """Begin a session; raises what `Entrance.enter` raises."""
        secret = self._new_secret()

        async def keep(work: UnitOfWork, session: Session) -> None:
            token = RefreshToken(digest_of(secret), session.id, session.created_at)
            await work.sessions.add(session, token)

        session = (await self._entrance.enter(attempt, self._session_lifetime, keep)).session
        return self._hand_out(session, secret, session.created_at)

    async def refresh(self, refresh_token: str, client: Client) -> Tokens:
        """Use up a refresh token and return new tokens of its session.

        Raises `RefreshTokenReused` (and ends the session) if it was used before,
        `RefreshTokenInvalid`, or `GuardTripped`.
        """
        await self._guards.count(self._limits.refresh, subject_of_address(client.address))
        now = self._clock()
        async with self._unit_of_work() as work:
            used = await work.sessions.lock_token(digest_of(refresh_token))
            session = None if used is None else await work.sessions.lock(used.session_id)
            if used is None or session is None:
                raise RefreshTokenInvalid
            if used.used_at is not None:
                await self._betrayed(work, session, now)
            if not session.is_live(now):
                raise RefreshTokenInvalid
            secret = self._new_secret()
            fresh = RefreshToken(digest_of(secret), session.id, now)
            session = session.used(now, self._session_lifetime)
            await work.sessions.rotate(used, fresh, session)
            await work.commit()
        return self._hand_out(session, secret, now)

    async def log_out(self, principal: Principal) -> None:
        """End the session that a token belongs to; more than once changes nothing."""
        async with self._unit_of_work() as work:
            await work.sessions.revoke([principal.session_id], self._clock())
            await work.commit()
        self._revocations.add([principal.session_id])

    async def sessions(self, principal: Principal) -> Sequence[Session]:
        """Return one's live sessions, the one used last first."""
        async with self._unit_of_work() as work:
            return await work.sessions.of_user(principal.user_id, self._clock())

    async def revoke(self, principal: Principal, session_id: UUID) -> None:
        """End one of one's own sessions; raise `SessionNotFound` for any other."""
        now = self._clock()
        async with self._unit_of_work() as work:
            session = await work.sessions.lock(session_id)
            if session is None or session.user_id != principal.user_id or not session.is_live(now):
                raise SessionNotFound
            await work.sessions.revoke([session_id], now)
            await work.commit()
        self._revocations.add([session_id])

    async def _betrayed(self, work: UnitOfWork, session: Session, now: datetime) -> NoReturn:
        """End a session whose refresh token came a second time."""
        await work.sessions.revoke([session.id], now)
        facts = {"session_id": str(session.id)}
        event = Event(self._new_id(), session.user_id, "session.refresh-token-reused", facts, now)
        await work.events.add(event)
        await work.commit()
        self._revocations.add([session.id])
        raise RefreshTokenReused

    def _hand_out(self, session: Session, secret: str, now: datetime) -> Tokens:
        expires_at = min(now + self._access_lifetime, session.expires_at)
        access_token = self._tokens.issue(session.user_id, session.id, now, expires_at)
        return Tokens(access_token, secret, int((expires_at - now).total_seconds()))
