"""Webhooks as rules: signatures that others verify, secrets that overlap, when to try again."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from tests.unit.test_journal import AN_ENTRY

from wallet.domain.events import EVENT_TYPES, EventTypeUnknown, Happening, known_types, type_of
from wallet.domain.webhooks import (
    Answer,
    Endpoint,
    Schedule,
    headers_of,
    secret_of,
    secret_text,
    signature_flaw,
    signature_of,
)
