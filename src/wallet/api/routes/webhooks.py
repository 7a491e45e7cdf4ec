"""Webhook endpoints: where somebody's own server is told of what happens to them."""

from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ConfigDict, Field, model_validator

from wallet.api import answers
from wallet.api.deadlines import BoundedRoute
from wallet.api.dependencies import current_person
from wallet.api.fields import Answer, Body, Instant, Text
from wallet.api.money import SIGNED_IN
from wallet.api.problems import ValidationFailed, problem_responses
from wallet.api.state import use_cases
from wallet.application.webhooks import SignedRequest, Wish
from wallet.domain.errors import OutcomeUnknown
from wallet.domain.events import EVENT_TYPES, EventTypeUnknown
from wallet.domain.guards import GuardTripped
from wallet.domain.sessions import Principal
from wallet.domain.users import AccountClosed
from wallet.domain.webhook_addresses import URL_LENGTH_MAX, WebhookUrlInvalid
from wallet.domain.webhooks import (
    DESCRIPTION_LENGTH_MAX,
    OVERLAP_DEFAULT_S,
    OVERLAP_MAX_S,
    DisabledReason,
    Endpoint,
    EndpointLimitReached,
    EndpointNotFound,
    ResendPeriodInvalid,
)

router = APIRouter(tags=["Webhooks"], route_class=BoundedRoute)
Person = Annotated[Principal, Depends(current_person)]

ENDPOINT_EXAMPLE: dict[str, Any] = {
    "id": "0197a6f2-61c4-7f08-9b3e-1a2b3c4d5e6f",
    "url": "https://shop.example/webhooks",
    "description": "The shop",
    "events": ["transfer.received"],
    "enabled": True,
    "disabled_reason": None,
    "disabled_at": None,
    "failing_since": None,
    "waiting": 0,
    "rotating_until": None,
    "created_at": "2026-11-22T12:00:00.123456Z",
}
SECRET_EXAMPLE = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD4cF3c5yV0Ds="  # noqa: S105 - no one's

Url = Annotated[Text, Field(min_length=1, max_length=URL_LENGTH_MAX)]
Description = Annotated[Text, Field(max_length=DESCRIPTION_LENGTH_MAX)]
EventTypes = Annotated[
    list[Annotated[Text, Field(max_length=100)]],
    Field(
        max_length=len(EVENT_TYPES),
        description="The types of events to be told of; an empty list is all of them.",
    ),
]


class NewEndpointBody(Body):
    """Where to send webhooks, and of what."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"url": ENDPOINT_EXAMPLE["url"], "events": ["transfer.received"]}]
        }
    )

    url: Url = Field(description="https://…, on a public host.")
    description: Description | None = None
    events: EventTypes = []


class EndpointChangeBody(Body):
    """What to change; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"enabled": True}]})

    url: Url | None = None
    description: Description | None = Field(None, description="An empty one takes it away.")
    events: EventTypes | None = None
    enabled: bool | None = Field(
        None, description="Whether events are sent. Enabled again, it goes on where it stopped."
    )
    missed: Literal["send", "skip"] = Field(
        "send", description="With `enabled: true`: whether what was missed is sent as well."
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> "EndpointChangeBody":
        if self.missed == "skip" and self.enabled is not True:
            raise ValueError("missed: skip needs enabled: true")
        return self


class RotationBody(Body):
    """How long the secret before goes on signing."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"overlap_s": OVERLAP_DEFAULT_S}]})

    overlap_s: int = Field(
        OVERLAP_DEFAULT_S,
        ge=0,
        le=OVERLAP_MAX_S,
        description="Seconds in which both secrets sign; 0 ends the one before at once.",
    )


DEFAULT_ROTATION = RotationBody(overlap_s=OVERLAP_DEFAULT_S)


class ResendBody(Body):
    """From when on."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"since": "2026-11-22T12:00:00Z"}]})

    since: Instant = Field(description="A time of the last 30 days.")


class SignatureBody(Body):
    """The headers and the body of a webhook, exactly as you have got them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "webhook_id": "0197a6f2-41b7-7cc0-8a52-6f0f3c1d2e4a:2",
                    "webhook_timestamp": "1795348800",
                    "webhook_signature": "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
                    "body": '{"type":"transfer.sent"}',
                }
            ]
        }
    )

    webhook_id: Text = Field(max_length=200)
    webhook_timestamp: Text = Field(max_length=20)
    webhook_signature: Text = Field(max_length=2_000)
    body: Text = Field(max_length=60_000)


class EndpointAnswer(Answer):
    """Where webhooks are sent, and how that goes."""

    model_config = ConfigDict(json_schema_extra={"examples": [ENDPOINT_EXAMPLE]})

    id: str
    url: str
    description: str | None
    events: list[str] = Field(description="Empty: all types.")
    enabled: bool
    disabled_reason: str | None = Field(
        description="owner (you), failing (nothing acknowledged for days) or gone (410)."
    )
    disabled_at: str | None
    failing_since: str | None = Field(description="Null once something was acknowledged.")
    waiting: int = Field(description="How many events it has not gone through yet.")
    rotating_until: str | None = Field(description="Until when two secrets sign.")
    created_at: str


class EndpointWithSecret(EndpointAnswer):
    """An endpoint and its secret, which is shown this one time."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{**ENDPOINT_EXAMPLE, "secret": SECRET_EXAMPLE}]}
    )

    secret: str


