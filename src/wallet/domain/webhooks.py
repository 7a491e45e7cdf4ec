"""Webhooks after the Standard Webhooks specification: endpoints, deliveries, and when to try again.

An endpoint keeps, for each stream of its owner's events, the number of the last one that was
acknowledged or given up: a *cursor*. Nothing else says what is still to be sent, so nothing can be
forgotten, and in a stream the next event never overtakes the one before.
"""

import hashlib
import hmac
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from wallet.domain.errors import Conflict, Invalid, NotFound

ENDPOINTS_MAX = 10
"""How many endpoints a person may have."""
DESCRIPTION_LENGTH_MAX = 200
SECRET_PREFIX = "whsec_"  # noqa: S105 - what secrets begin with
SECRET_SIZE = 32
OVERLAP_DEFAULT_S = 24 * 3600
OVERLAP_MAX_S = 7 * 24 * 3600
"""How long the secret before may go on signing beside the new one."""
TOLERANCE = timedelta(minutes=5)
"""How far the time of a webhook may be from a receiver's clock."""
RESEND_AGE_MAX = timedelta(days=30)
RETRIES_S: tuple[int, ...] = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""The pauses between attempts that the specification suggests: three days in all."""
RETRY_AFTER_MAX_S = 3_600
ANSWER_SHOWN_MAX = 2_000
"""How many characters of an answer are kept in the log of deliveries."""
DELIVERIES_LIMIT_MAX = 100
GONE = 410
RECOVERED_AFTER = timedelta(seconds=10)
"""An endpoint that succeeds after it has failed for so long is taken to be there again."""
WOKEN_ATTEMPTS_MAX = 30
"""An event that has failed more often is tried at its own times, whatever else succeeds."""


class EndpointNotFound(NotFound):
    """You have no such webhook endpoint."""

    code = "webhook-endpoint-not-found"


class DeliveryNotFound(NotFound):
    """There is no such delivery in the log of the endpoint."""

    code = "webhook-delivery-not-found"


class EndpointLimitReached(Conflict):
    """You have as many webhook endpoints as one may have."""

    code = "webhook-endpoint-limit-reached"


class ResendPeriodInvalid(Invalid):
    """Events are sent again from some time of the last 30 days on."""

    code = "resend-period-invalid"


class DisabledReason(StrEnum):
    """Why an endpoint gets nothing."""

    OWNER = "owner"
    FAILING = "failing"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where somebody wants to be told; the secrets are encrypted. No types are all types."""

    id: UUID
    owner_id: UUID
    url: str
    description: str | None
    event_types: tuple[str, ...]
    secret: bytes
    created_at: datetime
    disabled_reason: DisabledReason | None = None
    disabled_at: datetime | None = None
    previous_secret: bytes | None = None
    previous_secret_until: datetime | None = None
    failing_since: datetime | None = None
    waiting: int = 0

    @property
    def enabled(self) -> bool:
        """Whether events are sent."""
        return self.disabled_reason is None

    def wants(self, event_type: str) -> bool:
        """Tell whether the endpoint is to be told of a type."""
        return not self.event_types or event_type in self.event_types

    def secrets(self, now: datetime) -> Sequence[bytes]:
        """Return the secrets to sign with, the present one first."""
        until = self.previous_secret_until
        if self.previous_secret is None or until is None or until <= now:
            return [self.secret]
        return [self.secret, self.previous_secret]


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far an endpoint has come in a stream, and how often the next event was tried in vain."""

    endpoint_id: UUID
    stream_id: UUID
    version: int
    target: int
    attempts: int = 0
    tried_since: datetime | None = None


class Cause(StrEnum):
    """Why something was sent."""

    EVENT = "event"
    TEST = "test"
    RESEND = "resend"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one request; `failure` is a word for it where no answer came that counts."""

    duration_ms: int
    status: int | None = None
    body: str | None = None
    failure: str | None = None
    retry_after_s: int | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the receiver has acknowledged the event."""
        return self.status is not None and 200 <= self.status < 300 and self.failure is None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request to an endpoint, and its answer, as the log keeps them."""

    id: UUID
    endpoint_id: UUID
    event_id: str
    event_type: str
    cause: Cause
    attempt: int
    sent_at: datetime
    url: str
    body: str
    answer: Answer
    next_attempt_at: datetime | None = None

    def tried_again_after(self, pause_s: float) -> "Delivery":
        """Return the delivery with the time of the next attempt."""
        return replace(self, next_attempt_at=self.sent_at + timedelta(seconds=pause_s))


@dataclass(frozen=True, slots=True)
class Schedule:
    """When to try again: pauses in seconds, each lengthened by up to a fifth of itself."""

    pauses_s: tuple[int, ...] = RETRIES_S
    jitter: float = 0.2

    def pause_s(
        self, failures: int, elapsed_s: float, chance: float, retry_after_s: int | None
    ) -> float | None:
        """Return how long to wait after so many failures; None if it is time to give up.

        That goes by the time since the first attempt, because some attempts are made early, when an
        endpoint seems to be back. `chance` is a random number from 0 to 1. What the receiver asks
        for counts, up to an hour.
        """
        left_s = sum(self.pauses_s) - elapsed_s
        if left_s <= 0:
            return None
        pause_s = self.pauses_s[min(failures, len(self.pauses_s)) - 1]
        pause_s = max(pause_s, min(retry_after_s or 0, RETRY_AFTER_MAX_S))
        return max(1.0, min(pause_s, left_s)) * (1 + self.jitter * chance)


def secret_text(secret: bytes) -> str:
    """Return a secret as it is shown: `whsec_` and base64."""
    return SECRET_PREFIX + b64encode(secret).decode()


def secret_of(text: str) -> bytes:
    """Return the secret that a text shows; raise `ValueError`."""
    try:
        return b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except Base64Error:
        raise ValueError("a webhook secret is whsec_ and base64") from None


def signature_of(secret: bytes, event_id: str, timestamp: int, body: bytes) -> str:
    """Return one signature of the header `webhook-signature`: `v1,` and base64."""
    signed = f"{event_id}.{timestamp}.".encode() + body
    return "v1," + b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()


def headers_of(
    secrets: Sequence[bytes], event_id: str, timestamp: int, body: bytes
) -> list[tuple[str, str]]:
    """Return the headers that prove where a webhook comes from, signed with each secret."""
    signatures = [signature_of(secret, event_id, timestamp, body) for secret in secrets]
    return [
        ("webhook-id", event_id),
        ("webhook-timestamp", str(timestamp)),
        ("webhook-signature", " ".join(signatures)),
    ]


def signature_flaw(
    secrets: Sequence[bytes],
    *,
    event_id: str,
    timestamp: str,
    signature: str,
    body: bytes,
    now: datetime,
) -> str | None:
    """Return what is wrong with the headers of a webhook, in a word; None if they are right."""
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return "timestamp-malformed"
    given = [part for part in signature.split(" ") if part.startswith("v1,")]
    if not given:
        return "signature-malformed"
    expected = [signature_of(secret, event_id, int(timestamp), body) for secret in secrets]
    if not any(
        hmac.compare_digest(one.encode(), other.encode()) for one in given for other in expected
    ):
        return "signature-mismatch"
    age_s = now.timestamp() - int(timestamp)
    if abs(age_s) > TOLERANCE.total_seconds():
        return "timestamp-too-old" if age_s > 0 else "timestamp-too-new"
    return None
