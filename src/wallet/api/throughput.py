"""How many requests a person may make per window, counted in this process's memory.

A sliding window out of two counters per person: the requests of the present window, and those of
the one before, weighted by how much of it still overlaps. Both live in one dictionary each, and at
the end of a window the older is thrown away as a whole; so nobody is ever searched for or swept.
With several workers each gets its share of the limit. The grammar ("1000/10 seconds") is slowapi's.
"""

from math import ceil
from typing import NamedTuple, Self
from uuid import UUID

from limits import parse_many

from wallet.api.problems import Headers
from wallet.domain.errors import Throttled

PERSONS_MAX = 100_000


class Decision(NamedTuple):
    """Whether a request may pass, what is left of the quota, and when it is renewed."""

    allowed: bool
    remaining: int
    reset_s: int


class ThroughputExceeded(Throttled):
    """Too many requests; slow down."""

    def __init__(self, decision: Decision, headers: Headers) -> None:
        super().__init__(retry_after_s=decision.reset_s)
        self.headers = headers


def parse_limit(text: str) -> tuple[int, float]:
    """Return (requests, window in seconds) of "1000/10 seconds" or "5 per minute".

    Raises ValueError for anything else, several limits in one text included.
    """
    items = parse_many(text)
    if len(items) != 1 or items[0].amount < 1 or items[0].get_expiry() < 1:
        raise ValueError(f"{text!r} is not one limit such as '1000/10 seconds'.")
    return items[0].amount, float(items[0].get_expiry())


class Throughput:
    """The counters of one process; `share` of `limit` requests per window are its to admit."""

    def __init__(
        self, limit: int, window_s: float, share: int, *, persons_max: int = PERSONS_MAX
    ) -> None:
        if not 1 <= share <= limit or window_s <= 0 or persons_max < 1:
            raise ValueError("A limit needs 1 <= share <= limit, a window and a place for persons.")
        self.limit = limit
        self.window_s = window_s
        self.share = share
        self.persons_max = persons_max
        self.window_end_s = float("-inf")
        self.present: dict[UUID, int] = {}
        self.before: dict[UUID, int] = {}
        self.policy = (b"ratelimit-policy", b'"default";q=%d;w=%d' % (limit, ceil(window_s)))

    @classmethod
    def of(cls, text: str, *, workers: int = 1) -> Self:
        """Build one process's part of a limit that is written as in the settings."""
        limit, window_s = parse_limit(text)
        return cls(limit, window_s, max(1, limit // workers))

    def take(self, person_id: UUID, now_s: float, count: int = 1) -> Decision:
        """Count requests of a person, or refuse them uncounted; `now_s` is a monotonic clock.

        More than one at a time pass whenever one would, so that no request can be too large for
        the limit; what they are too many delays the next ones.
        """
        rest_s = self.window_end_s - now_s
        if rest_s <= 0:
            rest_s = self._turn(now_s)
        used = self.present.get(person_id, 0)
        used_before = self.before.get(person_id)
        estimate = used
        if used_before is not None:
            estimate += ceil(used_before * rest_s / self.window_s)
        if estimate >= self.share:
            return Decision(False, 0, self._wait_s(used, used_before or 0, rest_s))
        if used == 0 and len(self.present) >= self.persons_max:
            # The one who came first is forgotten: that errs on the side of letting people in.
            del self.present[next(iter(self.present))]
        self.present[person_id] = used + count
        return Decision(True, max(0, self.share - estimate - count), ceil(rest_s))

    def require(self, person_id: UUID, now_s: float, count: int = 1) -> Decision:
        """Like `take`, but raises ThroughputExceeded, which leaves as 429 with all its headers."""
        decision = self.take(person_id, now_s, count)
        if not decision.allowed:
            raise ThroughputExceeded(decision, self.headers(decision))
        return decision

    def headers(self, decision: Decision) -> Headers:
        """Return `RateLimit-Policy` and `RateLimit` in the structured form of the IETF draft."""
        return [
            self.policy,
            (b"ratelimit", b'"default";r=%d;t=%d' % (decision.remaining, decision.reset_s)),
        ]

    def _turn(self, now_s: float) -> float:
        """Begin the window that `now_s` lies in, and return how many seconds it has left."""
        late_s = now_s - self.window_end_s
        self.before = self.present if late_s < self.window_s else {}
        self.present = {}
        begin_s = now_s - late_s % self.window_s if self.before else now_s
        self.window_end_s = begin_s + self.window_s
        return self.window_end_s - now_s

    def _wait_s(self, used: int, used_before: int, rest_s: float) -> int:
        """Return after how many whole seconds the window has slid far enough for one request."""
        free = self.share - 1 - used
        if free < 0 or used_before == 0:
            # This window is spent; early in the next one its first requests slide out.
            return max(1, ceil(rest_s + self.window_s / self.share))
        return max(1, ceil(rest_s - free * self.window_s / used_before))
