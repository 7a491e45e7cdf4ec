"""The composition root: settings in, running service out; the one room that knows everyone.

`ground`, `people`, `money` and `parts` build what one process needs, `worker` makes the application
that uvicorn serves, `parent` owns the embedded database, the keys and the migration and starts the
workers, and `commands` are what the command line runs besides.
"""

from wallet.bootstrap.commands import (
    MigrationCommand,
    create_admin,
    encrypt_secrets,
    give_role,
    leave_safe_mode,
    listen,
    migrate_down,
    migrate_up,
    migration_status,
    openapi_document,
    reset_second_factor,
    safe_mode_status,
    verify,
)
from wallet.bootstrap.parent import DatabaseAddresses, StartFailed, database, serve
from wallet.bootstrap.worker import application
from wallet.infrastructure.listening import Login

__all__ = [
    "DatabaseAddresses",
    "Login",
    "MigrationCommand",
    "StartFailed",
    "application",
    "create_admin",
    "database",
    "encrypt_secrets",
    "give_role",
    "leave_safe_mode",
    "listen",
    "migrate_down",
    "migrate_up",
    "migration_status",
    "openapi_document",
    "reset_second_factor",
    "safe_mode_status",
    "serve",
    "verify",
]
