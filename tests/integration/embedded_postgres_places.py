"""Places for servers that tests may kill, and starters: processes that use an EmbeddedPostgres."""

import asyncio
import atexit
import contextlib
import hashlib
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from wallet.infrastructure.embedded_postgres import locations
from wallet.infrastructure.embedded_postgres.system import command_line, process_ids

IS_ROOT = os.geteuid() == 0
PATIENCE_S = 20.0

STARTER = """
import asyncio, json, os, signal, sys, time
from pathlib import Path
import asyncpg, asyncpg.connection
from wallet.infrastructure.embedded_postgres import (
    EmbeddedPostgres, EmbeddedPostgresFailed, Watchdog)

def say(**facts):
    # Not print, as a signal may come in the middle of one.
    os.write(1, (json.dumps(facts) + chr(10)).encode())

async def ask(url, sql):
    connection = await asyncpg.connect(url)
    try:
        return [list(row) for row in await connection.fetch(sql)]
    finally:
        await connection.close()

directory, uid, gid, home = json.loads(sys.argv[1])
if uid is not None:
    os.setgroups([]); os.setgid(gid); os.setuid(uid)
    os.environ["HOME"] = home
signal.signal(signal.SIGINT, lambda *_: say(interrupted=True))
postgres = EmbeddedPostgres(Path(directory))
watchdog = Watchdog(postgres, on_restart=lambda: say(restarted=True))
say(born=True)
for line in sys.stdin:
    command, argument = json.loads(line)
    begun = time.perf_counter()
    try:
        if command == "start":
            addresses = postgres.start()
            took_s = time.perf_counter() - begun
            say(pid=postgres.postmaster_pid, took_s=took_s, service_url=addresses.service_url,
                owner_url=addresses.owner_url, superuser_url=addresses.superuser_url)
        elif command == "ask":
            say(rows=asyncio.run(ask(*argument)))
        elif command == "watch":
            watchdog.start(); say(watching=True)
        elif command == "fork_and_stop":
            if not (child := os.fork()):
                postgres.stop(); os._exit(0)
            os.waitpid(child, 0); say(forked=True)
        elif command == "stop":
            watchdog.stop(); postgres.stop(); say(stopped=True)
    except EmbeddedPostgresFailed as failure:
        say(failure=str(failure))
"""


@dataclass
class Starter:
    """A process with an EmbeddedPostgres of its own."""

    child: "subprocess.Popen[str]"

    def send(self, command: str, argument: object = None) -> None:
        assert self.child.stdin is not None
        self.child.stdin.write(json.dumps([command, argument]) + "\n")
        self.child.stdin.flush()

    def hear(self) -> dict[str, Any]:
        assert self.child.stdout is not None
        heard: dict[str, Any] = json.loads(self.child.stdout.readline())
        return heard

    def do(self, command: str, argument: object = None) -> dict[str, Any]:
        self.send(command, argument)
        return self.hear()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.child.pid, signal.SIGKILL)
        for pipe in (self.child.stdin, self.child.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        self.child.wait()


@dataclass
class Place:
    """A temporary directory in which whoever runs the server can work, and what runs in it."""

    base: Path
    account: "pwd.struct_passwd | None"
    starters: list[Starter] = field(default_factory=list)

    @property
    def directory(self) -> Path:
        return self.base / "wallet"

    @property
    def data(self) -> Path:
        return self.directory / "cluster" / "data"

    @property
    def uid(self) -> int:
        """The user the server should run as."""
        return self.account.pw_uid if self.account is not None else locations.server_user().uid

    def starter(self) -> Starter:
        account = self.account
        drop = (account.pw_uid, account.pw_gid) if account is not None else (None, None)
        child = subprocess.Popen(
            [
                sys.executable,
                "-c",
                STARTER,
                json.dumps([str(self.directory), *drop, str(self.base)]),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
            start_new_session=True,
        )
        self.starters.append(Starter(child))
        assert self.starters[-1].hear() == {"born": True}
        return self.starters[-1]

    def processes(self) -> list[int]:
        """Everything of PostgreSQL that runs in this place, orphans included."""
        key = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:12]
        marks = (f" -D {self.base}/", f" --pgdata {self.base}/", f"postgres: wallet-{key}: ")
        return [pid for pid in process_ids() if any(mark in command_line(pid) for mark in marks)]

    def kill_everything(self) -> None:
        for starter in self.starters:
            starter.kill()
        self.starters.clear()
        while pids := self.processes():
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.005)


@contextlib.contextmanager
def places() -> Iterator[Callable[..., Place]]:
    """Makes places, and at the end kills all that still runs in them.

    Making a cluster is what costs, so unless it is to be `empty` a place is used again by the tests
    that follow: what one of them did to it, the next one has to survive.
    """
    made: list[Place] = []

    def make(*, normal: bool = False, empty: bool = False) -> Place:
        account = pwd.getpwnam("nobody") if normal and IS_ROOT else None
        name = account.pw_name if account is not None else "self"
        if empty:
            made.append(_empty_place(account))
        else:
            if name not in _USED_AGAIN:
                _USED_AGAIN[name] = _empty_place(account)
                atexit.register(shutil.rmtree, _USED_AGAIN[name].base)
            made.append(_USED_AGAIN[name])
        return made[-1]

    try:
        yield make
    finally:
        left = [pid for place in made if not place.starters for pid in place.processes()]
        for place in made:
            place.kill_everything()
            if place not in _USED_AGAIN.values():
                shutil.rmtree(place.base)
    assert not left, f"left running by a test without starters: {left}"


_USED_AGAIN: dict[str, Place] = {}


def _empty_place(account: "pwd.struct_passwd | None") -> Place:
    base = Path(tempfile.mkdtemp(prefix="pgtest-")).resolve()
    if account is not None:
        os.chown(base, account.pw_uid, account.pw_gid)
    base.chmod(0o755)
    return Place(base, account)


def ask(url: str, sql: str, **options: Any) -> list[list[Any]]:
    async def fetch() -> list[list[Any]]:
        connection = await asyncpg.connect(url, timeout=5, **options)
        try:
            return [list(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(fetch())


def eventually(url: str, sql: str) -> list[list[Any]]:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return ask(url, sql)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def port_of(place: Place) -> int:
    return int(json.loads((place.directory / "endpoint.json").read_text())["port"])
