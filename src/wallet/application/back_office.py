"""The back office: what staff look at. Opening a person's page is an act, told once an hour."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from unicodedata import normalize
from uuid import UUID

from wallet.application.movements import RefusalView, refusal_views
from wallet.application.ports import Clock, NewId
from wallet.application.unit_of_work import UnitOfWork, UnitOfWorkFactory
from wallet.domain.audit_trail import Act, ActKind, ActNotFound, ActPlace, ActSearch, SubjectKind
from wallet.domain.back_office import (
    FOUND_MAX,
    EventPlace,
    PeopleSearch,
    PersonNotFound,
    StaffWalletNotFound,
    WalletSearch,
)
from wallet.domain.cards import PersonCard, WalletCard, card_of
from wallet.domain.events import Event
from wallet.domain.history import Line
from wallet.domain.money import Currency
from wallet.domain.movements import Movement, Refusal
from wallet.domain.sessions import Session
from wallet.domain.staff import StaffMember

VIEW_TOLD_EVERY = timedelta(hours=1)
RECENT_MAX = 10
ACTS_COUNTED_MAX = 1_000
LAST_ID = UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found."""

    people: Sequence[PersonCard]
    wallets: Sequence[WalletCard]
    movements: Sequence[Movement]
    refusals: Sequence[RefusalView] = ()


@dataclass(frozen=True, slots=True)
class ActView:
    """An act, and who did it as they are known now; nobody for the command line."""

    act: Act
    actor: PersonCard | None


@dataclass(frozen=True, slots=True)
class WholePerson:
    """A person's whole picture, without anything that is a credential."""

    card: PersonCard
    email_verified_at: datetime | None
    default_currency: Currency
    former_handles: Sequence[str]
    wallets: Sequence[WalletCard]
    sessions: Sequence[Session]
    has_second_factor: bool
    acts: int
    recent: Sequence[Line]
    recent_refusals: Sequence[Refusal]
    recent_acts: Sequence[ActView]


@dataclass(frozen=True, slots=True)
class TimelinePlace:
    """Where a timeline goes on in each of the three things that it is made of."""

    versions: Mapping[UUID, int]
    event: EventPlace | None
    act: ActPlace | None


@dataclass(frozen=True, slots=True)
class Timeline:
    """What happened to a person, newest first, and where it goes on."""

    items: Sequence[Line | Event | ActView]
    next_place: TimelinePlace | None


