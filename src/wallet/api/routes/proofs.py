"""Proofs: your receipts, and for everybody the signed log that they are checked by."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from wallet.api.cursors import CURSOR_LENGTH_MAX, decode_cursor, encode_cursor
from wallet.api.deadlines import BoundedRoute
from wallet.api.dependencies import current_person
from wallet.api.fields import Answer, JsonObject
from wallet.api.money import SIGNED_IN
from wallet.api.problems import ValidationFailed, problem_responses
from wallet.api.routes.transactions import TRANSACTION_EXAMPLE, Party, WholeNumber
from wallet.api.state import use_cases
from wallet.application.unit_of_work import Interrupted
from wallet.domain.errors import DeadlineExceeded
from wallet.domain.history import CursorInvalid, TransactionNotFound
from wallet.domain.proofs import (
    CHECKPOINTS_LIMIT_MAX,
    CheckpointNotFound,
    ConsistencyInvalid,
    ReceiptNotReady,
)
from wallet.domain.receipts import checkpoint_document
from wallet.domain.sessions import Principal

router = APIRouter(tags=["Proof"], route_class=BoundedRoute)
Person = Annotated[Principal, Depends(current_person)]
ANYBODY = (Interrupted, DeadlineExceeded)
CURSOR = b"checkpoints"
SIZE_MAX = 2**53 - 1
TreeSize = Annotated[int, Field(ge=1, le=SIZE_MAX), WholeNumber]

HASH = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
KEY_ID = "0X2mZJ1yQk3Vd8bT5rNfWc7hLs9aUe4oPiGxKyMvBtE"
KEY_EXAMPLE: JsonObject = {
    "alg": "ES256",
    "crv": "P-256",
    "kid": KEY_ID,
    "kty": "EC",
    "use": "sig",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}
CHECKPOINT_EXAMPLE: JsonObject = {
    "log_id": "0197a6f2-3a10-7b1e-8c44-1d9f7a6b5c21",
    "number": 3,
    "tree_size": 8,
    "root_hash": HASH,
    "made_at_us": 1_795_348_800_123_456,
    "key_id": KEY_ID,
    "signature": HASH + HASH,
}


class CheckpointAnswer(Answer):
    """What the log was at one size, signed by the key `key_id` (ES256, r and s in hex).

    Signed are the lines wallet-checkpoint-v1, log_id, number, tree_size, root_hash and
    made_at_us, each with a line feed at its end.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [CHECKPOINT_EXAMPLE]})

    log_id: str
    number: int = Field(description="Checkpoints are numbered from 1 without a gap.")
    tree_size: int
    root_hash: str
    made_at_us: int = Field(description="Microseconds since 1970, UTC.")
    key_id: str
    signature: str


class CheckpointPage(Answer):
    """Some checkpoints, the newest first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [CHECKPOINT_EXAMPLE], "next_cursor": None}]}
    )

    items: list[CheckpointAnswer]
    next_cursor: str | None


class ConsistencyAnswer(Answer):
    """An RFC 9162 consistency proof: the larger log begins with the smaller one."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"first": 4, "second": 8, "hashes": [HASH]}]}
    )

    first: int
    second: int
    hashes: list[str]


class KeySet(Answer):
    """A JSON Web Key Set."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"keys": [KEY_EXAMPLE]}]})

    keys: list[dict[str, str]]


class Holder(Answer):
    """Whose receipt it is."""

    user_id: str
    handle: str | None
    first_name: str
    last_name: str


class ReceiptEntry(Answer):
    """Everything that the entry's hash covers; amounts are minor units."""

    previous_hash: str
    account_id: str
    version: int
    instruction_id: str
    kind: int
    currency: str
    posted_delta: int
    held_delta: int
    posted_after: int
    held_after: int
    counterparty_id: str | None = Field(description="The account on the other side.")
    booked_at_us: int
    details_digest: str | None
    hash: str


class ReceiptDetails(Answer):
    """What was written, and the salt that it was hashed with."""

    salt: str
    note: str | None
    reference: str | None
    metadata: dict[str, str]


class Inclusion(Answer):
    """Where the entry stands in the log, and the RFC 9162 proof of it."""

    position: int
    hashes: list[str]


RECEIPT_EXAMPLE: JsonObject = {
    "format": "wallet-receipt-v1",
    "issued_at_us": 1_795_348_900_123_456,
    "key_id": KEY_ID,
    "kind": "transfer",
    "holder": {
        "user_id": "0197a6f2-4c0e-7a55-b1d3-1f9e8d7c6b5a",
        "handle": "alice",
        "first_name": "Alice",
        "last_name": "Archer",
    },
    "counterparty": TRANSACTION_EXAMPLE["counterparty"],
    "entry": {
        "previous_hash": HASH,
        "account_id": TRANSACTION_EXAMPLE["wallet_id"],
        "version": 2,
        "instruction_id": TRANSACTION_EXAMPLE["id"],
        "kind": 1,
        "currency": "USD",
        "posted_delta": -2500,
        "held_delta": 0,
        "posted_after": 7500,
        "held_after": 0,
        "counterparty_id": "0197a6f2-41b7-7cc0-8a52-6f0f3c1d2e4b",
        "booked_at_us": 1_795_348_800_123_456,
        "details_digest": None,
        "hash": HASH,
    },
    "details": None,
    "inclusion": {"position": 5, "hashes": [HASH, HASH, HASH]},
    "checkpoint": CHECKPOINT_EXAMPLE,
    "keys": [KEY_EXAMPLE],
    "signature": HASH + HASH,
}


