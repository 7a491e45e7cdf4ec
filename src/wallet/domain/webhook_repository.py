"""What webhooks keep: endpoints as their owners see them, and what is to be sent, as senders do."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from wallet.domain.webhooks import Cursor, Delivery, DisabledReason, Endpoint


@dataclass(frozen=True, slots=True)
class Look:
    """What one look finds: whether anybody wants webhooks, who may have news, and what is due."""

    watched: bool
    behind: Sequence[UUID]
    due: bool


class Webhooks(Protocol):
    """Endpoints, how far they have come, and the log of what was sent.

    Whoever locks several things does so in this order: a person, cursors, endpoints,
    each in order of id.
    """

    async def add(self, endpoint: Endpoint) -> None:
        """Add an endpoint, which begins behind everything that its owner's streams hold now."""
        ...

    async def of_owner(self, owner_id: UUID) -> Sequence[Endpoint]:
        """Return somebody's endpoints, oldest first."""
        ...

    async def get(self, owner_id: UUID, endpoint_id: UUID) -> Endpoint | None:
        """Return an endpoint of this owner, or None."""
        ...

    async def save(self, endpoint: Endpoint) -> None:
        """Write URL, description, types and secrets of an endpoint whose owner is locked."""
        ...

    async def after(self, endpoint_id: UUID | None, limit: int) -> Sequence[Endpoint]:
        """Return the next endpoints of anybody, in order of id."""
        ...

    async def enable(self, endpoint_id: UUID, now: datetime, *, skip: bool) -> None:
        """Let an endpoint go on where it stopped, or (`skip`) behind everything there is."""
        ...

    async def disable(self, endpoint_id: UUID, reason: DisabledReason, now: datetime) -> bool:
        """Send nothing more to an endpoint; return False if that was so already."""
        ...

    async def remove(self, endpoint_id: UUID) -> None:
        """Remove an endpoint, with what is to be sent to it."""
        ...

    async def remove_all(self, owner_id: UUID) -> None:
        """Remove everything that somebody's endpoints are and were told."""
        ...

    async def follow(self, owner_id: UUID, account_id: UUID) -> None:
        """Let the owner's endpoints hear of an account that is being opened."""
        ...

    async def rewind(self, endpoint_id: UUID, places: Mapping[UUID, int]) -> int:
        """Go back to these numbers of streams, never forward; return how many events come again."""
        ...

    async def wake(self, endpoint_id: UUID) -> None:
        """Try at once what waits for its next attempt, because the endpoint is there again."""
        ...

    async def log(self, delivery: Delivery) -> None:
        """Keep what was sent and answered, if the endpoint is still there."""
        ...

    async def deliveries(
        self, endpoint_id: UUID, *, before: UUID | None, succeeded: bool | None, limit: int
    ) -> Sequence[Delivery]:
        """Return deliveries with a lower id, the newest first."""
        ...

    async def delivery(self, endpoint_id: UUID, delivery_id: UUID) -> Delivery | None:
        """Return one delivery of an endpoint, or None."""
        ...


class Sendings(Protocol):
    """What is to be sent, and which process sends it."""

    async def look(self) -> Look:
        """Compare every cursor with its stream, and see what is due. It changes nothing."""
        ...

    async def followed(self, stream_ids: Collection[UUID]) -> set[UUID]:
        """Return those streams that some enabled endpoint wants to hear of."""
        ...

    async def raise_targets(self, stream_ids: Collection[UUID]) -> set[UUID]:
        """Note how far these streams have come; return the endpoints that have news."""
        ...

    async def claim(self, holder: UUID, limit: int, lease_s: float) -> Sequence[Endpoint]:
        """Lease endpoints that have something due and that nobody else sends to."""
        ...

    async def renew(self, holder: UUID, endpoint_id: UUID, lease_s: float) -> Endpoint | None:
        """Keep a lease; return the endpoint as it is now, or None if it is not leased any more."""
        ...

    async def release(self, holder: UUID, endpoint_id: UUID) -> None:
        """Give a lease back, and note when the endpoint has something due again."""
        ...

    async def due(
        self, endpoint_id: UUID, besides: Collection[UUID], limit: int
    ) -> Sequence[Cursor]:
        """Return cursors that have something to send now, the longest due first."""
        ...

    async def advance(self, holder: UUID, cursor: Cursor, version: int) -> Cursor | None:
        """Move a cursor on to a version.

        None if it is not the holder's any more, was moved meanwhile, or its endpoint was disabled:
        then nothing more is sent.
        """
        ...

    async def postpone(self, holder: UUID, cursor: Cursor, pause_s: float, now: datetime) -> None:
        """Count a failure and wait, if the cursor is still the holder's."""
        ...

    async def recovered(self, endpoint_id: UUID, now: datetime) -> bool:
        """Note a success; return whether the endpoint had failed for `RECOVERED_AFTER`."""
        ...

    async def failing(self, endpoint_id: UUID, now: datetime) -> datetime:
        """Note a failure; return since when there was no success."""
        ...
