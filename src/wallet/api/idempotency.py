"""The `Idempotency-Key` header: read from a request, told in its answer."""

import re
from collections.abc import Callable, Iterable
from typing import Any

import orjson
from fastapi import Response

from wallet.api.json_answer import JsonAnswer
from wallet.application.idempotency import IdempotencyKey
from wallet.domain.errors import Invalid

_KEY = re.compile(rb"[\x20-\x7e]{1,255}")
NAME = "Idempotency-Key"
_HEADER = b"idempotency-key"

HEADER_PARAMETER: dict[str, Any] = {
    "name": NAME,
    "in": "header",
    "required": False,
    "description": "1 to 255 printable ASCII characters of your choice. Repeat a request with the "
    "same key as often as you like: it is carried out once, and every answer is the first one. "
    "Without one the service makes one, and you lose safe retries.",
    # Without an example: Swagger UI would fill it in, and the second payment would be the first.
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
}

RESPONSE_HEADERS: dict[str, Any] = {
    NAME: {"schema": {"type": "string"}, "description": "The key this answer is stored under."},
    "Idempotency-Key-Generated": {
        "schema": {"type": "string", "enum": ["true"]},
        "description": "Present if you gave no key and the service made one.",
    },
    "Idempotent-Replayed": {
        "schema": {"type": "string", "enum": ["true"]},
        "description": "Present if this is the stored answer to a repeated key.",
    },
}


class IdempotencyKeyInvalid(Invalid):
    """An idempotency key has 1 to 255 printable ASCII characters."""

    code = "idempotency-key-invalid"


class IdempotencyKeyMissing(Invalid):
    """An Idempotency-Key header is needed for this request."""

    code = "idempotency-key-missing"


def key_of(
    headers: Iterable[tuple[bytes, bytes]], *, required: bool, new_key: Callable[[], str]
) -> IdempotencyKey:
    """Return the request's key, or a new one; raise if it is malformed or missing though needed."""
    given = [value for name, value in headers if name == _HEADER]
    if not given:
        if required:
            raise IdempotencyKeyMissing
        return IdempotencyKey(new_key(), given=False)
    if len(given) > 1 or not _KEY.fullmatch(given[0]):
        raise IdempotencyKeyInvalid
    return IdempotencyKey(given[0].decode("ascii"))


def key_headers(key: IdempotencyKey) -> list[tuple[bytes, bytes]]:
    """Return what tells the caller which key an answer is stored under, and who made it."""
    headers = [(_HEADER, key.text.encode())]
    if not key.given:
        headers.append((b"idempotency-key-generated", b"true"))
    return headers


def money_answer(document: dict[str, Any], *, status: int, replayed: bool) -> Response:
    """Return an answer that says whether it was given before."""
    response = JsonAnswer(orjson.dumps(document), status)
    if replayed:
        response.raw_headers.append((b"idempotent-replayed", b"true"))
    return response
