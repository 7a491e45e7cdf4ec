"""The janitor: prunes what may be forgotten, a bounded amount at a time, in a role of its own."""

import asyncpg

from wallet.infrastructure.postgres.pool import JANITOR

ROWS_MAX = 5_000

PRUNE_REFUSED = "SELECT prune_refused_instructions($1)"
PRUNE_SESSIONS = """
DELETE FROM sessions WHERE id IN (
    SELECT id FROM sessions WHERE expires_at < now() - interval '30 days' LIMIT $1
)
"""
PRUNE_REVOKED = """
DELETE FROM revoked_sessions WHERE session_id IN (
    SELECT session_id FROM revoked_sessions
    WHERE revoked_at < now() - interval '1 day' LIMIT $1
)
"""
PRUNE_MAIL_TOKENS = """
DELETE FROM mail_tokens WHERE digest IN (
    SELECT digest FROM mail_tokens WHERE expires_at < now() - interval '1 day' LIMIT $1
)
"""
PRUNE_TICKETS = """
DELETE FROM live_tickets WHERE digest IN (
    SELECT digest FROM live_tickets WHERE expires_at < now() - interval '1 hour' LIMIT $1
)
"""
PRUNE_API_KEY_SECRETS = """
DELETE FROM api_key_secrets WHERE digest IN (
    SELECT digest FROM api_key_secrets WHERE expires_at < now() - interval '30 days' LIMIT $1
)
"""
PRUNE_GUARDS = """
DELETE FROM guards WHERE (bucket, window_start) IN (
    SELECT bucket, window_start FROM guards
    WHERE window_start < now() - interval '1 day' LIMIT $1
)
"""
PRUNE_DELAYS = """
DELETE FROM login_delays WHERE account_digest IN (
    SELECT account_digest FROM login_delays
    WHERE last_failure_at < now() - interval '2 days' LIMIT $1
)
"""
PRUNE_DELIVERIES = """
DELETE FROM webhook_deliveries WHERE (endpoint_id, id) IN (
    SELECT endpoint_id, id FROM webhook_deliveries
    WHERE sent_at < now() - interval '15 days' LIMIT $1
)
"""
PRUNES = (
    PRUNE_REFUSED,
    PRUNE_SESSIONS,
    PRUNE_REVOKED,
    PRUNE_MAIL_TOKENS,
    PRUNE_TICKETS,
    PRUNE_API_KEY_SECRETS,
    PRUNE_GUARDS,
    PRUNE_DELAYS,
    PRUNE_DELIVERIES,
)


class Janitor:
    """Prunes on a connection of its own; several at once do each other no harm."""

    def __init__(self, url: str, *, rows_max: int = ROWS_MAX) -> None:
        self._url = url
        self._rows_max = rows_max

    async def prune(self) -> None:
        """Remove up to `rows_max` rows of each kind that nobody needs any more."""
        connection = await asyncpg.connect(
            self._url,
            timeout=5,
            command_timeout=30,
            server_settings={
                "application_name": "wallet janitor",
                "role": JANITOR,
                "statement_timeout": "20000",
                "lock_timeout": "1000",
            },
        )
        try:
            for statement in PRUNES:
                await connection.execute(statement, self._rows_max)
        finally:
            await connection.close(timeout=5)
