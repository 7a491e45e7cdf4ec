"""`GET /events`: everything that happened to a person, in an order that misses nothing.

A place is a number for each of the person's streams. What is behind it is merged by time; in a
stream the order is that of the numbers. A stream that a place does not name goes on with what is
not older than the newest event that it does name, less a while: times are not the order of commits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from heapq import merge
from uuid import UUID

from wallet.application.unit_of_work import UnitOfWork, UnitOfWorkFactory
from wallet.domain.events import EventIdInvalid, EventNotFound, Happening

LIMIT_MAX = 200
SCANNED_MAX = 1_000
"""How many events one page looks at, where only some types are asked for."""
OVERLAP = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class EventPage:
    """Some events, oldest first, and the place behind them."""

    events: Sequence[Happening]
    place: Mapping[UUID, int]
    more: bool


class EventLog:
    """Reads events as webhooks tell them."""

    def __init__(self, unit_of_work: UnitOfWorkFactory) -> None:
        self._unit_of_work = unit_of_work

    async def page(
        self,
        person_id: UUID,
        place: Mapping[UUID, int] | None,
        *,
        types: Sequence[str],
        limit: int,
    ) -> EventPage:
        """Return events behind a place, or from the first one on.

        Raises `EventIdInvalid` for a place with a stream that is not the person's, or a number that
        has not come yet.
        """
        async with self._unit_of_work() as work:
            heads = await _heads(work, person_id)
            start = await _start(work, person_id, place, heads)
            scanned_max = max(limit, SCANNED_MAX // len(start)) if types else limit
            events = await _read(work, person_id, start, scanned_max + 1)
        return _page(events, start, types, limit, scanned_max)

    async def now(self, person_id: UUID) -> EventPage:
        """Return the place behind everything there is, and no events."""
        async with self._unit_of_work() as work:
            return EventPage([], await _heads(work, person_id), more=False)

    async def one(self, person_id: UUID, stream_id: UUID, version: int) -> Happening:
        """Return one event; raise `EventNotFound`."""
        async with self._unit_of_work() as work:
            heads = await _heads(work, person_id)
            if stream_id not in heads or not 1 <= version <= heads[stream_id]:
                raise EventNotFound
            found = await _read(work, person_id, {stream_id: version - 1}, 1)
        for event in found:
            if event.version == version:
                return event
        raise EventNotFound


async def _heads(work: UnitOfWork, person_id: UUID) -> dict[UUID, int]:
    wallets = await work.wallets.of_owner(person_id)
    own = await work.events.head(person_id)
    return {**{wallet.id: wallet.version for wallet in wallets}, person_id: own}


async def _start(
    work: UnitOfWork, person_id: UUID, place: Mapping[UUID, int] | None, heads: Mapping[UUID, int]
) -> Mapping[UUID, int]:
    if place is None:
        return dict.fromkeys(heads, 0)
    if any(version > heads.get(stream_id, -1) for stream_id, version in place.items()):
        raise EventIdInvalid
    if place.keys() == heads.keys():
        return place
    times = await work.events.times(place)
    unnamed = dict.fromkeys(heads, 0)
    if times:
        accounts = {id_: version for id_, version in heads.items() if id_ != person_id}
        found = await work.events.before(person_id, accounts, max(times) - OVERLAP)
        unnamed.update(found)
    return {**unnamed, **place}


async def _read(
    work: UnitOfWork, person_id: UUID, places: Mapping[UUID, int], limit: int
) -> list[Happening]:
    accounts = {id_: version for id_, version in places.items() if id_ != person_id}
    lines = await work.streams.lines_after(accounts, limit) if accounts else []
    events = [Happening.of(line) for line in lines]
    if person_id in places:
        events += await work.events.after({person_id: places[person_id]}, limit)
    return events


def _page(
    events: Sequence[Happening],
    start: Mapping[UUID, int],
    types: Sequence[str],
    limit: int,
    scanned_max: int,
) -> EventPage:
    """Merge the streams until the page is full, or one of them was not read any further."""
    streams: dict[UUID, list[Happening]] = {}
    for event in events:
        streams.setdefault(event.stream_id, []).append(event)
    place, found = dict(start), list[Happening]()
    left = scanned_max
    for event in merge(*streams.values(), key=lambda e: (e.happened_at, e.stream_id)):
        if len(found) == limit or not left:
            return EventPage(found, place, more=True)
        left -= 1
        place[event.stream_id] = event.version
        if not types or event.type in types:
            found.append(event)
    return EventPage(found, place, more=False)
