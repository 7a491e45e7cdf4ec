"""Everything the outside can ask for, in one place for the composition root to fill."""

from dataclasses import dataclass

from wallet.application.activity import Activity
from wallet.application.api_keys import ApiKeyKeeping
from wallet.application.browser_sessions import BrowserSessions, LiveTickets
from wallet.application.credentials import Credentials
from wallet.application.event_log import EventLog
from wallet.application.idempotency import IdempotencyKeys
from wallet.application.live import LiveHub
from wallet.application.log_in import LogIn
from wallet.application.people import People
from wallet.application.proofs import Proofs
from wallet.application.recipients import Recipients
from wallet.application.second_factors import SecondFactors
from wallet.application.staff_side import StaffSide
from wallet.application.statements import Statements
from wallet.application.top_ups import TopUps
from wallet.application.transfer_batches import TransferBatches
from wallet.application.transfers import Transfers
from wallet.application.wallets import WalletKeeping
from wallet.application.webhooks import WebhookEndpoints


@dataclass(frozen=True, slots=True)
class UseCases:
    """One object per noun; each owns its transactions."""

    people: People
    credentials: Credentials
    log_in: LogIn
    browser_sessions: BrowserSessions
    live_tickets: LiveTickets
    second_factors: SecondFactors
    api_keys: ApiKeyKeeping
    recipients: Recipients
    wallets: WalletKeeping
    transfers: Transfers
    transfer_batches: TransferBatches
    top_ups: TopUps
    activity: Activity
    statements: Statements
    live: LiveHub
    idempotency_keys: IdempotencyKeys
    proofs: Proofs
    staff_side: StaffSide
    webhooks: WebhookEndpoints
    event_log: EventLog
