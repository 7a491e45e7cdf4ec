"""OAuth: the token endpoint of the documentation page, and the keys that verify our tokens.

The password grant is there for the Authorize button of Swagger UI and for nothing else: unless
`app.state.takes_passwords_at_oauth` is set it is refused. The errors are those of RFC 6749.
"""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from wallet.api.dependencies import SCHEME_NAME, client_of
from wallet.api.people_fields import PASSWORD_TEXT_LENGTH_MAX
from wallet.api.problems import problem_responses
from wallet.api.routes.sessions import TokensAnswer, tokens_document
from wallet.api.state import use_cases
from wallet.application.entrance import Attempt
from wallet.application.log_in import Tokens
from wallet.application.unit_of_work import Interrupted
from wallet.domain.errors import Overloaded, Throttled, Unauthenticated
from wallet.domain.sessions import GrantRefused
from wallet.domain.users import EMAIL_LENGTH_MAX

router = APIRouter(tags=["OAuth"])

GRANT_SCHEME_NAME = "passwordGrant"
TOKEN_PATH = "/oauth/token"  # noqa: S105 - a path
FORM_TYPE = "application/x-www-form-urlencoded"
FIELDS_MAX = 10
_LENGTHS_MAX = {
    "username": EMAIL_LENGTH_MAX,
    "password": PASSWORD_TEXT_LENGTH_MAX,
    "refresh_token": 128,
}
_ERROR_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
    "examples": [{"error": "invalid_grant", "error_description": "The password is wrong."}],
}
_ERROR_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {
        "description": description,
        "content": {"application/json": {"schema": _ERROR_SCHEMA}},
    }
    for status, description in (
        (400, "The error of RFC 6749"),
        (429, "Too many attempts; Retry-After says when to come back"),
    )
}
_FORM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["grant_type"],
    "properties": {
        "grant_type": {"type": "string", "enum": ["password", "refresh_token"]},
        "username": {"type": "string", "description": "The e-mail address."},
        "password": {"type": "string", "format": "password"},
        "refresh_token": {"type": "string"},
        "scope": {"type": "string", "description": "Ignored."},
    },
    "examples": [{"grant_type": "refresh_token", "refresh_token": "PDaKQVoD2mTDV5Vu8lDXxg"}],
}


class OAuthError(Exception):
    """An error of RFC 6749, section 5.2."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error
        self.description = description


@router.post(
    TOKEN_PATH,
    operation_id="issueToken",
    summary="Get tokens by the OAuth 2 password grant",
    response_model=TokensAnswer,
    responses={**problem_responses(Overloaded, Interrupted), **_ERROR_RESPONSES},
    openapi_extra={
        "requestBody": {"required": True, "content": {FORM_TYPE: {"schema": _FORM_SCHEMA}}}
    },
)
async def issue_token(request: Request) -> JSONResponse:
    """Serve the Authorize button of the documentation page; programs use POST /users/login."""
    try:
        tokens = await _granted(request, await _form(request))
    except OAuthError as error:
        return _refusal(400, error.error, error.description)
    except (Unauthenticated, GrantRefused) as error:
        return _refusal(400, "invalid_grant", error.detail)
    except Throttled as error:
        # RFC 6749 has no word for it; the status and Retry-After say it all.
        wait_s = str(max(1, round(error.retry_after_s)))
        return _refusal(429, "temporarily_unavailable", error.detail, {"retry-after": wait_s})
    return _answer(200, tokens_document(tokens))


@router.get(
    "/.well-known/jwks.json",
    operation_id="listSigningKeys",
    summary="The public keys that access tokens are signed with",
    response_model=dict[str, list[dict[str, str]]],
)
async def list_signing_keys(request: Request) -> JSONResponse:
    """Return a JSON Web Key Set; during a rotation it holds two keys."""
    keys = dict(use_cases(request).log_in.jwks())
    return JSONResponse(keys, headers={"cache-control": "public, max-age=300"})


def document_password_grant(document: dict[str, Any]) -> dict[str, Any]:
    """Add the password grant to an OpenAPI document, wherever an access token is asked for."""
    components = document.setdefault("components", {})
    components.setdefault("securitySchemes", {})[GRANT_SCHEME_NAME] = {
        "type": "oauth2",
        "description": "For this page only: your e-mail address is the username.",
        "flows": {"password": {"tokenUrl": TOKEN_PATH, "refreshUrl": TOKEN_PATH, "scopes": {}}},
    }
    for operations in document.get("paths", {}).values():
        for operation in operations.values():
            security = operation.get("security") if isinstance(operation, dict) else None
            if security and any(SCHEME_NAME in way for way in security):
                security.append({GRANT_SCHEME_NAME: []})
    return document


async def _form(request: Request) -> dict[str, str]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != FORM_TYPE:
        raise OAuthError("invalid_request", f"Send the parameters as {FORM_TYPE}.")
    try:
        pairs = (await request.form(max_files=0, max_fields=FIELDS_MAX)).multi_items()
    except HTTPException:
        raise OAuthError("invalid_request", "The form cannot be read.") from None
    form: dict[str, str] = {}
    for name, value in pairs:
        if isinstance(value, UploadFile) or name in form:
            raise OAuthError("invalid_request", "A parameter is given more than once.")
        form[name] = value
    return form


async def _granted(request: Request, form: dict[str, str]) -> Tokens:
    log_in = use_cases(request).log_in
    client = client_of(request)
    grant = form.get("grant_type")
    takes_passwords = getattr(request.app.state, "takes_passwords_at_oauth", False)
    if grant == "password" and takes_passwords:
        username, password = _field(form, "username"), _field(form, "password")
        return await log_in.log_in(Attempt(username, password, client, password_alone=True))
    if grant == "refresh_token":
        return await log_in.refresh(_field(form, "refresh_token"), client)
    if grant is None:
        raise OAuthError("invalid_request", "grant_type is missing.")
    raise OAuthError("unsupported_grant_type", "This grant is not supported here.")


def _field(form: dict[str, str], name: str) -> str:
    value = form.get(name, "")
    if not value or len(value) > _LENGTHS_MAX[name] or "\0" in value:
        raise OAuthError("invalid_request", f"{name} is missing or not valid.")
    return value


def _refusal(
    status: int, error: str, description: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    return _answer(status, {"error": error, "error_description": description}, headers)


def _answer(
    status: int, content: dict[str, Any], headers: dict[str, str] | None = None
) -> JSONResponse:
    no_store = {"cache-control": "no-store", "pragma": "no-cache"}
    return JSONResponse(content, status_code=status, headers={**no_store, **(headers or {})})
