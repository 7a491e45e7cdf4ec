"""Which scope an API key needs for which operation: the one table of it.

An operation that is not in `SCOPES` is closed to API keys, whatever their scopes: a forgotten line
locks out and never lets in. A test wants every operation that needs somebody in either of the two.
"""

from collections.abc import Mapping
from typing import Any

from wallet.api.problems import complete_problems, problem_responses
from wallet.domain.api_keys import InsufficientScope, Scope, SessionRequired
from wallet.domain.errors import WalletError
from wallet.domain.sessions import Principal

SCHEME_NAME = "apiKey"
EXTENSION = "x-api-key-scope"

SCOPES: Mapping[str, Scope] = {
    "getBalance": Scope.WALLETS_READ,
    "listWallets": Scope.WALLETS_READ,
    "getBalanceAt": Scope.WALLETS_READ,
    "openWallet": Scope.WALLETS_WRITE,
    "createTransfer": Scope.TRANSFERS_WRITE,
    "createTransferBatch": Scope.TRANSFERS_WRITE,
    "createTopUp": Scope.TOPUPS_WRITE,
    "listTransactions": Scope.TRANSACTIONS_READ,
    "getTransaction": Scope.TRANSACTIONS_READ,
    "getStatement": Scope.TRANSACTIONS_READ,
    "getInsights": Scope.TRANSACTIONS_READ,
    "getReceipt": Scope.TRANSACTIONS_READ,
    "getIdempotencyKey": Scope.TRANSACTIONS_READ,
    "streamEvents": Scope.TRANSACTIONS_READ,
    "findRecipient": Scope.RECIPIENTS_READ,
    "getProfile": Scope.PROFILE_READ,
    "listEvents": Scope.EVENTS_READ,
    "getEvent": Scope.EVENTS_READ,
    "listWebhookEndpoints": Scope.WEBHOOKS_READ,
    "getWebhookEndpoint": Scope.WEBHOOKS_READ,
    "listWebhookDeliveries": Scope.WEBHOOKS_READ,
    "createWebhookEndpoint": Scope.WEBHOOKS_WRITE,
    "updateWebhookEndpoint": Scope.WEBHOOKS_WRITE,
    "deleteWebhookEndpoint": Scope.WEBHOOKS_WRITE,
    "rotateWebhookSecret": Scope.WEBHOOKS_WRITE,
    "testWebhookEndpoint": Scope.WEBHOOKS_WRITE,
    "checkWebhookSignature": Scope.WEBHOOKS_WRITE,
    "resendWebhooks": Scope.WEBHOOKS_WRITE,
    "resendWebhookDelivery": Scope.WEBHOOKS_WRITE,
}

CLOSED = frozenset(
    {
        # Whatever staff do, somebody must have logged in for it.
        "getOverview",
        "getIntegrity",
        "searchEverything",
        "listPeople",
        "getPerson",
        "listPersonTransactions",
        "getTimeline",
        "endSessions",
        "listStaffWallets",
        "getStaffWallet",
        "freezeWallet",
        "unfreezeWallet",
        "closeWallet",
        "setOverdraft",
        "listStaffTransactions",
        "getStaffTransaction",
        "listRefusals",
        "getRefusal",
        "refundTransfer",
        "requestAdjustment",
        "listAdjustments",
        "getAdjustment",
        "approveAdjustment",
        "rejectAdjustment",
        "listActs",
        "getAct",
        "createApiKey",
        "listApiKeys",
        "getApiKey",
        "rotateApiKey",
        "revokeApiKey",
        "changePassword",
        "requestEmailVerification",
        "verifyEmail",
        "updateProfile",
        "closeAccount",
        "exportData",
        "listSessions",
        "revokeSession",
        "logOut",
        "getBrowserSession",
        "endBrowserSession",
        "issueLiveTicket",
        "getSecondFactor",
        "beginSecondFactor",
        "confirmSecondFactor",
        "replaceRecoveryCodes",
        "disableSecondFactor",
    }
)


def require_access(person: Principal, operation_id: str | None) -> None:
    """Raise `InsufficientScope` or `SessionRequired` if a key may not do this; people may."""
    if person.grant is None:
        return
    scope = SCOPES.get(operation_id or "")
    if scope is None:
        raise SessionRequired
    person.grant.require(scope)


def document_access(operation: dict[str, Any]) -> None:
    """Say in an operation of the OpenAPI document which scope it needs, or that it takes no key."""
    scope = SCOPES.get(operation["operationId"])
    problem: type[WalletError] = SessionRequired
    said = "API keys cannot do this."
    if scope is not None:
        problem, said = InsufficientScope, f"API keys need the scope `{scope}`."
        operation["security"].append({SCHEME_NAME: [scope.value]})
        operation[EXTENSION] = scope.value
    operation["description"] = f"{operation['description']}\n\n{said}"
    complete_problems(operation["responses"], problem_responses(problem))


def scheme() -> dict[str, Any]:
    """Return the security scheme of API keys, which lists every scope."""
    scopes = ", ".join(f"`{scope.value}`" for scope in Scope)
    return {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "wk_…",
        "description": "An API key that `POST /api-keys` answers, sent like an access token. "
        f"Its scopes say what it may do: {scopes}.",
    }