class Receipt(Answer):
    """A receipt; check it on the page /verify, or offline with tools/verify_receipt.py.

    `signature` is by `key_id` over the line wallet-receipt-v1, a line feed, and this document
    without it as canonical JSON: keys sorted by code point, no spaces, UTF-8.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [RECEIPT_EXAMPLE]})

    format: str
    issued_at_us: int
    key_id: str
    kind: str
    holder: Holder | None
    counterparty: Party | None
    entry: ReceiptEntry
    details: ReceiptDetails | None
    inclusion: Inclusion
    checkpoint: CheckpointAnswer
    keys: list[dict[str, str]] = Field(
        description="The public keys that signed. Trust those you have from /proofs/keys."
    )
    signature: str


class CheckpointsQuery(BaseModel):
    """Which checkpoints."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, WholeNumber] = Field(50, ge=1, le=CHECKPOINTS_LIMIT_MAX)
    cursor: str | None = Field(None, max_length=CURSOR_LENGTH_MAX)


class ConsistencyQuery(BaseModel):
    """Two sizes of the log."""

    model_config = ConfigDict(extra="forbid")

    first: TreeSize
    second: TreeSize


@router.get(
    "/transactions/{id}/receipt",
    operation_id="getReceipt",
    summary="Get the signed receipt of a movement",
    response_model=Receipt,
    responses=problem_responses(*SIGNED_IN, ValidationFailed, TransactionNotFound, ReceiptNotReady),
)
async def get_receipt(request: Request, id: UUID, person: Person) -> JsonObject:  # noqa: A002
    """Return proof of one line of your history that anybody can check without this service.

    It shows what the line shows, everything that the entry's hash covers (your balance after it,
    the id of the account on the other side), and that the entry is in the log that checkpoints are
    signed of. A movement is sealed into the log within seconds; until then this is 409, and
    `Retry-After` says when to ask again.
    """
    return await use_cases(request).proofs.receipt(person.user_id, id)


@router.get(
    "/proofs/checkpoints",
    operation_id="listCheckpoints",
    summary="List signed checkpoints of the log",
    response_model=CheckpointPage,
    responses=problem_responses(*ANYBODY, ValidationFailed, CursorInvalid),
)
async def list_checkpoints(
    request: Request, query: Annotated[CheckpointsQuery, Query()]
) -> JsonObject:
    """Return checkpoints, the newest first. Keep one: history before it cannot be rewritten unseen.

    The log's leaves are the hashes of all entries, in the order in which they were sealed.
    """
    before = None
    if query.cursor is not None:
        before = next(iter(decode_cursor(query.cursor, CURSOR).values()))
    found = await use_cases(request).proofs.checkpoints(before, query.limit + 1)
    page = found[: query.limit]
    more = len(found) > query.limit
    last = page[-1] if page else None
    cursor = encode_cursor({last.log_id: last.tree_size}, CURSOR) if more and last else None
    return {"items": [checkpoint_document(c) for c in page], "next_cursor": cursor}


@router.get(
    "/proofs/checkpoints/latest",
    operation_id="getLatestCheckpoint",
    summary="Get the newest checkpoint",
    response_model=CheckpointAnswer,
    responses=problem_responses(*ANYBODY, CheckpointNotFound),
)
async def get_latest_checkpoint(request: Request) -> JsonObject:
    """Return the newest checkpoint."""
    return checkpoint_document(await use_cases(request).proofs.latest())


@router.get(
    "/proofs/checkpoints/{tree_size}",
    operation_id="getCheckpoint",
    summary="Get the checkpoint of a size",
    response_model=CheckpointAnswer,
    responses=problem_responses(*ANYBODY, ValidationFailed, CheckpointNotFound),
)
async def get_checkpoint(
    request: Request, tree_size: Annotated[int, Path(ge=1, le=SIZE_MAX), WholeNumber]
) -> JsonObject:
    """Return the checkpoint that was made when the log had this many leaves."""
    return checkpoint_document(await use_cases(request).proofs.at(tree_size))


@router.get(
    "/proofs/consistency",
    operation_id="getConsistencyProof",
    summary="Prove that the log has only grown",
    response_model=ConsistencyAnswer,
    responses=problem_responses(*ANYBODY, ValidationFailed, CheckpointNotFound, ConsistencyInvalid),
)
async def get_consistency_proof(
    request: Request, query: Annotated[ConsistencyQuery, Query()]
) -> JsonObject:
    """Return the RFC 9162 proof that the log of `second` leaves begins with that of `first`."""
    hashes = await use_cases(request).proofs.consistency(query.first, query.second)
    return {
        "first": query.first,
        "second": query.second,
        "hashes": [hash_.hex() for hash_ in hashes],
    }


@router.get(
    "/proofs/keys",
    operation_id="listProofKeys",
    summary="The public keys of receipts and checkpoints",
    response_model=KeySet,
    responses=problem_responses(*ANYBODY),
)
async def list_proof_keys(request: Request) -> dict[str, Any]:
    """Return a JSON Web Key Set, the key that signs now first; rotated-out ones stay in it."""
    return {"keys": [key.document() for key in await use_cases(request).proofs.keys()]}
