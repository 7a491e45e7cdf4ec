"""A PostgreSQL of our own: made, started, shared, watched and stopped by the processes that use it.

In a data directory lie: `cluster/` (the data and the passwords, in place by one rename), `run/`
(the socket), `postgres.log`, `endpoint.json` (the last port) and three locks. `start.lock` is held
while somebody makes, starts, joins or leaves; `users.lock` is shared by all users, and who gets it
alone is the last; `server.lock` is held by the server's own processes, so that getting it proves
that all of them are gone. The kernel drops the locks of the dead, so nothing here goes stale.
"""

from wallet.infrastructure.embedded_postgres.failure import EmbeddedPostgresFailed
from wallet.infrastructure.embedded_postgres.locations import default_directory
from wallet.infrastructure.embedded_postgres.share import EmbeddedAddresses
from wallet.infrastructure.embedded_postgres.supervisor import EmbeddedPostgres
from wallet.infrastructure.embedded_postgres.watchdog import Watchdog

__all__ = [
    "EmbeddedAddresses",
    "EmbeddedPostgres",
    "EmbeddedPostgresFailed",
    "Watchdog",
    "default_directory",
]
