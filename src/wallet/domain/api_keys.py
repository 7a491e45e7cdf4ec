"""API keys: how a machine acts for a person, within scopes, until it expires or is revoked.

A key's secret is `wk_`, 43 characters that hold 256 random bits, and 6 characters of a check sum:
a typing error is told without asking anybody, and scanners can search for what leaked. It is shown
once and kept as its SHA-256. A key may have several secrets while it is rotated.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Protocol, Self
from uuid import UUID
from zlib import crc32

from wallet.domain.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from wallet.domain.spending import Spending

PREFIX = "wk_"
RANDOM_BYTES = 32
API_KEYS_MAX = 50
"""How many API keys a person may have that are neither expired nor revoked."""
SECRETS_MAX = 5
"""How many secrets of a key may be valid at once; one more ends the oldest."""
OVERLAP_MAX = timedelta(days=7)

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_LENGTH, _CHECK_LENGTH = 43, 6
SECRET_LENGTH = len(PREFIX) + _RANDOM_LENGTH + _CHECK_LENGTH
HINT_LENGTH = 4


class ApiKeyInvalid(Unauthenticated):
    """The API key is not valid."""

    code = "api-key-invalid"


class ApiKeyNotFound(NotFound):
    """You have no such API key."""

    code = "api-key-not-found"


class ApiKeyLimitReached(Conflict):
    """You have as many API keys as one person may have; revoke one first."""

    code = "api-key-limit-reached"


class ApiKeyNotLive(Conflict):
    """The API key has expired; make a new one."""

    code = "api-key-not-live"


class ExpiryInvalid(Invalid):
    """An API key must expire in the future."""

    code = "api-key-expiry-invalid"


class ScopesInvalid(Invalid):
    """A spending key has the scope transfers:write, and beside it only scopes that read."""

    code = "api-key-scopes-invalid"


class InsufficientScope(Forbidden):
    """The API key lacks the scope that this needs."""

    code = "insufficient-scope"


class SessionRequired(Forbidden):
    """API keys cannot do this; log in and use an access token."""

    code = "session-required"


class Scope(StrEnum):
    """What an API key may do; none implies another."""

    WALLETS_READ = "wallets:read"
    WALLETS_WRITE = "wallets:write"
    TRANSACTIONS_READ = "transactions:read"
    TRANSFERS_WRITE = "transfers:write"
    TOPUPS_WRITE = "topups:write"
    RECIPIENTS_READ = "recipients:read"
    PROFILE_READ = "profile:read"
    EVENTS_READ = "events:read"
    WEBHOOKS_READ = "webhooks:read"
    WEBHOOKS_WRITE = "webhooks:write"

    @property
    def reads(self) -> bool:
        """Whether it changes nothing."""
        return self.value.endswith(":read")


@dataclass(frozen=True, slots=True)
class Grant:
    """What an API key lets its bearer do; `spends` if every payment is under its spending rule."""

    api_key_id: UUID
    scopes: frozenset[str]
    spends: bool = False

    def require(self, scope: Scope) -> None:
        """Raise `InsufficientScope` unless the key has a scope."""
        if scope not in self.scopes:
            raise InsufficientScope(f"This needs the scope {scope}.", scope=scope.value)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key as its owner sees it; `hint` is how its newest secret ends.

    `expired` and `spending` are as of the moment that `at` was asked for.
    """

    id: UUID
    owner_id: UUID
    name: str
    scopes: Sequence[str]
    hint: str
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    spending: Spending | None = None
    expired: bool = False

    def is_live(self, now: datetime) -> bool:
        """Return whether it has not expired."""
        return self.expires_at is None or now < self.expires_at

    def at(self, now: datetime) -> Self:
        """Return the key as it is now: in a new interval nothing has been spent."""
        spending = None if self.spending is None else self.spending.at(now)
        return replace(self, spending=spending, expired=not self.is_live(now))


