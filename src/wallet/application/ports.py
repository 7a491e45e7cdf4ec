"""What the use cases about people need of the world: hashing, tokens, mail, time and randomness."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

Clock = Callable[[], datetime]
"""Returns the present time, aware and in UTC."""

NewId = Callable[[], UUID]
"""Makes a UUIDv7."""

NewSecret = Callable[[], str]
"""Makes an opaque token of 256 random bits, safe in a URL."""

NewNumber = Callable[[int], int]
"""Makes an unpredictable whole number with so many random bits."""

ReportError = Callable[[BaseException], object]
"""Told of what went wrong where nobody waits for an answer."""


class PasswordHasher(Protocol):
    """Slow, salted hashes; at most a few at a time. Raises `Overloaded` when too many wait."""

    async def hash(self, password: str) -> str:
        """Return a new hash with the present parameters."""
        ...

    async def verify(self, password: str, stored: str | None) -> bool:
        """Return whether a hash is this password's; without a hash, work as long and say no."""
        ...

    def needs_update(self, stored: str) -> bool:
        """Return whether a hash was made with other parameters than the present ones."""
        ...


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What a verified access token says."""

    user_id: UUID
    session_id: UUID
    expires_at: datetime


class TokenIssuer(Protocol):
    """Signs access tokens and verifies its own."""

    def issue(self, user_id: UUID, session_id: UUID, now: datetime, expires_at: datetime) -> str:
        """Return a signed token, valid from `now` until `expires_at`."""
        ...

    def verify(self, token: str, now: datetime) -> AccessToken:
        """Return what a token says; raise `TokenInvalid` or `TokenExpired`."""
        ...

    def jwks(self) -> Mapping[str, Any]:
        """Return the public keys as a JSON Web Key Set."""
        ...


@dataclass(frozen=True, slots=True)
class Match:
    """A one-time code that is right: its time step, and the secret as it is kept from now on."""

    step: int
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an authenticator app takes in: the secret in base 32, as an address, and as a picture.

    `qr_svg` is an SVG image of the address without script, style or outside references.
    """

    secret: str = field(repr=False)
    otpauth_uri: str = field(repr=False)
    qr_svg: str = field(repr=False)


class OneTimeCodes(Protocol):
    """Secrets that authenticator apps make codes of; encrypted wherever they are kept."""

    def new_secret(self) -> str:
        """Return a new secret, encrypted."""
        ...

    async def enrolment(self, secret: str, label: str) -> Enrolment:
        """Return what an app takes in of an encrypted secret; `label` tells it from others."""
        ...

    def match(self, secret: str, digits: str, now: datetime, last_step: int | None) -> Match | None:
        """Return the match of a code of this time step or of the one before or after it.

        None if it is none of them, or one that is not later than `last_step`.
        """
        ...

    def again(self, secret: str) -> str:
        """Return an encrypted secret, encrypted with the present key if it was with another."""
        ...


@dataclass(frozen=True, slots=True)
class Message:
    """A plain-text mail to one address."""

    recipient: str
    subject: str
    text: str


class Mailer(Protocol):
    """Sends mail."""

    async def send(self, message: Message) -> None:
        """Send a message; may take seconds and may raise anything."""
        ...


@dataclass(frozen=True, slots=True)
class KeptMail:
    """A message as the development mailbox shows it."""

    id: str
    sent_at: datetime
    recipient: str
    subject: str
    text: str


class Mailbox(Protocol):
    """Where development looks at what would have been mailed."""

    def recent(self) -> Sequence[KeptMail]:
        """Return the messages that are kept, newest first."""
        ...
