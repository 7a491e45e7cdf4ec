"""The staff side of the API: everything under /admin, for the operator's own people."""

from wallet.api.routes.staff import (
    adjustments,
    audit_trail,
    overview,
    people,
    transactions,
    wallets,
)

ROUTERS = (
    overview.router,
    people.router,
    wallets.router,
    transactions.router,
    adjustments.router,
    audit_trail.router,
)
