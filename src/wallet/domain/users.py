"""People: what is known of them, what they are called, and what others see of them.

An e-mail address and a handle are compared without regard to case, so both are kept in lower case.
A handle that was given up or whose owner has left is never given to anybody else: whoever pays an
old handle must not pay a stranger.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Protocol, Self
from uuid import UUID

from wallet.domain.errors import Conflict, Forbidden, Invalid, Unauthenticated
from wallet.domain.history import Counterparty
from wallet.domain.money import Currency

NAME_LENGTH_MAX = 100
EMAIL_LENGTH_MAX = 254
HANDLE_LENGTH_MIN = 3
HANDLE_LENGTH_MAX = 30
HANDLES_MAX = 5
"""How many handles one person may ever take, since none of them comes back to the others."""
FORMER_NAME = "Former member"
"""What stands in the books for the first name of somebody who has left."""

_RESERVED = (
    "abuse account accounts admin administrator anonymous api auditor bank billing contact docs "
    "everyone help helpdesk hostmaster info legal login logout mail me moderator noreply nobody "
    "null official operator owner pay payment payments postmaster privacy root security service "
    "signup staff status support system team terms undefined user users wallet wallets webmaster "
    "www"
)
RESERVED_HANDLES = frozenset(_RESERVED.split())
_HANDLE = re.compile(r"[a-z][a-z0-9_]{2,29}")
_PLAIN_EMAIL = re.compile(r"[!-?A-~]+@[!-?A-~]+")
_JOINERS = "\u200c\u200d"
_BLANKS = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters and symbols by category that show nothing: fillers of Hangul, and the empty Braille."""


class EmailInvalid(Invalid):
    """The e-mail address is not one that mail can be sent to."""

    code = "email-invalid"


class NameInvalid(Invalid):
    """The name is empty, too long, or holds characters that cannot be shown."""

    code = "name-invalid"


class HandleInvalid(Invalid):
    """A handle has 3 to 30 letters a to z, digits and underscores, and begins with a letter."""

    code = "handle-invalid"


class HandleReserved(Invalid):
    """The handle is reserved."""

    code = "handle-reserved"


class HandleLimitReached(Forbidden):
    """You have changed your handle too often."""

    code = "handle-limit-reached"


class EmailNotVerified(Conflict):
    """The person has not proved that this e-mail address is theirs."""

    code = "email-not-verified"


class EmailTaken(Conflict):
    """There is an account with this e-mail address already."""

    code = "email-taken"


class HandleTaken(Conflict):
    """The handle is taken."""

    code = "handle-taken"


class EmailAlreadyVerified(Conflict):
    """The e-mail address is verified already."""

    code = "email-already-verified"


class AccountClosed(Unauthenticated):
    """The account is closed."""

    code = "account-closed"


class Role(StrEnum):
    """What somebody may do beyond their own affairs; read from the database, never a token."""

    USER = "user"
    SUPPORT = "support"
    AUDITOR = "auditor"
    ADMIN = "admin"

    @property
    def is_staff(self) -> bool:
        """Whether this is one of the operator's people."""
        return self is not Role.USER


@dataclass(frozen=True, slots=True)
class User:
    """A person. `email`, `handle` and `password_hash` are None once the account is closed."""

    id: UUID
    first_name: str
    last_name: str
    email: str | None
    handle: str | None
    password_hash: str | None = field(repr=False)
    default_currency: Currency
    created_at: datetime
    email_verified_at: datetime | None = None
    role: Role = Role.USER
    closed_at: datetime | None = None

    def renamed(self, first_name: str | None, last_name: str | None) -> Self:
        """Return the person under other names; None leaves a name as it is."""
        return replace(
            self,
            first_name=self.first_name if first_name is None else first_name,
            last_name=self.last_name if last_name is None else last_name,
        )

    def closed(self, now: datetime) -> Self:
        """Return what stays of somebody who leaves: an id, and nothing about the person."""
        return replace(
            self,
            first_name=FORMER_NAME,
            last_name="",
            email=None,
            email_verified_at=None,
            handle=None,
            password_hash=None,
            role=Role.USER,
            closed_at=now,
        )


