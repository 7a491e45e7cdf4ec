"""Events on the wire: the same document on webhooks and in `GET /events`, described for OpenAPI.

It is the payload of the Standard Webhooks specification (`type`, `timestamp`, `data`) with the id.
What an entry's `data` holds is what live streams say of it.
"""

from typing import Any, Literal

import orjson
from fastapi import APIRouter
from pydantic import ConfigDict, Field, create_model

from wallet.api import answers
from wallet.api.fields import Answer, JsonObject
from wallet.api.money import BALANCE_EXAMPLE, Balance
from wallet.api.routes.transactions import TRANSACTION_EXAMPLE, Transaction
from wallet.domain.events import EVENT_TYPES, TEST_EVENT, Happening

PERSON_EXAMPLE = "0197a6f2-3a11-7b5d-8c27-5d4e3f2a1b0c"
EVENT_EXAMPLE: JsonObject = {
    "id": f"{BALANCE_EXAMPLE['wallet_id']}:2",
    "type": "transfer.sent",
    "timestamp": TRANSACTION_EXAMPLE["booked_at"],
    "data": {"balance": BALANCE_EXAMPLE, "transaction": TRANSACTION_EXAMPLE},
}


class EntryData(Answer):
    """What an entry has changed: the balance after it, and the line of the history."""

    balance: Balance
    transaction: Transaction | None = Field(
        description="Null for an entry that only holds or releases."
    )


class EventAnswer(Answer):
    """Something that happened to you."""

    model_config = ConfigDict(json_schema_extra={"examples": [EVENT_EXAMPLE]})

    id: str = Field(
        description="`<stream>:<version>`, the same on live streams and webhooks, and for ever. "
        "The stream is a wallet, or you yourself for what moves no money."
    )
    type: str = Field(description="Such as `transfer.received`.")
    timestamp: str = Field(description="When it happened.")
    data: EntryData | dict[str, str]


def event_document(event: Happening) -> dict[str, Any]:
    """Return an event as it is told."""
    return {
        "id": event.id,
        "type": event.type,
        "timestamp": answers.moment(event.happened_at),
        "data": _data(event),
    }


def event_body(event: Happening) -> bytes:
    """Return the bytes that are sent and signed."""
    return orjson.dumps(event_document(event))


def _data(event: Happening) -> dict[str, Any]:
    if event.line is None:
        return dict(event.facts or {})
    entry = event.line.entry
    return {
        "balance": answers.balance_after(entry),
        "transaction": answers.line(event.line) if entry.posted_delta else None,
    }


# What a receiver gets, for the `webhooks` of the document.

API_KEY_FACTS = {"api_key_id": "0197a6f2-6d2a-7b90-8c1e-2f3a4b5c6d7e", "name": "Checkout"}
CONTROLS_EXAMPLE = {"frozen": "send", "overdraft_limit": "0", "status": "open"}
CONTROL_FACTS = {
    "wallet_id": BALANCE_EXAMPLE["wallet_id"],
    "currency": "EUR",
    **CONTROLS_EXAMPLE,
}
FACTS: dict[str, dict[str, str]] = {
    "wallet.opened": {"wallet_id": BALANCE_EXAMPLE["wallet_id"], "currency": "EUR"},
    "wallet.frozen": CONTROL_FACTS,
    "wallet.unfrozen": {**CONTROL_FACTS, "frozen": "none"},
    "wallet.closed": {**CONTROL_FACTS, "frozen": "none", "status": "closed"},
    "wallet.overdraft-set": {**CONTROL_FACTS, "frozen": "none", "overdraft_limit": "5000"},
    "user.second-factor-guessed": {"failures": "5"},
    "api-key.created": API_KEY_FACTS,
    "api-key.rotated": API_KEY_FACTS,
    "api-key.revoked": API_KEY_FACTS,
    "session.refresh-token-reused": {"session_id": "0197a6f2-4e2b-7d11-a0c3-9b8a7c6d5e4f"},
    "user.appointed": {"role": "admin"},
    "user.recovery-code-used": {"recovery_codes_left": "9"},
    "webhook.endpoint.disabled": {
        "endpoint_id": "0197a6f2-61c4-7f08-9b3e-1a2b3c4d5e6f",
        "url": "https://shop.example/webhooks",
        "reason": "failing",
    },
    TEST_EVENT: {"endpoint_id": "0197a6f2-61c4-7f08-9b3e-1a2b3c4d5e6f"},
}
ENTRY_TYPES = frozenset(
    {
        "transfer.sent",
        "transfer.received",
        "topup.settled",
        "refund.received",
        "refund.sent",
        "adjustment.received",
        "adjustment.sent",
    }
)


