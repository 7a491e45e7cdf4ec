"""Amounts: exact, of one currency, and never a float."""

from decimal import Decimal
from typing import Any

import pytest

from wallet.domain.currencies import EXPONENTS as SERVICE_EXPONENTS
from wallet.domain.money import display
from wallet_sdk import CurrencyMismatch, Money
from wallet_sdk._generated.currencies import EXPONENTS
from wallet_sdk.money import total


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("25.00", "USD", 2_500),
        ("25", "USD", 2_500),
        ("25.5", "USD", 2_550),
        ("25.500", "USD", 2_550),
        ("-0.01", "EUR", -1),
        ("2500", "JPY", 2_500),
        ("2.500", "KWD", 2_500),
        ("0.0001", "CLF", 1),
        ("9000000000000000.01", "USD", 900_000_000_000_000_001),
    ],
)
def test_what_people_write_becomes_minor_units(text: str, currency: str, minor: int) -> None:
    assert Money.of(text, currency) == Money(minor, currency)
    assert Money.of(Decimal(text), currency) == Money(minor, currency)


@pytest.mark.parametrize(
    "amount",
    ["1.001", "", "1,00", "1e3", "NaN", "Infinity", " 1 0 ", "0x1", "1_000", "٣", Decimal("NaN")],
)
def test_what_is_no_amount_is_refused(amount: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        Money.of(amount, "USD")


@pytest.mark.parametrize("amount", [25.0, 0.1, True, None, b"25"])
def test_floats_and_other_types_are_refused(amount: Any) -> None:
    with pytest.raises(TypeError):
        Money.of(amount, "USD")
    with pytest.raises(TypeError):
        Money(amount, "USD")


@pytest.mark.parametrize("exponent", ["1E+999999", "1E-999999"])
def test_a_huge_exponent_costs_nothing(exponent: str) -> None:
    with pytest.raises(ValueError, match="out of range"):
        Money.of(Decimal(exponent), "USD")


def test_a_fraction_of_a_yen_is_refused() -> None:
    with pytest.raises(ValueError, match="JPY, which has 0"):
        Money.of("1.5", "JPY")


@pytest.mark.parametrize("currency", ["usd", "US", "USDX", "", "U$D"])
def test_a_currency_is_an_iso_code(currency: str) -> None:
    with pytest.raises(ValueError, match="ISO 4217"):
        Money(1, currency)


def test_the_table_of_currencies_is_the_services() -> None:
    assert EXPONENTS == SERVICE_EXPONENTS
    assert (EXPONENTS["USD"], EXPONENTS["JPY"], EXPONENTS["KWD"]) == (2, 0, 3)


@pytest.mark.parametrize("minor", [0, 1, -1, 99, 100, -12_345, 10**15])
@pytest.mark.parametrize("currency", ["USD", "JPY", "KWD", "CLF"])
def test_it_displays_as_the_service_does(minor: int, currency: str) -> None:
    assert str(Money(minor, currency)) == display(minor, currency)


def test_a_currency_of_a_newer_service_can_be_held_but_not_converted() -> None:
    assert Money(5, "XXQ").minor == 5
    with pytest.raises(ValueError, match="XXQ"):
        _ = Money(5, "XXQ").decimal


def test_amounts_of_one_currency_can_be_counted_with() -> None:
    two, five = Money(200, "USD"), Money(500, "USD")
    assert two + five == Money(700, "USD")
    assert two - five == Money(-300, "USD")
    assert (-two, abs(-two), 3 * two) == (Money(-200, "USD"), two, Money(600, "USD"))
    assert two < five <= five
    assert not Money(0, "USD")
    assert sum([two, five]) == Money(700, "USD")
    assert total([], "USD") == Money(0, "USD")


def test_two_currencies_do_not_mix() -> None:
    dollars, yen = Money(200, "USD"), Money(200, "JPY")
    assert dollars != yen
    for mix in (lambda: dollars + yen, lambda: dollars - yen, lambda: dollars < yen):
        with pytest.raises(CurrencyMismatch):
            mix()


@pytest.mark.parametrize("other", [1, 1.5, "1", Decimal(1)])
def test_a_number_is_no_amount(other: Any) -> None:
    with pytest.raises(TypeError):
        Money(1, "USD") + other
    with pytest.raises(TypeError):
        _ = Money(1, "USD") < other


def test_a_fraction_of_an_amount_is_refused() -> None:
    half: Any = 0.5
    with pytest.raises(TypeError):
        Money(100, "USD") * half


def test_shares_sum_up_to_the_whole() -> None:
    assert [part.minor for part in Money(100, "USD").split(3)] == [34, 33, 33]
    assert [part.minor for part in Money(-100, "USD").split(3)] == [-34, -33, -33]
    assert [part.minor for part in Money(101, "USD").split([0, 1, 3])] == [0, 26, 75]
    with pytest.raises(ValueError, match="shares"):
        Money(100, "USD").split([])
