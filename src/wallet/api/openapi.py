"""The OpenAPI document: what FastAPI makes of the routes, and what holds for all of them."""

from copy import deepcopy
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from wallet.api.cookies import document_cookies
from wallet.api.dependencies import SCHEME_NAME as BEARER_SCHEME_NAME
from wallet.api.examples import complete_examples, show_recorded
from wallet.api.key_scopes import SCHEME_NAME, document_access, scheme
from wallet.api.problems import (
    AddressTooLong,
    BodyTooLarge,
    HeadersTooLarge,
    InternalError,
    MalformedJson,
    RequestTimeout,
    UnsupportedMediaType,
    complete_openapi,
    complete_problems,
    problem_responses,
)
from wallet.api.routes.oauth import document_password_grant

DESCRIPTION = """\
People register, log in, hold money in several currencies, top up, pay each other, and see every
movement.

**A first transfer**: sign up twice (`POST /users`), press *Authorize* and log in, add money
(`POST /wallets/topup`), pay (`POST /wallets/transfer`), and look (`GET /transactions`).

**Amounts** are integers in minor units: 2500 is 25.00 USD, and 2500 JPY is 2500 yen.

**Retries**: send an `Idempotency-Key` with every request that moves money, and repeat it until you
have a definite answer. The money moves once.

**Machines** use API keys (`POST /api-keys`), which do what their scopes say and can be bound to a
budget. Each operation names the scope it needs.

**Errors** are `application/problem+json` (RFC 9457) with a stable `code`.
"""

TAGS: list[dict[str, str]] = [
    {"name": "People", "description": "Sign up, your profile, finding whom to pay."},
    {"name": "Sessions", "description": "Log in, stay logged in, log out."},
    {"name": "Credentials", "description": "Passwords, and proving an e-mail address."},
    {"name": "API keys", "description": "Keys for machines, and keys that may only spend so much."},
    {"name": "Wallets", "description": "Balances, top-ups and transfers."},
    {"name": "Transactions", "description": "Everything that moved, and whether it did."},
    {"name": "Statements", "description": "Looking back: balances, statements, insight."},
    {"name": "Live", "description": "What moves, as it moves."},
    {"name": "Events", "description": "What has happened, for whoever has missed it."},
    {"name": "Webhooks", "description": "Your own server is told of what happens."},
    {"name": "Proof", "description": "Signed receipts, and the log that they are checked by."},
    {"name": "OAuth", "description": "Tokens for this page, and the keys they are signed with."},
    {
        "name": "Staff",
        "description": "The operator's own people: support, auditors, administrators. Whoever is "
        "none of them finds nothing here.",
    },
    {"name": "Operations", "description": "Health and metrics."},
]

SERVERS = [{"url": "/", "description": "The service that this document came from."}]

# What the edge answers on any route, whatever the route itself documents.
EVERYWHERE = problem_responses(AddressTooLong, HeadersTooLarge, RequestTimeout, InternalError)
WITH_BODY = problem_responses(MalformedJson, BodyTooLarge, UnsupportedMediaType)
RATE_LIMIT_HEADERS: dict[str, Any] = {
    "RateLimit": {"schema": {"type": "string"}, "description": "What is left, and for how long."},
    "RateLimit-Policy": {"schema": {"type": "string"}, "description": "How much there is."},
}
REQUEST_ID = "X-Request-ID"
REQUEST_ID_HEADER: dict[str, Any] = {
    "schema": {"type": "string"},
    "description": "Names this request in our logs; send your own or take ours.",
}
HEADERS = "#/components/headers/"


def install_openapi(app: FastAPI, *, password_grant: bool) -> None:
    """Make the application's document complete; it is built once, when first asked for."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                description=DESCRIPTION,
                routes=app.routes,
                webhooks=app.webhooks.routes,
                tags=TAGS,
                servers=SERVERS,
                license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
            )
            document["paths"] = _in_reading_order(document["paths"])
            document = _completed(document_cookies(document, BEARER_SCHEME_NAME))
            app.openapi_schema = document_password_grant(document) if password_grant else document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _in_reading_order(paths: dict[str, Any]) -> dict[str, Any]:
    """Put the paths in the order of the tags; the routes' own order is that of matching."""
    order = [tag["name"] for tag in TAGS]

    def place(path: str) -> int:
        return min(order.index(operation["tags"][0]) for operation in paths[path].values())

    return {path: paths[path] for path in sorted(paths, key=place)}


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    for operations in document["webhooks"].values():
        # A receiver of ours answers with a status and owes us no validation.
        operations["post"]["responses"] = {"2XX": {"description": "You have taken the event."}}
        operations["post"]["security"] = []  # It shows by its signature who sends it.
    for operations in document["paths"].values():
        for operation in operations.values():
            responses = operation["responses"]
            added = deepcopy(EVERYWHERE | (WITH_BODY if "requestBody" in operation else {}))
            complete_problems(responses, added)
            for response in responses.values():
                limits = RATE_LIMIT_HEADERS if "security" in operation else {}
                shared = {name: {"$ref": f"{HEADERS}{name}"} for name in (*limits, REQUEST_ID)}
                response["headers"] = {**response.get("headers", {}), **shared}
            if "security" in operation:
                document_access(operation)
            show_recorded(operation)
            # Said of those that want nobody, too.
            operation.setdefault("security", [])
            operation["responses"] = dict(sorted(responses.items()))
    document["components"]["headers"] = RATE_LIMIT_HEADERS | {REQUEST_ID: REQUEST_ID_HEADER}
    document["components"]["securitySchemes"][SCHEME_NAME] = scheme()
    document = complete_openapi(document)
    complete_examples(document["components"]["schemas"])
    return document