@dataclass(frozen=True, slots=True)
class KeySecret:
    """A secret as it is kept: its SHA-256, and an id that tells processes when it ends."""

    id: UUID
    digest: bytes = field(repr=False)
    api_key_id: UUID
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class KnownSecret:
    """What is known of a secret that somebody sent."""

    id: UUID
    owner_id: UUID
    grant: Grant
    expires_at: datetime | None
    key_expires_at: datetime | None
    revoked: bool


def secret_of(random: bytes) -> str:
    """Return the secret that 32 random bytes make."""
    number = int.from_bytes(random, "big")
    return _checked(PREFIX + _base62(number, _RANDOM_LENGTH))


def secret_digest(secret: str) -> bytes:
    """Return what is kept of a secret; 256 random bits need no salt and no slow hash."""
    return sha256(secret.encode("utf-8", "replace")).digest()


def is_well_formed(secret: str) -> bool:
    """Return whether a text is a secret by its looks: prefix, length, letters, check sum."""
    if len(secret) != SECRET_LENGTH or not secret.startswith(PREFIX):
        return False
    return secret == _checked(secret[:-_CHECK_LENGTH])


def hint_of(secret: str) -> str:
    """Return how a secret ends, by which its owner recognises it: bits of the check sum alone."""
    return secret[-HINT_LENGTH:]


def check_scopes(scopes: Collection[Scope], *, spends: bool) -> tuple[str, ...]:
    """Return scopes in order, each once; raise `ScopesInvalid` if a spending key has others."""
    if spends and any(not s.reads and s is not Scope.TRANSFERS_WRITE for s in scopes):
        raise ScopesInvalid(field="scopes")
    if spends and Scope.TRANSFERS_WRITE not in scopes:
        raise ScopesInvalid(field="scopes")
    return tuple(scope.value for scope in Scope if scope in scopes)


def _checked(begin: str) -> str:
    return begin + _base62(crc32(begin.encode("utf-8", "replace")), _CHECK_LENGTH)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))


class ApiKeys(Protocol):
    """API keys and their secrets. One that was revoked is not found any more."""

    async def add(self, key: ApiKey, secret: KeySecret) -> None:
        """Add a key with its first secret, and its spending if it has a rule."""
        ...

    async def get(self, owner_id: UUID, api_key_id: UUID) -> ApiKey | None:
        """Return one of a person's keys, expired or not, or None."""
        ...

    async def lock(self, owner_id: UUID, api_key_id: UUID) -> ApiKey | None:
        """Return the same and keep others from changing it until the end of the unit of work."""
        ...

    async def page(self, owner_id: UUID, *, before: UUID | None, limit: int) -> Sequence[ApiKey]:
        """Return a person's keys, newest first; those made before the key `before`."""
        ...

    async def count_live(self, owner_id: UUID, now: datetime) -> int:
        """Return how many of a person's keys are neither expired nor revoked."""
        ...

    async def rotate(
        self, secret: KeySecret, hint: str, old_end: datetime, now: datetime
    ) -> Sequence[tuple[UUID, datetime]]:
        """Add a secret to a locked key and end the older ones at `old_end`, if not before.

        Returns the secrets whose end has changed, with it. At most `SECRETS_MAX` stay valid.
        """
        ...

    async def revoke(self, api_key_ids: Sequence[UUID], now: datetime) -> Sequence[UUID]:
        """Revoke keys and return their secrets; no payment under their rules is booked any more."""
        ...

    async def revoke_all(self, owner_id: UUID, now: datetime) -> Sequence[UUID]:
        """Revoke all keys of a person and return their secrets."""
        ...

    async def find(self, digests: Sequence[bytes]) -> Mapping[bytes, KnownSecret]:
        """Return what is known of these secrets, ended ones included."""
        ...

    async def ended_within(self, age: timedelta) -> Sequence[tuple[UUID, datetime | None]]:
        """Return the secrets that were given an end during the last `age`, with it.

        An end of None has been reached, whatever a process's own clock says.
        """
        ...

    async def used(self, uses: Mapping[UUID, datetime]) -> None:
        """Note when keys were used last, unless that was noted less than a minute before."""
        ...
