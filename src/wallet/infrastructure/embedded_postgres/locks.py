"""Advisory locks on files. The kernel drops them with their last holder: they cannot go stale."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from wallet.infrastructure.embedded_postgres.failure import EmbeddedPostgresFailed

POLL_INTERVAL_S = 0.005


class FileLock:
    """A flock on one open file; a child that inherits `descriptor` holds the same lock.

    Each object opens the file anew, so two of them exclude each other even inside one process.
    The file stays; only the lock on it means anything. It belongs on a local file system.
    """

    def __init__(self, path: Path) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self.descriptor = os.open(path, flags, 0o600)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def try_exclusive(self) -> bool:
        """Take it alone, now, or say False (a shared lock we held may then be lost)."""
        return self._try(fcntl.LOCK_EX)

    def try_shared(self) -> bool:
        """Take it together with other sharers, now, or say False."""
        return self._try(fcntl.LOCK_SH)

    def close(self) -> None:
        """Let go. A child that inherited the descriptor keeps the lock until it exits."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def _try(self, operation: int) -> bool:
        try:
            fcntl.flock(self.descriptor, operation | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextmanager
def exclusively(path: Path, *, timeout_s: float) -> Iterator[FileLock]:
    """Hold the lock on `path` alone, waiting up to `timeout_s` for it.

    Raises EmbeddedPostgresFailed when somebody holds it for longer.
    """
    deadline = time.monotonic() + timeout_s
    with FileLock(path) as lock:
        while not lock.try_exclusive():
            if time.monotonic() > deadline:
                raise EmbeddedPostgresFailed(
                    f"Another process has been starting or stopping the database for more than "
                    f"{timeout_s:.0f} s (it holds {path}).",
                    advice=f"Look for it with `fuser -v {path}` (or lsof) and end it.",
                )
            time.sleep(POLL_INTERVAL_S)
        yield lock
