"""Every error leaves as a problem that says what happened and nothing that it should not."""

from typing import Annotated, Any
from uuid import UUID

import httpx
import orjson
import pytest
from fastapi import FastAPI, Query, Request
from pydantic import BaseModel, ConfigDict, EmailStr, Field, ValidationError
from slowapi.errors import RateLimitExceeded
from slowapi.wrappers import LimitGroup
from starlette.exceptions import HTTPException

from wallet.api.examples import share_problems
from wallet.api.problems import (
    ERROR_STATUS,
    BodyTooLarge,
    ValidationFailed,
    complete_openapi,
    install_problems,
    invalid_fields,
    problem,
    problem_responses,
    status_of,
)
from wallet.api.routes.staff.shapes import ReasonBody
from wallet.domain.accounts import InsufficientFunds
from wallet.domain.errors import (
    ERROR_FAMILIES,
    Conflict,
    Invalid,
    NotFound,
    OutcomeUnknown,
    Rejected,
    Throttled,
    Unauthenticated,
    WalletError,
)


class Payment(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    amount: Annotated[int, Field(ge=1, le=10**15)]
    to_email: EmailStr | None = None
    metadata: dict[str, Annotated[str, Field(max_length=5)]] = {}


def application() -> tuple[FastAPI, list[dict[str, Any]]]:
    app = FastAPI(redirect_slashes=False)
    crashes: list[dict[str, Any]] = []
    install_problems(app, log_crash=lambda event, **fields: crashes.append(fields))

    @app.post("/payments", responses=problem_responses(InsufficientFunds, Conflict))
    async def pay(payment: Payment) -> dict[str, int]:
        if payment.amount == 13:
            raise RuntimeError("marked-secret")
        raise InsufficientFunds(available=5, needed=payment.amount)

    @app.get("/payments")
    async def payments(limit: Annotated[int, Query(le=200)] = 50) -> dict[str, int]:
        return {"limit": limit}

    @app.get("/teapot")
    async def teapot() -> None:
        raise HTTPException(418, "marked-secret", headers={"X-Tea": "green"})

    @app.get("/limited")
    async def limited(request: Request) -> None:
        group = LimitGroup("5/2 minutes", lambda: "key", None, False, None, None, None, 1, False)
        raise RateLimitExceeded(next(iter(group)))

    return app, crashes


async def call(method: str, path: str, **content: Any) -> httpx.Response:
    app, _ = application()
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://wallet") as client:
        return await client.request(method, path, **content)


async def post_text(text: bytes, content_type: str | None = "application/json") -> httpx.Response:
    headers = {} if content_type is None else {"content-type": content_type}
    return await call("POST", "/payments", content=text, headers=headers)


def test_the_table_of_statuses_is_what_the_documentation_says() -> None:
    families = {family.__name__: ERROR_STATUS[family] for family in ERROR_FAMILIES}
    assert families == {
        "Invalid": 422,
        "Unauthenticated": 401,
        "Forbidden": 403,
        "NotFound": 404,
        "Conflict": 409,
        "Rejected": 422,
        "Throttled": 429,
        "Unavailable": 503,
    }


def test_an_error_has_the_status_of_its_nearest_ancestor() -> None:
    assert status_of(InsufficientFunds) == 422
    assert status_of(OutcomeUnknown) == 503
    assert status_of(BodyTooLarge) == 413
    assert status_of(WalletError) == 500


def test_a_problem_has_the_standard_members_and_its_facts() -> None:
    error = InsufficientFunds("You have 5.", available=5, wallet_id=UUID(int=1))
    status, body, headers = problem(error, instance="/wallets/transfer", request_id="r-1")
    assert status == 422
    assert orjson.loads(body) == {
        "type": "/problems/insufficient-funds",
        "title": "The wallet does not hold enough available money",
        "status": 422,
        "detail": "You have 5.",
        "instance": "/wallets/transfer",
        "code": "insufficient-funds",
        "request_id": "r-1",
        "available": 5,
        "wallet_id": "00000000-0000-0000-0000-000000000001",
    }
    assert headers == [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
    ]


def test_facts_never_override_a_standard_member() -> None:
    error = InsufficientFunds(status=200, code="fine", request_id="forged", extra=1)
    document = orjson.loads(problem(error, instance="/", request_id="r-1")[1])
    assert (document["status"], document["code"], document["request_id"]) == (
        422,
        "insufficient-funds",
        "r-1",
    )
    assert document["extra"] == 1


def test_an_unauthenticated_caller_is_told_the_scheme() -> None:
    _, _, headers = problem(Unauthenticated(), instance="/", request_id="r-1")
    assert (b"www-authenticate", b"Bearer") in headers


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (Throttled(retry_after_s=0.2), b"1"),
        (Throttled(retry_after_s=2.1), b"3"),
        (OutcomeUnknown(retry_after_s=0), b"1"),
    ],
)
def test_retry_after_is_in_whole_seconds_rounded_up(error: WalletError, seconds: bytes) -> None:
    _, _, headers = problem(error, instance="/", request_id="r-1")
    assert (b"retry-after", seconds) in headers


