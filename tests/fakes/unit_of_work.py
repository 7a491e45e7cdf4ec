"""The in-memory unit of work: everything the application needs, without a database."""

from types import TracebackType
from typing import Self

from tests.fakes.api_keys import MemoryApiKeys
from tests.fakes.browser_sessions import MemoryLiveTickets, MemorySessionCookies
from tests.fakes.ledger import (
    MemoryFundings,
    MemoryHistory,
    MemoryLedger,
    MemoryStore,
    MemoryTransaction,
    MemoryWallets,
)
from tests.fakes.looking_back import MemoryInsights, MemoryStatements, MemoryStreams
from tests.fakes.movements import MemoryMovements
from tests.fakes.people import MemoryMailTokens, MemorySessions, MemoryUsers, PeopleStore
from tests.fakes.proofs import MemoryAudits, MemoryLog, MemorySafeModes
from tests.fakes.second_factors import MemorySecondFactors
from tests.fakes.staff import (
    MemoryAdjustments,
    MemoryAuditTrail,
    MemoryBackOffice,
    MemoryTallies,
)
from tests.fakes.webhooks import MemoryEvents, MemorySendings, MemoryWebhooks


class MemoryUnitOfWork:
    """One transaction on a `MemoryStore`; leaving it without `commit()` rolls back."""

    def __init__(self, store: MemoryStore, people: PeopleStore | None = None) -> None:
        people = people or PeopleStore(store.clock)
        self._transaction = MemoryTransaction(store)
        self.users = MemoryUsers(people)
        self.sessions = MemorySessions(people)
        self.session_cookies = MemorySessionCookies(people)
        self.live_tickets = MemoryLiveTickets(people)
        self.second_factors = MemorySecondFactors(people)
        self.mail_tokens = MemoryMailTokens(people)
        self.api_keys = MemoryApiKeys(people.api_keys, store, self._transaction)
        self.ledger = MemoryLedger(self._transaction)
        self.wallets = MemoryWallets(self._transaction)
        self.fundings = MemoryFundings(self._transaction)
        self.history = MemoryHistory(self._transaction)
        self.statements = MemoryStatements(self._transaction)
        self.insights = MemoryInsights(self._transaction)
        self.streams = MemoryStreams(self._transaction)
        self.events = MemoryEvents(self._transaction)
        self.webhooks = MemoryWebhooks(self._transaction)
        self.sendings = MemorySendings(self._transaction)
        self.log = MemoryLog(self._transaction)
        self.safe_modes = MemorySafeModes(self._transaction)
        self.audits = MemoryAudits(self._transaction)
        self.audit_trail = MemoryAuditTrail(self._transaction)
        self.adjustments = MemoryAdjustments(self._transaction)
        self.back_office = MemoryBackOffice(self._transaction, people)
        self.movements = MemoryMovements(self._transaction, people)
        self.tallies = MemoryTallies(self._transaction, people)

    async def __aenter__(self) -> Self:
        return self

    async def commit(self) -> None:
        self.ledger.apply()
        self.log.apply()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._transaction.release()
