"""Events that move no money: what else happened to a person, kept with the change itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a person, such as `wallet.opened`; never money moving."""

    id: UUID
    person_id: UUID
    kind: str
    facts: Mapping[str, str]
    happened_at: datetime


class Events(Protocol):
    """Where events are written; reading them is for relays."""

    async def add(self, event: Event) -> None:
        """Write an event in the caller's transaction."""
        ...
