"""People as staff see them: found, looked at whole, and logged out."""

from dataclasses import replace
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from wallet.api import staff_answers
from wallet.api.cursors import (
    CURSOR_LENGTH_MAX,
    decode_cursor,
    decode_place,
    encode_cursor,
    encode_place,
)
from wallet.api.deadlines import BoundedRoute
from wallet.api.fields import Answer, JsonObject, Text
from wallet.api.problems import problem_responses
from wallet.api.routes.staff.access import (
    STAFF,
    STAFF_ACT,
    TAG,
    Reader,
    SessionEnder,
    staff_side,
)
from wallet.api.routes.staff.audit_trail import ACT_EXAMPLE, ActAnswer
from wallet.api.routes.staff.refusals import REFUSAL_EXAMPLE, RefusedAttempt, StaffRefusal
from wallet.api.routes.staff.shapes import (
    MOMENT,
    PERSON_EXAMPLE,
    WALLET_EXAMPLE,
    PageLimit,
    ReasonBody,
    StaffPerson,
    StaffWallet,
)
from wallet.api.routes.staff.transactions import MOVEMENT_EXAMPLE, StaffTransaction
from wallet.api.routes.transactions import (
    TRANSACTION_EXAMPLE,
    Transaction,
    TransactionPage,
    TransactionsQuery,
    transactions_page,
)
from wallet.api.state import use_cases
from wallet.application.back_office import TimelinePlace, people_search_of
from wallet.domain.audit_trail import ActPlace
from wallet.domain.back_office import MATCHES_MAX, EventPlace, PeopleSearch, PersonNotFound
from wallet.domain.history import CursorInvalid
from wallet.domain.users import Role

router = APIRouter(prefix="/admin", tags=[TAG], route_class=BoundedRoute)

SESSION_EXAMPLE: JsonObject = {
    "id": "0197a6f2-4e2b-7d11-a0c3-9b8a7c6d5e4f",
    "created_at": MOMENT,
    "last_used_at": MOMENT,
    "expires_at": "2026-12-22T11:57:00.123456Z",
    "user_agent": "curl/8.5.0",
    "address": "203.0.113.7",
}
ATTEMPT_EXAMPLE: JsonObject = {
    "id": "0197a6f2-5d10-7e1b-9c44-0d9f7a6b5c77",
    "kind": "transfer",
    "amount": 999900,
    "currency": "USD",
    "display": "9999.00 USD",
    "code": "insufficient-funds",
    "title": "The wallet does not hold enough available money",
    "happened_at": MOMENT,
}
WHOLE_EXAMPLE: JsonObject = {
    **PERSON_EXAMPLE,
    "email_verified": True,
    "default_currency": "USD",
    "closed_at": None,
    "former_handles": [],
    "second_factor": True,
    "wallets": [WALLET_EXAMPLE],
    "sessions": [SESSION_EXAMPLE],
    "counts": {"movements": 2, "sessions": 1, "acts": 0},
    "recent": [TRANSACTION_EXAMPLE],
    "recent_refusals": [ATTEMPT_EXAMPLE],
    "recent_acts": [ACT_EXAMPLE],
}
TIMELINE_EXAMPLE: JsonObject = {
    "type": "event",
    "at": MOMENT,
    "id": "0197a6f2-5d10-7e1b-9c44-0d9f7a6b5c78",
    "event": {"kind": "user.signed-up", "facts": {}},
    "transaction": None,
    "act": None,
}


