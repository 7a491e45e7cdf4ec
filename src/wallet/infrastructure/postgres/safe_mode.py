"""Safe mode on PostgreSQL."""

from datetime import datetime

from wallet.domain.safe_mode import SafeModeEntered
from wallet.infrastructure.postgres.errors import translated
from wallet.infrastructure.postgres.pool import Connection

CURRENT = "SELECT id, entered_at, reason FROM safe_modes WHERE left_at IS NULL"

ENTER = """
INSERT INTO safe_modes (id, entered_at, reason) VALUES ($1, $2, $3)
ON CONFLICT ((true)) WHERE left_at IS NULL DO NOTHING RETURNING id
"""

LEAVE = """
UPDATE safe_modes SET left_at = $1, left_by = $2, left_reason = $3
WHERE left_at IS NULL RETURNING id
"""


class PostgresSafeModes:
    """Safe mode, inside the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def current(self) -> SafeModeEntered | None:
        """Return what the service is in now, or None."""
        with translated():
            row = await self._connection.fetchrow(CURRENT)
        return None if row is None else SafeModeEntered(*row)

    async def enter(self, entered: SafeModeEntered) -> bool:
        """Enter; False if it had been entered already."""
        with translated():
            id_ = await self._connection.fetchval(
                ENTER, entered.id, entered.entered_at, entered.reason
            )
        return id_ is not None

    async def leave(self, left_at: datetime, left_by: str, reason: str) -> bool:
        """Leave; False if there was nothing to leave."""
        with translated():
            id_ = await self._connection.fetchval(LEAVE, left_at, left_by, reason)
        return id_ is not None
