"""Whether to send a request again, and when.

The rules, for one call and all of its attempts together:

- What reads, and what carries an idempotency key, is repeated after any outage. Anything else is
  repeated only if it is certain that nothing was done.
- A wait is random between zero and a bound that doubles (full jitter), and never shorter than
  `Retry-After`. If it does not fit into the deadline, the call ends at once.
- Once an attempt has ended without an answer, only an answer that settles the key is definite: not
  a 401, 403 or 404, which tell of the later attempt alone.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import httpx

from wallet_sdk._operations import Operation
from wallet_sdk.errors import (
    ConnectionFailed,
    OutcomeUnknown,
    ProblemError,
    WalletError,
    problem_of,
)

NOTHING_DONE = frozenset({"overloaded", "database-unavailable", "deadline-exceeded", "safe-mode"})
"""Codes of 503 that say: this attempt did nothing."""
_EARLY = "receipt-not-ready"
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_OUR_FAULT = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)
_DEFINITE_AFTER_DOUBT = frozenset({400, 409, 413, 415, 422})
_TIMEOUT_MIN_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How patient a client is; times are in seconds.

    `deadline_s` bounds a call with all of its attempts, `attempt_timeout_s` the silence within one
    of them (the service answers within five seconds, or says that it could not).
    """

    attempts_max: int = 10
    deadline_s: float = 30.0
    attempt_timeout_s: float = 10.0
    backoff_base_s: float = 0.2
    backoff_max_s: float = 5.0

    def __post_init__(self) -> None:
        if self.attempts_max < 1 or self.deadline_s <= 0 or self.attempt_timeout_s <= 0:
            raise ValueError("a call needs an attempt and some time for it")

    def backoff_s(self, attempt: int, jitter: Callable[[], float] = random.random) -> float:
        """Return how long to wait after an attempt (the first is 1)."""
        bound = min(self.backoff_max_s, self.backoff_base_s * 2.0 ** min(attempt - 1, 30))
        return bound * jitter()


class Attempts:
    """The attempts of one call so far; each end of one says how long to wait, or ends the call."""

    def __init__(
        self,
        operation: Operation[Any],
        retries: Retries,
        *,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._operation = operation
        self._retries = retries
        self._clock = clock
        self._jitter = jitter
        self._ends_at = clock() + retries.deadline_s
        self._number = 0
        self._doubt: BaseException | None = None

    def timeout(self) -> httpx.Timeout:
        """Begin an attempt, and return how long it may take."""
        self._number += 1
        left_s = max(_TIMEOUT_MIN_S, self._ends_at - self._clock())
        timeout_s = min(self._retries.attempt_timeout_s, left_s)
        return httpx.Timeout(timeout_s, connect=min(timeout_s, 5.0))

    def failed(self, error: httpx.RequestError) -> float:
        """Return how long to wait after an attempt without an answer, in seconds; or raise."""
        if isinstance(error, _OUR_FAULT):
            raise ConnectionFailed(str(error)).of(self._operation) from error
        if not isinstance(error, _NEVER_SENT):
            self._doubts(error)
            if not self._operation.is_safe:
                self._ends(error)
        wait_s = self._wait_s(None)
        return self._ends(error) if wait_s is None else wait_s

    def answered(self, response: httpx.Response) -> float | None:
        """Return how long to wait after an answer, None if it is a success; or raise."""
        if response.is_success:
            return None
        error = problem_of(response).of(self._operation)
        if not (self._may_pass(error)):
            self._ends(error)
        wait_s = self._wait_s(error.retry_after_s)
        return self._ends(error) if wait_s is None else wait_s

    def broken(self, error: WalletError) -> WalletError:
        """Return what the call ends with when something beside it has failed (the log-in)."""
        return error if self._doubt is None else self._unknown(error)

    def _may_pass(self, error: ProblemError) -> bool:
        """Tell whether another attempt may fare better and is allowed."""
        if error.status in {408, 429} or error.code in NOTHING_DONE or error.code == _EARLY:
            return True
        if error.status < 500:
            return False
        self._doubts(error)
        return self._operation.is_safe

    def _doubts(self, error: BaseException) -> None:
        if self._operation.changes:
            self._doubt = error

    def _wait_s(self, least_s: float | None) -> float | None:
        """Return how long to wait for the next attempt, None if there is none."""
        if self._number >= self._retries.attempts_max:
            return None
        wait_s = self._retries.backoff_s(self._number, self._jitter) + (least_s or 0.0)
        return wait_s if self._clock() + wait_s < self._ends_at else None

    def _ends(self, error: Exception) -> NoReturn:
        if self._doubt is not None and not _settles(error):
            raise self._unknown(error) from error
        if isinstance(error, httpx.RequestError):
            text = str(error) or type(error).__name__
            raise ConnectionFailed(text).of(self._operation) from error
        raise error

    def _unknown(self, error: Exception) -> OutcomeUnknown:
        unknown = OutcomeUnknown(self._operation, error)
        unknown.request_id = getattr(error, "request_id", None)
        return unknown


def _settles(error: Exception) -> bool:
    return isinstance(error, ProblemError) and error.status in _DEFINITE_AFTER_DOUBT
