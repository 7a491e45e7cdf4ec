"""Signatures of checkpoints and receipts, by the key that also signs access tokens.

What is signed begins with a line that names its kind. A token's signing input has no line break,
so that neither can ever pass for the other.
"""

from functools import lru_cache
from typing import Any

from jose import jwk
from jose.exceptions import JOSEError

from wallet.domain.proofs import SIGNATURE_SIZE, PublicKey
from wallet.infrastructure.security.keys import ALGORITHM, SigningKey, SigningKeys, thumbprint


class Es256Signer:
    """Signs with the present key."""

    def __init__(self, keys: SigningKeys) -> None:
        self._key = keys.current
        self._public = public_key_of(keys.current)

    def public_key(self) -> PublicKey:
        """Return the public half of the key that signs now."""
        return self._public

    def sign(self, content: bytes) -> bytes:
        """Return the ES256 signature over `content`."""
        signature = self._key.private.sign(content)
        if len(signature) != SIGNATURE_SIZE:
            raise ValueError("an ES256 signature has 64 bytes")
        return bytes(signature)


def public_key_of(key: SigningKey) -> PublicKey:
    """Return the public half of a signing key."""
    return PublicKey(key.kid, key.document["x"], key.document["y"])


@lru_cache(maxsize=64)
def _verifying(key: PublicKey) -> Any:
    """Return what checks a key's signatures, or None if its id is that of another key."""
    members = {"crv": "P-256", "kty": "EC", "x": key.x, "y": key.y}
    if thumbprint(members) != key.key_id:
        return None
    try:
        return jwk.construct({**members, "alg": ALGORITHM}, ALGORITHM)
    except JOSEError:
        return None


def is_signed(key: PublicKey, content: bytes, signature: bytes) -> bool:
    """Tell whether a signature over `content` is by a key whose id is its own thumbprint."""
    verifying = _verifying(key)
    return verifying is not None and bool(verifying.verify(content, signature))
