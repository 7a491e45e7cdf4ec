"""The Python SDK of the wallet service; see `Wallet` and `AsyncWallet`."""

from wallet_sdk import models, problems
from wallet_sdk._async.client import AsyncWallet
from wallet_sdk._operations import Operation
from wallet_sdk._retries import Retries
from wallet_sdk._sync.client import Wallet
from wallet_sdk._version import VERSION
from wallet_sdk.errors import (
    ConnectionFailed,
    NotLoggedIn,
    OutcomeUnknown,
    ProblemError,
    UnexpectedAnswer,
    WalletError,
    WebhookRefused,
)
from wallet_sdk.live_events import Entry, Ready
from wallet_sdk.money import CurrencyMismatch, Money
from wallet_sdk.payments import Payment
from wallet_sdk.tokens import Tokens
from wallet_sdk.webhooks import Webhook, WebhookMessage

__version__ = VERSION
__all__ = [
    "AsyncWallet",
    "ConnectionFailed",
    "CurrencyMismatch",
    "Entry",
    "Money",
    "NotLoggedIn",
    "Operation",
    "OutcomeUnknown",
    "Payment",
    "ProblemError",
    "Ready",
    "Retries",
    "Tokens",
    "UnexpectedAnswer",
    "Wallet",
    "WalletError",
    "Webhook",
    "WebhookMessage",
    "WebhookRefused",
    "models",
    "problems",
]
