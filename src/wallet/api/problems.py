"""Every error leaves as RFC 9457 `application/problem+json`, and this room alone knows statuses.

`problem` renders any exception as status, body and headers without touching a framework, so that
the hot route class, the middleware and the protocol say exactly what FastAPI's handlers say. A
body has `type`, `title`, `status`, `detail`, `instance`, `code` and `request_id`, and the error's
facts as further fields. What went wrong inside (5xx) is never told, only that it did.
"""

import http
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from slowapi.errors import RateLimitExceeded
from starlette.exceptions import HTTPException

from wallet.api.examples import recorded_problems, share_problems
from wallet.domain.api_keys import InsufficientScope
from wallet.domain.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Rejected,
    Throttled,
    Unauthenticated,
    Unavailable,
    WalletError,
)
from wallet.domain.proofs import ReceiptNotReady

Headers = list[tuple[bytes, bytes]]
Rendered = tuple[int, bytes, Headers]
LogCrash = Callable[..., object]

MEDIA_TYPE = "application/problem+json"
FIELD_ERRORS_MAX = 20
URI_CHARACTERS = "/:@!$&'()*+,;=~"
FIELD_LENGTH_MAX = 100
PLACES = frozenset({"body", "query", "path", "header", "cookie"})


class ProtocolError(WalletError):
    """The request could not be read as HTTP and JSON.

    These errors belong to the wire, so no floor below knows them; `headers` ride on the answer.
    """

    code = "malformed-request"

    def __init__(self, detail: str | None = None, *, headers: Headers | None = None) -> None:
        super().__init__(detail)
        self.headers: Headers = headers or []


class MalformedRequest(ProtocolError):
    """The request is malformed."""


class MalformedJson(ProtocolError):
    """The body is not valid JSON."""

    code = "malformed-json"


class RequestTimeout(ProtocolError):
    """The request did not arrive in time."""

    code = "request-timeout"


class MethodNotAllowed(ProtocolError):
    """The method is not allowed here."""

    code = "method-not-allowed"


class NotAcceptable(ProtocolError):
    """None of the accepted media types can be produced."""

    code = "not-acceptable"


class BodyTooLarge(ProtocolError):
    """The body is too large."""

    code = "body-too-large"


class AddressTooLong(ProtocolError):
    """The address of the request is too long."""

    code = "uri-too-long"


class UnsupportedMediaType(ProtocolError):
    """The media type of the body is not supported."""

    code = "unsupported-media-type"


class UnsupportedContentEncoding(ProtocolError):
    """The content encoding of the body is not supported."""

    code = "unsupported-content-encoding"


class HeadersTooLarge(ProtocolError):
    """The headers are too large or too many."""

    code = "headers-too-large"


class ValidationFailed(Invalid):
    """The request has fields that are not valid."""

    code = "validation-failed"


class InternalError(WalletError):
    """Something went wrong on our side."""

    code = "internal-error"


# The one table from why to status. It is total because the root is in it: the nearest ancestor
# of an error's class decides, and what nobody foresaw is our own fault.
ERROR_STATUS: Mapping[type[WalletError], int] = {
    WalletError: 500,
    Invalid: 422,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    Rejected: 422,
    Throttled: 429,
    Unavailable: 503,
    # Nothing is out of order: it is early.
    ReceiptNotReady: 409,
    ProtocolError: 400,
    MalformedRequest: 400,
    MalformedJson: 400,
    MethodNotAllowed: 405,
    NotAcceptable: 406,
    RequestTimeout: 408,
    BodyTooLarge: 413,
    AddressTooLong: 414,
    UnsupportedMediaType: 415,
    UnsupportedContentEncoding: 415,
    HeadersTooLarge: 431,
    InternalError: 500,
}

HTTP_ERRORS: Mapping[int, type[WalletError]] = {
    400: MalformedRequest,
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    405: MethodNotAllowed,
    406: NotAcceptable,
    408: RequestTimeout,
    409: Conflict,
    413: BodyTooLarge,
    414: AddressTooLong,
    415: UnsupportedMediaType,
    422: Rejected,
    429: Throttled,
    431: HeadersTooLarge,
    503: Unavailable,
}


def status_of(error_class: type[WalletError]) -> int:
    """Return the HTTP status of an error class: that of its nearest ancestor in the table."""
    for ancestor in error_class.__mro__:
        if status := ERROR_STATUS.get(ancestor):
            return status
    return 500


