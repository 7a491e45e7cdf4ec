"""Sessions, their refresh tokens, and the tokens that go out by mail, on PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from wallet.domain.sessions import MailPurpose, MailToken, RefreshToken, Session
from wallet.infrastructure.postgres.errors import translated
from wallet.infrastructure.postgres.pool import Connection, Record

ADD_SESSION = """
INSERT INTO sessions (id, user_id, created_at, last_used_at, expires_at, user_agent, address)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""

ADD_REFRESH = "INSERT INTO refresh_tokens (digest, session_id, created_at) VALUES ($1, $2, $3)"

LOCK_REFRESH = """
SELECT digest, session_id, created_at, used_at FROM refresh_tokens
WHERE digest = $1 FOR NO KEY UPDATE
"""

LOCK = """
SELECT id, user_id, created_at, last_used_at, expires_at, revoked_at, user_agent, address
FROM sessions WHERE id = $1 FOR NO KEY UPDATE
"""

USE_REFRESH = "UPDATE refresh_tokens SET used_at = $2 WHERE digest = $1"

USE_SESSION = "UPDATE sessions SET last_used_at = $2, expires_at = $3 WHERE id = $1"

OF_USER = """
SELECT id, user_id, created_at, last_used_at, expires_at, revoked_at, user_agent, address
FROM sessions WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2
ORDER BY last_used_at DESC, id DESC
"""

IS_LIVE = """
SELECT EXISTS (
    SELECT FROM sessions WHERE id = $1 AND revoked_at IS NULL AND expires_at > $2
)
"""

REVOKE = """
UPDATE sessions SET revoked_at = $2 WHERE id = ANY($1::uuid[]) AND revoked_at IS NULL
"""

REVOKE_ALL = """
UPDATE sessions SET revoked_at = $2
WHERE user_id = $1 AND revoked_at IS NULL AND id IS DISTINCT FROM $3
RETURNING id
"""

# The database's clock, which all processes share, decides what "lately" is.
ANNOUNCE = """
INSERT INTO revoked_sessions (session_id, revoked_at)
SELECT id, clock_timestamp() FROM unnest($1::uuid[]) AS r (id)
ON CONFLICT (session_id) DO NOTHING
"""

REVOKED_WITHIN = """
SELECT session_id FROM revoked_sessions WHERE revoked_at > clock_timestamp() - $1::interval
"""

ADD_MAILED = """
INSERT INTO mail_tokens (digest, user_id, purpose, address, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6)
"""

TAKE_MAILED = """
UPDATE mail_tokens SET used_at = $3
WHERE digest = $1 AND purpose = $2 AND used_at IS NULL AND expires_at > $3
RETURNING digest, user_id, purpose, address, created_at, expires_at
"""

SPEND_MAILED = """
UPDATE mail_tokens SET used_at = $3 WHERE user_id = $1 AND purpose = $2 AND used_at IS NULL
"""


def session_of(row: "Record") -> Session:
    """Map a row to a session."""
    return Session(
        id=row["id"],
        user_id=row["user_id"],
        created_at=row["created_at"],
        last_used_at=row["last_used_at"],
        expires_at=row["expires_at"],
        user_agent=row["user_agent"],
        address=row["address"],
        revoked_at=row["revoked_at"],
    )


def session_values(session: Session) -> tuple[object, ...]:
    """Return what `ADD_SESSION` takes."""
    return (
        session.id,
        session.user_id,
        session.created_at,
        session.last_used_at,
        session.expires_at,
        session.user_agent,
        session.address,
    )


class PostgresSessions:
    """Sessions, inside the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, session: Session, token: RefreshToken) -> None:
        """Add a session with its first refresh token."""
        with translated():
            await self._connection.execute(ADD_SESSION, *session_values(session))
            await self._add_token(token)

    async def lock_token(self, digest: bytes) -> RefreshToken | None:
        """Return a refresh token, used or not, under a row lock."""
        with translated():
            row = await self._connection.fetchrow(LOCK_REFRESH, digest)
        if row is None:
            return None
        return RefreshToken(row["digest"], row["session_id"], row["created_at"], row["used_at"])

    async def lock(self, session_id: UUID) -> Session | None:
        """Return a session under a row lock."""
        with translated():
            row = await self._connection.fetchrow(LOCK, session_id)
        return None if row is None else session_of(row)

    async def rotate(self, used: RefreshToken, fresh: RefreshToken, session: Session) -> None:
        """Mark a locked token as used, add the one that follows it, and write the session."""
        with translated():
            await self._connection.execute(USE_REFRESH, used.digest, session.last_used_at)
            await self._add_token(fresh)
            await self._connection.execute(
                USE_SESSION, session.id, session.last_used_at, session.expires_at
            )

    async def of_user(self, user_id: UUID, now: datetime) -> Sequence[Session]:
        """Return a person's live sessions, the one used last first."""
        with translated():
            rows = await self._connection.fetch(OF_USER, user_id, now)
        return [session_of(row) for row in rows]

    async def is_live(self, session_id: UUID, now: datetime) -> bool:
        """Return whether a session can still be used."""
        with translated():
            return bool(await self._connection.fetchval(IS_LIVE, session_id, now))

    async def revoke(self, session_ids: Sequence[UUID], now: datetime) -> None:
        """End sessions and announce it to all processes."""
        if not session_ids:
            return
        with translated():
            await self._connection.execute(REVOKE, session_ids, now)
            await self._connection.execute(ANNOUNCE, session_ids)

    async def revoke_all(
        self, user_id: UUID, now: datetime, *, spare: UUID | None = None
    ) -> Sequence[UUID]:
        """End a person's sessions but `spare`, and return which ones."""
        with translated():
            rows = await self._connection.fetch(REVOKE_ALL, user_id, now, spare)
            ended = [row["id"] for row in rows]
            await self._connection.execute(ANNOUNCE, ended)
        return ended

    async def revoked_within(self, age: timedelta) -> Sequence[UUID]:
        """Return the sessions revoked during the last `age`, by the database's clock."""
        with translated():
            rows = await self._connection.fetch(REVOKED_WITHIN, age)
        return [row["session_id"] for row in rows]

    async def _add_token(self, token: RefreshToken) -> None:
        await self._connection.execute(
            ADD_REFRESH, token.digest, token.session_id, token.created_at
        )


class PostgresMailTokens:
    """Tokens that went out by mail, inside the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, token: MailToken) -> None:
        """Keep a token."""
        with translated():
            await self._connection.execute(
                ADD_MAILED,
                token.digest,
                token.user_id,
                token.purpose.value,
                token.address,
                token.created_at,
                token.expires_at,
            )

    async def take(self, digest: bytes, purpose: MailPurpose, now: datetime) -> MailToken | None:
        """Use up a token; return None if it is unknown, used, expired or for something else."""
        with translated():
            row = await self._connection.fetchrow(TAKE_MAILED, digest, purpose.value, now)
        if row is None:
            return None
        return MailToken(
            digest=row["digest"],
            user_id=row["user_id"],
            purpose=MailPurpose(row["purpose"]),
            address=row["address"],
            created_at=row["created_at"],
            expires_at=row["expires_at"],
        )

    async def spend_all(self, user_id: UUID, purpose: MailPurpose, now: datetime) -> None:
        """Use up all of a person's tokens for a purpose."""
        with translated():
            await self._connection.execute(SPEND_MAILED, user_id, purpose.value, now)