def test_a_server_error_tells_nothing_of_its_text() -> None:
    status, body, _ = problem(KeyError("marked-secret"), instance="/", request_id="r-1")
    assert status == 500
    assert orjson.loads(body)["code"] == "internal-error"
    assert b"marked-secret" not in body
    status, body, _ = problem(OutcomeUnknown("marked-secret"), instance="/", request_id="r-1")
    assert status == 503
    assert b"marked-secret" not in body


def test_facts_that_orjson_refuses_still_make_a_problem() -> None:
    error = Rejected("lone \ud800", number=10**30, thing=object)
    _, body, _ = problem(error, instance="/", request_id="r-1")
    assert orjson.loads(body.replace(b"\\ud800", b"?"))["detail"] == "lone ?"


async def test_a_refusal_in_a_route_is_its_problem() -> None:
    response = await call("POST", "/payments", json={"amount": 7})
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert document["code"] == "insufficient-funds"
    assert (document["available"], document["needed"]) == (5, 7)
    assert document["instance"] == "/payments"


async def test_validation_names_each_field_and_echoes_no_value() -> None:
    response = await post_text(
        b'{"amount":"marked-1","to_email":"marked-2","metadata":{"key":"marked-3"},"extra":"marked-4"}'
    )
    assert response.status_code == 422
    assert response.json()["code"] == "validation-failed"
    assert response.json()["errors"] == [
        {"field": "amount", "message": "Input should be a valid integer.", "code": "int-type"},
        {
            "field": "to_email",
            "message": "The value is not a valid e-mail address.",
            "code": "value-error",
        },
        {
            "field": "metadata.key",
            "message": "String should have at most 5 characters.",
            "code": "string-too-long",
        },
        {
            "field": "extra",
            "message": "Extra inputs are not permitted.",
            "code": "extra-forbidden",
        },
    ]
    assert "marked" not in response.text


@pytest.mark.parametrize(
    ("length", "message", "code"),
    [
        (2, "String should have at least 3 characters.", "string-too-short"),
        (501, "String should have at most 500 characters.", "string-too-long"),
    ],
)
def test_the_length_of_a_text_is_counted_in_characters_behind_a_validator_too(
    length: int, message: str, code: str
) -> None:
    with pytest.raises(ValidationError) as found:
        ReasonBody(reason="x" * length)
    answered = invalid_fields([{**error} for error in found.value.errors()])
    assert answered.facts["errors"] == [{"field": "reason", "message": message, "code": code}]


async def test_a_field_of_the_query_has_its_plain_name() -> None:
    response = await call("GET", "/payments?limit=1000000000")
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == ["limit"]


async def test_validation_errors_are_bounded_in_number_and_length() -> None:
    fields = ",".join(f'"{"x" * 200}{number}":1' for number in range(1000))
    response = await post_text(b'{"amount":1,' + fields.encode() + b"}")
    assert response.status_code == 422
    assert len(response.json()["errors"]) == 20
    assert {len(error["field"]) for error in response.json()["errors"]} == {100}


async def test_a_field_name_with_a_lone_surrogate_is_no_crash() -> None:
    response = await post_text(b'{"amount":1,"\\ud800":1}')
    assert response.status_code == 422


@pytest.mark.parametrize(
    "text",
    [
        b"{",
        b'{"amount": marked}',
        b"\xff\xfe",
        b"[" * 60_000,
        b'{"amount":' + b"9" * 5000 + b"}",
    ],
    ids=["cut", "unquoted", "no utf-8", "nested 60,000 deep", "5,000 digits"],
)
async def test_malformed_json_is_400(text: bytes) -> None:
    response = await post_text(text)
    assert response.status_code == 400
    assert response.json()["code"] == "malformed-json"
    assert response.json()["detail"] == "The body is not valid JSON"
    assert len(response.content) < 500


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
async def test_another_content_type_is_415(content_type: str | None) -> None:
    response = await post_text(b'{"amount":1}', content_type)
    assert response.status_code == 415
    assert response.json()["code"] == "unsupported-media-type"


