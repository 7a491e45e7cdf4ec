"""The application: routes, problems and documents put together; what they need comes in later.

`create_app` knows no database. The composition root's lifespan fills `app.state` before the first
request: `use_cases`, `money`, `edge`, `throughput`.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from wallet.api.documents import documents_router
from wallet.api.event_documents import webhooks_router
from wallet.api.hot_routes import HotRoutes
from wallet.api.middleware import Edge, EdgeOptions, Log, Observe
from wallet.api.openapi import install_openapi
from wallet.api.pages import pages_router
from wallet.api.problems import install_problems
from wallet.api.routes import (
    api_keys,
    balances,
    browser_sessions,
    credentials,
    development,
    events,
    health,
    idempotency_keys,
    live,
    live_tickets,
    oauth,
    problems,
    proofs,
    second_factors,
    sessions,
    staff,
    statements,
    top_ups,
    transactions,
    transfer_batches,
    transfers,
    users,
    wallets,
    webhook_deliveries,
    webhooks,
)

VERSION = "0.1.0"
BODY_SIZES_MAX = {transfer_batches.PATH: transfer_batches.BODY_SIZE_MAX}

# Hot routes come first: matching goes down this list.
ROUTERS: tuple[APIRouter, ...] = (
    transfers.router,
    balances.router,
    wallets.router,
    transfer_batches.router,
    top_ups.router,
    transactions.router,
    transactions.line_router,
    statements.router,
    live.router,
    live_tickets.router,
    proofs.router,
    events.router,
    webhooks.router,
    webhook_deliveries.router,
    idempotency_keys.router,
    sessions.router,
    browser_sessions.router,
    users.router,
    credentials.router,
    second_factors.router,
    api_keys.router,
    oauth.router,
    health.router,
    problems.router,
    *staff.ROUTERS,
)


class WalletApp(FastAPI):
    """FastAPI's application, entered at the edge.

    Starlette's outermost layers (its own error page, a body limit, telemetry that looks for a
    provider at every request) have nothing to do around an edge that answers everything itself.
    They are left out, unless a telemetry provider is configured when the first request comes.
    """

    edge: Edge | None = None

    def build_middleware_stack(self) -> ASGIApp:
        """Return Starlette's stack of layers, and remember where the edge is in it."""
        stack = super().build_middleware_stack()
        layer: Any = stack
        while layer is not None and not isinstance(layer, Edge):
            layer = getattr(layer, "app", None)
        self.edge = None if self._native_telemetry.enabled() else layer
        return stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "http" and self.edge is not None:
            scope["app"] = self
            await self.edge(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def create_app(
    *,
    options: EdgeOptions,
    password_grant: bool,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None,
    log: Log,
    log_crash: Log,
    observe: Observe,
    hot: bool = True,
) -> FastAPI:
    """Return the application; `log`, `log_crash` and `observe` are told of every request.

    `hot` is whether hot routes are served without FastAPI's machinery; the answers are the same.
    `password_grant` is whether /oauth/token takes passwords, which the docs page logs in with.
    """
    app = WalletApp(
        title="Wallet",
        version=VERSION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        redirect_slashes=False,
    )
    install_problems(app, log_crash=log_crash)
    if hot:
        app.add_middleware(HotRoutes, app.router.routes)
    options = replace(options, body_sizes_max=BODY_SIZES_MAX)
    app.add_middleware(Edge, options, log=log, log_crash=log_crash, observe=observe)
    for router in ROUTERS:
        app.include_router(router)
    app.state.takes_passwords_at_oauth = password_grant
    app.state.public_url = options.public_url
    app.include_router(documents_router())
    environment = "production" if options.production else "development"
    app.include_router(pages_router(environment))
    if not options.production:
        app.include_router(development.router)
    app.webhooks.include_router(webhooks_router())
    install_openapi(app, password_grant=password_grant)
    return app


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of an application."""
    return app.openapi()
