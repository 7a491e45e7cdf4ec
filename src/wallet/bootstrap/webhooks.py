"""The half that tells others: webhook endpoints, the relay that feeds them, the list of events."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from random import Random

from wallet.api.event_documents import event_body
from wallet.application.event_log import EventLog
from wallet.application.webhook_courier import Courier
from wallet.application.webhook_relay import WebhookRelay
from wallet.application.webhook_run import Post
from wallet.application.webhooks import WebhookEndpoints
from wallet.bootstrap.ground import Ground
from wallet.bootstrap.people import PeopleParts
from wallet.domain.webhook_addresses import AddressPolicy
from wallet.domain.webhooks import Answer, Schedule
from wallet.infrastructure.identifiers import new_id, utc_now
from wallet.infrastructure.postgres.guards import PostgresGuards
from wallet.infrastructure.postgres.pool import Pool
from wallet.infrastructure.postgres.unit_of_work import PostgresUnitOfWork
from wallet.infrastructure.security.secret_box import (
    AesSecretBox,
    key_of,
    load_or_create_encryption_key,
)
from wallet.infrastructure.telemetry import Metrics
from wallet.infrastructure.webhook_client import Resolver, WebhookClient
from wallet.settings import Settings

KEY_FILE = "webhook-key"
REQUESTS_MAX = 256
"""So many requests to endpoints are under way at a time in one process."""
ACQUIRE_S = 5.0
"""Nobody waits for what is sent: it may stand in line for its few connections."""


@dataclass(frozen=True, slots=True)
class WebhookParts:
    """What people do with endpoints, what sends to them, and the list of events."""

    endpoints: WebhookEndpoints
    relay: WebhookRelay
    event_log: EventLog


def webhook_parts(
    ground: Ground, pool: "Pool", people: PeopleParts, metrics: Metrics
) -> WebhookParts:
    """Build the half that tells others; `pool` has the connections of the relay."""

    def unit_of_work() -> PostgresUnitOfWork:
        return PostgresUnitOfWork(pool, acquire_timeout_s=ACQUIRE_S)

    courier = _courier(ground, metrics)
    post = Post(
        unit_of_work=unit_of_work,
        courier=courier,
        schedule=Schedule(ground.settings.webhook_retries_s),
        slots=asyncio.Semaphore(REQUESTS_MAX),
        holder=new_id(),
        notify=people.mail.post,
        report=ground.report,
        public_url=ground.settings.public_url,
        random=Random(),  # noqa: S311 - it spreads attempts and guards nothing
    )
    relay = WebhookRelay(post, reading=ground.reading)
    endpoints = WebhookEndpoints(
        unit_of_work=ground.unit_of_work,
        reading=ground.reading,
        courier=courier,
        guards=PostgresGuards(ground.pool),
        random_bytes=os.urandom,
        poke=relay.poke,
    )
    return WebhookParts(endpoints, relay, EventLog(ground.reading))


def secret_box(settings: Settings, directory: Path) -> AesSecretBox:
    """Return what keeps secrets, with the keys of the settings or the one of the data directory.

    Raises `EncryptionKeyInvalid`, naming the setting.
    """
    if settings.webhook_key is None:
        keys = [load_or_create_encryption_key(directory / KEY_FILE)]
    else:
        keys = [key_of(settings.webhook_key.get_secret_value(), "WALLET_WEBHOOK_KEY")]
    if settings.previous_webhook_key is not None:
        text = settings.previous_webhook_key.get_secret_value()
        keys.append(key_of(text, "WALLET_PREVIOUS_WEBHOOK_KEY"))
    return AesSecretBox(keys)


def _courier(ground: Ground, metrics: Metrics) -> Courier:
    resolver = Resolver()
    ground.stack.callback(resolver.close)

    def observe(answer: Answer) -> None:
        status = "none" if answer.status is None else f"{answer.status // 100}xx"
        metrics.webhook(answer.failure or status, answer.duration_ms / 1000)

    return Courier(
        sender=WebhookClient(AddressPolicy(ground.settings.sends_to_loopback), resolver),
        box=secret_box(ground.settings, ground.directory),
        render=event_body,
        clock=utc_now,
        new_id=new_id,
        observe=observe,
    )
