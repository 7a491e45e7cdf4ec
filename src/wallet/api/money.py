"""What routes about money share: a balance on the wire, and the problems any of them may meet."""

from pydantic import ConfigDict

from wallet.api.fields import Answer, JsonObject
from wallet.api.idempotency import IdempotencyKeyInvalid, IdempotencyKeyMissing
from wallet.api.problems import ValidationFailed
from wallet.api.throughput import ThroughputExceeded
from wallet.application.unit_of_work import Interrupted
from wallet.domain.accounts import BalanceLimitExceeded, WalletClosed, WalletFrozen
from wallet.domain.api_keys import ApiKeyInvalid
from wallet.domain.errors import DeadlineExceeded, OutcomeUnknown, Overloaded, Unauthenticated
from wallet.domain.ledger import IdempotencyKeyReused
from wallet.domain.money import UnknownCurrency
from wallet.domain.safe_mode import SafeModeOn
from wallet.domain.sessions import SessionRevoked, TokenExpired, TokenInvalid
from wallet.domain.spending import ApiKeyExpired, ApiKeyRevoked
from wallet.domain.wallets import WalletNotFound

BALANCE_EXAMPLE: JsonObject = {
    "wallet_id": "0197a6f2-41b7-7cc0-8a52-6f0f3c1d2e4a",
    "currency": "USD",
    "posted": 7500,
    "held": 0,
    "available": 7500,
    "version": 2,
    "display": "75.00 USD",
}
SIGNED_IN = (
    Unauthenticated,
    TokenInvalid,
    TokenExpired,
    SessionRevoked,
    ApiKeyInvalid,
    ApiKeyExpired,
    ApiKeyRevoked,
    ThroughputExceeded,
    Interrupted,
    Overloaded,
    DeadlineExceeded,
)
"""What any operation may answer that needs somebody, whatever they show."""
MONEY = (
    *SIGNED_IN,
    ValidationFailed,
    IdempotencyKeyInvalid,
    IdempotencyKeyMissing,
    IdempotencyKeyReused,
    UnknownCurrency,
    WalletNotFound,
    WalletFrozen,
    WalletClosed,
    BalanceLimitExceeded,
    OutcomeUnknown,
    SafeModeOn,
)


class Balance(Answer):
    """What a wallet holds, in minor units; `version` rises with every entry."""

    model_config = ConfigDict(json_schema_extra={"examples": [BALANCE_EXAMPLE]})

    wallet_id: str
    currency: str
    posted: int
    held: int
    available: int
    version: int
    display: str
