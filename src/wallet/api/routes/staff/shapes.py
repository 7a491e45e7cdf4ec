"""What several answers to staff are made of: people, wallets, times and amounts, with examples."""

from typing import Annotated

from pydantic import ConfigDict, Field

from wallet.api.fields import Answer, Body, JsonObject, Text
from wallet.api.routes.transactions import WholeNumber
from wallet.domain.history import PAGE_LIMIT_MAX
from wallet.domain.staff import REASON_LENGTH_MAX, REASON_LENGTH_MIN

ADA_ID = "0197a6f2-4c0e-7a55-b1d3-2f9e8d7c6b5a"
WALLET_ID = "0197a6f2-41b7-7cc0-8a52-6f0f3c1d2e4a"
TRANSFER_ID = "0197a6f2-5d10-7e1b-9c44-0d9f7a6b5c21"
MOMENT = "2026-11-22T12:00:00.123456Z"

PERSON_EXAMPLE: JsonObject = {
    "id": ADA_ID,
    "first_name": "Ada",
    "last_name": "Lovelace",
    "handle": "ada",
    "email": "ada@example.com",
    "role": "user",
    "status": "open",
    "created_at": MOMENT,
}
STAFF_EXAMPLE: JsonObject = {
    **PERSON_EXAMPLE,
    "id": "0197a6f2-3a01-7c3d-8f10-5a4b3c2d1e0f",
    "first_name": "Sam",
    "last_name": "Support",
    "handle": "sam",
    "email": "sam@example.com",
    "role": "support",
}
WALLET_EXAMPLE: JsonObject = {
    "id": WALLET_ID,
    "owner": PERSON_EXAMPLE,
    "currency": "USD",
    "posted": 7500,
    "held": 0,
    "available": 7500,
    "version": 2,
    "display": "75.00 USD",
    "frozen": "none",
    "overdraft_limit": 0,
    "debt": 0,
    "status": "open",
    "created_at": MOMENT,
    "last_booked_at": MOMENT,
}

PageLimit = Annotated[int, Field(ge=1, le=PAGE_LIMIT_MAX), WholeNumber]
Reason = Annotated[
    Text,
    Field(
        min_length=REASON_LENGTH_MIN,
        max_length=REASON_LENGTH_MAX,
        description="Why; it stands in the audit trail for ever and is never shown to the person.",
        examples=["The owner reported a stolen phone, ticket 4711."],
    ),
]


class ReasonBody(Body):
    """Why this is done."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"reason": "The owner reported a stolen phone, ticket 4711."}]
        }
    )

    reason: Reason


class StaffPerson(Answer):
    """A person in a list; nothing of them that is a credential."""

    model_config = ConfigDict(json_schema_extra={"examples": [PERSON_EXAMPLE]})

    id: str
    first_name: str
    last_name: str
    handle: str | None
    email: str | None = Field(description="Null once the account is closed.")
    role: str = Field(description="user, support, auditor or admin.")
    status: str = Field(description="open or closed.")
    created_at: str


class StaffWallet(Answer):
    """A wallet, with whose it is and what staff have decided about it."""

    model_config = ConfigDict(json_schema_extra={"examples": [WALLET_EXAMPLE]})

    id: str
    owner: StaffPerson
    currency: str
    posted: int
    held: int
    available: int
    version: int
    display: str
    frozen: str = Field(description="none, send, receive or both.")
    overdraft_limit: int = Field(
        description="How far below zero it may go, in minor units; 0 is not at all."
    )
    debt: int = Field(
        description="How far below that a forced refund has left it, in minor units. What comes "
        "in repays it; nothing can be sent before."
    )
    status: str = Field(description="open or closed.")
    created_at: str
    last_booked_at: str | None = Field(description="When money moved last.")
