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
from wallet.application.transfers import Mover
from wallet.application.unit_of_work import UnitOfWorkFactory
from wallet.domain.errors import Rejected, Unavailable
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
RESUME_BATCH_SIZE = 50


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
    ) -> None:
        self._mover = mover
        self._gateway = gateway
        self._directory = directory
        self._unit_of_work = unit_of_work
        self._new_id = new_id
        self._clock = clock
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
        task = asyncio.get_running_loop().create_task(self._carry_out(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def resume_pending(self) -> int:
        """Ask the gateway again about fundings that a crash or an outage left pending.

        Returns how many were decided. Safe in several processes at once: every step has its key.
        """
        before = self._clock() - timedelta(seconds=RESUME_AFTER_S)
        async with self._unit_of_work() as work:
            pending = await work.fundings.pending(before=before, limit=RESUME_BATCH_SIZE)
        decided = 0
        for funding in pending:
            top_up = await self._decide(funding, replayed=True)
            decided += top_up.funding.status is not FundingStatus.PENDING
        return decided

    async def drain(self) -> None:
        """Wait for the top-ups that are under way."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _carry_out(self, request: RequestTopUp) -> TopUp:
        outcome = definite(await self._mover.carry_out(request))
        funding = await self._load(outcome.header.account_id, funding_id_of(outcome.header.id))
        top_up = await self._decide(funding, replayed=outcome.replayed)
        if top_up.funding.status is FundingStatus.DECLINED:
            raise TopUpDeclined(
                reason=top_up.funding.reason,
                top_up_id=str(funding.id),
                amount=funding.amount,
                currency=funding.currency,
            )
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
        except Rejected as refusal:
            return await self._decline(funding, refusal.code, replayed=replayed)
        settled = await self._load(funding.account_id, funding.id)
        return TopUp(settled, outcome.entry, replayed)

    async def _decline(self, funding: Funding, reason: str, *, replayed: bool) -> TopUp:
        header = self._step(funding, Kind.TOP_UP_DECLINE, "decline", self._new_id())
        # If somebody else decided it first, what they decided is what counts.
        with suppress(FundingAlreadyDecided):
            definite(await self._mover.carry_out(DeclineTopUp(header, funding.id, reason)))
        return TopUp(await self._load(funding.account_id, funding.id), None, replayed)

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
