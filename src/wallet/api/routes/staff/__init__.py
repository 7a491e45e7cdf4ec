"""The staff side of the API: everything under /admin, for the operator's own people."""

from wallet.api.routes.staff import (
    adjustments,
    audit_trail,
    overview,
    people,
    refusals,
    transactions,
    wallets,
)

ROUTERS = (
    overview.router,
    people.router,
    wallets.router,
    transactions.router,
    refusals.router,
    adjustments.router,
    audit_trail.router,
)
