"""The server's processes: how they are launched, found again, told apart and ended."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from wallet.infrastructure.embedded_postgres.cluster import environment
from wallet.infrastructure.embedded_postgres.failure import EmbeddedPostgresFailed
from wallet.infrastructure.embedded_postgres.locations import ServerUser
from wallet.infrastructure.embedded_postgres.locks import POLL_INTERVAL_S, FileLock
from wallet.infrastructure.embedded_postgres.system import command_line, process_ids

LOG_BYTES_MAX = 10 * 1024 * 1024
LOG_TAIL_BYTES = 4096
FAST_SHUTDOWN_TIMEOUT_S = 30.0
IMMEDIATE_SHUTDOWN_TIMEOUT_S = 5.0

PARAMETERS: Mapping[str, str] = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "256MB",
    "max_connections": "100",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "password_encryption": "scram-sha-256",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "random_page_cost": "1.1",
    # Small and often: the tables of accounts are updated all the time, and stay short that way.
    "autovacuum_naptime": "15s",
    "autovacuum_vacuum_scale_factor": "0.05",
    "autovacuum_analyze_scale_factor": "0.05",
    "autovacuum_vacuum_cost_limit": "1000",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] %u ",
}
RESERVED_PARAMETERS = frozenset(
    {
        *("port", "listen_addresses", "unix_socket_directories", "unix_socket_permissions"),
        *("cluster_name", "data_directory", "hba_file", "external_pid_file"),
        *("logging_collector", "log_destination", "update_process_title"),
    }
)


class PortTaken(EmbeddedPostgresFailed):
    """The server could not listen on the port it was given."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the server listens: a port number, on 127.0.0.1 and in a socket directory."""

    port: int
    socket_directory: Path


@dataclass(frozen=True, slots=True)
class Postmaster:
    """What a postmaster writes about itself into postmaster.pid."""

    pid: int
    endpoint: Endpoint | None
    is_ready: bool


