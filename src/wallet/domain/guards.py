"""Guards: what keeps guessing and bulk look-ups slow, counted exactly over all processes.

A guard counts per subject in fixed windows. A log-in delay belongs to an account, grows with each
failure, and is forgotten in time; it never locks anybody out for good. Both count before the thing
itself is tried, so that attempts sent at once cannot slip through together.
"""

from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Protocol

from wallet.domain.errors import Throttled

FREE_FAILURES = 5
DELAY_FIRST_S = 1
DELAY_MAX_S = 15 * 60
FAILURES_FORGOTTEN_AFTER = timedelta(hours=24)
IPV6_PREFIX_LENGTH = 64
"""What one customer usually has of IPv6: counting single addresses would count nothing."""


class GuardTripped(Throttled):
    """That was too often; wait before the next attempt."""


class LogInDelayed(Throttled):
    """Too many failed attempts on this account; wait before the next one."""

    code = "log-in-delayed"


@dataclass(frozen=True, slots=True)
class Guard:
    """At most `limit` of something per subject and window of `window_s` seconds."""

    name: str
    limit: int
    window_s: int


def delay_s(failures: int) -> int:
    """Return how long to wait after so many failures in a row: nothing, then doubling, capped."""
    if failures < FREE_FAILURES:
        return 0
    # The exponent is capped as well: nobody needs 2 to the power of a million.
    return min(DELAY_FIRST_S << min(failures - FREE_FAILURES, 20), DELAY_MAX_S)


def subject_of_address(address: str) -> str:
    """Return what stands for a client's address in a guard: IPv4 whole, of IPv6 the network."""
    try:
        parsed: IPv4Address | IPv6Address = ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(IPv6Network((int(parsed), IPV6_PREFIX_LENGTH), strict=False))
    return str(parsed)


class Guards(Protocol):
    """Counters over all processes, never inside a transaction about money."""

    async def count(self, guard: Guard, subject: str) -> None:
        """Count one; raise `GuardTripped` if that is more than the guard allows."""
        ...

    async def check(self, guard: Guard, subject: str) -> None:
        """Raise `GuardTripped` if the limit has been reached; count nothing."""
        ...


class LogInDelays(Protocol):
    """Failures in a row per account; the account is a digest, whether or not it exists."""

    async def begin(self, account: bytes) -> int:
        """Count an attempt as failed until `succeed`; return how many have failed with it.

        Raises `LogInDelayed` while one must wait.
        """
        ...

    async def succeed(self, account: bytes) -> None:
        """Forget an account's failures."""
        ...

    async def take_back(self, account: bytes) -> None:
        """Forget the last attempt, of which nobody knows whether it would have failed."""
        ...
