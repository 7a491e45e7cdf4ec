"""The tree of reasons why something could not be done.

An error says *why*; `wallet.api.problems` alone says which HTTP status that is. The first line of
an error's docstring is its title, `code` is its stable name on the wire, and `facts` are the
fields a program may read. The module of a noun defines that noun's errors as subclasses of these::

    WalletError
    ├── Invalid           the request itself makes no sense, whatever the state of the books
    ├── Unauthenticated   we do not know who is asking
    ├── Forbidden         we know who is asking, and they may not
    ├── NotFound          there is no such thing, or it is not the caller's to see
    ├── Conflict          it collides with what exists already
    ├── Rejected          understood and refused: a rule of the books says no
    ├── Throttled         too often; `retry_after_s` says when to come back
    └── Unavailable       not now: an outage, a deadline, or an outcome not known yet
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class WalletError(Exception):
    """Something could not be done."""

    code: ClassVar[str] = "wallet-error"

    def __init__(self, detail: str | None = None, **facts: Any) -> None:
        self.detail = detail or self.title()
        self.facts: Mapping[str, Any] = facts
        super().__init__(self.detail)

    @classmethod
    def title(cls) -> str:
        """Return the first docstring line without its full stop: the problem's `title`."""
        return (cls.__doc__ or cls.__name__).strip().splitlines()[0].rstrip(".")


class Invalid(WalletError):
    """The request is not valid."""

    code = "invalid-request"


class Unauthenticated(WalletError):
    """Authentication is required."""

    code = "unauthenticated"


class Forbidden(WalletError):
    """This is not allowed."""

    code = "forbidden"


class NotFound(WalletError):
    """There is no such thing here."""

    code = "not-found"


class Conflict(WalletError):
    """This collides with what exists already."""

    code = "conflict"


class Rejected(WalletError):
    """The request was understood and refused."""

    code = "rejected"
    by_code: ClassVar[dict[str, type["Rejected"]]] = {}
    replayed = False
    """Whether this is the stored answer to a repeated idempotency key."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.code in Rejected.by_code:
            raise TypeError(f"two refusals have the code {cls.code}")
        Rejected.by_code[cls.code] = cls

    def again(self) -> "Rejected":
        """Return this refusal as the answer to a repeated key."""
        again = type(self)(**self.facts)
        again.replayed = True
        return again


class Throttled(WalletError):
    """Too many requests."""

    code = "too-many-requests"

    def __init__(
        self, detail: str | None = None, *, retry_after_s: float = 1.0, **facts: Any
    ) -> None:
        super().__init__(detail, **facts)
        self.retry_after_s = retry_after_s


class Unavailable(WalletError):
    """The service cannot do this right now."""

    code = "unavailable"

    def __init__(
        self, detail: str | None = None, *, retry_after_s: float = 1.0, **facts: Any
    ) -> None:
        super().__init__(detail, **facts)
        self.retry_after_s = retry_after_s


class Overloaded(Unavailable):
    """The service is overloaded; nothing was done."""

    code = "overloaded"


class DeadlineExceeded(Unavailable):
    """The deadline passed before the work began; nothing was done."""

    code = "deadline-exceeded"


class OutcomeUnknown(Unavailable):
    """The outcome is not known yet; repeat the request with the same idempotency key."""

    code = "outcome-unknown"


ERROR_FAMILIES: tuple[type[WalletError], ...] = (
    Invalid,
    Unauthenticated,
    Forbidden,
    NotFound,
    Conflict,
    Rejected,
    Throttled,
    Unavailable,
)


def rejection_of(code: str, facts: Mapping[str, Any]) -> Rejected:
    """Return a refusal as it was stored; a code that is no longer known keeps its facts."""
    return Rejected.by_code.get(code, Rejected)(**facts)