def problem(error: BaseException, *, instance: str, request_id: str) -> Rendered:
    """Render any exception as (status, body, headers).

    `instance` is the path of the request. Exceptions from outside the tree of reasons become
    `internal-error`, and nothing of their text is told.
    """
    reason = error if isinstance(error, WalletError) else InternalError()
    status = status_of(type(reason))
    title = reason.title()
    document: dict[str, Any] = {
        "type": f"/problems/{reason.code}",
        "title": title,
        "status": status,
        "detail": title if status >= 500 else reason.detail,
        "instance": quote(instance, safe=URI_CHARACTERS),
        "code": reason.code,
        "request_id": request_id,
    }
    if status != 500:
        for name, value in reason.facts.items():
            document.setdefault(name, value)
    body = _to_json(document)
    headers: Headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        *_headers_of(reason, status),
    ]
    return status, body, headers


def invalid_fields(errors: Iterable[Mapping[str, Any]]) -> WalletError:
    """Translate pydantic's error list into one error of ours, without echoing any input.

    The list is that of `ValidationError.errors()` or of FastAPI's RequestValidationError.
    """
    fields: list[dict[str, str]] = []
    for error in map(_of_characters, errors):
        if error["type"] == "json_invalid":
            return MalformedJson()
        if len(fields) < FIELD_ERRORS_MAX:
            fields.append(
                {
                    "field": _field(error.get("loc", ())),
                    "message": _message(error),
                    "code": str(error["type"]).replace("_", "-"),
                }
            )
    return ValidationFailed(errors=fields)


async def answer(error: BaseException, request: Request) -> Response:
    """Return the problem of an exception as a response to this request."""
    state = request.scope.setdefault("state", {})
    state["problem_code"] = error.code if isinstance(error, WalletError) else InternalError.code
    status, body, headers = problem(
        error, instance=request.scope["path"], request_id=state.get("request_id", "")
    )
    response = Response(content=body, status_code=status)
    response.raw_headers = headers
    return response


def install_problems(app: FastAPI, *, log_crash: LogCrash) -> None:
    """Make every exception of an application leave as a problem.

    `log_crash(event, exc_info=…, **fields)` is told of exceptions nobody foresaw. Under the `Edge`
    those never come so far: its own net is the one that counts.
    """

    async def wallet_error(request: Request, error: Exception) -> Response:
        return await answer(error, request)

    async def validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - FastAPI's own promise
        # FastAPI hands the raw bytes on when the content type is not JSON.
        if isinstance(error.body, bytes) and error.body:
            return await answer(UnsupportedMediaType("Send the body as application/json."), request)
        return await answer(invalid_fields(error.errors()), request)

    async def http_exception(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - Starlette's own promise
        return await _answer_http_exception(error, request)

    async def crash(request: Request, error: Exception) -> Response:
        request_id = request.scope.get("state", {}).get("request_id", "")
        log_crash("internal-error", exc_info=error, request_id=request_id)
        return await answer(error, request)

    handlers: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
        WalletError: wallet_error,
        RequestValidationError: validation,
        HTTPException: http_exception,
        Exception: crash,
    }
    for exception_class, handler in handlers.items():
        app.add_exception_handler(exception_class, handler)


async def _answer_http_exception(error: HTTPException, request: Request) -> Response:
    """Answer an exception of Starlette, FastAPI or slowapi with the problem of its status."""
    if isinstance(error, RateLimitExceeded) and error.limit is not None:
        return await answer(Throttled(retry_after_s=error.limit.limit.get_expiry()), request)
    if error.status_code == 400 and "json" in request.headers.get("content-type", ""):
        # Deep nesting, bad UTF-8 and endless digits fail in json.loads as no JSONDecodeError.
        return await answer(MalformedJson(), request)
    reason_class = HTTP_ERRORS.get(error.status_code)
    if reason_class is None:
        reason_class = InternalError if error.status_code >= 500 else MalformedRequest
    response = await answer(reason_class(), request)
    present = {name for name, _ in response.raw_headers}
    for name, value in (error.headers or {}).items():
        header = name.lower().encode("latin-1")
        if header not in present:
            response.raw_headers.append((header, value.encode("latin-1")))
    return response


