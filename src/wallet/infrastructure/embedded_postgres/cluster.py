"""The cluster on disk: made whole in a sibling directory, then put in place by one rename."""

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from wallet.infrastructure.embedded_postgres.failure import (
    DATA_DIRECTORY_SETTING,
    EmbeddedPostgresFailed,
)
from wallet.infrastructure.embedded_postgres.locations import ServerUser
from wallet.infrastructure.embedded_postgres.locks import FileLock

SUPERUSER = "postgres"
OWNER = "wallet_owner"
SERVICE = "wallet_service"
DATABASE = "wallet"
COMMAND_TIMEOUT_S = 120.0

# The replication line is for base backups, by the superuser only.
HOST_BASED_AUTHENTICATION = f"""\
local all all scram-sha-256
local replication {SUPERUSER} scram-sha-256
host all all 127.0.0.1/32 scram-sha-256
"""

# Owned by its owner through pg_database_owner; the group roles come with the migrations.
CREATE_ROLES_AND_DATABASE = """\
ALTER ROLE {superuser} PASSWORD '{passwords.superuser}';
CREATE ROLE {owner} LOGIN CREATEROLE PASSWORD '{passwords.owner}';
CREATE ROLE {service} LOGIN PASSWORD '{passwords.service}';
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
CREATE DATABASE {database} OWNER {owner};
REVOKE ALL ON DATABASE {database} FROM PUBLIC;
GRANT CONNECT ON DATABASE {database} TO {owner}, {service};
REVOKE ALL ON DATABASE {superuser} FROM PUBLIC;
REVOKE ALL ON DATABASE template1 FROM PUBLIC;
"""


@dataclass(frozen=True, slots=True)
class Passwords:
    """The passwords of the three logins; random, URL-safe, kept 0600 beside the data."""

    superuser: str
    owner: str
    service: str

    @classmethod
    def random(cls) -> "Passwords":
        """Three of 256 bits each."""
        return cls(*(secrets.token_urlsafe(32) for _ in range(3)))


@dataclass(frozen=True, slots=True)
class Cluster:
    """The directory that appears by rename: the server's data and the passwords to it."""

    directory: Path

    @property
    def data(self) -> Path:
        """PostgreSQL's data directory, owned by the server's user."""
        return self.directory / "data"

    @property
    def passwords(self) -> Passwords:
        """Read from disk. Raises EmbeddedPostgresFailed when they are lost."""
        path = self.directory / "passwords.json"
        try:
            return Passwords(**json.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError) as error:
            raise EmbeddedPostgresFailed(
                f"The passwords of the database cannot be read: {error}.",
                advice=f"Restore {path} from a backup; the data beside it is untouched.",
            ) from error


