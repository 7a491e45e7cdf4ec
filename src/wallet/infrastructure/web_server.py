"""Serving: one process, or a parent that keeps several workers alive; told when it is up.

SIGTERM and SIGINT finish the requests under way, SIGHUP replaces the workers one by one, each old
one leaving after its successor serves.
"""

import asyncio
import contextlib
import gc
import multiprocessing
import os
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import uvicorn
from uvicorn.supervisors import Multiprocess

from wallet.infrastructure.telemetry import forget_process
from wallet.infrastructure.tls_certificate import TlsFiles

GRACE_S = 8
KEEP_ALIVE_S = 75
BACKLOG = 2048
START_TIMEOUT_S = 30
HEALTH_S = 10
"""How long a worker that serves may take to answer its parent before it is replaced as hung."""
PARENT_POLL_S = 1.0


@dataclass(frozen=True, slots=True)
class Serving:
    """What to serve and where; `application` and the protocols are "module:name" import strings."""

    application: str
    protocol: str
    socket_protocol: str
    host: str
    port: int
    workers: int
    tls: TlsFiles | None = None


class AddressInUse(RuntimeError):
    """The address to listen on is taken; the message names it."""


class _AnnouncedServer(uvicorn.Server):
    """A server that says when it listens."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], object]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then announce it unless starting failed."""
        await super().startup(sockets)
        if self.started:
            self._announce()


class _AnnouncedWorkers(Multiprocess):
    """Workers that say when the first of them serves."""

    def __init__(
        self, config: uvicorn.Config, sockets: list[socket.socket], announce: Callable[[], object]
    ) -> None:
        super().__init__(config, sockets)
        self._announce = announce
        self._answered: set[int | None] = set()

    def init_processes(self) -> None:
        """Start every worker, then announce it once all of them serve."""
        super().init_processes()
        ready = [p.wait_until_ready(START_TIMEOUT_S, self.should_exit) for p in self.processes]
        if all(ready):
            self._announce()

    def keep_subprocess_alive(self) -> None:
        """Replace dead workers, and forget what they said of themselves in the metrics."""
        before = {process.pid for process in self.processes}
        # A worker that has never answered is still importing, which a busy machine is slow at.
        with self._patience(HEALTH_S if before <= self._answered else START_TIMEOUT_S):
            super().keep_subprocess_alive()
        # Whoever was here and still is has answered.
        self._answered = before & {process.pid for process in self.processes}
        self._forget(before)

    def restart_all(self) -> None:
        """Replace each worker by a new one, likewise."""
        before = {process.pid for process in self.processes}
        with self._patience(START_TIMEOUT_S):
            super().restart_all()
        self._forget(before)

    @contextlib.contextmanager
    def _patience(self, timeout_s: int) -> Iterator[None]:
        """Wait so long for the answer of each worker meanwhile."""
        self.config.timeout_worker_healthcheck = timeout_s
        try:
            yield
        finally:
            self.config.timeout_worker_healthcheck = HEALTH_S

    def _forget(self, before: set[int | None]) -> None:
        for pid in before - {process.pid for process in self.processes}:
            if pid is not None:
                forget_process(pid)


def serve(serving: Serving, announce: Callable[[], object]) -> bool:
    """Serve until told to stop; return whether it came up at all.

    Raises `AddressInUse`. `announce` is called once, when requests are answered.
    """
    config = uvicorn.Config(
        serving.application,
        factory=True,
        host=serving.host,
        port=serving.port,
        workers=serving.workers,
        http=serving.protocol,
        ws=serving.socket_protocol,
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        ssl_certfile=serving.tls.certificate if serving.tls else None,
        ssl_keyfile=serving.tls.key if serving.tls else None,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
        timeout_worker_healthcheck=HEALTH_S,
        ws_max_size=4096,
        ws_per_message_deflate=False,
    )
    listener = _listen(serving.host, serving.port)
    with contextlib.closing(listener):
        if serving.workers > 1:
            workers = _AnnouncedWorkers(config, [listener], announce)
            workers.run()
            return True
        server = _AnnouncedServer(config, announce)
        # Once it has shut down, uvicorn raises the signal again that told it to.
        with contextlib.suppress(KeyboardInterrupt, SystemExit):
            server.run([listener])
        return server.started


def unwind_on_termination() -> None:
    """Make SIGTERM end this process like an exception does: whatever was begun is cleaned up."""

    def end(*_: object) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, end)


def call_on_termination(call: Callable[[], object]) -> None:
    """Have the running loop call something at SIGTERM or SIGINT, besides what is done then already.

    uvicorn waits for answers under way, and a live stream would be under way for ever.
    """
    loop = asyncio.get_running_loop()

    def chained(number: int, previous: Any) -> None:
        def handle(signal_number: int, frame: Any) -> None:
            loop.call_soon_threadsafe(call)
            if callable(previous):
                previous(signal_number, frame)

        signal.signal(number, handle)

    for number in (signal.SIGTERM, signal.SIGINT):
        chained(number, signal.getsignal(number))


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise AddressInUse(
            f"{host}:{port} cannot be listened on: {error.strerror}. "
            "Another port is chosen by --port or WALLET_PORT."
        ) from None
    listener.set_inheritable(True)
    return listener


async def end_with_parent(parent_pid: int) -> None:
    """End this worker gracefully once its parent is gone, which nobody else would tell it."""
    while os.getppid() == parent_pid:  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(PARENT_POLL_S)
    signal.raise_signal(signal.SIGTERM)


def is_worker() -> bool:
    """Whether this process was started by a parent that keeps workers."""
    return multiprocessing.parent_process() is not None


def freeze_garbage_collector() -> Any:
    """Take everything made at start-up out of the collector's sight; it would look for nothing."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 1000)
    return gc.get_threshold()
