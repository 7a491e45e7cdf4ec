"""Transfer batches: many transfers of one payer in one request."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ConfigDict, Field

from wallet.api import answers
from wallet.api.dependencies import count_further, current_person
from wallet.api.fields import Answer, Body, JsonObject
from wallet.api.hot_routes import HotRoute
from wallet.api.idempotency import HEADER_PARAMETER, RESPONSE_HEADERS, money_answer
from wallet.api.money import MONEY
from wallet.api.problems import problem_responses
from wallet.api.routes.transfers import TRANSFER_EXAMPLE, TransferAnswer, TransferFields
from wallet.api.state import idempotency_key, use_cases
from wallet.application.transfer_batches import TransferBatchRequest
from wallet.domain.guards import GuardTripped
from wallet.domain.ledger import PartsRefused
from wallet.domain.sessions import Principal
from wallet.domain.transfer_batches import BATCH_SIZE_MAX

PATH = "/transfers/batch"
BODY_SIZE_MAX = 2 * 1024 * 1024
"""In bytes; a thousand transfers with long notes. Other bodies have the limit of the edge."""
TRANSFERS_PER_REQUEST = 10
"""How many transfers of a batch count as one request against the throughput limit."""

router = APIRouter(tags=["Wallets"], route_class=HotRoute)
Person = Annotated[Principal, Depends(current_person)]

BATCH_EXAMPLE: JsonObject = {
    "atomic": False,
    "transfers": [
        {"to_handle": "bob", "amount": 2500, "note": "November"},
        {"to_handle": "carol", "amount": 990_000, "note": "November"},
    ],
}
RESULT_EXAMPLE: JsonObject = {
    "id": "0197a6f2-5d0f-7a40-8f7e-5b6c7d8e9f01",
    "kind": "transfer-batch",
    "atomic": False,
    "booked_at": "2026-11-22T12:00:00.123456Z",
    "accepted": 1,
    "refused": 1,
    "results": [
        {"index": 0, "status": "completed", "transfer": TRANSFER_EXAMPLE, "refusal": None},
        {
            "index": 1,
            "status": "refused",
            "transfer": None,
            "refusal": {
                "code": "insufficient-funds",
                "title": "The wallet does not hold enough available money",
                "wallet_id": "0197a6f2-41b7-7cc0-8a52-6f0f3c1d2e4a",
                "currency": "USD",
                "available": 7500,
                "amount": 990_000,
            },
        },
    ],
}


class TransferBatchBody(Body):
    """Up to 1,000 transfers, and whether they stand or fall together."""

    model_config = ConfigDict(json_schema_extra={"examples": [BATCH_EXAMPLE]})

    transfers: Annotated[list[TransferFields], Field(min_length=1, max_length=BATCH_SIZE_MAX)]
    atomic: bool = Field(
        False,
        description="Whether one refused transfer refuses them all; otherwise each stands alone.",
    )

    def to_request(self, person: Principal) -> TransferBatchRequest:
        """Return what the payer asks for."""
        transfers = [transfer.to_request(person) for transfer in self.transfers]
        return TransferBatchRequest(person.user_id, transfers, self.atomic, person.spending_key_id)


class TransferResult(Answer):
    """What became of one transfer of a batch."""

    index: int
    status: str = Field(description="completed or refused.")
    transfer: TransferAnswer | None
    refusal: JsonObject | None = Field(description="The code and facts of the refusal.")


class TransferBatchAnswer(Answer):
    """What became of a batch: one result per transfer, in the order of the request."""

    model_config = ConfigDict(json_schema_extra={"examples": [RESULT_EXAMPLE]})

    id: str
    kind: str
    atomic: bool
    booked_at: str
    accepted: int
    refused: int
    results: list[TransferResult]


@router.post(
    PATH,
    status_code=201,
    operation_id="createTransferBatch",
    summary="Send money to many people",
    response_model=TransferBatchAnswer,
    responses={
        201: {"headers": RESPONSE_HEADERS},
        **problem_responses(*MONEY, PartsRefused, GuardTripped),
    },
    openapi_extra={"parameters": [HEADER_PARAMETER]},
)
async def create_transfer_batch(
    request: Request, body: TransferBatchBody, person: Person
) -> Response:
    """Carry out up to 1,000 transfers together, in their order, in one database transaction.

    With `atomic` they are all carried out, or none: then the problem `batch-refused` tells the
    first 20 refusals by index. Otherwise each stands alone, and the result at its index says what
    became of it, `recipient-unknown` included. One `Idempotency-Key` covers the whole request.
    Ten transfers count as one request against the rate limit.
    """
    count_further(request, person, (len(body.transfers) - 1) // TRANSFERS_PER_REQUEST)
    key = idempotency_key(request)
    outcome = await use_cases(request).transfer_batches.create(body.to_request(person), key)
    document = answers.transfer_batch(outcome, atomic=body.atomic)
    return money_answer(document, status=201, replayed=outcome.replayed)
