"""One user's share in the server: joining it, launching it, and leaving it."""

import contextlib
import json
import os
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from wallet.infrastructure.embedded_postgres.cluster import (
    DATABASE,
    OWNER,
    SERVICE,
    SUPERUSER,
    Cluster,
)
from wallet.infrastructure.embedded_postgres.failure import EmbeddedPostgresFailed
from wallet.infrastructure.embedded_postgres.locations import socket_directory
from wallet.infrastructure.embedded_postgres.locks import POLL_INTERVAL_S, FileLock
from wallet.infrastructure.embedded_postgres.server import Endpoint, PortTaken, Server, bound_log
from wallet.infrastructure.embedded_postgres.system import free_port, is_free

# Recovery after a crash reads up to max_wal_size of journal, which takes a minute or two.
START_TIMEOUT_S = 300.0
LEFTOVER_GRACE_S = 0.5
PORT_ATTEMPTS_MAX = 5


@dataclass(frozen=True, slots=True)
class EmbeddedAddresses:
    """URLs of the logins, for asyncpg and libpq alike; they hold passwords, so do not print them.

    `owner_url` owns the database "wallet", may create roles and runs the migrations. `service_url`
    is the application's; it may connect, and gets its rights from the migrations. `superuser_url`
    is for the supervisor and tests, and leads to the database "postgres". All go through the unix
    socket; the same port number on 127.0.0.1 leads there too.
    """

    owner_url: str
    service_url: str
    superuser_url: str

    def __repr__(self) -> str:
        return "EmbeddedAddresses(…)"


class Share:
    """What one started EmbeddedPostgres holds: its lock, its child if it has one, its addresses.

    Callers of `run` and `leave` hold the lock on `starting`.
    """

    def __init__(self, directory: Path, cluster: Cluster, server: Server, users: FileLock) -> None:
        self.owner_pid = os.getpid()
        self.starting = directory / "start.lock"
        self.server = server
        self.users = users
        self._directory = directory
        self._passwords = cluster.passwords
        self._endpoint: Endpoint | None = None
        self._pid = 0
        self._child: subprocess.Popen[bytes] | None = None

    def addresses(self) -> EmbeddedAddresses:
        """Where `run` found or put the server."""
        assert self._endpoint is not None, "run() comes first"  # noqa: S101 - an invariant
        query = f"host={quote(str(self._endpoint.socket_directory))}&port={self._endpoint.port}"
        passwords = self._passwords
        return EmbeddedAddresses(
            owner_url=f"postgresql://{OWNER}:{passwords.owner}@/{DATABASE}?{query}",
            service_url=f"postgresql://{SERVICE}:{passwords.service}@/{DATABASE}?{query}",
            superuser_url=f"postgresql://{SUPERUSER}:{passwords.superuser}@/postgres?{query}",
        )

    def is_alive(self) -> bool:
        """Whether the postmaster lives; costs a system call or two."""
        if self._child is not None:
            return self._child.poll() is None
        return self.server.is_postmaster(self._pid)

    def run(self, stopping: threading.Event, *, may_move: bool) -> bool:
        """Join the running server, or launch one and answer True.

        Unless it `may_move` it comes back where it was, without TCP if its port is taken by now:
        others hold the addresses, and the socket is ours alone.
        """
        self._let_go()
        deadline = time.monotonic() + START_TIMEOUT_S
        attempts = 0
        tcp = True
        while True:
            if self._join(stopping, deadline):
                return False
            endpoint = self._choose_endpoint(may_move=may_move, anew=attempts > 0)
            tcp = tcp and is_free(endpoint.port)
            attempts += 1
            try:
                if self._launch(endpoint, stopping, deadline, tcp=tcp):
                    return True
            except PortTaken:
                if attempts >= PORT_ATTEMPTS_MAX:
                    raise
                tcp = may_move

    def leave(self) -> None:
        """Give the share up, and stop the server if it was the last."""
        try:
            if self.users.try_exclusive():
                self.server.stop(self._child)
                if self._endpoint is not None:
                    self._forget_socket(self._endpoint.socket_directory)
        finally:
            self._let_go()
            self.users.close()

    def _join(self, stopping: threading.Event, deadline: float) -> bool:
        """Join a server that is up or coming up; False as soon as none of its processes is left."""
        grace_ends = time.monotonic() + LEFTOVER_GRACE_S
        while not self.server.is_gone():
            postmaster = self.server.postmaster()
            if postmaster is not None and postmaster.is_ready:
                self._endpoint, self._pid = postmaster.endpoint, postmaster.pid
                return True
            if postmaster is None and time.monotonic() > grace_ends:
                self.server.kill_leftovers()
            self._pause(stopping, deadline)
        return False

    def _launch(
        self, endpoint: Endpoint, stopping: threading.Event, deadline: float, *, tcp: bool
    ) -> bool:
        """Launch a server and wait until it is ready; False if there turns out to be one."""
        log = self.server.log
        bound_log(log)
        log_offset = log.stat().st_size if log.exists() else 0
        self._child = self.server.launch(endpoint, tcp=tcp)
        if self._child is None:
            return False
        while True:
            if self._child.poll() is not None:
                self._child = None
                raise self.server.failure(log_offset)
            postmaster = self.server.postmaster()
            if postmaster is not None and postmaster.is_ready and postmaster.pid == self._child.pid:
                self._endpoint, self._pid = endpoint, postmaster.pid
                return True
            self._pause(stopping, deadline)

    def _pause(self, stopping: threading.Event, deadline: float) -> None:
        if time.monotonic() > deadline:
            raise self.server.failure(0)
        if stopping.wait(POLL_INTERVAL_S):
            raise EmbeddedPostgresFailed("The database was stopped while it was starting.")

    def _choose_endpoint(self, *, may_move: bool, anew: bool) -> Endpoint:
        """Take the last one if it still does, and record the choice for those who come later."""
        last = self._endpoint or self._recorded()
        directory = socket_directory(
            self._directory, last.socket_directory if last else None, self.server.user
        )
        port = last.port if last is not None else free_port()
        if may_move and (anew or not is_free(port)):
            port = free_port()
        chosen = Endpoint(port, directory)
        if chosen != last or self._recorded() is None:
            record = {"port": chosen.port, "socket_directory": str(chosen.socket_directory)}
            new = self._record.with_suffix(".new")
            new.unlink(missing_ok=True)
            new.write_text(json.dumps(record))
            new.replace(self._record)
        return chosen

    @property
    def _record(self) -> Path:
        return self._directory / "endpoint.json"

    def _recorded(self) -> Endpoint | None:
        try:
            record = json.loads(self._record.read_bytes())
            return Endpoint(int(record["port"]), Path(record["socket_directory"]))
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def _forget_socket(self, directory: Path) -> None:
        if directory.parent != self._directory:
            with contextlib.suppress(OSError):
                directory.rmdir()

    def _let_go(self) -> None:
        """Forget our child; if it lives on, for others, keep it where no warning is made of it."""
        if self._child is not None and self._child.poll() is None:
            _CHILDREN_LEFT_TO_OTHERS.append(self._child)
        _CHILDREN_LEFT_TO_OTHERS[:] = [c for c in _CHILDREN_LEFT_TO_OTHERS if c.poll() is None]
        self._child = None


# subprocess warns of a Popen that is collected while its process runs, which here is as intended.
_CHILDREN_LEFT_TO_OTHERS: "list[subprocess.Popen[bytes]]" = []
