"""Idempotency keys: did it go through?"""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from pydantic import ConfigDict, Field

from wallet.api import answers
from wallet.api.deadlines import BoundedRoute
from wallet.api.dependencies import current_person
from wallet.api.fields import Answer, JsonObject
from wallet.api.money import SIGNED_IN
from wallet.api.problems import ValidationFailed, problem_responses
from wallet.api.state import use_cases
from wallet.domain.errors import NotFound
from wallet.domain.sessions import Principal

router = APIRouter(tags=["Transactions"], route_class=BoundedRoute)
Person = Annotated[Principal, Depends(current_person)]


KEY_EXAMPLE: JsonObject = {
    "status": "accepted",
    "kind": "transfer",
    "id": "0197a6f2-5d10-7e1b-9c44-0d9f7a6b5c21",
    "resource": "/transactions/0197a6f2-5d10-7e1b-9c44-0d9f7a6b5c21",
    "refusal": None,
}


class KeyAnswer(Answer):
    """What a key has come to."""

    model_config = ConfigDict(json_schema_extra={"examples": [KEY_EXAMPLE]})

    status: str = Field(description="unknown, pending, accepted or refused.")
    kind: str | None
    id: str | None
    resource: str | None = Field(description="Where to read what was created.")
    refusal: JsonObject | None


@router.get(
    "/idempotency-keys/{key:path}",
    operation_id="getIdempotencyKey",
    summary="Did it go through?",
    response_model=KeyAnswer,
    responses=problem_responses(*SIGNED_IN, ValidationFailed, NotFound),
)
async def get_idempotency_key(
    request: Request,
    key: Annotated[str, Path(min_length=1, max_length=255, pattern="^[ -~]+$")],
    person: Person,
) -> JsonObject:
    """Return what the request with this key of yours has come to.

    `unknown` does not mean that it did not happen: it may be under way. Repeat the request with
    the same key, and you get its definite answer.
    """
    found = await use_cases(request).idempotency_keys.find(person.user_id, key)
    return answers.key_outcome(found)
