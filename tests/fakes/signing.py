"""A key of the tests, made once."""

from functools import cache

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from wallet.infrastructure.security.keys import SigningKey, SigningKeys
from wallet.infrastructure.security.signing import Es256Signer


def new_key() -> SigningKey:
    private = ec.generate_private_key(ec.SECP256R1())
    return SigningKey.of_pem(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


@cache
def signer() -> Es256Signer:
    return Es256Signer(SigningKeys(new_key()))
