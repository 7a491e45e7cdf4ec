"""Secrets that must be read again are kept encrypted: AES-256-GCM under a key of the settings.

What is kept names its key, so that two of them can be in use while keys are rotated, and is bound
to what it belongs to: moved to another row, it does not open.
"""

import base64
import binascii
import hashlib
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from wallet.application.webhook_courier import SecretUnreadable

KEY_SIZE = 32
_NAME_SIZE = 8
_NONCE_SIZE = 12
_OTHERS = 0o077


class EncryptionKeyInvalid(ValueError):
    """An encryption key is 32 random bytes in base64, readable by its owner only."""


def key_of(text: str, source: str) -> bytes:
    """Read a key; raise `EncryptionKeyInvalid`, which names `source` and no content."""
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_SIZE:
        raise EncryptionKeyInvalid(f"{source} is not 32 bytes in base64 (openssl rand -base64 32).")
    return key


def load_or_create_encryption_key(path: Path) -> bytes:
    """Return the key kept in a file, making it (mode 0600) if there is none.

    Several processes may do so at once: one of their keys stays. Raises `EncryptionKeyInvalid`.
    """
    if not path.exists():
        _create(path)
    if path.stat().st_mode & _OTHERS:
        raise EncryptionKeyInvalid(f"{path} may be read by others; it must have mode 0600.")
    return key_of(path.read_text(encoding="ascii"), str(path))


def _create(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64encode(secrets.token_bytes(KEY_SIZE)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        # A link, unlike a rename, never replaces the key that somebody else has just made.
        os.link(temporary, path)
    except FileExistsError:
        return
    finally:
        temporary.unlink()


class AesSecretBox:
    """Closes with the first key, opens with any."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._ciphers = {_name(key): AESGCM(key) for key in keys}
        self._current = _name(keys[0])

    def close(self, secret: bytes, context: bytes) -> bytes:
        """Return a secret as it may be stored."""
        nonce = os.urandom(_NONCE_SIZE)
        closed = self._ciphers[self._current].encrypt(nonce, secret, context)
        return self._current + nonce + closed

    def open(self, closed: bytes, context: bytes) -> bytes:
        """Return a stored secret; raise `SecretUnreadable`."""
        name, rest = closed[:_NAME_SIZE], closed[_NAME_SIZE:]
        cipher = self._ciphers.get(name)
        if cipher is None:
            raise SecretUnreadable("the key of a secret is not among the settings")
        try:
            return cipher.decrypt(rest[:_NONCE_SIZE], rest[_NONCE_SIZE:], context)
        except (InvalidTag, ValueError):
            raise SecretUnreadable("a secret was changed where it is kept") from None

    def again(self, closed: bytes, context: bytes) -> bytes:
        """Return a stored secret under the present key: as it is, if that is its key.

        Raises `SecretUnreadable`.
        """
        if closed[:_NAME_SIZE] == self._current:
            return closed
        return self.close(self.open(closed, context), context)


def _name(key: bytes) -> bytes:
    """Return what tells keys apart and says nothing of them."""
    return hashlib.sha256(b"wallet-encryption-key-v1\0" + key).digest()[:_NAME_SIZE]
