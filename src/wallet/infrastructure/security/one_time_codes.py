"""One-time codes by time (RFC 6238), through passlib; their QR codes through segno.

Secrets are encrypted (AES-256, by passlib's `AppWallet`) with a key that the database never sees.
Each encrypted secret names its key by a tag made of the key's digest, so that the one before goes
on decrypting while keys are rotated.
"""

import asyncio
import io
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

import segno
from passlib.exc import TokenError
from passlib.totp import TOTP, AppWallet

from wallet.application.ports import Enrolment, Match
from wallet.infrastructure.security.keys import SecretInvalid

ISSUER = "Wallet"
STEP_S = 30
ENCRYPT_COST = 10
"""Rounds of key derivation, as a power of two: half a millisecond. The key has entropy enough."""
QR_BORDER = 4


class PasslibOneTimeCodes:
    """Six digits every 30 seconds, by HMAC-SHA-1: what every authenticator app understands.

    `keys` encrypt the secrets: the present one first, then those that only decrypt.
    """

    def __init__(self, keys: Sequence[str], *, issuer: str = ISSUER) -> None:
        tags = {_tag(key): key for key in keys}
        wallet = AppWallet(tags, default_tag=_tag(keys[0]), encrypt_cost=ENCRYPT_COST)
        self._totp: Any = TOTP.using(wallet=wallet, issuer=issuer, digits=6, period=STEP_S)

    def new_secret(self) -> str:
        """Return a new secret of 160 random bits, encrypted."""
        return str(self._totp.new().to_json(encrypt=True))

    async def enrolment(self, secret: str, label: str) -> Enrolment:
        """Return what an app takes in of an encrypted secret; `label` tells it from others."""
        totp = self._read(secret)
        # A colon would end the issuer's name there.
        uri = str(totp.to_uri(label=label.replace(":", "_")))
        return Enrolment(str(totp.base32_key), uri, await asyncio.to_thread(_qr_svg, uri))

    def match(self, secret: str, digits: str, now: datetime, last_step: int | None) -> Match | None:
        """Return the match of a code of this time step or of the one before or after it."""
        totp = self._read(secret)
        try:
            found = totp.match(digits, time=now, window=STEP_S, last_counter=last_step)
        except TokenError:
            return None
        return Match(int(found.counter), self._again(totp, secret))

    def again(self, secret: str) -> str:
        """Return an encrypted secret, encrypted with the present key if it was with another."""
        return self._again(self._read(secret), secret)

    def _again(self, totp: Any, secret: str) -> str:
        if not totp.changed:
            return secret
        return str(self._totp(key=totp.key, format="raw").to_json(encrypt=True))

    def _read(self, secret: str) -> Any:
        try:
            return self._totp.from_source(secret)
        except KeyError:
            raise SecretInvalid(
                "A second factor was encrypted with another key than WALLET_SECOND_FACTOR_KEY and "
                "WALLET_PREVIOUS_SECOND_FACTOR_KEY."
            ) from None


def _tag(key: str) -> str:
    return sha256(b"wallet-second-factor-key-v1\0" + key.encode()).hexdigest()[:16]


def _qr_svg(text: str) -> str:
    """Return a QR code as SVG: a white ground, so that it can be read in the dark as well."""
    output = io.BytesIO()
    segno.make_qr(text, error="m").save(
        output,
        kind="svg",
        border=QR_BORDER,
        light="#fff",
        xmldecl=False,
        svgns=True,
        omitsize=True,
        nl=False,
        svgclass=None,
        lineclass=None,
    )
    return output.getvalue().decode("ascii")
