"""The thread that brings a dead server back."""

import threading
from collections.abc import Callable

from wallet.infrastructure.embedded_postgres.failure import EmbeddedPostgresFailed
from wallet.infrastructure.embedded_postgres.supervisor import EmbeddedPostgres

WATCH_INTERVAL_S = 0.25
WATCH_BACKOFF_MAX_S = 30.0


class Watchdog(threading.Thread):
    """A thread that restarts the server within `interval_s` of its death, until it is stopped.

    `on_restart` is called after each restart, `on_failure` with why one failed; then it tries again
    after 1, 2, 4 … 30 s. Both are called in this thread.
    """

    def __init__(
        self,
        postgres: EmbeddedPostgres,
        *,
        interval_s: float = WATCH_INTERVAL_S,
        on_restart: Callable[[], None] | None = None,
        on_failure: Callable[[EmbeddedPostgresFailed], None] | None = None,
    ) -> None:
        super().__init__(name="embedded-postgres-watchdog", daemon=True)
        self._postgres = postgres
        self._interval_s = interval_s
        self._on_restart = on_restart
        self._on_failure = on_failure
        self._stopped = threading.Event()

    def run(self) -> None:
        """Watch until stopped."""
        delay_s = self._interval_s
        while not self._stopped.wait(delay_s):
            try:
                restarted = self._postgres.ensure_running()
                delay_s = self._interval_s
            except EmbeddedPostgresFailed as failure:
                delay_s = min(max(1.0, delay_s * 2), WATCH_BACKOFF_MAX_S)
                if self._on_failure is not None and not self._stopped.is_set():
                    self._on_failure(failure)
                continue
            if restarted and self._on_restart is not None:
                self._on_restart()

    def stop(self, timeout_s: float | None = None) -> None:
        """Watch no longer; wait up to `timeout_s` for a restart in progress.

        To be called before the stop of what is watched.
        """
        self._stopped.set()
        if self.is_alive():
            self.join(timeout_s)
