"""Amounts of money: integers in minor units, bounded, with the exponents of ISO 4217.

There is never a float. An amount that moves is between 1 and `AMOUNT_MAX`; a balance stays within
±`BALANCE_MAX`, which a JavaScript number still holds exactly.
"""

from typing import NewType

from wallet.domain.currencies import EXPONENTS
from wallet.domain.errors import Invalid

Currency = NewType("Currency", str)

AMOUNT_MAX = 10**15
BALANCE_MAX = 9 * 10**15
SYSTEM_BALANCE_MAX = 9 * 10**18
"""System accounts answer for all wallets together; no client ever reads them as a number."""


class UnknownCurrency(Invalid):
    """This is not a currency of ISO 4217 that can be held."""

    code = "unknown-currency"


class AmountOutOfRange(Invalid):
    """The amount is out of range."""

    code = "amount-out-of-range"


def currency_of(code: str) -> Currency:
    """Return `code` as a currency; raise `UnknownCurrency` unless ISO 4217 knows it."""
    if code not in EXPONENTS:
        raise UnknownCurrency(f"{code!r} is not an ISO 4217 currency code.", currency=code)
    return Currency(code)


def check_amount(amount: int) -> int:
    """Return `amount` (minor units); raise `AmountOutOfRange` unless it is 1 … `AMOUNT_MAX`."""
    if not 1 <= amount <= AMOUNT_MAX:
        raise AmountOutOfRange(minimum=1, maximum=AMOUNT_MAX)
    return amount


def display(amount: int, currency: str) -> str:
    """Return minor units as people read them: ``display(-1234, "USD") == "-12.34 USD"``."""
    exponent = EXPONENTS[currency]
    sign = "-" if amount < 0 else ""
    digits = str(abs(amount)).rjust(exponent + 1, "0")
    if exponent == 0:
        return f"{sign}{digits} {currency}"
    return f"{sign}{digits[:-exponent]}.{digits[-exponent:]} {currency}"
