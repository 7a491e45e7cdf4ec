"""Events that move no money, on PostgreSQL."""

import json

from wallet.domain.events import Event
from wallet.infrastructure.postgres.errors import translated
from wallet.infrastructure.postgres.pool import Connection

ADD = """
INSERT INTO events (id, person_id, kind, facts, happened_at) VALUES ($1, $2, $3, $4, $5)
"""


class PostgresEvents:
    """Writes events in the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, event: Event) -> None:
        """Write an event."""
        with translated():
            await self._connection.execute(
                ADD,
                event.id,
                event.person_id,
                event.kind,
                json.dumps(dict(event.facts)),
                event.happened_at,
            )
