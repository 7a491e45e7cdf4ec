"""Passwords: what is good enough, and how they are hashed."""

import asyncio
import unicodedata

import pytest

from wallet.domain.errors import Overloaded
from wallet.domain.passwords import (
    PasswordCommon,
    PasswordPersonal,
    PasswordTooLong,
    PasswordTooShort,
    PasswordUnprintable,
    new_password_of,
    password_of,
)
from wallet.infrastructure.security import Argon2Passwords

ADA = ("Ada", "Lovelace", "ada.lovelace@example.com", "countess")


def accepted(password: str, length_min: int = 15) -> str:
    return new_password_of(password, ADA, length_min=length_min)


@pytest.mark.parametrize(
    "password",
    [
        "violet kettle orbit sandal",
        "x7#Kq9mPz2!vLw4",
        "purple monkey winner sunshine",
        "  spaces  count too  ",
        "пять зелёных лягушек",
        "🐸🎻🧵🪁🥝🪺🛶🧲🪗🫐🦚🪡🧭🛖🪵",
        "0123 mixed with other things",
    ],
)
def test_good_passwords_are_taken_as_they_are(password: str) -> None:
    assert accepted(password) == password


def test_length_is_counted_in_characters_from_15_to_128() -> None:
    text = "".join(chr(0x4E00 + number) for number in range(129))
    with pytest.raises(PasswordTooShort) as caught:
        accepted(text[:14])
    assert caught.value.facts == {"field": "password", "minimum": 15}
    assert len(accepted(text[:15])) == 15
    assert len(accepted(text[:128])) == 128
    with pytest.raises(PasswordTooLong):
        accepted(text)


@pytest.mark.parametrize("length", [72, 73])
def test_nothing_is_cut_off_at_bcrypts_limit(length: int) -> None:
    text = "".join(chr(0x4E00 + number) for number in range(length))
    assert accepted(text) == text


def test_eight_characters_do_where_a_second_factor_is_asked_for() -> None:
    assert accepted("x7#Kq9mP", 8) == "x7#Kq9mP"
    with pytest.raises(PasswordTooShort):
        accepted("x7#Kq9m", 8)


def test_composed_and_decomposed_passwords_are_the_same() -> None:
    composed = "crème brûlée garçon"
    decomposed = unicodedata.normalize("NFD", composed)
    assert composed != decomposed
    assert accepted(decomposed) == accepted(composed) == password_of(decomposed)


@pytest.mark.parametrize(
    "password", ["violet\x00kettle orbit", "violet kettle\norbit", "\ud800" * 15]
)
def test_control_characters_are_refused(password: str) -> None:
    with pytest.raises(PasswordUnprintable):
        accepted(password)


@pytest.mark.parametrize(
    "password",
    [
        "passwordpassword",
        "Password12345678",
        "P@ssw0rdP@ssw0rd",
        "qwertyuiopasdfgh",
        "aaaaaaaaaaaaaaaa",
        "abcabcabcabcabc",
        "1234567890123456",
        "9876543210987654",
        "1q2w3e4r5t6y7u8i",
        "iloveyouiloveyou",
        "Summer2024Summer2025",
        "correct horse battery staple",
        "121212121212121",
        "wallet-wallet-wallet",
    ],
)
def test_what_is_guessed_first_is_refused(password: str) -> None:
    with pytest.raises(PasswordCommon):
        accepted(password)


@pytest.mark.parametrize(
    "password",
    [
        "ada.lovelace@example.com",
        "ada.lovelace@example.com1",
        "AdaLovelace1815",
        "countess-countess-1",
        "lovelace.ada.2024",
    ],
)
def test_ones_own_name_and_address_are_no_password(password: str) -> None:
    with pytest.raises(PasswordPersonal) as caught:
        new_password_of(password, ADA, length_min=15, field="new_password")
    assert caught.value.facts == {"field": "new_password"}


async def test_a_hash_is_argon2id_with_owasps_parameters() -> None:
    hasher = Argon2Passwords()
    stored = await hasher.hash("violet kettle orbit sandal")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await hasher.verify("violet kettle orbit sandal", stored)
    assert not await hasher.verify("violet kettle orbit sandal ", stored)
    assert not hasher.needs_update(stored)
    hasher.close()


async def test_without_a_hash_a_decoy_is_verified_and_the_answer_is_no() -> None:
    hasher = Argon2Passwords(memory_kib=64, rounds=1)
    assert not await hasher.verify("anything", None)
    hasher.close()


async def test_older_parameters_are_recognised() -> None:
    old, new = Argon2Passwords(memory_kib=64, rounds=1), Argon2Passwords(memory_kib=128, rounds=1)
    stored = await old.hash("anything")
    assert await new.verify("anything", stored)
    assert new.needs_update(stored)
    old.close()
    new.close()


async def test_long_passwords_differ_to_the_last_byte() -> None:
    hasher = Argon2Passwords(memory_kib=64, rounds=1)
    stored = await hasher.hash("x" * 127 + "y")
    assert not await hasher.verify("x" * 127 + "z", stored)
    hasher.close()


async def test_a_crowd_is_turned_away_rather_than_queued_for_ever() -> None:
    hasher = Argon2Passwords(threads=1, waiting_max=2, memory_kib=64, rounds=1)
    results = await asyncio.gather(*(hasher.hash("x") for _ in range(5)), return_exceptions=True)
    assert [isinstance(result, Overloaded) for result in results] == [False] * 3 + [True] * 2
    await hasher.hash("and room again")
    hasher.close()
