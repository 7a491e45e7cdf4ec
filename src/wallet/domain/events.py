"""Events: everything that happens to a person, told alike on webhooks and by `GET /events`.

They come in streams that have numbers without gaps. Each account is one: an entry is its own event.
The person is another: of what moves no money, kept with the change itself. An event's id is
`<stream>:<version>`; in a stream nothing with a lower number comes after one with a higher, which
no time and no id could promise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from wallet.domain.errors import Invalid, NotFound
from wallet.domain.history import Line
from wallet.domain.journal import Entry, Kind

TEST_EVENT = "webhook.test"
ENDPOINT_DISABLED = "webhook.endpoint.disabled"

EVENT_TYPES: Mapping[str, str] = {
    "transfer.sent": "You paid somebody.",
    "transfer.received": "Somebody paid you.",
    "topup.settled": "Money that you added has arrived.",
    "refund.received": "Staff gave you back what you had paid.",
    "refund.sent": "Staff gave back what you had been paid.",
    "adjustment.received": "Staff corrected your balance upwards.",
    "adjustment.sent": "Staff corrected your balance downwards.",
    "wallet.opened": "You opened a wallet in another currency.",
    "wallet.frozen": "Staff froze one of your wallets.",
    "wallet.unfrozen": "Staff let one of your wallets send and receive again.",
    "wallet.closed": "Staff closed one of your wallets.",
    "wallet.overdraft-set": "Staff changed how far below zero one of your wallets may go.",
    "user.signed-up": "You signed up.",
    "user.updated": "Your names or your handle changed.",
    "user.appointed": "You became one of the staff, or have another role among them or none.",
    "user.password-changed": "You changed your password.",
    "user.password-reset": "Your password was reset by mail.",
    "user.email-verified": "You proved that an e-mail address is yours.",
    "user.second-factor-enabled": "You turned your second factor on.",
    "user.second-factor-disabled": "You took your second factor off.",
    "user.second-factor-reset": "Staff took your second factor off, since you could not get in.",
    "user.recovery-code-used": "A recovery code of your second factor was used.",
    "user.recovery-codes-replaced": "You made new recovery codes.",
    "user.second-factor-guessed": "Wrong codes of your second factor were given, again and again.",
    "session.refresh-token-reused": "A refresh token came a second time, so its session ended.",
    "api-key.created": "You made an API key.",
    "api-key.rotated": "You gave an API key a new secret.",
    "api-key.revoked": "You revoked an API key.",
    ENDPOINT_DISABLED: "A webhook endpoint was disabled because it failed for days, or is gone.",
}
"""Every type there is, and what it says; `user.closed` is told to nobody who is left."""


class EventNotFound(NotFound):
    """You have no such event."""

    code = "event-not-found"


class EventIdInvalid(Invalid):
    """That is neither an event id nor a cursor that this service made."""

    code = "event-id-invalid"


class EventTypeUnknown(Invalid):
    """There is no such type of event."""

    code = "event-type-unknown"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a person, such as `wallet.opened`; never money moving."""

    id: UUID
    person_id: UUID
    kind: str
    facts: Mapping[str, str]
    happened_at: datetime


@dataclass(frozen=True, slots=True)
class Happening:
    """One event of a stream: an entry's line of history, or the facts of what moved no money."""

    stream_id: UUID
    version: int
    type: str
    happened_at: datetime
    line: Line | None = None
    facts: Mapping[str, str] | None = None

    @property
    def id(self) -> str:
        """The id of the event: `<stream>:<version>`."""
        return f"{self.stream_id}:{self.version}"

    @classmethod
    def of(cls, line: Line) -> "Happening":
        """Return an entry as an event."""
        entry = line.entry
        return cls(entry.account_id, entry.version, type_of(entry), entry.booked_at, line=line)


def type_of(entry: Entry) -> str:
    """Return the type of the event that an entry is, such as `transfer.received`."""
    if entry.kind is Kind.TOP_UP:
        return "topup.settled"
    if entry.posted_delta:
        return f"{entry.kind.word}.{'received' if entry.posted_delta > 0 else 'sent'}"
    return f"{entry.kind.word}.{'held' if entry.held_delta > 0 else 'released'}"


def known_types(types: Sequence[str]) -> tuple[str, ...]:
    """Return these types, each once; raise `EventTypeUnknown`, which names those there are."""
    for type_ in types:
        if type_ not in EVENT_TYPES:
            raise EventTypeUnknown(event_type=type_[:100], known=sorted(EVENT_TYPES))
    return tuple(dict.fromkeys(types))


class Events(Protocol):
    """Where events that move no money are written, and read in order of their numbers."""

    async def add(self, event: Event) -> None:
        """Write an event in the caller's transaction, under the next number of its person.

        Other events of the person wait until the transaction ends, which keeps the numbers in the
        order in which they can be seen.
        """
        ...

    async def after(self, places: Mapping[UUID, int], limit: int) -> Sequence[Happening]:
        """Return each person's first `limit` events after a number, in order of number."""
        ...

    async def head(self, person_id: UUID) -> int:
        """Return the last number of a person's events; 0 if there is none."""
        ...

    async def times(self, places: Mapping[UUID, int]) -> Sequence[datetime]:
        """Return the times of these events of accounts and persons, as far as there are such."""
        ...

    async def before(
        self, person_id: UUID, heads: Mapping[UUID, int], instant: datetime
    ) -> Mapping[UUID, int]:
        """Return the last number before an instant of a person's streams; 0 if there is none.

        `heads` are the last ones of the person's accounts now.
        """
        ...
