"""People as staff see them: found, looked at whole, and logged out."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from wallet.api.fields import Answer, JsonObject, Text
from wallet.api.routes.staff.audit_trail import ACT_EXAMPLE
from wallet.api.routes.staff.shapes import (
    MOMENT,
    PERSON_EXAMPLE,
    WALLET_EXAMPLE,
    StaffPerson,
    StaffWallet,
)
from wallet.api.routes.staff.transactions import MOVEMENT_EXAMPLE, StaffTransaction
from wallet.api.routes.transactions import TRANSACTION_EXAMPLE, Transaction

SESSION_EXAMPLE: JsonObject = {
    "id": "0197a6f2-4e2b-7d11-a0c3-9b8a7c6d5e4f",
    "created_at": MOMENT,
    "last_used_at": MOMENT,
    "expires_at": "2026-12-22T11:57:00.123456Z",
    "user_agent": "curl/8.5.0",
    "address": "203.0.113.7",
}
REFUSAL_EXAMPLE: JsonObject = {
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
    "second_factor": None,
    "wallets": [WALLET_EXAMPLE],
    "sessions": [SESSION_EXAMPLE],
    "counts": {"movements": 2, "sessions": 1, "acts": 0},
    "recent": [TRANSACTION_EXAMPLE],
    "recent_refusals": [REFUSAL_EXAMPLE],
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

    limit: int = Field(50, ge=1, le=200)
    cursor: str | None = Field(None, max_length=500)
    q: Annotated[Text, Field(min_length=1, max_length=254)] | None = Field(
        None, description="The beginning of a handle, an e-mail address or a name, or a whole id."
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


class RefusedAttempt(Answer):
    """Something that the books refused."""

    id: str
    kind: str
    amount: int
    currency: str
    display: str
    code: str
    title: str
    happened_at: str


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
    second_factor: bool | None = Field(description="Null where it is not known.")
    wallets: list[StaffWallet]
    sessions: list[StaffSession]
    counts: PersonCounts
    recent: list[Transaction] = Field(description="The last ten movements.")
    recent_refusals: list[RefusedAttempt] = Field(description="The last ten of a week.")
    recent_acts: list[dict[str, Any]] = Field(description="As in the audit trail, the last ten.")


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
    act: dict[str, Any] | None = Field(description="As in the audit trail.")


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
                }
            ]
        }
    )

    people: list[StaffPerson]
    wallets: list[StaffWallet]
    transactions: list[StaffTransaction]


class EndedSessions(Answer):
    """How many sessions were ended."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"ended": 2}]})

    ended: int


# GET /admin/search?q= -> Found
# GET /admin/people (StaffPeopleQuery) -> StaffPersonPage
# GET /admin/people/{id} -> WholePerson
# GET /admin/people/{id}/transactions (as GET /transactions) -> TransactionPage
# GET /admin/people/{id}/timeline?limit=&cursor= -> Timeline
# DELETE /admin/people/{id}/sessions (ReasonBody) -> EndedSessions
