"""Top-ups: money comes in from a funding source, in three steps that each survive a crash."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from wallet.application.directory import Directory
from wallet.application.idempotency import (
    IdempotencyKey,
    fingerprint,
    person_scope,
    system_key,
)
from wallet.application.ledger_writer import definite
from wallet.application.ports import ReportError
from wallet.application.transfers import Mover
from wallet.application.unit_of_work import UnitOfWorkFactory
from wallet.domain.errors import OutcomeUnknown, Overloaded, Unavailable
from wallet.domain.funding import (
    DeclineTopUp,
    Funding,
    FundingAlreadyDecided,
    FundingGateway,
    FundingNotFound,
    FundingStatus,
    GatewayAnswer,
    RequestTopUp,
    SettleTopUp,
    TopUpDeclined,
    Verdict,
    funding_id_of,
)
from wallet.domain.journal import Entry, Kind
from wallet.domain.ledger import Header
from wallet.domain.money import check_amount, currency_of
from wallet.domain.wallets import WalletNotFound

GATEWAY_TIMEOUT_S = 2.0
RESUME_AFTER_S = 10.0
RESUME_BATCH_SIZE = 20
TASKS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class TopUp:
    """A top-up as far as it has come; `entry` is the credit once it is settled."""

    funding: Funding
    entry: Entry | None
    replayed: bool


class TopUps:
    """Brings money in. The gateway is asked outside any ledger transaction."""

    def __init__(
        self,
        *,
        mover: Mover,
        gateway: FundingGateway,
        directory: Directory,
        unit_of_work: UnitOfWorkFactory,
        new_id: Callable[[], UUID],
        clock: Callable[[], datetime],
        report: ReportError,
    ) -> None:
        self._mover = mover
        self._gateway = gateway
        self._directory = directory
        self._unit_of_work = unit_of_work
        self._new_id = new_id
        self._clock = clock
        self._report = report
        self._tasks: set[asyncio.Task[TopUp]] = set()

    async def create(
        self, person_id: UUID, amount: int, currency: str | None, key: IdempotencyKey
    ) -> TopUp:
        """Top up the person's own wallet by `amount` minor units, once per key.

        The answer may be pending: then the source has not decided yet. Raises `TopUpDeclined` if
        it said no, another `Rejected` if the books refuse. Being cancelled does not stop it.
        """
        check_amount(amount)
        code = (
            currency_of(currency)
            if currency is not None
            else await self._directory.default_currency(person_id)
        )
        wallet_id = await self._directory.wallet_id(person_id, code)
        if wallet_id is None:
            raise WalletNotFound(currency=code)
        request = RequestTopUp(
            header=Header(
                id=self._new_id(),
                kind=Kind.TOP_UP_REQUEST,
                scope=person_scope(person_id),
                key_digest=key.digest,
                fingerprint=fingerprint({"amount": amount, "currency": code, "kind": "top-up"}),
                account_id=wallet_id,
                currency=code,
                amount=amount,
                owner_id=person_id,
            ),
            actor_id=person_id,
            source=self._gateway.name,
        )
        if len(self._tasks) >= TASKS_MAX:
            raise Overloaded
        task = asyncio.get_running_loop().create_task(self._carry_out(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def resume_pending(self) -> int:
        """Ask the gateway again about fundings that a crash or an outage left pending.

        Returns how many were decided. Safe in several processes at once: every step has its key.
        """
        before = self._clock() - timedelta(seconds=RESUME_AFTER_S)
        decided = 0
        last: Funding | None = None
        while True:
            async with self._unit_of_work() as work:
                pending = await work.fundings.pending(
                    before=before, after=last, limit=RESUME_BATCH_SIZE
                )
            if not pending:
                return decided
            results = await asyncio.gather(*map(self._resume, pending))
            decided += sum(results)
            last = pending[-1]

    async def _resume(self, funding: Funding) -> bool:
        """Return whether a funding was decided now; one that fails does not stop the others."""
        try:
            top_up = await self._decide(funding, replayed=True)
        except Exception as error:  # noqa: BLE001 - the next round tries it again
            self._report(error)
            return False
        return top_up.funding.status is not FundingStatus.PENDING

    async def drain(self) -> None:
        """Wait for the top-ups that are under way."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _carry_out(self, request: RequestTopUp) -> TopUp:
        outcome = definite(await self._mover.carry_out(request))
        try:
            funding = await self._load(outcome.header.account_id, funding_id_of(outcome.header.id))
        except Unavailable as error:
            raise OutcomeUnknown from error
        try:
            top_up = await self._decide(funding, replayed=outcome.replayed)
        except Unavailable as error:
            # It is recorded, so "nothing was done" would be a lie: `resume_pending` will end it.
            self._report(error)
            if funding.status is not FundingStatus.PENDING:
                raise OutcomeUnknown from error
            return TopUp(funding, None, outcome.replayed)
        if top_up.funding.status is FundingStatus.DECLINED:
            raise _declined(top_up)
        return top_up

    async def _load(self, wallet_id: UUID, funding_id: UUID) -> Funding:
        async with self._unit_of_work() as work:
            funding = await work.fundings.get(wallet_id, funding_id)
        if funding is None:
            raise FundingNotFound
        return funding

    async def _decide(self, funding: Funding, *, replayed: bool) -> TopUp:
        """Bring a funding as far as its source allows."""
        if funding.status is FundingStatus.DECLINED:
            return TopUp(funding, None, replayed)
        if funding.status is FundingStatus.PENDING:
            answer = await self._ask(funding)
            if answer.verdict is Verdict.PENDING:
                return TopUp(funding, None, replayed)
            if answer.verdict is Verdict.DECLINED:
                return await self._decline(funding, answer.reason or "declined", replayed=replayed)
        return await self._settle(funding, replayed=replayed)

    async def _ask(self, funding: Funding) -> GatewayAnswer:
        try:
            async with asyncio.timeout(GATEWAY_TIMEOUT_S):
                return await self._gateway.charge(funding)
        except (TimeoutError, Unavailable):
            # Whether the source was charged is not known: it stays pending and is asked again.
            return GatewayAnswer(Verdict.PENDING)

    async def _settle(self, funding: Funding, *, replayed: bool) -> TopUp:
        header = self._step(funding, Kind.TOP_UP, "settle", funding.id)
        try:
            outcome = definite(await self._mover.carry_out(SettleTopUp(header, funding.id)))
        except FundingAlreadyDecided:
            return TopUp(await self._load(funding.account_id, funding.id), None, replayed)
        settled = await self._load(funding.account_id, funding.id)
        return TopUp(settled, outcome.entry, replayed)

    async def _decline(self, funding: Funding, reason: str, *, replayed: bool) -> TopUp:
        header = self._step(funding, Kind.TOP_UP_DECLINE, "decline", self._new_id())
        # If somebody else decided it first, what they decided is what counts.
        with suppress(FundingAlreadyDecided):
            definite(await self._mover.carry_out(DeclineTopUp(header, funding.id, reason)))
        decided = await self._load(funding.account_id, funding.id)
        if decided.status is FundingStatus.SETTLED:
            return await self._settle(decided, replayed=replayed)
        return TopUp(decided, None, replayed)

    def _step(self, funding: Funding, kind: Kind, step: str, id_: UUID) -> Header:
        scope, key_digest = system_key("funding", f"funding:{funding.id}:{step}")
        return Header(
            id=id_,
            kind=kind,
            scope=scope,
            key_digest=key_digest,
            fingerprint=fingerprint({"funding": str(funding.id), "step": step}),
            account_id=funding.account_id,
            currency=currency_of(funding.currency),
            amount=funding.amount,
            owner_id=funding.owner_id,
        )


def _declined(top_up: TopUp) -> TopUpDeclined:
    funding = top_up.funding
    declined = TopUpDeclined(
        reason=funding.reason,
        top_up_id=str(funding.id),
        amount=funding.amount,
        currency=funding.currency,
    )
    declined.replayed = top_up.replayed
    return declined