def ensure_cluster(
    directory: Path, installed: Path, user: ServerUser, starting: FileLock
) -> Cluster:
    """Answer the cluster in `directory`, made first if there is none.

    To be called by the holder of `starting`. Those who do the work inherit it, so that after a
    kill -9 of ourselves the next starter waits until they have died too, and then clears away what
    they left. Raises EmbeddedPostgresFailed.
    """
    cluster = Cluster(directory / "cluster")
    for leftover in directory.glob("cluster.new-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    if not cluster.directory.exists():
        new = Cluster(directory / f"cluster.new-{secrets.token_hex(8)}")
        try:
            _create(new, _Commands(installed, user, starting))
            new.directory.rename(cluster.directory)
            _synchronize(directory)
        finally:
            shutil.rmtree(new.directory, ignore_errors=True)
    _check_owner(cluster, user)
    _check_version(cluster, _Commands(installed, user, starting))
    return cluster


@dataclass(frozen=True, slots=True)
class _Commands:
    installed: Path
    user: ServerUser
    starting: FileLock

    def run(self, command: Sequence[str], text: str = "") -> str:
        """Run one of PostgreSQL's programs to its end, and answer what it printed."""
        uid, gid, groups = self.user.identity
        try:
            done = subprocess.run(  # noqa: S603 - our own binaries and arguments, no shell
                [str(self.installed / "bin" / command[0]), *command[1:]],
                input=text,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                check=False,
                timeout=COMMAND_TIMEOUT_S,
                cwd="/",
                env=environment(),
                pass_fds=(self.starting.descriptor,),
                start_new_session=True,
                user=uid,
                group=gid,
                extra_groups=groups,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EmbeddedPostgresFailed(
                f"{command[0]} could not be run as {self.user.name}: {error}.",
                advice="As root, the wallet must be allowed to change its user (setuid).",
            ) from error
        if done.returncode:
            raise EmbeddedPostgresFailed(
                f"{command[0]} failed with status {done.returncode}.",
                advice="Its last lines say why; a full disk is the usual reason.",
                log=done.stdout[-2000:],
            )
        return done.stdout


def environment() -> dict[str, str]:
    """Show the server's processes no secrets of our environment, and no PG* variables."""
    kept = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
    return {name: os.environ[name] for name in kept if name in os.environ} | {
        "LC_ALL": "C",
        "TZ": "UTC",
    }


def _create(new: Cluster, commands: _Commands) -> None:
    new.directory.mkdir(mode=0o700)
    if commands.user.dropped:
        new.directory.chmod(0o711)
    new.data.mkdir(mode=0o700)
    commands.user.own(new.data)
    # Nobody can connect before the passwords are set and pg_hba.conf is replaced, so trust is
    # safe; the files are synced once at the end, as a crash before the rename loses nothing.
    commands.run(
        [
            *("initdb", "--pgdata", str(new.data), "--username", SUPERUSER, "--auth", "trust"),
            *("--encoding", "UTF8", "--locale", "C"),
            *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
            *("--no-sync", "--no-instructions"),
            *("-c", "shared_buffers=16MB", "-c", "max_connections=10"),
        ]
    )
    passwords = Passwords.random()
    statements = CREATE_ROLES_AND_DATABASE.format(
        superuser=SUPERUSER, owner=OWNER, service=SERVICE, database=DATABASE, passwords=passwords
    )
    # A failing statement must neither be skipped nor printed with its password.
    commands.run(
        [
            *("postgres", "--single", "-D", str(new.data), "-c", "fsync=off"),
            *("-c", "password_encryption=scram-sha-256", "-c", "shared_buffers=16MB"),
            *("-c", "exit_on_error=on", "-c", "log_min_error_statement=panic", "template1"),
        ],
        statements,
    )
    _write(new.data / "pg_hba.conf", HOST_BASED_AUTHENTICATION)
    _write(new.directory / "passwords.json", json.dumps(asdict(passwords)))
    commands.run(["initdb", "--pgdata", str(new.data), "--sync-only"])
    _synchronize(new.directory)


def _check_owner(cluster: Cluster, user: ServerUser) -> None:
    owner_uid = cluster.data.stat().st_uid
    if owner_uid != user.uid:
        raise EmbeddedPostgresFailed(
            f"The database in {cluster.data} belongs to uid {owner_uid}, but the server would run "
            f"as {user.name} (uid {user.uid}).",
            advice=f"Start the wallet as the user who made it, or set {DATA_DIRECTORY_SETTING}.",
        )


def _check_version(cluster: Cluster, commands: _Commands) -> None:
    try:
        on_disk = (cluster.data / "PG_VERSION").read_text().strip()
    except OSError as error:
        raise EmbeddedPostgresFailed(
            f"{cluster.data} is no PostgreSQL data directory: {error}.",
            advice=f"Restore it from a backup, or set {DATA_DIRECTORY_SETTING} to another place.",
        ) from error
    ours = commands.run(["postgres", "--version"]).split()[-1].split(".")[0]
    if on_disk != ours:
        raise EmbeddedPostgresFailed(
            f"The data in {cluster.data} is of PostgreSQL {on_disk}, the server is {ours}.",
            advice=f"Install the version of the wallet that made it, dump it with pg_dump and "
            f"restore it into a new {DATA_DIRECTORY_SETTING}; nothing was changed.",
        )


def _write(path: Path, text: str) -> None:
    """Write a file of ours, 0600 if new, following no link, and wait until it is on disk."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    with os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _synchronize(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
