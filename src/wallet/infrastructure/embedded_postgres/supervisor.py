"""The supervisor: one cluster and one server, however many processes start, share and leave it."""

import contextlib
import hashlib
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

from wallet.infrastructure.embedded_postgres.cluster import ensure_cluster
from wallet.infrastructure.embedded_postgres.failure import EmbeddedPostgresFailed
from wallet.infrastructure.embedded_postgres.locations import (
    installation,
    prepare_directory,
    server_user,
)
from wallet.infrastructure.embedded_postgres.locks import FileLock, exclusively
from wallet.infrastructure.embedded_postgres.server import RESERVED_PARAMETERS, Server, bound_log
from wallet.infrastructure.embedded_postgres.share import (
    START_TIMEOUT_S,
    EmbeddedAddresses,
    Share,
)


class EmbeddedPostgres:
    """A share in the PostgreSQL server that lives in `directory`.

    The first to start makes the cluster and the server, later ones join it, and the last to stop
    ends it. Who uses it is counted by a shared flock, so a killed user is forgotten at once; a
    server it left behind is adopted by the next start. `parameters` override server parameters
    for whoever launches the server; those the supervisor relies on raise ValueError.

    Synchronous: call it before an event loop runs, or from a thread. A fork inherits the share,
    which then lasts until the fork has ended too, but only the process that started may stop.
    """

    def __init__(self, directory: Path, *, parameters: Mapping[str, str] | None = None) -> None:
        self._directory = directory
        self._parameters = dict(parameters or {})
        reserved = sorted(RESERVED_PARAMETERS & self._parameters.keys())
        if reserved:
            raise ValueError(f"The supervisor sets these server parameters itself: {reserved}.")
        self._share: Share | None = None
        self._stopping = threading.Event()
        self._guard = threading.RLock()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def addresses(self) -> EmbeddedAddresses:
        """Where to connect. Raises EmbeddedPostgresFailed before start and after stop."""
        if self._share is None:
            raise EmbeddedPostgresFailed("The embedded PostgreSQL has not been started.")
        return self._share.addresses()

    @property
    def postmaster_pid(self) -> int | None:
        """The process id of the running postmaster; None when stopped, or dead and not back yet."""
        share = self._share
        postmaster = share.server.postmaster() if share is not None else None
        return postmaster.pid if postmaster is not None else None

    def start(self) -> EmbeddedAddresses:
        """Make, launch or join the server, and answer its addresses once it takes connections.

        Waits up to 300 s, as for recovery after a crash. Started already, it only answers. Raises
        EmbeddedPostgresFailed, and then holds no share.
        """
        with self._guard, _as_failure("start"):
            if self._share is None:
                self._stopping.clear()
                self._share = self._enter()
            return self._share.addresses()

    def stop(self) -> None:
        """Give our share up; the last one ends the server (fast shutdown) and waits for its end.

        Does nothing when not started, and in a fork. Raises EmbeddedPostgresFailed when the server
        does not end; the share is given up in any case.
        """
        self._stopping.set()
        with self._guard, _as_failure("stop"):
            share, self._share = self._share, None
            if share is None or share.owner_pid != os.getpid():
                return
            try:
                with exclusively(share.starting, timeout_s=START_TIMEOUT_S):
                    share.leave()
            finally:
                share.users.close()

    def ensure_running(self) -> bool:
        """Whether the server was dead and has been restarted now, at the same addresses.

        Cheap to call several times a second. Connections that were open are lost, what was
        committed is not. Raises EmbeddedPostgresFailed when it cannot be restarted.
        """
        with self._guard, _as_failure("restart"):
            share = self._share
            if share is None or share.owner_pid != os.getpid() or self._stopping.is_set():
                return False
            bound_log(share.server.log)
            if share.is_alive():
                return False
            with exclusively(share.starting, timeout_s=START_TIMEOUT_S):
                return share.run(self._stopping, may_move=False)

    def _enter(self) -> "Share":
        user = server_user()
        directory = prepare_directory(self._directory, user)
        installed = installation(user)
        starting = directory / "start.lock"
        with exclusively(starting, timeout_s=START_TIMEOUT_S) as lock:
            users = FileLock(directory / "users.lock")
            share = None
            try:
                # Whoever enters or leaves holds the other lock, so nobody slips in between.
                is_alone = users.try_exclusive()
                users.try_shared()
                cluster = ensure_cluster(directory, installed, user, lock)
                key = hashlib.sha256(os.fsencode(cluster.data)).hexdigest()[:12]
                server = Server(
                    installed=installed,
                    data=cluster.data,
                    log=directory / "postgres.log",
                    lock=directory / "server.lock",
                    cluster_name=f"wallet-{key}",
                    user=user,
                    parameters=self._parameters,
                )
                share = Share(directory, cluster, server, users)
                share.run(self._stopping, may_move=is_alone)
            except BaseException:
                if share is not None:
                    share.leave()
                users.close()
                raise
        return share


@contextlib.contextmanager
def _as_failure(verb: str) -> Iterator[None]:
    """Turn what the system refuses (a full disk, a lost directory) into our own error."""
    try:
        yield
    except OSError as error:
        raise EmbeddedPostgresFailed(
            f"The embedded PostgreSQL could not {verb}: {error}.",
            advice="Check that its directory is there, yours, and not full.",
        ) from error