class EndpointList(Answer):
    """All of your endpoints; there are never more than ten."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [ENDPOINT_EXAMPLE], "next_cursor": None}]}
    )

    items: list[EndpointAnswer]
    next_cursor: None = None


class ResendAnswer(Answer):
    """How much comes again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"events": 42}]})

    events: int = Field(description="Events that the endpoint had gone through already.")


class SignatureAnswer(Answer):
    """Whether a signature is right, and if not, what is wrong."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"valid": False, "reason": "signature-mismatch"}]}
    )

    valid: bool
    reason: str | None = Field(
        description="timestamp-malformed, signature-malformed, signature-mismatch (another body, "
        "id, timestamp or secret), timestamp-too-old or timestamp-too-new (by five minutes)."
    )


def endpoint_document(endpoint: Endpoint) -> dict[str, Any]:
    """Return an endpoint as its owner sees it."""
    return {
        "id": str(endpoint.id),
        "url": endpoint.url,
        "description": endpoint.description,
        "events": list(endpoint.event_types),
        "enabled": endpoint.enabled,
        "disabled_reason": _word(endpoint.disabled_reason),
        "disabled_at": answers.moment_or_none(endpoint.disabled_at),
        "failing_since": answers.moment_or_none(endpoint.failing_since),
        "waiting": endpoint.waiting,
        "rotating_until": answers.moment_or_none(endpoint.previous_secret_until),
        "created_at": answers.moment(endpoint.created_at),
    }


def _word(reason: DisabledReason | None) -> str | None:
    return None if reason is None else reason.value


@router.post(
    "/webhook-endpoints",
    status_code=201,
    operation_id="createWebhookEndpoint",
    summary="Be told of events",
    response_model=EndpointWithSecret,
    responses=problem_responses(
        *SIGNED_IN,
        ValidationFailed,
        WebhookUrlInvalid,
        EventTypeUnknown,
        EndpointLimitReached,
        AccountClosed,
        GuardTripped,
        OutcomeUnknown,
    ),
)
async def create_webhook_endpoint(
    request: Request, body: NewEndpointBody, person: Person
) -> dict[str, Any]:
    """Add an endpoint, which is told of what happens from now on.

    Requests are signed after the Standard Webhooks specification with the `secret`, which is shown
    in this answer and never again.
    """
    wish = Wish(body.url, body.description or None, body.events)
    endpoint, secret = await use_cases(request).webhooks.create(person.user_id, wish)
    return {**endpoint_document(endpoint), "secret": secret}


@router.get(
    "/webhook-endpoints",
    operation_id="listWebhookEndpoints",
    summary="List your webhook endpoints",
    response_model=EndpointList,
    responses=problem_responses(*SIGNED_IN),
)
async def list_webhook_endpoints(request: Request, person: Person) -> dict[str, Any]:
    """Return your endpoints, oldest first."""
    endpoints = await use_cases(request).webhooks.of_person(person.user_id)
    return {"items": [endpoint_document(e) for e in endpoints], "next_cursor": None}


@router.get(
    "/webhook-endpoints/{id}",
    operation_id="getWebhookEndpoint",
    summary="See a webhook endpoint",
    response_model=EndpointAnswer,
    responses=problem_responses(*SIGNED_IN, ValidationFailed, EndpointNotFound),
)
async def get_webhook_endpoint(request: Request, id: UUID, person: Person) -> dict[str, Any]:  # noqa: A002
    """Return an endpoint, and how it does."""
    return endpoint_document(await use_cases(request).webhooks.get(person.user_id, id))


@router.patch(
    "/webhook-endpoints/{id}",
    operation_id="updateWebhookEndpoint",
    summary="Change a webhook endpoint",
    response_model=EndpointAnswer,
    responses=problem_responses(
        *SIGNED_IN,
        ValidationFailed,
        EndpointNotFound,
        WebhookUrlInvalid,
        EventTypeUnknown,
        AccountClosed,
        GuardTripped,
        OutcomeUnknown,
    ),
)
async def update_webhook_endpoint(
    request: Request,
    id: UUID,  # noqa: A002
    body: EndpointChangeBody,
    person: Person,
) -> dict[str, Any]:
    """Change URL, description or types, or disable and enable it; it counts within seconds.

    Enabled again, it goes on where it stopped, so nothing is lost; `missed: skip` begins with what
    happens from now on.
    """
    wish = Wish(
        url=body.url,
        description=body.description,
        event_types=body.events,
        enabled=body.enabled,
        skip_missed=body.missed == "skip",
    )
    endpoint = await use_cases(request).webhooks.update(person.user_id, id, wish)
    return endpoint_document(endpoint)


@router.delete(
    "/webhook-endpoints/{id}",
    status_code=204,
    response_class=Response,
    operation_id="deleteWebhookEndpoint",
    summary="Remove a webhook endpoint",
    responses=problem_responses(
        *SIGNED_IN, ValidationFailed, EndpointNotFound, AccountClosed, OutcomeUnknown
    ),
)
async def delete_webhook_endpoint(request: Request, id: UUID, person: Person) -> Response:  # noqa: A002
    """Remove an endpoint and its log; nothing more is sent to it."""
    await use_cases(request).webhooks.remove(person.user_id, id)
    return Response(status_code=204)


@router.post(
    "/webhook-endpoints/{id}/rotate-secret",
    operation_id="rotateWebhookSecret",
    summary="Get a new secret",
    response_model=EndpointWithSecret,
    responses=problem_responses(
        *SIGNED_IN, ValidationFailed, EndpointNotFound, AccountClosed, OutcomeUnknown
    ),
)
async def rotate_webhook_secret(
    request: Request,
    id: UUID,  # noqa: A002
    person: Person,
    body: RotationBody = DEFAULT_ROTATION,
) -> dict[str, Any]:
    """Make a new secret, which is shown in this answer and never again.

    Until `rotating_until` each request carries two signatures, one by each secret, so that
    no receiver misses anything while it changes over.
    """
    overlap = timedelta(seconds=body.overlap_s)
    endpoint, secret = await use_cases(request).webhooks.rotate(person.user_id, id, overlap)
    return {**endpoint_document(endpoint), "secret": secret}


@router.post(
    "/webhook-endpoints/{id}/resend",
    status_code=202,
    operation_id="resendWebhooks",
    summary="Send all events since a time again",
    response_model=ResendAnswer,
    responses=problem_responses(
        *SIGNED_IN,
        ValidationFailed,
        EndpointNotFound,
        ResendPeriodInvalid,
        AccountClosed,
        OutcomeUnknown,
    ),
)
async def resend_webhooks(
    request: Request,
    id: UUID,  # noqa: A002
    body: ResendBody,
    person: Person,
) -> dict[str, Any]:
    """Go back to a time: everything since then is sent again, in order, with the same ids.

    It may be a time before the endpoint was made. What has not been sent yet comes afterwards.
    """
    count = await use_cases(request).webhooks.resend_since(person.user_id, id, body.since)
    return {"events": count}


@router.post(
    "/webhook-endpoints/{id}/signature-check",
    operation_id="checkWebhookSignature",
    summary="Check a signature",
    response_model=SignatureAnswer,
    responses=problem_responses(*SIGNED_IN, ValidationFailed, EndpointNotFound),
)
async def check_webhook_signature(
    request: Request,
    id: UUID,  # noqa: A002
    body: SignatureBody,
    person: Person,
) -> dict[str, Any]:
    """Say whether headers and body that you have got are right, and if not, what is wrong.

    The usual mistake is to parse the body and check what comes of writing it again.
    """
    signed = SignedRequest(
        event_id=body.webhook_id,
        timestamp=body.webhook_timestamp,
        signature=body.webhook_signature,
        body=body.body,
    )
    flaw = await use_cases(request).webhooks.signature_flaw(person.user_id, id, signed)
    return {"valid": flaw is None, "reason": flaw}
