"""Live streams: every entry of a person's wallets as it is booked, each once and in order.

An entry is its own event: its id is `<account>:<version>`, and versions have no gaps, so whoever
has seen a version knows what comes next. A stream goes on from the last versions somebody has seen.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from wallet.domain.errors import Invalid, Throttled, Unavailable
from wallet.domain.history import Line

STREAMS_PER_PERSON_MAX = 5


class LastEventIdInvalid(Invalid):
    """The last event id is not one of your wallets', or from a future that has not happened."""

    code = "last-event-id-invalid"


class TooManyStreams(Throttled):
    """You have too many live streams open."""

    code = "too-many-streams"


class StreamsExhausted(Unavailable):
    """This process keeps as many live streams as it can."""

    code = "streams-exhausted"


def positions_of(event_ids: Sequence[str]) -> dict[UUID, int]:
    """Return the version seen last of each account; raise `LastEventIdInvalid`.

    Each is `<account>:<version>`, or several of them with commas between; the highest counts.
    """
    found: dict[UUID, int] = {}
    for event_id in (part for text in event_ids for part in text.split(",")):
        account, _, version = event_id.strip().partition(":")
        if not (version.isascii() and version.isdigit() and len(version) <= 18):
            raise LastEventIdInvalid
        try:
            account_id = UUID(account)
        except ValueError:
            raise LastEventIdInvalid from None
        found[account_id] = max(found.get(account_id, 0), int(version))
    return found


class Streams(Protocol):
    """What live streams read."""

    async def lines_after(self, places: Mapping[UUID, int], limit: int) -> Sequence[Line]:
        """Return each account's first `limit` entries after a version, in order of version."""
        ...

    async def changed_since(
        self, since: datetime | None, account_ids: Collection[UUID]
    ) -> tuple[datetime, Mapping[UUID, int]]:
        """Return the database's time, and those accounts that batches name since some time before.

        Each with the highest version named. Batches may be seen later than others with a later
        time: what is told more than once is no harm, so the time before `since` is read again.
        """
        ...
