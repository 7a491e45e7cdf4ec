"""Passwords, signing keys and access tokens."""

from wallet.infrastructure.security.keys import (
    SigningKey,
    SigningKeyInvalid,
    SigningKeys,
    load_or_create_key,
)
from wallet.infrastructure.security.passwords import Argon2Passwords
from wallet.infrastructure.security.tokens import JwtTokens

__all__ = [
    "Argon2Passwords",
    "JwtTokens",
    "SigningKey",
    "SigningKeyInvalid",
    "SigningKeys",
    "load_or_create_key",
]