async def test_a_missing_body_is_a_missing_field() -> None:
    response = await call("POST", "/payments")
    assert response.status_code == 422
    assert response.json()["errors"] == [
        {"field": "body", "message": "Field required.", "code": "missing"}
    ]


async def test_an_unknown_route_is_404() -> None:
    response = await call("GET", "/nowhere")
    assert response.status_code == 404
    assert response.json()["code"] == "not-found"
    assert response.json()["instance"] == "/nowhere"


async def test_a_wrong_method_is_405_and_names_the_allowed_ones() -> None:
    response = await call("DELETE", "/teapot")
    assert response.status_code == 405
    assert response.json()["code"] == "method-not-allowed"
    assert response.headers["allow"] == "GET"


async def test_an_unforeseen_http_exception_keeps_its_headers_but_not_its_text() -> None:
    response = await call("GET", "/teapot")
    assert response.status_code == 400
    assert response.headers["x-tea"] == "green"
    assert "marked-secret" not in response.text


async def test_slowapis_exception_is_a_429_with_its_window_as_retry_after() -> None:
    response = await call("GET", "/limited")
    assert response.status_code == 429
    assert response.json()["code"] == "too-many-requests"
    assert response.headers["retry-after"] == "120"


async def test_a_crash_is_a_scrubbed_500_and_logged_with_its_exception() -> None:
    app, crashes = application()
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://wallet") as client:
        response = await client.post("/payments", json={"amount": 13})
    assert response.status_code == 500
    assert response.json()["code"] == "internal-error"
    assert "marked-secret" not in response.text
    assert [type(fields["exc_info"]) for fields in crashes] == [RuntimeError]


def test_errors_of_pydantic_itself_are_translated_for_hot_routes() -> None:
    with pytest.raises(ValidationError) as caught:
        Payment.model_validate_json(b'{"amount":0}')
    error = invalid_fields(caught.value.errors())
    assert isinstance(error, ValidationFailed)
    assert error.facts["errors"] == [
        {
            "field": "amount",
            "message": "Input should be greater than or equal to 1.",
            "code": "greater-than-equal",
        }
    ]
    with pytest.raises(ValidationError) as caught:
        Payment.model_validate_json(b"[" * 100_000)
    assert invalid_fields(caught.value.errors()).code == "malformed-json"


def test_documented_problems_have_one_entry_per_status_and_one_example_per_code() -> None:
    responses = problem_responses(Throttled, InsufficientFunds, Invalid, NotFound)
    assert list(responses) == [404, 422, 429]
    content = responses[422]["content"]["application/problem+json"]
    assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
    assert list(content["examples"]) == ["insufficient-funds", "invalid-request"]
    assert content["examples"]["insufficient-funds"]["value"]["status"] == 422
    assert "Retry-After" in responses[429]["headers"]


def test_the_openapi_document_knows_problems_and_no_error_of_fastapis_own() -> None:
    app, _ = application()
    document = complete_openapi(app.openapi())
    assert "HTTPValidationError" not in str(document)
    assert "Problem" in document["components"]["schemas"]
    assert list(document["paths"]["/payments"]["post"]["responses"]) == ["200", "409", "422"]
    query = document["paths"]["/payments"]["get"]["responses"]["422"]["content"]
    assert list(query) == ["application/problem+json"]
    assert list(query["application/problem+json"]["examples"]) == ["validation-failed"]


def test_a_problem_that_differs_from_the_one_that_operations_share_stays_where_it_is() -> None:
    def shown(*statuses: int) -> dict[str, Any]:
        return {
            f"/{status}": {
                "get": {
                    "responses": {
                        str(status): {
                            "content": {
                                "application/problem+json": {
                                    "examples": {"odd": {"value": {"status": status}}}
                                }
                            }
                        }
                    }
                }
            }
            for status in statuses
        }

    document: dict[str, Any] = {"components": {}, "paths": shown(404, 409)}
    share_problems(document)
    assert document["components"]["examples"] == {"odd": {"value": {"status": 404}}}
    examples = [
        document["paths"][f"/{status}"]["get"]["responses"][str(status)]["content"][
            "application/problem+json"
        ]["examples"]["odd"]
        for status in (404, 409)
    ]
    assert examples == [{"$ref": "#/components/examples/odd"}, {"value": {"status": 409}}]