def as_seen_by_payers(user: User) -> Counterparty:
    """Return what a payer needs to recognise a person, and no more."""
    return Counterparty(user.id, user.handle, user.first_name, initial_of(user.last_name))


def initial_of(last_name: str) -> str:
    """Return the first character of a last name in upper case, or nothing of nothing."""
    return last_name[:1].upper()


def name_of(text: str, field: str) -> str:
    """Return a name in its canonical form: trimmed and composed (NFC).

    Raises `NameInvalid` unless 1 to 100 characters remain, all of which can be shown. Control
    characters and marks that turn the direction of writing are refused: a name must not rearrange
    the text around it. Joiners stay, since Persian and Indic names need them.
    """
    name = unicodedata.normalize("NFC", text).strip()
    if not 1 <= len(name) <= NAME_LENGTH_MAX or not any(map(_visible, name)):
        raise NameInvalid(field=field, maximum=NAME_LENGTH_MAX)
    if not all(_showable(character) for character in name):
        raise NameInvalid(field=field, maximum=NAME_LENGTH_MAX)
    return name


def _visible(character: str) -> bool:
    return unicodedata.category(character)[0] in "LNPS" and character not in _BLANKS


def _showable(character: str) -> bool:
    category = unicodedata.category(character)
    return character in _JOINERS or not (category[0] == "C" or category in {"Zl", "Zp"})


def email_of(text: str) -> str:
    """Return an address as it is compared: trimmed and in lower case.

    Raises `EmailInvalid` unless it is printable ASCII with one @ and at most 254 characters. The
    whole grammar is checked where addresses enter; this is what the store must be able to rely on.
    """
    address = text.strip().lower()
    if len(address) > EMAIL_LENGTH_MAX or not _PLAIN_EMAIL.fullmatch(address):
        raise EmailInvalid(field="email")
    return address


def handle_of(text: str) -> str:
    """Return a handle in lower case; raise `HandleInvalid` or `HandleReserved`."""
    handle = text.lower()
    if not _HANDLE.fullmatch(handle):
        raise HandleInvalid(field="handle")
    if handle in RESERVED_HANDLES:
        raise HandleReserved(field="handle")
    return handle


class Users(Protocol):
    """People as they are added, found and changed."""

    async def add(self, user: User) -> None:
        """Add a person; raise `EmailTaken` or `HandleTaken`."""
        ...

    async def get(self, user_id: UUID) -> User | None:
        """Return a person, closed or not, or None."""
        ...

    async def lock(self, user_id: UUID) -> User | None:
        """Return the same and keep others from changing it until the end of the unit of work."""
        ...

    async def by_email(self, address: str) -> User | None:
        """Return the person who signed up with an address in lower case, verified or not."""
        ...

    async def by_handle(self, handle: str) -> User | None:
        """Return the person who has a handle (in lower case) now."""
        ...

    async def find_many(
        self, *, ids: Sequence[UUID], addresses: Sequence[str], handles: Sequence[str]
    ) -> Sequence[User]:
        """Return whoever has one of these ids, addresses or handles, in no order, each once."""
        ...

    async def save(self, user: User) -> None:
        """Write names, password hash, role and default currency of a locked person."""
        ...

    async def verify_email(self, user_id: UUID, address: str, now: datetime) -> bool:
        """Mark an address as verified; return False if it is not this person's any more."""
        ...

    async def take_handle(self, user_id: UUID, handle: str, now: datetime) -> None:
        """Give a locked person a new handle and free the old one; raise `HandleTaken`.

        One's own freed handle may be taken back.
        """
        ...

    async def handles(self, user_id: UUID) -> list[str]:
        """Return every handle that a person has ever taken, oldest first."""
        ...

    async def close(self, user: User) -> None:
        """Write what stays of a locked person who leaves, and free the e-mail address."""
        ...
