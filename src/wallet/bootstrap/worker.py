"""What uvicorn serves: the application, filled with its parts while it runs."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path

from fastapi import FastAPI

from wallet.api.app import create_app
from wallet.api.dependencies import TrustedProxies
from wallet.api.http_protocol import BoundedHttpProtocol
from wallet.api.middleware import EdgeOptions, current_request_id, security_headers
from wallet.api.routes.health import EdgeServices
from wallet.api.state import MoneyOptions
from wallet.api.throughput import Throughput
from wallet.bootstrap.parts import running_parts
from wallet.domain.funding import FundingGateway
from wallet.infrastructure.identifiers import new_secret
from wallet.infrastructure.telemetry import Logs, Metrics, configure_logs
from wallet.infrastructure.web_server import (
    call_on_termination,
    end_with_parent,
    freeze_garbage_collector,
    is_worker,
)
from wallet.settings import Settings


def application() -> FastAPI:
    """Return the application of this process, from the environment that the parent has prepared."""
    settings = Settings()
    logs = configure_logs(
        level=settings.log_level,
        human=not settings.production,
        exception_messages=not settings.production,
        request_id=current_request_id,
    )
    if settings.database_url is None or settings.data_directory is None:
        raise RuntimeError("the application is started by `wallet serve`")
    app = build_application(
        settings,
        database_url=settings.database_url.get_secret_value(),
        directory=settings.data_directory,
        logs=logs,
    )
    app.state.freeze = True
    return app


def build_application(
    settings: Settings,
    *,
    database_url: str,
    directory: Path,
    logs: Logs,
    metrics: Metrics | None = None,
    gateway: FundingGateway | None = None,
    hot: bool = True,
) -> FastAPI:
    """Return the application; its lifespan builds the parts and takes them down."""
    told = metrics or Metrics()
    log, log_error = logs.logger.info, logs.logger.error

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with running_parts(
            settings,
            database_url=database_url,
            directory=directory,
            metrics=told,
            log=log,
            log_error=log_error,
            gateway=gateway,
        ) as parts:
            app.state.use_cases = parts.use_cases
            app.state.mailbox = parts.mailbox
            app.state.edge = EdgeServices(
                parts.ready,
                told.render,
                [ip_network(text) for text in settings.metrics_networks]
                if settings.production
                else None,
            )
            watch = _watch_parent()
            if getattr(app.state, "freeze", False):
                call_on_termination(parts.use_cases.live.close)
                freeze_garbage_collector()
            try:
                yield
            finally:
                parts.use_cases.live.close()
                if watch is not None:
                    watch.cancel()
                told.flush()
                logs.flush()

    options = EdgeOptions(
        production=settings.production,
        public_url=settings.public_url,
        cors_origins=settings.cors_origins,
    )
    BoundedHttpProtocol.policies = security_headers(options)
    app = create_app(
        password_grant=settings.takes_passwords_at_oauth,
        options=options,
        lifespan=lifespan,
        log=logs.requests.info,
        log_crash=log_error,
        observe=told.request,
        hot=hot,
    )
    app.state.money = MoneyOptions(settings.require_idempotency_key, new_secret)
    app.state.throughput = Throughput.of(settings.throughput_limit, workers=settings.workers)
    app.state.trusted_proxies = TrustedProxies.of(settings.trusted_proxies)
    return app


def _watch_parent() -> asyncio.Task[None] | None:
    if not is_worker():
        return None
    return asyncio.get_running_loop().create_task(end_with_parent(os.getppid()))
