"""What can go wrong, as exceptions to decide by; nobody needs to read their texts::

WalletError
├── ProblemError          the service answered with a problem; one class per code in `problems`
├── OutcomeUnknown        whether it happened is not known; `Wallet.settle` finds out
├── ConnectionFailed      the service was not reached, or nothing came back to a read
├── UnexpectedAnswer      what came back is none of the service's answers
├── NotLoggedIn           the operation needs a log-in or an API key
└── WebhookRefused        a webhook is not one of the service's
"""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from time import time
from typing import Any, TypeVar

import httpx

from wallet_sdk._operations import Operation

PROBLEM_TYPE = "application/problem+json"
_FIELDS = frozenset({"type", "title", "status", "detail", "instance", "code", "request_id"})
ErrorT = TypeVar("ErrorT", bound="WalletError")


class WalletError(Exception):
    """Something went wrong.

    `operation_id` is the name of the operation in the document, `idempotency_key` the key it was
    sent under, if it took one.
    """

    operation_id: str | None = None
    idempotency_key: str | None = None
    request_id: str | None = None

    def of(self: ErrorT, operation: Operation[Any]) -> ErrorT:
        """Remember what was being done."""
        self.operation_id = operation.id
        self.idempotency_key = operation.key
        return self


class NotLoggedIn(WalletError):
    """The operation needs a log-in or an API key, and there is none."""


class ConnectionFailed(WalletError):
    """The service was not reached, or nothing came back to a request that only reads.

    An operation that moves money never ends in this unless it is certain that nothing was sent.
    """


class UnexpectedAnswer(WalletError):
    """What came back is none of the service's answers: a proxy's page, or something cut off."""

    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        self.content = response.content
        super().__init__(f"status {self.status}, {len(self.content)} bytes that cannot be read")


class OutcomeUnknown(WalletError):
    """The request may have been carried out or not: no definite answer came in time.

    Never send it again under another key: that may pay twice. `wallet.settle(error)` repeats it
    under the same key, or ask later with `wallet.settle(error.idempotency_key)`. `operation` is
    what was sent. Operations that take no key (a sign-up) have `idempotency_key` None: look
    whether it happened.
    """

    def __init__(self, operation: Operation[Any], reason: BaseException) -> None:
        self.operation = operation
        self.reason = reason
        super().__init__(
            f"the outcome of {operation.id} is not known"
            + (f" (idempotency key {operation.key})" if operation.key else "")
            + f": {reason}"
        )
        self.of(operation)


class WebhookRefused(WalletError):
    """A webhook is not one of the service's, is too old, or was changed on its way."""


class ProblemError(WalletError):
    """The service answered with a problem (RFC 9457).

    `status`, `code`, `title` and `detail` are the problem's, `facts` its further fields, which the
    classes of `wallet_sdk.problems` have as attributes. `retry_after_s` is how long to wait, if
    the service said so.
    """

    code: str = ""

    def __init__(
        self,
        *,
        status: int,
        code: str,
        title: str,
        detail: str | None = None,
        facts: Mapping[str, Any] | None = None,
        request_id: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail or title
        self.facts: Mapping[str, Any] = facts or {}
        self.request_id = request_id
        self.retry_after_s = retry_after_s
        super().__init__(f"{self.detail} ({code}, status {status})")

    def fact(self, name: str) -> Any:
        """Return a further field of the problem; raise AttributeError if it came without it."""
        try:
            return self.facts[name]
        except KeyError:
            raise AttributeError(f"{self.code} came without {name}") from None


class InvalidRequest(ProblemError):
    """400, 405, 406, 413, 414, 415, 431: the request makes no sense."""


class Unauthenticated(ProblemError):
    """401: the service does not know who is asking."""


class Forbidden(ProblemError):
    """403: the service knows who is asking, and they may not."""


class NotFound(ProblemError):
    """404: there is no such thing, or it is not yours to see."""


class Conflict(ProblemError):
    """409: it collides with what exists already, or it is early."""


class Rejected(ProblemError):
    """422: understood and refused; for money, a definite answer that is stored under the key."""


class TooManyRequests(ProblemError):
    """429: too often; `retry_after_s` says when to come back."""


class Unavailable(ProblemError):
    """5xx, or 408: not now."""


FAMILIES: Mapping[int, type[ProblemError]] = {
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    408: Unavailable,
    409: Conflict,
    422: Rejected,
    429: TooManyRequests,
}


def family_of(status: int) -> type[ProblemError]:
    """Return the class of problems whose code this package does not know."""
    return FAMILIES.get(status, Unavailable if status >= 500 else InvalidRequest)


def error_of(status: int, document: Mapping[str, Any], **more: Any) -> ProblemError:
    """Return a problem, or a refusal inside of an answer, as the exception of its code."""
    from wallet_sdk._generated.problems import PROBLEMS

    # RFC 6749 calls it `error`, at /oauth/token only.
    code = str(document.get("code") or document.get("error") or f"status-{status}")
    error_class = PROBLEMS.get(code) or family_of(status)
    return error_class(
        status=status,
        code=code,
        title=str(document.get("title") or document.get("error_description") or code),
        detail=document.get("detail"),
        facts={name: value for name, value in document.items() if name not in _FIELDS},
        **more,
    )


def problem_of(response: httpx.Response) -> ProblemError:
    """Return the exception of an answer that is no success."""
    try:
        document = response.json()
    except ValueError:
        document = None
    return error_of(
        response.status_code,
        document if isinstance(document, dict) else {},
        request_id=response.headers.get("x-request-id"),
        retry_after_s=retry_after_s(response),
    )


def retry_after_s(response: httpx.Response) -> float | None:
    """Return what `Retry-After` says, in seconds; proxies may say it as a date."""
    value = response.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except ValueError:
        return None
