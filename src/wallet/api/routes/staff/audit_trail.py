"""The audit trail: what staff have done, to whom and why; nobody can change it."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from wallet.api import staff_answers
from wallet.api.cursors import decode_place, encode_place
from wallet.api.deadlines import BoundedRoute
from wallet.api.fields import Answer, Instant, JsonObject
from wallet.api.problems import problem_responses
from wallet.api.routes.staff.access import STAFF, TAG, Reader, staff_side
from wallet.api.routes.staff.shapes import (
    ADA_ID,
    MOMENT,
    STAFF_EXAMPLE,
    WALLET_ID,
    PageLimit,
    StaffPerson,
)
from wallet.domain.audit_trail import ActKind, ActNotFound, ActPlace, ActSearch, SubjectKind
from wallet.domain.history import CursorInvalid

router = APIRouter(prefix="/admin", tags=[TAG], route_class=BoundedRoute)

ACT_EXAMPLE: JsonObject = {
    "id": "0197a6f5-1c10-7e1b-9c44-0d9f7a6b5c44",
    "act": "wallet.frozen",
    "happened_at": MOMENT,
    "actor": STAFF_EXAMPLE,
    "actor_name": "Sam Support",
    "role": "support",
    "subject": {"kind": "wallet", "id": WALLET_ID},
    "person_id": ADA_ID,
    "reason": "The owner reported a stolen phone, ticket 4711.",
    "before": {"frozen": "none"},
    "after": {"frozen": "send"},
    "request_id": "5f0c2a9be1d84c7396a1b2c3",
}


class Subject(Answer):
    """What an act was about."""

    kind: str = Field(description=f"One of {', '.join(SubjectKind)}.")
    id: str | None


class ActAnswer(Answer):
    """Something that staff did: who, what, why, before, after, when, and in which request."""

    model_config = ConfigDict(json_schema_extra={"examples": [ACT_EXAMPLE]})

    id: str
    act: str = Field(description=f"What was done: {', '.join(ActKind)}. New ones may come.")
    happened_at: str
    actor: StaffPerson | None = Field(description="Null for the command line.")
    actor_name: str = Field(description="Who it was, as they were called then.")
    role: str | None = Field(description="What the actor was then; null for the command line.")
    subject: Subject
    person_id: str | None = Field(description="Whose affairs it touched.")
    reason: str | None = Field(description="Null where only something was looked at.")
    before: dict[str, Any]
    after: dict[str, Any]
    request_id: str | None


class AuditTrailPage(Answer):
    """Some acts, the newest first; ask for the rest with `cursor`."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [ACT_EXAMPLE], "next_cursor": None}]}
    )

    items: list[ActAnswer]
    next_cursor: str | None


class AuditTrailQuery(BaseModel):
    """Which acts, the newest first."""

    model_config = ConfigDict(extra="forbid")

    limit: PageLimit = 50
    cursor: str | None = Field(None, max_length=500)
    actor: UUID | None = Field(None, description="Acts of this staff person.")
    subject: UUID | None = Field(
        None,
        description="Acts on this person, wallet, transaction or adjustment; with a person "
        "those on their wallets too.",
    )
    act: ActKind | None = Field(None, description="What was done.")
    since: Instant | None = Field(None, alias="from", description="Since this time.")
    until: Instant | None = Field(None, alias="to", description="Before this time.")

    def between(self) -> tuple[datetime | None, datetime | None]:
        """Return the period that is asked for."""
        return self.since, self.until


@router.get(
    "/audit-trail",
    operation_id="listActs",
    summary="See what staff have done",
    response_model=AuditTrailPage,
    responses=problem_responses(*STAFF, CursorInvalid),
)
async def list_acts(
    request: Request, staff: Reader, query: Annotated[AuditTrailQuery, Query()]
) -> JsonObject:
    """Return acts of staff, the newest first. They were written with what they tell of."""
    act = None if query.act is None else query.act.value
    search = ActSearch(query.actor, query.subject, act, query.since, query.until)
    listing = f"acts {search!r}"
    before = None
    if query.cursor is not None:
        happened_at, id_ = decode_place(listing, query.cursor, "ti")
        before = ActPlace(happened_at, id_)
    views = await staff_side(request).desk.acts(search, before=before, limit=query.limit + 1)
    shown = views[: query.limit]
    following = None
    if len(views) > query.limit:
        last = shown[-1].act
        following = encode_place(listing, last.happened_at, last.id)
    return {"items": [staff_answers.act(view) for view in shown], "next_cursor": following}


@router.get(
    "/audit-trail/{id}",
    operation_id="getAct",
    summary="See one thing that staff have done",
    response_model=ActAnswer,
    responses=problem_responses(*STAFF, ActNotFound),
)
async def get_act(request: Request, id: UUID, staff: Reader) -> JsonObject:  # noqa: A002
    """Return an act as it was written."""
    return staff_answers.act(await staff_side(request).desk.act(id))