class BackOfficeDesk:
    """Shows people, wallets and acts to staff."""

    def __init__(
        self,
        *,
        unit_of_work: UnitOfWorkFactory,
        reading: UnitOfWorkFactory,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._reading = reading
        self._clock = clock
        self._new_id = new_id

    async def search(self, text: str) -> Found:
        """Return what has this id or reference, or is called something that begins like this."""
        asked = people_search_of(text)
        async with self._reading() as work:
            people = list(await work.back_office.people(asked, before=None, limit=FOUND_MAX))
            wallets: list[WalletCard] = []
            refusals: list[RefusalView] = []
            # A reference may look like an id.
            ids = list(await work.movements.referenced(text.strip(), FOUND_MAX))
            if asked.id is not None:
                wallet = await work.back_office.wallet(asked.id)
                wallets += [] if wallet is None else [wallet]
                refusal = await work.movements.refusal(asked.id)
                refusals += await refusal_views(work, [] if refusal is None else [refusal])
                # What has no movement of its id is hunted for the longest: what is known is none.
                if not (people or wallets or refusals):
                    ids = [asked.id, *(id_ for id_ in ids if id_ != asked.id)]
            for person in people:
                wallets += await work.back_office.wallets_of(person.id)
            movements = [await work.movements.movement(id_) for id_ in ids]
        found = [movement for movement in movements if movement is not None]
        return Found(people, wallets[:FOUND_MAX], found, refusals)

    async def people(
        self, search: PeopleSearch, *, before: UUID | None, limit: int
    ) -> Sequence[PersonCard]:
        """Return the next `limit` people that are asked for, newest first."""
        async with self._reading() as work:
            return await work.back_office.people(search, before=before, limit=limit)

    async def wallets(
        self, search: WalletSearch, *, before: UUID | None, limit: int
    ) -> Sequence[WalletCard]:
        """Return the next `limit` wallets that are asked for, newest first."""
        async with self._reading() as work:
            return await work.back_office.wallets(search, before=before, limit=limit)

    async def wallet(self, wallet_id: UUID) -> WalletCard:
        """Return one wallet; raise `StaffWalletNotFound`."""
        async with self._reading() as work:
            found = await work.back_office.wallet(wallet_id)
        if found is None:
            raise StaffWalletNotFound
        return found

    async def acts(
        self, search: ActSearch, *, before: ActPlace | None, limit: int
    ) -> Sequence[ActView]:
        """Return the next `limit` acts that are asked for, newest first."""
        async with self._reading() as work:
            return await _acts(work, search, before, limit)

    async def act(self, act_id: UUID) -> ActView:
        """Return one act; raise `ActNotFound`."""
        async with self._reading() as work:
            found = await work.audit_trail.get(act_id)
            if found is None:
                raise ActNotFound
            (view,) = await _seen(work, [found])
            return view

    async def open_person(self, actor: StaffMember, person_id: UUID) -> None:
        """Write that somebody looks at a person, at most once an hour; raise `PersonNotFound`.

        Whatever shows a person's affairs calls it first: what cannot be told is not shown.
        """
        now = self._clock()
        if actor.id is None:
            raise PersonNotFound
        async with self._unit_of_work() as work:
            if await work.users.get(person_id) is None:
                raise PersonNotFound
            since = now - VIEW_TOLD_EVERY
            if await work.audit_trail.has_viewed(actor.id, person_id, since):
                return
            # A page asks for several things at once; whoever looks waits for their own telling.
            await work.users.lock(actor.id)
            if await work.audit_trail.has_viewed(actor.id, person_id, since):
                return
            act = Act(
                id=self._new_id(),
                kind=ActKind.PERSON_VIEWED,
                happened_at=now,
                actor=actor,
                subject_kind=SubjectKind.PERSON,
                subject_id=person_id,
                person_id=person_id,
            )
            await work.audit_trail.add(act)
            await work.commit()

    async def person(self, actor: StaffMember, person_id: UUID) -> WholePerson:
        """Return a person's whole picture; raise `PersonNotFound`."""
        await self.open_person(actor, person_id)
        async with self._reading() as work:
            user = await work.users.get(person_id)
            if user is None:
                raise PersonNotFound
            history = await work.history.page(person_id, before_versions=None, limit=RECENT_MAX)
            acts = ActSearch(subject_id=person_id, views=False)
            handles = await work.users.handles(person_id)
            factor = await work.second_factors.get(person_id)
            return WholePerson(
                card=card_of(user),
                email_verified_at=user.email_verified_at,
                default_currency=user.default_currency,
                former_handles=[handle for handle in handles if handle != user.handle],
                wallets=await work.back_office.wallets_of(person_id),
                sessions=await work.sessions.of_user(person_id, self._clock()),
                has_second_factor=factor is not None and factor.is_on,
                acts=await work.audit_trail.count(person_id, ACTS_COUNTED_MAX),
                recent=history.lines,
                recent_refusals=await work.back_office.refusals(person_id, RECENT_MAX),
                recent_acts=await _acts(work, acts, None, RECENT_MAX),
            )

    async def timeline(
        self, actor: StaffMember, person_id: UUID, *, place: TimelinePlace | None, limit: int
    ) -> Timeline:
        """Return what happened to a person, movements, events and acts, newest first."""
        await self.open_person(actor, person_id)
        async with self._reading() as work:
            if place is None:
                wallets = await work.back_office.wallets_of(person_id)
                heads = {card.wallet.id: card.wallet.version + 1 for card in wallets}
                place = TimelinePlace(heads, None, None)
            page = await work.history.page(
                person_id, before_versions=place.versions, limit=limit + 1
            )
            events = await work.back_office.events(person_id, before=place.event, limit=limit + 1)
            search = ActSearch(subject_id=person_id, views=False)
            acts = await _acts(work, search, place.act, limit + 1)
        found: list[Line | Event | ActView] = [*page.lines, *events, *acts]
        found.sort(key=_order, reverse=True)
        shown = found[:limit]
        return Timeline(shown, _behind(place, shown) if len(found) > limit else None)


def people_search_of(text: str) -> PeopleSearch:
    """Return whom a text may mean: a whole id, or the beginning of a handle, address or name."""
    # Names are kept composed; who copies one from elsewhere may have it in pieces.
    text = normalize("NFC", text.strip())
    try:
        return PeopleSearch(id=UUID(text))
    except ValueError:
        # Between them, names have blanks; a handle may be written with its sign.
        return PeopleSearch(words=tuple(text.removeprefix("@").split()) or (text,))


async def _acts(
    work: UnitOfWork, search: ActSearch, before: ActPlace | None, limit: int
) -> list[ActView]:
    return await _seen(work, await work.audit_trail.page(search, before=before, limit=limit))


async def _seen(work: UnitOfWork, acts: Sequence[Act]) -> list[ActView]:
    """Return acts together with who their actors are by now."""
    ids = [act.actor.id for act in acts if act.actor.id is not None]
    cards = await work.back_office.cards(ids) if ids else {}
    return [ActView(act, None if act.actor.id is None else cards.get(act.actor.id)) for act in acts]


def _order(item: Line | Event | ActView) -> tuple[datetime, int, UUID, int]:
    match item:
        case Line():
            return (item.entry.booked_at, 2, item.entry.account_id, item.entry.version)
        case Event():
            return (item.happened_at, 1, item.id, 0)
        case ActView():
            return (item.act.happened_at, 0, item.act.id, 0)


def _behind(place: TimelinePlace, shown: Sequence[Line | Event | ActView]) -> TimelinePlace:
    """Return where the next page begins; what comes meanwhile belongs on a new first page."""
    last_at = _order(shown[-1])[0]
    versions = dict(place.versions)
    event, act = EventPlace(last_at, LAST_ID), ActPlace(last_at, LAST_ID)
    if place.event is not None and place.event.happened_at <= last_at:
        event = place.event
    if place.act is not None and place.act.happened_at <= last_at:
        act = place.act
    for item in shown:
        match item:
            case Line():
                versions[item.entry.account_id] = item.entry.version
            case Event():
                event = EventPlace(item.happened_at, item.id)
            case ActView():
                act = ActPlace(item.act.happened_at, item.act.id)
    return TimelinePlace(versions, event, act)
