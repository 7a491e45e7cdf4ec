"""The unit of work: one database transaction and the repositories that belong to it.

Leaving it without `commit()` rolls back. Errors of the store come out as the domain's:
`Interrupted` (nothing was committed), `OutcomeUnknown` (the commit may or may not have happened),
or the domain error that a named constraint stands for.
"""

from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from wallet.domain.adjustments import Adjustments
from wallet.domain.api_keys import ApiKeys
from wallet.domain.audit_trail import AuditTrail
from wallet.domain.audits import Audits
from wallet.domain.back_office import BackOffice
from wallet.domain.browser_sessions import LiveTickets, SessionCookies
from wallet.domain.errors import Unavailable
from wallet.domain.events import Events
from wallet.domain.funding import Fundings
from wallet.domain.history import History
from wallet.domain.insights import Insights
from wallet.domain.ledger import Ledger
from wallet.domain.live import Streams
from wallet.domain.movements import Movements
from wallet.domain.proofs import Log
from wallet.domain.safe_mode import SafeModes
from wallet.domain.second_factors import SecondFactors
from wallet.domain.sessions import MailTokens, Sessions
from wallet.domain.statements import StatementLines
from wallet.domain.tallies import Tallies
from wallet.domain.users import Users
from wallet.domain.wallets import Wallets
from wallet.domain.webhook_repository import Sendings, Webhooks


class Interrupted(Unavailable):
    """The database could not be reached or gave way to others; nothing was done."""

    code = "database-unavailable"


class UnitOfWork(Protocol):
    """One transaction; use as an async context manager and `commit()` at its end."""

    @property
    def ledger(self) -> Ledger:
        """The ledger of this transaction."""
        ...

    @property
    def wallets(self) -> Wallets:
        """The wallets of this transaction."""
        ...

    @property
    def fundings(self) -> Fundings:
        """The fundings of this transaction."""
        ...

    @property
    def history(self) -> History:
        """The history of this transaction."""
        ...

    @property
    def statements(self) -> StatementLines:
        """What statements are made of."""
        ...

    @property
    def insights(self) -> Insights:
        """What insight is summed up from."""
        ...

    @property
    def streams(self) -> Streams:
        """What live streams read."""
        ...

    @property
    def users(self) -> Users:
        """The users of this transaction."""
        ...

    @property
    def sessions(self) -> Sessions:
        """The sessions of this transaction."""
        ...

    @property
    def session_cookies(self) -> SessionCookies:
        """The cookies of browsers' sessions, in this transaction."""
        ...

    @property
    def live_tickets(self) -> LiveTickets:
        """The tickets for live streams, in this transaction."""
        ...

    @property
    def second_factors(self) -> SecondFactors:
        """The second factors of this transaction."""
        ...

    @property
    def api_keys(self) -> ApiKeys:
        """The API keys of this transaction."""
        ...

    @property
    def mail_tokens(self) -> MailTokens:
        """The mail tokens of this transaction."""
        ...

    @property
    def events(self) -> Events:
        """The events of this transaction."""
        ...

    @property
    def webhooks(self) -> Webhooks:
        """The webhook endpoints of this transaction."""
        ...

    @property
    def sendings(self) -> Sendings:
        """What is to be sent to webhook endpoints."""
        ...

    @property
    def log(self) -> Log:
        """The log of all entries, in this transaction."""
        ...

    @property
    def safe_modes(self) -> SafeModes:
        """Safe mode, in this transaction."""
        ...

    @property
    def audits(self) -> Audits:
        """The progress of the self-audit, in this transaction."""
        ...

    @property
    def audit_trail(self) -> AuditTrail:
        """What staff did, in this transaction."""
        ...

    @property
    def adjustments(self) -> Adjustments:
        """The adjustments of this transaction."""
        ...

    @property
    def movements(self) -> Movements:
        """What moved and what was refused, whoever's it is."""
        ...

    @property
    def back_office(self) -> BackOffice:
        """What staff look at."""
        ...

    @property
    def tallies(self) -> Tallies:
        """What happened per minute."""
        ...

    async def __aenter__(self) -> Self:
        """Begin; raise `Interrupted` if no connection can be had in time."""
        ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Roll back whatever was not committed."""
        ...

    async def commit(self) -> None:
        """Make everything durable; raise `OutcomeUnknown` if the answer got lost."""
        ...


UnitOfWorkFactory = Callable[[], UnitOfWork]
