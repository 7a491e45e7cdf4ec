"""Amounts of money: whole minor units and a currency, never a float."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext

from wallet_sdk._generated.currencies import EXPONENTS

_CODE = re.compile("[A-Z]{3}")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)
_DIGITS_MAX = 40


class CurrencyMismatch(TypeError):
    """Amounts of two currencies cannot be added or compared."""


def exponent_of(currency: str) -> int:
    """Return how many digits the minor unit has: USD 2, JPY 0, KWD 3.

    Raises ValueError for a code that this package does not know.
    """
    try:
        return EXPONENTS[currency]
    except KeyError:
        raise ValueError(f"{currency!r} is not an ISO 4217 currency with a minor unit") from None


@dataclass(frozen=True, slots=True)
class Money:
    """An amount: ``Money(2500, "USD")`` is 25.00 USD, and ``Money(2500, "JPY")`` is 2500 yen.

    `minor` is a whole number of minor units (cents), as everywhere on the wire; `Money.of` takes
    the amount as people write it. Floats are refused, because 0.1 is none of them. Amounts of one
    currency can be added, subtracted, compared, summed up (`sum`), and multiplied by whole numbers;
    those of two currencies cannot (`CurrencyMismatch`).
    """

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.minor) is not int:
            raise TypeError(
                f"minor units are an int, not {type(self.minor).__name__}; "
                'write Money.of("25.00", "USD") for 25 dollars'
            )
        if not isinstance(self.currency, str) or not _CODE.fullmatch(self.currency):
            raise ValueError(f"{self.currency!r} is not an ISO 4217 currency code")

    @classmethod
    def of(cls, amount: str | Decimal | int, currency: str) -> Money:
        """Return an amount given in major units: ``Money.of("25.00", "USD")``.

        Raises TypeError for floats, and ValueError for what is no number, has more digits than the
        currency's minor unit, or is in a currency that this package does not know.
        """
        if isinstance(amount, bool) or not isinstance(amount, str | Decimal | int):
            raise TypeError(f"an amount is a str, Decimal or int, never a {type(amount).__name__}")
        number = _number(amount)
        digits = exponent_of(currency)
        with localcontext() as context:
            context.prec = _DIGITS_MAX + digits
            minor = number.scaleb(digits)
        if minor != minor.to_integral_value():
            raise ValueError(f"{amount} has more digits than {currency}, which has {digits}")
        return cls(int(minor), currency)

    @property
    def decimal(self) -> Decimal:
        """The amount in major units, exact: ``Money(2500, "USD").decimal == Decimal("25.00")``."""
        digits = tuple(int(digit) for digit in str(abs(self.minor)))
        return Decimal((int(self.minor < 0), digits, -exponent_of(self.currency)))

    def __str__(self) -> str:
        """Return it as the service displays it: ``25.00 USD``."""
        return f"{self.decimal:f} {self.currency}"

    def split(self, shares: int | Sequence[int]) -> list[Money]:
        """Split it into equal parts, or by shares, so that the parts sum up to the whole.

        What cannot be divided goes to the first parts, one minor unit each:
        ``Money(100, "USD").split(3)`` is 34, 33 and 33 cents.
        """
        weights = [1] * shares if isinstance(shares, int) else list(shares)
        total = sum(weights)
        if total <= 0 or min(weights) < 0:
            raise ValueError("shares are not negative, and not all of them are zero")
        size = abs(self.minor)
        parts = [size * weight // total for weight in weights]
        first = (index for index, weight in enumerate(weights) if weight)
        for index, _ in zip(first, range(size - sum(parts)), strict=False):
            parts[index] += 1
        sign = -1 if self.minor < 0 else 1
        return [Money(sign * part, self.currency) for part in parts]

    def __add__(self, other: Money) -> Money:
        if not isinstance(other, Money):
            return NotImplemented
        return Money(self.minor + self._same(other), self.currency)

    def __radd__(self, other: int) -> Money:
        # `sum` begins with 0, which is nothing in any currency.
        return self if type(other) is int and other == 0 else NotImplemented

    def __sub__(self, other: Money) -> Money:
        if not isinstance(other, Money):
            return NotImplemented
        return Money(self.minor - self._same(other), self.currency)

    def __mul__(self, factor: int) -> Money:
        return Money(self.minor * factor, self.currency) if type(factor) is int else NotImplemented

    __rmul__ = __mul__

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def __abs__(self) -> Money:
        return Money(abs(self.minor), self.currency)

    def __bool__(self) -> bool:
        return self.minor != 0

    def __lt__(self, other: Money) -> bool:
        return self.minor < self._same(other) if isinstance(other, Money) else NotImplemented

    def __le__(self, other: Money) -> bool:
        return self.minor <= self._same(other) if isinstance(other, Money) else NotImplemented

    def __gt__(self, other: Money) -> bool:
        return self.minor > self._same(other) if isinstance(other, Money) else NotImplemented

    def __ge__(self, other: Money) -> bool:
        return self.minor >= self._same(other) if isinstance(other, Money) else NotImplemented

    def _same(self, other: Money) -> int:
        if other.currency != self.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency} do not mix")
        return other.minor


def total(amounts: Iterable[Money], currency: str) -> Money:
    """Return the sum of amounts of one currency, which is zero if there are none."""
    return sum(amounts, start=Money(0, currency))


def _number(amount: str | Decimal | int) -> Decimal:
    if isinstance(amount, Decimal) and abs(amount.adjusted()) > _DIGITS_MAX:
        raise ValueError(f"{amount} is out of range")
    text = amount.strip() if isinstance(amount, str) else f"{Decimal(amount):f}"
    if not _NUMBER.fullmatch(text) or len(text) > _DIGITS_MAX:
        raise ValueError(f"{amount!r} is not an amount such as 25.00")
    return Decimal(text)
