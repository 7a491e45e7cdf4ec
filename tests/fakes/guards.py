"""In-memory twins of guards and log-in delays."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.fakes.ledger import MemoryClock
from wallet.domain.guards import (
    FAILURES_FORGOTTEN_AFTER,
    Guard,
    GuardTripped,
    LogInDelayed,
    delay_s,
)


class MemoryGuards:
    """Counters in fixed windows."""

    def __init__(self, clock: MemoryClock) -> None:
        self._clock = clock
        self.counts: dict[tuple[str, str, int], int] = {}

    async def count(self, guard: Guard, subject: str) -> None:
        place = self._place(guard, subject)
        self.counts[place] = self.counts.get(place, 0) + 1
        if self.counts[place] > guard.limit:
            raise GuardTripped(retry_after_s=guard.window_s, guard=guard.name)

    async def check(self, guard: Guard, subject: str) -> None:
        if self.counts.get(self._place(guard, subject), 0) >= guard.limit:
            raise GuardTripped(retry_after_s=guard.window_s, guard=guard.name)

    def _place(self, guard: Guard, subject: str) -> tuple[str, str, int]:
        return (guard.name, subject, int(self._clock.now.timestamp()) // guard.window_s)


@dataclass
class Failures:
    number: int
    blocked_until: datetime
    last_at: datetime


class MemoryLogInDelays:
    """Failures in a row."""

    def __init__(self, clock: MemoryClock) -> None:
        self._clock = clock
        self.failures: dict[bytes, Failures] = {}

    async def begin(self, account: bytes) -> int:
        now = self._clock()
        known = self.failures.get(account)
        if known is not None and known.blocked_until > now:
            wait_s = -int(-(known.blocked_until - now).total_seconds() // 1)
            raise LogInDelayed(retry_after_s=wait_s, wait_s=wait_s)
        forgotten = known is None or known.last_at < now - FAILURES_FORGOTTEN_AFTER
        number = 1 if known is None or forgotten else known.number + 1
        self.failures[account] = Failures(number, now + timedelta(seconds=delay_s(number)), now)
        return number

    async def succeed(self, account: bytes) -> None:
        self.failures.pop(account, None)

    async def take_back(self, account: bytes) -> None:
        known = self.failures.get(account)
        if known is not None:
            self.failures[account] = Failures(
                max(known.number - 1, 0), self._clock(), known.last_at
            )
