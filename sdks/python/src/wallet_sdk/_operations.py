"""What a request of the API is before it is sent: one operation of the document, filled in."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar
from urllib.parse import quote
from uuid import uuid4

import httpx

T = TypeVar("T")
KEY_HEADER = "Idempotency-Key"
_KEY = re.compile("[ -~]{1,255}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Generic[T]):
    """One request, not sent yet, and how to read its answer.

    `harmless` is one that may be repeated although it is no GET and takes no key: a log-in.

    The functions `operation` in `wallet_sdk._generated.api` make them, one per operation of the
    document; `Wallet.call` sends them.
    """

    id: str
    method: str
    path: str
    parse: Callable[[httpx.Response], T] = field(repr=False)
    params: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    # Bodies have passwords and codes, and operations get into logs with `OutcomeUnknown`.
    json: Any = field(default=None, repr=False)
    form: Mapping[str, Any] | None = field(default=None, repr=False)
    authenticated: bool
    takes_key: bool
    harmless: bool = False

    @property
    def key(self) -> str | None:
        """The idempotency key, once there is one."""
        return self.headers.get(KEY_HEADER)

    def keyed(self) -> "Operation[T]":
        """Return this operation under a key, which is made unless it has one, if it takes one.

        Raises ValueError for a key that is not 1 to 255 printable ASCII characters.
        """
        if not self.takes_key:
            return self
        key = str(uuid4()) if self.key is None else self.key
        if not _KEY.fullmatch(key):
            raise ValueError("an idempotency key has 1 to 255 printable ASCII characters")
        return self.with_key(key)

    @property
    def is_safe(self) -> bool:
        """Whether it may be sent twice: it changes nothing that matters, or it carries a key."""
        return not self.changes or (self.takes_key and self.key is not None)

    @property
    def changes(self) -> bool:
        """Whether it makes a difference if it was carried out."""
        return self.method != "GET" and not self.harmless

    def with_key(self, key: str) -> "Operation[T]":
        """Return this operation under an idempotency key."""
        return replace(self, headers={**self.headers, KEY_HEADER: key})

    def read_as(self, media_type: str) -> "Operation[bytes]":
        """Return this operation with its answer as it is, byte for byte."""
        headers = {**self.headers, "Accept": media_type}
        return replace(self, headers=headers, parse=_content)  # type: ignore[arg-type,return-value]


def segment(value: object) -> str:
    """Return a part of a path, quoted; raise ValueError for an empty one.

    Dots alone would lead elsewhere: `DELETE /users/me/sessions/..` is another operation.
    """
    text = str(value)
    if not text:
        raise ValueError("an id or key in a path is not empty")
    quoted = quote(text, safe="")
    return quoted if text.strip(".") else quoted.replace(".", "%2E")


def _content(response: httpx.Response) -> bytes:
    return response.content