@dataclass(frozen=True, slots=True)
class Server:
    """The one server of a data directory, whoever launched it, running or not."""

    installed: Path
    data: Path
    log: Path
    lock: Path
    cluster_name: str
    user: ServerUser
    parameters: Mapping[str, str]

    def postmaster(self) -> Postmaster | None:
        """Find the running postmaster; None if there is none, whatever a stale file may say."""
        try:
            lines = (self.data / "postmaster.pid").read_text(errors="replace").splitlines()
            pid = int(lines[0])
        except (OSError, ValueError, IndexError):
            return None
        if pid <= 0 or not self.is_postmaster(pid):
            return None
        endpoint = None
        if len(lines) > 4 and lines[3].isdigit() and lines[4]:
            endpoint = Endpoint(int(lines[3]), Path(lines[4]))
        is_ready = len(lines) > 7 and lines[7].strip() == "ready"
        return Postmaster(pid, endpoint, is_ready and endpoint is not None)

    def is_postmaster(self, pid: int) -> bool:
        """Whether that process is the postmaster of this data directory, alive and no zombie.

        Asked of the process itself, for its number may by now belong to somebody else. Its children
        carry another title, and a zombie has none.
        """
        command = f"{command_line(pid)} "
        return f" -D {self.data} " in command and "--single" not in command

    def is_gone(self) -> bool:
        """Whether no process of the server is left, backends included: all hold its lock."""
        with FileLock(self.lock) as lock:
            return lock.try_exclusive() and self.postmaster() is None

    def launch(self, endpoint: Endpoint, *, tcp: bool) -> "subprocess.Popen[bytes] | None":
        """Start a postmaster, or answer None while processes of the last one are still there.

        It gets a session of its own, so that Ctrl-C in our terminal does not reach it, and the
        lock, which its children inherit in turn. Having the lock also proves that a pid file and
        sockets still lying there are stale, though their pid may be in use again.
        """
        with FileLock(self.lock) as lock:
            if not lock.try_exclusive() or self.postmaster() is not None:
                return None
            (self.data / "postmaster.pid").unlink(missing_ok=True)
            for stale in endpoint.socket_directory.glob(".s.PGSQL.*"):
                stale.unlink(missing_ok=True)
            uid, gid, groups = self.user.identity
            log = os.open(self.log, _APPEND, 0o600)
            try:
                return subprocess.Popen(  # noqa: S603 - our own binary and arguments, no shell
                    self._arguments(endpoint, tcp=tcp),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd="/",
                    env=environment(),
                    pass_fds=(lock.descriptor,),
                    start_new_session=True,
                    user=uid,
                    group=gid,
                    extra_groups=groups,
                    umask=0o077,
                )
            except OSError as error:
                raise EmbeddedPostgresFailed(
                    f"The server could not be started as {self.user.name}: {error}.",
                    advice="As root, the wallet must be allowed to change its user (setuid).",
                ) from error
            finally:
                os.close(log)

    def failure(self, log_offset: int) -> EmbeddedPostgresFailed:
        """Why a postmaster that wrote its log from `log_offset` bytes on has given up."""
        try:
            with self.log.open("rb") as file:
                file.seek(0, os.SEEK_END)
                file.seek(max(log_offset, file.tell() - LOG_TAIL_BYTES))
                text = file.read(LOG_TAIL_BYTES).decode(errors="replace")
        except OSError:
            text = ""
        if "could not create any TCP/IP sockets" in text:
            return PortTaken("The port of the server is taken.", log=text)
        return EmbeddedPostgresFailed(
            "The server did not start.",
            advice=f"The reason is in its log, {self.log}.",
            log=text,
        )

    def stop(self, child: "subprocess.Popen[bytes] | None") -> None:
        """End all processes of the server, and wait until they have: fast, then harder.

        A fast shutdown rolls open transactions back, closes connections and writes a checkpoint.
        Raises EmbeddedPostgresFailed if something survives even SIGKILL.
        """
        for number, timeout_s in (
            (signal.SIGINT, FAST_SHUTDOWN_TIMEOUT_S),
            (signal.SIGQUIT, IMMEDIATE_SHUTDOWN_TIMEOUT_S),
            (signal.SIGKILL, IMMEDIATE_SHUTDOWN_TIMEOUT_S),
        ):
            signalled = child.pid if child is not None and child.poll() is None else None
            postmaster = self.postmaster()
            if postmaster is not None:
                signalled = postmaster.pid
            if signalled is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(signalled, number)
            if signalled is None or number == signal.SIGKILL:
                self.kill_leftovers()
            if _until(lambda: self._has_ended(child), timeout_s):
                return
        raise EmbeddedPostgresFailed(
            f"The database server in {self.data} does not end, not even by SIGKILL.",
            advice="A process that waits for a broken disk does that; restart the machine.",
        )

    def kill_leftovers(self) -> None:
        """Kill backends whose postmaster is dead: the next one refuses to start beside them.

        They are known by the title that PostgreSQL gives them, which names the cluster. Most end by
        themselves at once; one in the middle of a long computation would not notice.
        """
        for pid in process_ids():
            if command_line(pid).startswith(f"postgres: {self.cluster_name}: "):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)

    def _has_ended(self, child: "subprocess.Popen[bytes] | None") -> bool:
        return (child is None or child.poll() is not None) and self.is_gone()

    def _arguments(self, endpoint: Endpoint, *, tcp: bool) -> list[str]:
        chosen = {
            **PARAMETERS,
            "wal_compression": self._wal_compression(),
            **self.parameters,
            "port": str(endpoint.port),
            "listen_addresses": "127.0.0.1" if tcp else "",
            "unix_socket_directories": str(endpoint.socket_directory),
            "unix_socket_permissions": "0700",
            "cluster_name": self.cluster_name,
            "logging_collector": "off",
        }
        arguments = [str(self.installed / "bin" / "postgres"), "-D", str(self.data)]
        for name, value in chosen.items():
            arguments += ["-c", f"{name}={value}"]
        return arguments

    def _wal_compression(self) -> str:
        """Choose the best these binaries were built with; off where only the slow pglz is left."""
        asked = subprocess.run(  # noqa: S603 - our own binary and arguments, no shell
            [str(self.installed / "bin" / "pg_config"), "--configure"],
            capture_output=True,
            text=True,
            check=False,
            env=environment(),
        )
        found = (name for name in ("lz4", "zstd") if f"--with-{name}" in asked.stdout)
        return next(found, "off")


_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW


def bound_log(log: Path) -> None:
    """Keep the log under 10 MB: what is there moves to one older file, replacing that.

    The server appends, so its file may be emptied under it; a line written meanwhile may be lost.
    """
    try:
        if log.stat(follow_symlinks=False).st_size <= LOG_BYTES_MAX:
            return
    except FileNotFoundError:
        return
    older = log.with_name(f"{log.name}.1")
    older.unlink(missing_ok=True)
    shutil.copy2(log, older, follow_symlinks=False)
    with os.fdopen(os.open(log, _APPEND), "ab") as file:
        file.truncate(0)


def _until(condition: Callable[[], bool], timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_INTERVAL_S)
    return True
