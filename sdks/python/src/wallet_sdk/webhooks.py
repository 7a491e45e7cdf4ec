"""Webhooks: is it really the service that calls?

After the Standard Webhooks specification: `webhook-signature` has one or more signatures
`v1,<base64>`, of which one must be HMAC-SHA256 over ``<webhook-id>.<webhook-timestamp>.<body>``
under the endpoint's secret.
"""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from wallet_sdk.errors import WebhookRefused
from wallet_sdk.models import EventAnswer

PREFIX = "whsec_"
TOLERANCE_S = 300.0
_ID, _TIMESTAMP, _SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
_SIGNATURES_MAX = 32


@dataclass(frozen=True, slots=True)
class WebhookMessage:
    """A webhook whose signature is right.

    `id` is the event's, the same at every attempt: keep it, and do not act on it twice.
    """

    id: str
    sent_at: datetime
    body: dict[str, Any]

    @property
    def event(self) -> EventAnswer:
        """The body as the event that it is."""
        return EventAnswer.from_dict(self.body)


class Webhook:
    """Checks the webhooks of an endpoint by its secret, or secrets while they are rotated::

        message = Webhook(secret).verify(request.body, request.headers)

    Give the body as it came, byte for byte: JSON that was read and written again has another
    signature.
    """

    def __init__(
        self,
        secret: str | Sequence[str],
        *,
        tolerance_s: float = TOLERANCE_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        secrets = [secret] if isinstance(secret, str) else list(secret)
        if not secrets:
            raise ValueError("a webhook needs a secret")
        self._keys = [_key(one) for one in secrets]
        self._tolerance_s = tolerance_s
        self._clock = clock

    def verify(self, payload: bytes | str, headers: Mapping[str, str]) -> WebhookMessage:
        """Return the message; raise `WebhookRefused` unless it is the service's and recent."""
        content = payload.encode() if isinstance(payload, str) else bytes(payload)
        found = {name.lower(): value for name, value in headers.items()}
        try:
            id_, timestamp, signatures = (found[name] for name in (_ID, _TIMESTAMP, _SIGNATURE))
        except KeyError as error:
            raise WebhookRefused(f"the header {error} is missing") from None
        sent_at_s = self._recent(timestamp)
        if not self._is_signed(f"{id_}.{timestamp}.".encode() + content, signatures):
            raise WebhookRefused("no signature is right")
        try:
            body = json.loads(content)
        except ValueError:
            raise WebhookRefused("the body is not JSON") from None
        if not isinstance(body, dict):
            raise WebhookRefused("the body is no JSON object")
        return WebhookMessage(id_, datetime.fromtimestamp(sent_at_s, UTC), body)

    def _recent(self, timestamp: str) -> int:
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
            raise WebhookRefused("the timestamp is no time")
        if abs(self._clock() - int(timestamp)) > self._tolerance_s:
            raise WebhookRefused("the timestamp is too old, or of the future")
        return int(timestamp)

    def _is_signed(self, signed: bytes, signatures: str) -> bool:
        expected = [hmac.digest(key, signed, hashlib.sha256) for key in self._keys]
        right = False
        for signature in signatures.split(" ")[:_SIGNATURES_MAX]:
            version, _, encoded = signature.partition(",")
            if version != "v1":
                continue
            try:
                given = base64.b64decode(encoded, validate=True)
            except (binascii.Error, ValueError):
                continue
            # All are compared, and each in constant time.
            for digest in expected:
                right |= hmac.compare_digest(digest, given)
        return right


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"a secret is {PREFIX} and base64") from None
    if not key:
        raise ValueError("a secret is not empty")
    return key
