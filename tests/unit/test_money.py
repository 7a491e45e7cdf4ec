"""Amounts, bounds and exponents, against the list of ISO 4217 as another package keeps it."""

import iso4217
import pytest

from wallet.domain.currencies import EXPONENTS
from wallet.domain.money import (
    AMOUNT_MAX,
    BALANCE_MAX,
    AmountOutOfRange,
    UnknownCurrency,
    check_amount,
    currency_of,
    display,
)


def test_every_currency_with_a_minor_unit_has_the_exponent_of_iso_4217() -> None:
    listed = {c.code: c.exponent for c in iso4217.Currency if c.exponent is not None}
    assert listed == EXPONENTS


@pytest.mark.parametrize(("code", "exponent"), [("JPY", 0), ("USD", 2), ("KWD", 3), ("CLF", 4)])
def test_the_exponents_that_everybody_knows(code: str, exponent: int) -> None:
    assert EXPONENTS[code] == exponent


@pytest.mark.parametrize("code", ["XAU", "XXX", "XTS", "XDR"])
def test_metals_funds_and_test_codes_are_no_currencies_here(code: str) -> None:
    with pytest.raises(UnknownCurrency):
        currency_of(code)


@pytest.mark.parametrize("code", ["usd", "US", "USDX", "", "U$D", " USD", "USD\n"])
def test_what_is_not_exactly_a_code_is_unknown(code: str) -> None:
    with pytest.raises(UnknownCurrency) as caught:
        currency_of(code)
    assert caught.value.code == "unknown-currency"
    assert caught.value.facts == {"currency": code}


def test_a_known_code_is_returned_as_it_is() -> None:
    assert currency_of("USD") == "USD"


@pytest.mark.parametrize("amount", [1, 2, 999_999_999_999_999, 1_000_000_000_000_000])
def test_an_amount_within_the_bounds_is_returned(amount: int) -> None:
    assert check_amount(amount) == amount


@pytest.mark.parametrize("amount", [0, -1, 1_000_000_000_000_001, -(10**30), 10**30])
def test_an_amount_out_of_bounds_is_refused_and_told_the_bounds(amount: int) -> None:
    with pytest.raises(AmountOutOfRange) as caught:
        check_amount(amount)
    assert caught.value.facts == {"minimum": 1, "maximum": 1_000_000_000_000_000}


def test_the_bounds_are_those_of_the_design() -> None:
    assert (AMOUNT_MAX, BALANCE_MAX) == (1_000_000_000_000_000, 9_000_000_000_000_000)


def test_every_balance_is_exact_in_javascript() -> None:
    number_max_safe_integer = 9_007_199_254_740_991
    assert number_max_safe_integer >= BALANCE_MAX


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        (0, "JPY", "0 JPY"),
        (1, "JPY", "1 JPY"),
        (1234, "JPY", "1234 JPY"),
        (-1234, "JPY", "-1234 JPY"),
        (0, "USD", "0.00 USD"),
        (1, "USD", "0.01 USD"),
        (10, "USD", "0.10 USD"),
        (99, "USD", "0.99 USD"),
        (100, "USD", "1.00 USD"),
        (1234, "USD", "12.34 USD"),
        (-1, "USD", "-0.01 USD"),
        (-1234, "USD", "-12.34 USD"),
        (0, "KWD", "0.000 KWD"),
        (1, "KWD", "0.001 KWD"),
        (-999, "KWD", "-0.999 KWD"),
        (1000, "KWD", "1.000 KWD"),
        (12345, "KWD", "12.345 KWD"),
        (1, "CLF", "0.0001 CLF"),
        (9_000_000_000_000_000, "USD", "90000000000000.00 USD"),
        (-9_000_000_000_000_000, "USD", "-90000000000000.00 USD"),
    ],
)
def test_minor_units_are_displayed_as_people_read_them(
    amount: int, currency: str, expected: str
) -> None:
    assert display(amount, currency) == expected
