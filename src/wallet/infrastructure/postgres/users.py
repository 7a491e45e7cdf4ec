"""People on PostgreSQL; their addresses and handles are unique in tables of their own."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from wallet.domain.money import Currency
from wallet.domain.users import HandleTaken, Role, User
from wallet.infrastructure.postgres.errors import translated
from wallet.infrastructure.postgres.pool import Connection, Record

ADD_USER = """
INSERT INTO users (id, first_name, last_name, email, handle, password_hash, role,
                   default_currency, created_at, email_verified_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""

ADD_EMAIL = "INSERT INTO user_emails (address, user_id, verified_at) VALUES ($1, $2, $3)"

GET = """
SELECT id, first_name, last_name, email, email_verified_at, handle, password_hash, role,
       default_currency, created_at, closed_at
FROM users WHERE id = $1
"""

LOCK = GET + "FOR NO KEY UPDATE"

BY_EMAIL = """
SELECT u.id, u.first_name, u.last_name, u.email, u.email_verified_at, u.handle, u.password_hash,
       u.role, u.default_currency, u.created_at, u.closed_at
FROM user_emails e JOIN users u ON u.id = e.user_id
WHERE e.address = $1
"""

BY_HANDLE = """
SELECT u.id, u.first_name, u.last_name, u.email, u.email_verified_at, u.handle, u.password_hash,
       u.role, u.default_currency, u.created_at, u.closed_at
FROM user_handles h JOIN users u ON u.id = h.user_id
WHERE h.handle = $1 AND h.freed_at IS NULL
"""

# A union, because an OR over several tables would read all of them.
FIND_MANY = """
SELECT id, first_name, last_name, email, email_verified_at, handle, password_hash, role,
       default_currency, created_at, closed_at
FROM users WHERE id IN (
    SELECT unnest($1::uuid[])
    UNION ALL SELECT user_id FROM user_emails WHERE address = ANY($2::text[])
    UNION ALL SELECT user_id FROM user_handles
              WHERE handle = ANY($3::text[]) AND freed_at IS NULL
)
"""

SAVE = """
UPDATE users SET first_name = $2, last_name = $3, password_hash = $4, role = $5,
                 default_currency = $6
WHERE id = $1 AND closed_at IS NULL
"""

VERIFY_EMAIL = """
UPDATE user_emails SET verified_at = coalesce(verified_at, $3)
WHERE address = $2 AND user_id = $1
RETURNING verified_at
"""

SHOW_VERIFIED = "UPDATE users SET email_verified_at = $2 WHERE id = $1"

FREE_HANDLES = """
UPDATE user_handles SET freed_at = $2 WHERE user_id = $1 AND freed_at IS NULL
"""

TAKE_HANDLE = """
INSERT INTO user_handles (handle, user_id, taken_at) VALUES ($1, $2, $3)
ON CONFLICT (handle) DO UPDATE SET freed_at = NULL
WHERE user_handles.user_id = EXCLUDED.user_id
RETURNING handle
"""

SHOW_HANDLE = "UPDATE users SET handle = $2 WHERE id = $1"

HANDLES = "SELECT handle FROM user_handles WHERE user_id = $1 ORDER BY taken_at, handle"

FREE_EMAIL = "DELETE FROM user_emails WHERE user_id = $1"

CLOSE = """
UPDATE users SET first_name = $2, last_name = $3, email = NULL, email_verified_at = NULL,
                 handle = NULL, password_hash = NULL, role = $4, closed_at = $5
WHERE id = $1
"""


def user_of(row: "Record") -> User:
    """Map a row to a person."""
    return User(
        id=row["id"],
        first_name=row["first_name"],
        last_name=row["last_name"],
        email=row["email"],
        handle=row["handle"],
        password_hash=row["password_hash"],
        default_currency=Currency(row["default_currency"]),
        created_at=row["created_at"],
        email_verified_at=row["email_verified_at"],
        role=Role(row["role"]),
        closed_at=row["closed_at"],
    )


class PostgresUsers:
    """People, inside the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, user: User) -> None:
        """Add a person; raise `EmailTaken` or `HandleTaken`."""
        with translated():
            if user.email is not None:
                await self._connection.execute(
                    ADD_EMAIL, user.email, user.id, user.email_verified_at
                )
            if user.handle is not None:
                await self._take(user.handle, user.id, user.created_at)
            await self._connection.execute(
                ADD_USER,
                user.id,
                user.first_name,
                user.last_name,
                user.email,
                user.handle,
                user.password_hash,
                user.role.value,
                user.default_currency,
                user.created_at,
                user.email_verified_at,
            )

    async def get(self, user_id: UUID) -> User | None:
        """Return a person, closed or not, or None."""
        return await self._one(GET, user_id)

    async def lock(self, user_id: UUID) -> User | None:
        """Return the same under a row lock."""
        return await self._one(LOCK, user_id)

    async def by_email(self, address: str) -> User | None:
        """Return the person who signed up with an address in lower case, verified or not."""
        return await self._one(BY_EMAIL, address)

    async def by_handle(self, handle: str) -> User | None:
        """Return the person who has a handle (in lower case) now."""
        return await self._one(BY_HANDLE, handle)

    async def find_many(
        self, *, ids: Sequence[UUID], addresses: Sequence[str], handles: Sequence[str]
    ) -> Sequence[User]:
        """Return whoever has one of these ids, addresses or handles, in no order, each once."""
        with translated():
            rows = await self._connection.fetch(FIND_MANY, ids, addresses, handles)
        return [user_of(row) for row in rows]

    async def save(self, user: User) -> None:
        """Write names, password hash, role and default currency of a locked person."""
        with translated():
            await self._connection.execute(
                SAVE,
                user.id,
                user.first_name,
                user.last_name,
                user.password_hash,
                user.role.value,
                user.default_currency,
            )

    async def verify_email(self, user_id: UUID, address: str, now: datetime) -> bool:
        """Mark an address as verified; return False if it is not this person's any more."""
        with translated():
            verified_at = await self._connection.fetchval(VERIFY_EMAIL, user_id, address, now)
            if verified_at is None:
                return False
            await self._connection.execute(SHOW_VERIFIED, user_id, verified_at)
        return True

    async def take_handle(self, user_id: UUID, handle: str, now: datetime) -> None:
        """Give a locked person a new handle and free the old one; raise `HandleTaken`."""
        with translated():
            await self._connection.execute(FREE_HANDLES, user_id, now)
            await self._take(handle, user_id, now)
            await self._connection.execute(SHOW_HANDLE, user_id, handle)

    async def handles(self, user_id: UUID) -> list[str]:
        """Return every handle that a person has ever taken, oldest first."""
        with translated():
            rows = await self._connection.fetch(HANDLES, user_id)
        return [row["handle"] for row in rows]

    async def close(self, user: User) -> None:
        """Write what stays of a locked person who leaves, and free the e-mail address."""
        with translated():
            await self._connection.execute(FREE_HANDLES, user.id, user.closed_at)
            await self._connection.execute(FREE_EMAIL, user.id)
            await self._connection.execute(
                CLOSE, user.id, user.first_name, user.last_name, user.role.value, user.closed_at
            )

    async def _take(self, handle: str, user_id: UUID, now: datetime) -> None:
        # Its own former handle comes back to somebody, and anybody else's leaves no row here.
        if await self._connection.fetchval(TAKE_HANDLE, handle, user_id, now) is None:
            raise HandleTaken

    async def _one(self, sql: str, key: UUID | str) -> User | None:
        with translated():
            row = await self._connection.fetchrow(sql, key)
        return None if row is None else user_of(row)
