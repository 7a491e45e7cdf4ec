"""Tickets: what opens a live stream without a lasting credential in the hands of a script."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import ConfigDict, Field

from wallet.api.deadlines import BoundedRoute
from wallet.api.dependencies import authenticated_until, current_person
from wallet.api.fields import Answer
from wallet.api.money import SIGNED_IN
from wallet.api.problems import problem_responses
from wallet.api.state import use_cases
from wallet.domain.browser_sessions import TICKET_LIFETIME
from wallet.domain.errors import OutcomeUnknown
from wallet.domain.guards import GuardTripped
from wallet.domain.sessions import Principal

router = APIRouter(tags=["Live"], route_class=BoundedRoute)
Person = Annotated[Principal, Depends(current_person)]


class TicketAnswer(Answer):
    """Send it as the first message on the WebSocket: `{"ticket": "…"}`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"ticket": "PDaKQVoD2mTDV5Vu8lDXxgHOHSJ6cbEXiYFLCbL2GdE", "expires_in": 30}
            ]
        }
    )

    ticket: str = Field(description="Good once.")
    expires_in: int = Field(description="How long it is good for, in seconds.")


@router.post(
    "/live/tickets",
    operation_id="issueLiveTicket",
    summary="Get a ticket for a live stream",
    response_model=TicketAnswer,
    responses=problem_responses(*SIGNED_IN, GuardTripped, OutcomeUnknown),
)
async def issue_live_ticket(request: Request, person: Person) -> dict[str, Any]:
    """Get what opens one WebSocket at `/live` within 30 seconds, in place of an access token.

    It never stands in an address. The stream lasts as long as the credential that asked for it.
    """
    expires_at = await authenticated_until(request)
    ticket = await use_cases(request).live_tickets.issue(person, expires_at)
    return {"ticket": ticket, "expires_in": int(TICKET_LIFETIME.total_seconds())}
