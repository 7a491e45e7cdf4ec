"""Deliveries: what was sent to a webhook endpoint and what it answered, and sending it now."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from wallet.api import answers
from wallet.api.deadlines import BoundedRoute
from wallet.api.dependencies import current_person
from wallet.api.fields import Answer
from wallet.api.money import SIGNED_IN
from wallet.api.problems import ValidationFailed, problem_responses
from wallet.api.state import use_cases
from wallet.domain.errors import OutcomeUnknown
from wallet.domain.guards import GuardTripped
from wallet.domain.history import CursorInvalid
from wallet.domain.sessions import Principal
from wallet.domain.webhooks import (
    DELIVERIES_LIMIT_MAX,
    Delivery,
    DeliveryNotFound,
    EndpointNotFound,
)

router = APIRouter(tags=["Webhooks"], route_class=BoundedRoute)
Person = Annotated[Principal, Depends(current_person)]

DELIVERY_EXAMPLE: dict[str, Any] = {
    "id": "0197a6f2-7d03-7a44-8e21-0c1d2e3f4a5b",
    "event_id": "0197a6f2-41b7-7cc0-8a52-6f0f3c1d2e4a:2",
    "event_type": "transfer.sent",
    "cause": "event",
    "attempt": 1,
    "status": "failed",
    "sent_at": "2026-11-22T12:00:00.123456Z",
    "duration_ms": 48,
    "request": {"url": "https://shop.example/webhooks", "body": '{"type":"transfer.sent"}'},
    "answer": {"status": 500, "body": "Internal Server Error"},
    "failure": None,
    "next_attempt_at": "2026-11-22T12:00:05.623456Z",
}


class SentRequest(Answer):
    """What was sent; the headers follow from the event and the time."""

    url: str
    body: str


class ReceivedAnswer(Answer):
    """What the endpoint answered."""

    status: int
    body: str | None = Field(description="The first 2,000 characters.")


class DeliveryAnswer(Answer):
    """One request to an endpoint, and what came of it."""

    model_config = ConfigDict(json_schema_extra={"examples": [DELIVERY_EXAMPLE]})

    id: str
    event_id: str = Field(description="The `webhook-id`.")
    event_type: str
    cause: str = Field(description="event, test or resend.")
    attempt: int
    status: str = Field(description="succeeded or failed.")
    sent_at: str
    duration_ms: int
    request: SentRequest
    answer: ReceivedAnswer | None = Field(description="Null if there was none.")
    failure: str | None = Field(
        description="Why there was no answer: timeout, name-not-found, address-refused, "
        "url-refused, connection-failed, tls-failed, answer-malformed or secret-unreadable."
    )
    next_attempt_at: str | None = Field(description="When the event is tried again, if it is.")


class DeliveryPage(Answer):
    """Some deliveries, newest first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [DELIVERY_EXAMPLE], "next_cursor": None}]}
    )

    items: list[DeliveryAnswer]
    next_cursor: str | None = Field(description="Null on the last page.")


class DeliveriesQuery(BaseModel):
    """Which deliveries."""

    model_config = ConfigDict(extra="forbid")

    status: Literal["succeeded", "failed"] | None = None
    limit: int = Field(50, ge=1, le=DELIVERIES_LIMIT_MAX)
    cursor: str | None = Field(
        None, max_length=64, description="The `next_cursor` of the page before."
    )


def delivery_document(delivery: Delivery) -> dict[str, Any]:
    """Return a delivery as the owner of the endpoint sees it."""
    answer = delivery.answer
    return {
        "id": str(delivery.id),
        "event_id": delivery.event_id,
        "event_type": delivery.event_type,
        "cause": delivery.cause.value,
        "attempt": delivery.attempt,
        "status": "succeeded" if answer.succeeded else "failed",
        "sent_at": answers.moment(delivery.sent_at),
        "duration_ms": answer.duration_ms,
        "request": {"url": delivery.url, "body": delivery.body},
        "answer": None if answer.status is None else {"status": answer.status, "body": answer.body},
        "failure": answer.failure,
        "next_attempt_at": answers.moment_or_none(delivery.next_attempt_at),
    }


@router.get(
    "/webhook-endpoints/{id}/deliveries",
    operation_id="listWebhookDeliveries",
    summary="See what was sent and answered",
    response_model=DeliveryPage,
    responses=problem_responses(*SIGNED_IN, ValidationFailed, EndpointNotFound, CursorInvalid),
)
async def list_webhook_deliveries(
    request: Request,
    id: UUID,  # noqa: A002
    person: Person,
    query: Annotated[DeliveriesQuery, Query()],
) -> dict[str, Any]:
    """Return the requests of the last 15 days to an endpoint with their answers, newest first."""
    try:
        before = None if query.cursor is None else UUID(query.cursor)
    except ValueError:
        raise CursorInvalid from None
    found = await use_cases(request).webhooks.deliveries(
        person.user_id,
        id,
        before=before,
        succeeded=None if query.status is None else query.status == "succeeded",
        limit=query.limit + 1,
    )
    shown = found[: query.limit]
    return {
        "items": [delivery_document(delivery) for delivery in shown],
        "next_cursor": str(shown[-1].id) if len(found) > len(shown) else None,
    }


@router.post(
    "/webhook-endpoints/{id}/test",
    operation_id="testWebhookEndpoint",
    summary="Send a test event",
    response_model=DeliveryAnswer,
    responses=problem_responses(
        *SIGNED_IN, ValidationFailed, EndpointNotFound, GuardTripped, OutcomeUnknown
    ),
)
async def test_webhook_endpoint(request: Request, id: UUID, person: Person) -> dict[str, Any]:  # noqa: A002
    """Send a `webhook.test` now and return the delivery, whether or not it was acknowledged.

    The receiver has three seconds here. If an endpoint that failed acknowledges it, what waits for
    its next attempt is sent at once.
    """
    return delivery_document(await use_cases(request).webhooks.test(person.user_id, id))


@router.post(
    "/webhook-endpoints/{id}/deliveries/{delivery_id}/resend",
    operation_id="resendWebhookDelivery",
    summary="Send one event again",
    response_model=DeliveryAnswer,
    responses=problem_responses(
        *SIGNED_IN,
        ValidationFailed,
        EndpointNotFound,
        DeliveryNotFound,
        GuardTripped,
        OutcomeUnknown,
    ),
)
async def resend_webhook_delivery(
    request: Request,
    id: UUID,  # noqa: A002
    delivery_id: UUID,
    person: Person,
) -> dict[str, Any]:
    """Send the body of a delivery once more, now and out of order, and return the new delivery.

    It has the same `webhook-id` and a new timestamp and signature. The receiver has three seconds.
    """
    webhooks = use_cases(request).webhooks
    return delivery_document(await webhooks.resend(person.user_id, id, delivery_id))
