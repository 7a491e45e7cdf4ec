"""What the service answers, and by whom it may be asked."""

import re
from typing import Any
from uuid import uuid4

import httpx
from tests.conftest import Service

# Everything the service answers, by who may ask for it. PUBLIC needs nothing, OWN speaks only of
# the caller, NAMED names something by an id or a key, in path, query or body.
PUBLIC = {
    "POST /users": "signUp",
    "POST /users/login": "logIn",
    "POST /users/refresh": "refreshTokens",
    "POST /session": "beginBrowserSession",
    "POST /password-resets": "requestPasswordReset",
    "POST /password-resets/confirm": "resetPassword",
    "POST /oauth/token": "issueToken",
    "GET /.well-known/jwks.json": "listSigningKeys",
    "GET /health/live": "getLiveness",
    "GET /health/ready": "getReadiness",
    "GET /metrics": "getMetrics",
    "GET /problems/{code}": "getProblem",
    "GET /proofs/checkpoints": "listCheckpoints",
    "GET /proofs/checkpoints/latest": "getLatestCheckpoint",
    "GET /proofs/checkpoints/{tree_size}": "getCheckpoint",
    "GET /proofs/consistency": "getConsistencyProof",
    "GET /proofs/keys": "listProofKeys",
}


OWN = {
    "POST /email-verifications": "verifyEmail",
    "GET /wallets/my-balance": "getBalance",
    "POST /wallets/topup": "createTopUp",
    "GET /wallets": "listWallets",
    "POST /wallets": "openWallet",
    "POST /users/logout": "logOut",
    "GET /users/me/sessions": "listSessions",
    "GET /users/me": "getProfile",
    "DELETE /users/me": "closeAccount",
    "PATCH /users/me": "updateProfile",
    "GET /users/me/export": "exportData",
    "POST /users/me/password": "changePassword",
    "POST /api-keys": "createApiKey",
    "POST /users/me/email-verification": "requestEmailVerification",
    "GET /users/me/second-factor": "getSecondFactor",
    "POST /users/me/second-factor": "beginSecondFactor",
    "DELETE /users/me/second-factor": "disableSecondFactor",
    "POST /users/me/second-factor/confirm": "confirmSecondFactor",
    "POST /users/me/second-factor/recovery-codes": "replaceRecoveryCodes",
    "POST /live/tickets": "issueLiveTicket",
    "GET /events": "listEvents",
    "POST /webhook-endpoints": "createWebhookEndpoint",
    "GET /webhook-endpoints": "listWebhookEndpoints",
}


# What only a browser's session can ask for; a token does not do.
BY_COOKIE = {
    "GET /session": "getBrowserSession",
    "DELETE /session": "endBrowserSession",
}


NAMED = {
    "POST /wallets/transfer": "createTransfer",
    "POST /transfers/batch": "createTransferBatch",
    "GET /transactions": "listTransactions",
    "GET /transactions/{id}": "getTransaction",
    "GET /wallets/{id}/balance": "getBalanceAt",
    "GET /wallets/{id}/statement": "getStatement",
    "GET /wallets/{id}/insights": "getInsights",
    "GET /live/events": "streamEvents",
    "GET /transactions/{id}/receipt": "getReceipt",
    "GET /idempotency-keys/{key}": "getIdempotencyKey",
    "DELETE /users/me/sessions/{session_id}": "revokeSession",
    "GET /recipients": "findRecipient",
    "GET /api-keys": "listApiKeys",
    "GET /api-keys/{id}": "getApiKey",
    "POST /api-keys/{id}/rotate": "rotateApiKey",
    "DELETE /api-keys/{id}": "revokeApiKey",
    "GET /events/{id}": "getEvent",
    "GET /webhook-endpoints/{id}": "getWebhookEndpoint",
    "PATCH /webhook-endpoints/{id}": "updateWebhookEndpoint",
    "DELETE /webhook-endpoints/{id}": "deleteWebhookEndpoint",
    "POST /webhook-endpoints/{id}/rotate-secret": "rotateWebhookSecret",
    "POST /webhook-endpoints/{id}/resend": "resendWebhooks",
    "POST /webhook-endpoints/{id}/signature-check": "checkWebhookSignature",
    "POST /webhook-endpoints/{id}/test": "testWebhookEndpoint",
    "GET /webhook-endpoints/{id}/deliveries": "listWebhookDeliveries",
    "POST /webhook-endpoints/{id}/deliveries/{delivery_id}/resend": "resendWebhookDelivery",
}


# What staff alone may ask for; who of them is in test_staff_roles.py.
STAFF = {
    "GET /admin/overview": "getOverview",
    "GET /admin/integrity": "getIntegrity",
    "GET /admin/search": "searchEverything",
    "GET /admin/people": "listPeople",
    "GET /admin/people/{id}": "getPerson",
    "GET /admin/people/{id}/transactions": "listPersonTransactions",
    "GET /admin/people/{id}/timeline": "getTimeline",
    "DELETE /admin/people/{id}/sessions": "endSessions",
    "GET /admin/wallets": "listStaffWallets",
    "GET /admin/wallets/{id}": "getStaffWallet",
    "POST /admin/wallets/{id}/freeze": "freezeWallet",
    "POST /admin/wallets/{id}/unfreeze": "unfreezeWallet",
    "POST /admin/wallets/{id}/close": "closeWallet",
    "POST /admin/wallets/{id}/overdraft": "setOverdraft",
    "GET /admin/transactions": "listStaffTransactions",
    "GET /admin/transactions/{id}": "getStaffTransaction",
    "GET /admin/refusals": "listRefusals",
    "GET /admin/refusals/{id}": "getRefusal",
    "POST /admin/transactions/{id}/refund": "refundTransfer",
    "POST /admin/adjustments": "requestAdjustment",
    "GET /admin/adjustments": "listAdjustments",
    "GET /admin/adjustments/{id}": "getAdjustment",
    "POST /admin/adjustments/{id}/approve": "approveAdjustment",
    "POST /admin/adjustments/{id}/reject": "rejectAdjustment",
    "GET /admin/audit-trail": "listActs",
    "GET /admin/audit-trail/{id}": "getAct",
}


INVENTORY = PUBLIC | OWN | BY_COOKIE | NAMED | STAFF


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return every operation of a document by `METHOD /path`."""
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def document_of(service: Service) -> dict[str, Any]:
    document: dict[str, Any] = service.app.openapi()
    return document


def body_schema(document: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any] | None:
    """Return the schema of an operation's JSON body."""
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" not in content:
        return None
    name = content["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
    schema: dict[str, Any] = document["components"]["schemas"][name]
    return schema


def example_of(operation_id: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return a body that is valid as far as its shape goes."""
    examples = schema.get("examples") or [{"currency": "EUR"}]
    return dict(examples[0])


# Function level: no token, and tokens that claim more than they may.


async def call(
    client: httpx.AsyncClient, document: dict[str, Any], place: str, headers: dict[str, str]
) -> httpx.Response:
    """Call an operation with the body of its example and an id that leads nowhere."""
    operation = operations(document)[place]
    method, _, path = place.partition(" ")
    path = re.sub(r"\{[a-z_]+\}", str(uuid4()), path)
    schema = body_schema(document, operation)
    content = None if schema is None else example_of(operation["operationId"], schema)
    return await client.request(method, path, json=content, headers=headers)