class StaffPersonPage(Answer):
    """Some people; ask for the rest with `cursor`."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [PERSON_EXAMPLE], "next_cursor": None}]}
    )

    items: list[StaffPerson]
    next_cursor: str | None


class StaffPeopleQuery(BaseModel):
    """Which people, the newest first."""

    model_config = ConfigDict(extra="forbid")

    limit: PageLimit = 50
    cursor: str | None = Field(None, max_length=500)
    q: Annotated[Text, Field(min_length=1, max_length=254)] | None = Field(
        None,
        description="The beginning of a handle, an e-mail address or a name, or a whole id. Of "
        f"what begins so, {MATCHES_MAX} of each kind are looked at; all of the staff or of those "
        "who left.",
    )
    role: Literal["user", "support", "auditor", "admin"] | None = None
    status: Literal["open", "closed"] | None = None


class StaffSession(Answer):
    """Somewhere the person is logged in."""

    id: str
    created_at: str
    last_used_at: str
    expires_at: str
    user_agent: str | None
    address: str | None


class PersonCounts(Answer):
    """How much there is of a person."""

    movements: int = Field(description="Entries in all of their wallets.")
    sessions: int
    acts: int = Field(description="Acts of staff on them, up to 1,000.")


class WholePerson(StaffPerson):
    """A person's whole picture."""

    model_config = ConfigDict(json_schema_extra={"examples": [WHOLE_EXAMPLE]})

    email_verified: bool
    default_currency: str
    closed_at: str | None
    former_handles: list[str]
    second_factor: bool = Field(description="Whether logging in takes a code.")
    wallets: list[StaffWallet]
    sessions: list[StaffSession]
    counts: PersonCounts
    recent: list[Transaction] = Field(description="The last ten movements.")
    recent_refusals: list[RefusedAttempt] = Field(description="The last ten of a week.")
    recent_acts: list[ActAnswer] = Field(description="As in the audit trail, the last ten.")


class TimelineEvent(Answer):
    """Something that happened and moved no money."""

    kind: str
    facts: dict[str, Any]


class TimelineItem(Answer):
    """One of the three, by `type`: event, transaction or act."""

    type: Literal["event", "transaction", "act"]
    at: str
    id: str
    event: TimelineEvent | None
    transaction: Transaction | None
    act: ActAnswer | None = Field(description="As in the audit trail.")


class Timeline(Answer):
    """What happened to a person, the newest first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [TIMELINE_EXAMPLE], "next_cursor": None}]}
    )

    items: list[TimelineItem]
    next_cursor: str | None


class Found(Answer):
    """What a search found, at most ten of each."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "people": [PERSON_EXAMPLE],
                    "wallets": [WALLET_EXAMPLE],
                    "transactions": [MOVEMENT_EXAMPLE],
                    "refusals": [REFUSAL_EXAMPLE],
                }
            ]
        }
    )

    people: list[StaffPerson]
    wallets: list[StaffWallet]
    transactions: list[StaffTransaction]
    refusals: list[StaffRefusal] = Field(description="By their whole id alone.")


