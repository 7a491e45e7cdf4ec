"""The keys that sign access tokens: P-256, the present one and, while it is rotated, the last.

Each has the RFC 7638 thumbprint of its public part as its `kid`. In development the key is made in
the data directory; in production it comes from a setting, and nothing here makes one.
"""

import base64
import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jose import jwk
from jose.backends.base import Key

ALGORITHM = "ES256"
SECRET_LENGTH_MIN = 32
_SECRET_BYTES = 32
_PRIVATE = 0o600
_OTHERS = 0o077


class SigningKeyInvalid(ValueError):
    """A signing key must be a P-256 private key in PEM, readable by its owner only."""


class SecretInvalid(ValueError):
    """A file with a secret must be readable by its owner only, and hold enough of it."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key, ready to use; `kid` follows from its public part."""

    kid: str
    private: Key = field(repr=False)
    public: Key = field(repr=False)
    document: Mapping[str, str]

    @classmethod
    def of_pem(cls, pem: str | bytes, source: str = "the signing key") -> "SigningKey":
        """Read a private key; raise `SigningKeyInvalid`, which names `source` and no content."""
        text = pem.encode() if isinstance(pem, str) else pem
        try:
            private = serialization.load_pem_private_key(text, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise SigningKeyInvalid(f"{source} is not a private key in PEM.") from None
        if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(
            private.curve, ec.SECP256R1
        ):
            raise SigningKeyInvalid(f"{source} is not a key on the curve P-256.")
        public = jwk.construct(_public_pem(private), ALGORITHM)
        numbers = public.to_dict()
        members = {name: _text(numbers[name]) for name in ("crv", "kty", "x", "y")}
        kid = thumbprint(members)
        document = {**members, "kid": kid, "use": "sig", "alg": ALGORITHM}
        return cls(kid, jwk.construct(text.decode("ascii"), ALGORITHM), public, document)


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """The key that signs, and those that only verify what they signed before."""

    current: SigningKey
    previous: tuple[SigningKey, ...] = ()

    def by_kid(self) -> Mapping[str, SigningKey]:
        """Return every key that verifies, by its id."""
        return {key.kid: key for key in (*self.previous, self.current)}

    def jwks(self) -> Mapping[str, Any]:
        """Return the public keys as a JSON Web Key Set, the one that signs first."""
        documents = {key.kid: dict(key.document) for key in (self.current, *self.previous)}
        return {"keys": list(documents.values())}


def load_or_create_key(path: Path) -> SigningKey:
    """Return the key kept in a file, making it (mode 0600) if there is none.

    Several processes may do so at once: one of their keys stays, and all get that one. Raises
    `SigningKeyInvalid` if the file is no such key or others may read it.
    """
    if not path.exists():
        _create(path, _new_pem())
    if path.stat().st_mode & _OTHERS:
        raise SigningKeyInvalid(f"{path} may be read by others; it must have mode 0600.")
    return SigningKey.of_pem(path.read_bytes(), str(path))


def load_or_create_secret(path: Path) -> str:
    """Return the secret kept in a file, making one of 256 random bits (mode 0600) if there is none.

    Like keys, several processes that do so at once get the same one. Raises `SecretInvalid`.
    """
    if not path.exists():
        _create(path, secrets.token_urlsafe(_SECRET_BYTES).encode())
    if path.stat().st_mode & _OTHERS:
        raise SecretInvalid(f"{path} may be read by others; it must have mode 0600.")
    secret = path.read_text(encoding="ascii", errors="replace").strip()
    if len(secret) < SECRET_LENGTH_MIN:
        raise SecretInvalid(f"{path} holds fewer than {SECRET_LENGTH_MIN} characters.")
    return secret


def _new_pem() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _create(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # A link, unlike a rename, never replaces the key that somebody else has just made.
        os.link(temporary, path)
    except FileExistsError:
        return
    finally:
        temporary.unlink()


def _public_pem(private: ec.EllipticCurvePrivateKey) -> str:
    return (
        private.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode("ascii")
    )


def thumbprint(members: Mapping[str, str]) -> str:
    """Return the RFC 7638 thumbprint of a public key."""
    canonical = json.dumps(dict(members), sort_keys=True, separators=(",", ":")).encode()
    digest = hashlib.sha256(canonical).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def _text(value: str | bytes) -> str:
    return value.decode("ascii") if isinstance(value, bytes) else value