def payload_example(type_: str) -> JsonObject:
    """Return an example of an event of a type."""
    if type_ not in ENTRY_TYPES:
        facts = FACTS.get(type_, {})
        stamp = TRANSACTION_EXAMPLE["booked_at"]
        return {"id": f"{PERSON_EXAMPLE}:3", "type": type_, "timestamp": stamp, "data": facts}
    transaction = dict(TRANSACTION_EXAMPLE)
    if not type_.endswith(".sent"):
        display = str(transaction["display"]).lstrip("-")
        transaction |= {"direction": "in", "display": display}
    if type_ == "topup.settled":
        transaction |= {"kind": "top-up", "counterparty": None, "note": None}
    if type_.startswith("refund"):
        refunded = {"refund_of": "0197a6f2-5d10-7e1b-9c44-0d9f7a6b5c22"}
        transaction |= {"kind": "refund", "note": None, "metadata": refunded}
    if type_.startswith("adjustment"):
        transaction |= {"kind": "adjustment", "counterparty": None, "note": None}
    data = {"balance": BALANCE_EXAMPLE, "transaction": transaction}
    return {**EVENT_EXAMPLE, "type": type_, "data": data}


def webhooks_router() -> APIRouter:
    """Return the routes that only describe what receivers get; nobody can call them."""
    router = APIRouter()
    for type_, meaning in {**EVENT_TYPES, TEST_EVENT: "You tried an endpoint out."}.items():
        _describe(router, type_, meaning)
    return router


def _describe(router: APIRouter, type_: str, meaning: str) -> None:
    words = type_.replace("-", ".").split(".")
    name = "".join(word.capitalize() for word in words)
    config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"examples": [payload_example(type_)]}
    )
    data: Any = EntryData
    if type_ not in ENTRY_TYPES:
        facts: dict[str, Any] = dict.fromkeys(FACTS.get(type_, {}), (str, ...))
        data = create_model(f"{name}Data", __config__=ConfigDict(extra="forbid"), **facts)
    literal: Any = Literal[type_]
    payload: Any = create_model(
        f"{name}Payload",
        __config__=config,
        __doc__=meaning,
        id=(str, ...),
        type=(literal, ...),
        timestamp=(str, ...),
        data=(data, ...),
    )

    async def describe(body: payload) -> None:
        """Answer with any status from 200 to 299 within five seconds; everything else is a failure.

        Check `webhook-signature` before you believe it, and keep `webhook-id`: an event may come
        more than once.
        """

    router.add_api_route(
        type_,
        describe,
        methods=["POST"],
        operation_id="on" + name,
        summary=meaning.rstrip("."),
        tags=["Webhooks"],
        response_model=None,
        responses={200: {"description": "You have taken the event."}},
        openapi_extra={"parameters": HEADERS},
    )


_HEADERS = {
    "webhook-id": "The id of the event; the same each time it is sent.",
    "webhook-timestamp": "When it was sent, in seconds since 1970.",
    "webhook-signature": "`v1,` and HMAC-SHA256 over id, timestamp and body in base64; during a "
    "rotation of the secret two of them, with a space between.",
}
HEADERS: list[JsonObject] = [
    {
        "name": name,
        "in": "header",
        "required": True,
        "description": description,
        "schema": {"type": "string"},
    }
    for name, description in _HEADERS.items()
]