def _headers_of(error: WalletError, status: int) -> Headers:
    headers: Headers = list(getattr(error, "headers", ()))
    if isinstance(error, Rejected) and error.replayed:
        headers.append((b"idempotent-replayed", b"true"))
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    elif isinstance(error, InsufficientScope):
        # RFC 6750, 3.1.
        scope = str(error.facts["scope"]).encode()
        challenge = b'Bearer error="insufficient_scope", scope="%b"' % scope
        headers.append((b"www-authenticate", challenge))
    elif isinstance(error, Throttled | Unavailable):
        # Rounded up, because coming back too early only costs another refusal.
        headers.append((b"retry-after", b"%d" % max(1, -int(-error.retry_after_s // 1))))
    return headers


def _to_json(document: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(document, default=str)
    except TypeError:
        # Lone surrogates and huge integers: rare, legal in JSON, and no reason for a crash.
        return json.dumps(document, default=str).encode("ascii")


def _field(location: Sequence[str | int]) -> str:
    """Return a dotted path such as `metadata.key`, without the place it was found in."""
    parts = location[1:] if len(location) > 1 and location[0] in PLACES else location
    return ".".join(str(part) for part in parts)[:FIELD_LENGTH_MAX]


def _of_characters(error: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an error about a text's length as pydantic words it where the limit comes first.

    Behind a validator of ours (`Text`) a limit counts "items", and has another code.
    """
    limits = {"too_long": ("most", "max_length"), "too_short": ("least", "min_length")}
    found = limits.get(error["type"])
    if found is None or not isinstance(error.get("input"), str):
        return error
    limit = error["ctx"][found[1]]
    characters = "character" if limit == 1 else "characters"
    message = f"String should have at {found[0]} {limit} {characters}"
    return {**error, "type": f"string_{error['type']}", "msg": message}


def _message(error: Mapping[str, Any]) -> str:
    message = str(error.get("msg", "The value is not valid.")).removeprefix("Value error, ")
    if message.startswith("value is not a valid email address"):
        return "The value is not a valid e-mail address."
    value = error.get("input")
    echoes = isinstance(value, str) and len(value) > 2 and value in message
    if echoes or error["type"] == "union_tag_invalid":
        return "The value is not valid."
    return message if message.endswith(".") else message + "."


PROBLEM_SCHEMA: Mapping[str, Any] = {
    "title": "Problem",
    "type": "object",
    "description": "RFC 9457 problem details. Further fields carry the facts of the error.",
    "required": ["type", "title", "status", "detail", "instance", "code", "request_id"],
    "additionalProperties": True,
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "instance": {"type": "string", "format": "uri-reference"},
        "code": {"type": "string", "description": "The stable name of the error."},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "description": "One entry per field that is not valid (code `validation-failed`).",
            "items": {
                "type": "object",
                "required": ["field", "message", "code"],
                "properties": {
                    "field": {"type": "string"},
                    "message": {"type": "string"},
                    "code": {"type": "string"},
                },
            },
        },
    },
}
SCHEMA_REFERENCE = {"$ref": "#/components/schemas/Problem"}
RESPONSE_HEADERS: Mapping[int, Mapping[str, Any]] = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}}},
    405: {"Allow": {"schema": {"type": "string"}}},
    429: {"Retry-After": {"schema": {"type": "integer"}}},
    503: {"Retry-After": {"schema": {"type": "integer"}}},
}


def problem_responses(*error_classes: type[WalletError]) -> dict[int | str, dict[str, Any]]:
    """Document errors for FastAPI's `responses=`: one entry per status, one example per code."""
    responses: dict[int | str, dict[str, Any]] = {}
    for error_class in error_classes:
        status = status_of(error_class)
        response = responses.setdefault(status, _response(status))
        examples = response["content"][MEDIA_TYPE]["examples"]
        examples[error_class.code] = _example(error_class, status)
    return dict(sorted(responses.items(), key=lambda item: int(item[0])))


def complete_problems(responses: dict[str, Any], added: Mapping[int | str, dict[str, Any]]) -> None:
    """Add documented problems to the responses of an operation, beside those of the same status."""
    for status, response in added.items():
        known = responses.setdefault(str(status), response)
        if known is not response:
            content = known["content"].setdefault(MEDIA_TYPE, response["content"][MEDIA_TYPE])
            content["examples"].update(response["content"][MEDIA_TYPE]["examples"])


def complete_openapi(document: dict[str, Any]) -> dict[str, Any]:
    """Add the Problem schema to an OpenAPI document, and replace FastAPI's own error by it."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = dict(PROBLEM_SCHEMA)
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for operations in document.get("paths", {}).values():
        for operation in operations.values():
            responses = operation.get("responses", {}) if isinstance(operation, dict) else {}
            if "HTTPValidationError" in str(responses.get("422", "")):
                responses["422"] = problem_responses(ValidationFailed)[422]
    share_problems(document)
    return document


def _response(status: int) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": http.HTTPStatus(status).phrase,
        "content": {MEDIA_TYPE: {"schema": dict(SCHEMA_REFERENCE), "examples": {}}},
    }
    if status in RESPONSE_HEADERS:
        response["headers"] = dict(RESPONSE_HEADERS[status])
    return response


def _example(error_class: type[WalletError], status: int) -> dict[str, Any]:
    """Return the problem that the service answered once; for what is not recorded, a plain one."""
    title = error_class.title()
    plain: dict[str, Any] = {
        "type": f"/problems/{error_class.code}",
        "title": title,
        "status": status,
        "detail": title,
        "instance": "/wallets/transfer",
        "code": error_class.code,
        "request_id": "5f0c2a9be1d84c7396a1b2c3",
    }
    value = {**recorded_problems().get(error_class.code, plain), "status": status}
    return {"summary": value["title"], "value": value}
