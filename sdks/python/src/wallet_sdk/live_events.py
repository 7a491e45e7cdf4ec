"""What a live stream tells, and how far one has listened."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from wallet_sdk._events import ServerEvent
from wallet_sdk.models import Balance, Transaction


class StreamBroken(Exception):
    """The stream does not go on where it stopped; it is opened again from the last place."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a wallet, told once and in order.

    `id` is `<wallet>:<version>`, the same on webhooks; `balance` is that after the entry;
    `transaction` is None for what only holds or releases. `resume_from` is where to go on after
    it: keep it when you have dealt with the entry, and give it back as `last_event_id`.
    """

    id: str
    balance: Balance
    transaction: Transaction | None
    resume_from: str


@dataclass(frozen=True, slots=True)
class Ready:
    """The stream is open: the balances as they were then. Comes again after every reconnect."""

    balances: list[Balance]
    expires_at: datetime
    resume_from: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The stream ends, with the problem that says why (the token expired)."""

    problem: Mapping[str, Any]


@dataclass(slots=True)
class Place:
    """The last version that was handed out of every wallet."""

    versions: dict[str, int] = field(default_factory=dict)
    is_complete: bool = False

    @classmethod
    def of(cls, last_event_id: str | None) -> "Place":
        """Read an id as it was kept; raise ValueError for anything else."""
        place = cls()
        for part in (last_event_id or "").split(","):
            if part:
                wallet_id, _, version = part.strip().partition(":")
                if not (version.isascii() and version.isdigit()):
                    raise ValueError(f"{last_event_id!r} is no event id")
                place.versions[wallet_id] = int(version)
        return place

    def __str__(self) -> str:
        return ",".join(f"{id_}:{version}" for id_, version in self.versions.items())

    def ready(self, event: ServerEvent) -> Ready:
        """Take up what the stream begins with; raise `StreamBroken` if a wallet is new to it.

        A wallet that was opened while the stream was down begins at zero, and what it has seen
        until now would be missing: the next stream is asked for all of it.
        """
        document = json.loads(event.data)
        balances = [Balance.from_dict(balance) for balance in document["balances"]]
        if self.is_complete:
            unheard = [b for b in balances if b.wallet_id not in self.versions]
            self.versions.update({balance.wallet_id: 0 for balance in unheard})
            if any(balance.version for balance in unheard):
                raise StreamBroken("a wallet was opened meanwhile")
        else:
            for balance in balances:
                self.versions.setdefault(balance.wallet_id, balance.version)
            self.is_complete = True
        expires_at = datetime.fromisoformat(document["expires_at"])
        return Ready(balances, expires_at, str(self))

    def entry(self, event: ServerEvent) -> Entry | None:
        """Take up an entry, None if it was told before; raise `StreamBroken` if one is missing."""
        document = json.loads(event.data)
        wallet_id, _, text = document["id"].partition(":")
        version, last = int(text), self.versions.get(wallet_id, 0)
        if version <= last:
            return None
        if version != last + 1:
            raise StreamBroken(f"{document['id']} came after version {last}")
        self.versions[wallet_id] = version
        transaction = document["transaction"]
        return Entry(
            document["id"],
            Balance.from_dict(document["balance"]),
            None if transaction is None else Transaction.from_dict(transaction),
            str(self),
        )


def event_of(event: ServerEvent, place: Place) -> Ready | Entry | Ended | None:
    """Return what an event says, and move on; None for what is old, or unknown to this package."""
    if event.event == "ready":
        return place.ready(event)
    if event.event == "entry":
        return place.entry(event)
    if event.event == "problem":
        return Ended(json.loads(event.data)["problem"])
    return None
