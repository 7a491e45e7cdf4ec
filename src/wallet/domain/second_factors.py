"""The second factor: something that only its owner has, besides the password that they know.

An authenticator app shows a code that changes every 30 seconds (RFC 6238). A code is good once: the
time step of the last one is kept, and neither it nor anything before it is taken again. Whoever has
lost the device has recovery codes, each of them good once as well.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol, Self
from uuid import UUID

from wallet.domain.errors import Conflict, Forbidden, Unauthenticated

PENDING_LIFETIME = timedelta(minutes=30)
"""So long a secret that was begun may wait for its first code."""
RECOVERY_CODES = 10
RECOVERY_CODE_LENGTH = 24
"""In characters of five bits each: 120 random bits, which need no slow hash."""
RECOVERY_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32: no letter in it is mistaken for a digit or for another letter."""
OTP_LENGTH_MAX = 64

_CODE = re.compile(r"[0-9]{6}")
_SPACES = re.compile(r"[\s-]+")
_MISTAKEN = str.maketrans({"o": "0", "i": "1", "l": "1"})
_GROUP = 4


class SecondFactorRequired(Unauthenticated):
    """The password is right; a code of the second factor is needed as well."""

    code = "second-factor-required"


class SecondFactorWrong(Unauthenticated):
    """The code of the second factor is wrong, has expired, or was used before."""

    code = "second-factor-wrong"


class OtpWrong(Forbidden):
    """The code is wrong, has expired, or was used before."""

    code = "otp-wrong"


class SecondFactorRequiredForStaff(Forbidden):
    """Set up a second factor first: staff cannot do without one."""

    code = "second-factor-required-for-staff"


class SecondFactorAlreadyOn(Conflict):
    """The second factor is on already."""

    code = "second-factor-already-on"


class SecondFactorOff(Conflict):
    """There is no second factor here, or the setting up of one was not begun in time."""

    code = "second-factor-off"


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """A person's second factor as it is kept; `secret` is encrypted.

    Until its owner has shown a first code it is only begun, and nobody is asked for it.
    """

    user_id: UUID
    secret: str = field(repr=False)
    begun_at: datetime
    enabled_at: datetime | None = None
    last_step: int | None = None

    @property
    def is_on(self) -> bool:
        """Whether logging in takes a code."""
        return self.enabled_at is not None

    def is_pending(self, now: datetime) -> bool:
        """Whether a first code would turn it on."""
        return self.enabled_at is None and now < self.begun_at + PENDING_LIFETIME

    def used(self, step: int, secret: str) -> Self:
        """Return it after the code of a step was taken; `secret` is the same, encrypted anew."""
        return replace(self, last_step=step, secret=secret)


@dataclass(frozen=True, slots=True)
class OneTimeCode:
    """Six digits that an app shows."""

    digits: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class RecoveryCode:
    """One of the codes for whoever has lost the device, in its canonical form."""

    text: str = field(repr=False)

    @classmethod
    def of_number(cls, number: int) -> Self:
        """Return the code of a random number below 2^120."""
        digits = []
        for _ in range(RECOVERY_CODE_LENGTH):
            number, digit = divmod(number, len(RECOVERY_ALPHABET))
            digits.append(RECOVERY_ALPHABET[digit])
        return cls("".join(digits))

    @property
    def shown(self) -> str:
        """The code in groups of four, as it is written down."""
        text = self.text
        return "-".join(text[at : at + _GROUP] for at in range(0, len(text), _GROUP))


def otp_of(text: str) -> OneTimeCode | RecoveryCode | None:
    """Return what somebody has typed, or None if it can be neither; spaces and case are free."""
    plain = _SPACES.sub("", text).lower()
    if _CODE.fullmatch(plain):
        return OneTimeCode(plain)
    plain = plain.translate(_MISTAKEN)
    if len(plain) == RECOVERY_CODE_LENGTH and set(plain) <= set(RECOVERY_ALPHABET):
        return RecoveryCode(plain)
    return None


class SecondFactors(Protocol):
    """Second factors and their recovery codes."""

    async def get(self, user_id: UUID) -> SecondFactor | None:
        """Return a person's second factor, on or only begun."""
        ...

    async def lock(self, user_id: UUID) -> SecondFactor | None:
        """Return the same and keep others from using it until the end of the unit of work."""
        ...

    async def put(self, factor: SecondFactor) -> None:
        """Write a second factor in the place of whatever the person had."""
        ...

    async def remove(self, user_id: UUID) -> bool:
        """Forget a person's second factor and recovery codes; return whether there was one."""
        ...

    async def after(self, user_id: UUID | None, limit: int) -> Sequence[SecondFactor]:
        """Return the next second factors in the order of their owners' ids."""
        ...

    async def replace_codes(self, user_id: UUID, digests: Sequence[bytes], now: datetime) -> None:
        """Keep new recovery codes, as digests, and forget the old ones."""
        ...

    async def take_code(self, user_id: UUID, digest: bytes, now: datetime) -> bool:
        """Use up a recovery code; return False if it is unknown or was used before."""
        ...

    async def codes_left(self, user_id: UUID) -> int:
        """Return how many recovery codes have not been used."""
        ...