class EndedSessions(Answer):
    """How many sessions were ended."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"ended": 2}]})

    ended: int


class StaffSearchQuery(BaseModel):
    """What to look for."""

    model_config = ConfigDict(extra="forbid")

    q: Annotated[Text, Field(min_length=2, max_length=254)] = Field(
        description="A whole id or reference, or the beginning of a handle, e-mail address or name."
    )


class TimelineQuery(BaseModel):
    """Which part of a timeline."""

    model_config = ConfigDict(extra="forbid")

    limit: PageLimit = 50
    cursor: str | None = Field(None, max_length=CURSOR_LENGTH_MAX)


@router.get(
    "/search",
    operation_id="searchEverything",
    summary="Find people, wallets and movements",
    response_model=Found,
    responses=problem_responses(*STAFF),
)
async def search(
    request: Request, staff: Reader, query: Annotated[StaffSearchQuery, Query()]
) -> JsonObject:
    """Return what has this id or reference, or is called something that begins like this."""
    return staff_answers.found(await staff_side(request).desk.search(query.q))


@router.get(
    "/people",
    operation_id="listPeople",
    summary="List people",
    response_model=StaffPersonPage,
    responses=problem_responses(*STAFF, CursorInvalid),
)
async def list_people(
    request: Request, staff: Reader, query: Annotated[StaffPeopleQuery, Query()]
) -> JsonObject:
    """Return people, the newest first."""
    asked = PeopleSearch() if query.q is None else people_search_of(query.q)
    asked = replace(
        asked,
        role=None if query.role is None else Role(query.role),
        closed=None if query.status is None else query.status == "closed",
    )
    listing = f"people {asked!r}"
    before = None if query.cursor is None else decode_place(listing, query.cursor, "i")[0]
    cards = await staff_side(request).desk.people(asked, before=before, limit=query.limit + 1)
    shown = cards[: query.limit]
    more = len(cards) > query.limit
    return {
        "items": [staff_answers.person(card) for card in shown],
        "next_cursor": encode_place(listing, shown[-1].id) if more else None,
    }


@router.get(
    "/people/{id}",
    operation_id="getPerson",
    summary="See a person's whole picture",
    response_model=WholePerson,
    responses=problem_responses(*STAFF, PersonNotFound),
)
async def get_person(request: Request, id: UUID, staff: Reader) -> JsonObject:  # noqa: A002
    """Return profile, wallets, sessions and what happened last. It is told in the audit trail."""
    return staff_answers.whole_person(await staff_side(request).desk.person(staff, id))


@router.get(
    "/people/{id}/transactions",
    operation_id="listPersonTransactions",
    summary="See and search everything that moved for a person",
    response_model=TransactionPage,
    responses=problem_responses(*STAFF, CursorInvalid, PersonNotFound),
)
async def list_person_transactions(
    request: Request,
    id: UUID,  # noqa: A002
    staff: Reader,
    query: Annotated[TransactionsQuery, Query()],
) -> JsonObject:
    """Return a person's history as they see it, with the same filters as GET /transactions."""
    await staff_side(request).desk.open_person(staff, id)
    return await transactions_page(use_cases(request).activity, id, query)


@router.get(
    "/people/{id}/timeline",
    operation_id="getTimeline",
    summary="See what happened to a person",
    response_model=Timeline,
    responses=problem_responses(*STAFF, CursorInvalid, PersonNotFound),
)
async def get_timeline(
    request: Request,
    id: UUID,  # noqa: A002
    staff: Reader,
    query: Annotated[TimelineQuery, Query()],
) -> JsonObject:
    """Return movements, events and acts of staff in order of time, the newest first."""
    listing = f"timeline {id}"
    place = None if query.cursor is None else _place_of(listing, query.cursor)
    found = await staff_side(request).desk.timeline(staff, id, place=place, limit=query.limit)
    following = found.next_place
    return {
        "items": [staff_answers.timeline_item(item) for item in found.items],
        "next_cursor": None if following is None else _cursor_of(listing, following),
    }


def _cursor_of(listing: str, place: TimelinePlace) -> str:
    event, act = place.event, place.act
    beside = encode_place(
        listing,
        None if event is None else event.happened_at,
        None if event is None else event.id,
        None if act is None else act.happened_at,
        None if act is None else act.id,
    )
    versions = encode_cursor(place.versions, listing.encode()) if place.versions else ""
    return f"{beside}.{versions}"


def _place_of(listing: str, cursor: str) -> TimelinePlace:
    beside, _, versions = cursor.partition(".")
    event_at, event_id, act_at, act_id = decode_place(listing, beside, "TITI")
    return TimelinePlace(
        versions=decode_cursor(versions, listing.encode()) if versions else {},
        event=None if event_id is None or event_at is None else EventPlace(event_at, event_id),
        act=None if act_id is None or act_at is None else ActPlace(act_at, act_id),
    )


@router.delete(
    "/people/{id}/sessions",
    operation_id="endSessions",
    summary="Log a person out everywhere",
    response_model=EndedSessions,
    responses=problem_responses(*STAFF_ACT, PersonNotFound),
)
async def end_sessions(
    request: Request,
    id: UUID,  # noqa: A002
    body: ReasonBody,
    staff: SessionEnder,
) -> JsonObject:
    """End every session of a person; their access tokens are dead within two seconds."""
    ended = await staff_side(request).controls.end_sessions(staff, id, body.reason)
    return {"ended": ended}
