"""The live half: streams of this process, and the hints that processes give each other."""

from collections.abc import Callable
from dataclasses import dataclass

from wallet.application.live import LiveHub
from wallet.application.revocations import Revocations
from wallet.application.webhook_relay import WebhookRelay
from wallet.bootstrap.ground import Ground
from wallet.domain.ledger import Book
from wallet.infrastructure.identifiers import utc_now
from wallet.infrastructure.postgres.hints import Hints


@dataclass(frozen=True, slots=True)
class LiveParts:
    """The streams, the channel of hints, and what tells both that something was booked."""

    hub: LiveHub
    hints: Hints
    announce: Callable[[Book], None]


def live_parts(
    ground: Ground, database_url: str, revocations: Revocations, relay: WebhookRelay
) -> LiveParts:
    """Build the live half; what was booked is told to the webhooks' relay as well."""
    hub = LiveHub(
        unit_of_work=ground.reading,
        clock=utc_now,
        report=ground.report,
        is_revoked=revocations.is_revoked,
    )
    hints = Hints(database_url, hear=hub.hint, wants=lambda: hub.is_watched)

    def announce(book: Book) -> None:
        if not (hub.is_watched or hints.others_listen or relay.is_watched):
            return
        versions = {
            account.id: account.version
            for account in book.changed_accounts()
            if account.owner_id is not None
        }
        hub.hint(versions)
        hints.tell(versions)
        relay.hint(versions.keys())

    return LiveParts(hub, hints, announce)
