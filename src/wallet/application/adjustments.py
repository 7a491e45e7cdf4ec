"""Adjustments: one administrator asks, another approves; the money moves once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from wallet.application.idempotency import (
    IdempotencyKey,
    fingerprint,
    person_scope,
    system_key,
)
from wallet.application.ledger_writer import definite
from wallet.application.ports import NewId
from wallet.application.transfers import Mover
from wallet.application.unit_of_work import UnitOfWork, UnitOfWorkFactory
from wallet.domain.accounts import adjustment_accounts
from wallet.domain.adjustments import (
    Adjustment,
    AdjustmentNotFound,
    AdjustmentStatus,
    BookAdjustment,
    RequestAdjustment,
    adjustment_id_of,
    check_adjustment,
)
from wallet.domain.audit_trail import ActKind
from wallet.domain.back_office import StaffWalletNotFound
from wallet.domain.cards import PersonCard, WalletCard
from wallet.domain.journal import Kind
from wallet.domain.ledger import Header
from wallet.domain.staff import StaffMember, reason_of


@dataclass(frozen=True, slots=True)
class AdjustmentView:
    """An adjustment with its wallet, and who asked for it and decided it."""

    adjustment: Adjustment
    wallet: WalletCard
    requested_by: PersonCard
    decided_by: PersonCard | None
    replayed: bool = False


class WalletAdjustments:
    """Corrects balances with two pairs of eyes."""

    def __init__(
        self,
        *,
        mover: Mover,
        unit_of_work: UnitOfWorkFactory,
        reading: UnitOfWorkFactory,
        new_id: NewId,
    ) -> None:
        self._mover = mover
        self._unit_of_work = unit_of_work
        self._reading = reading
        self._new_id = new_id

    async def request(
        self, actor: StaffMember, wallet_id: UUID, amount: int, reason: str, key: IdempotencyKey
    ) -> AdjustmentView:
        """Ask for a correction by `amount` minor units, once per key; nothing moves yet.

        Raises `StaffWalletNotFound`, `WalletClosed`, `OwnAffairs`, or an `Invalid`.
        """
        reason, amount = reason_of(reason), check_adjustment(amount)
        async with self._reading() as work:
            card = await work.back_office.wallet(wallet_id)
        if card is None or actor.id is None:
            raise StaffWalletNotFound
        wallet = card.wallet
        asked = {
            "amount": amount,
            "kind": Kind.ADJUSTMENT_REQUEST.word,
            "reason": reason,
            "wallet": str(wallet_id),
        }
        header = Header(
            id=self._new_id(),
            kind=Kind.ADJUSTMENT_REQUEST,
            scope=person_scope(actor.id),
            key_digest=key.digest,
            fingerprint=fingerprint(asked),
            account_id=wallet.id,
            currency=wallet.currency,
            amount=abs(amount),
            owner_id=wallet.owner_id,
        )
        instruction = RequestAdjustment(header, amount, actor, reason, self._new_id())
        outcome = definite(await self._mover.carry_out(instruction))
        return await self._view(adjustment_id_of(outcome.header.id), replayed=outcome.replayed)

    async def approve(self, actor: StaffMember, adjustment_id: UUID, reason: str) -> AdjustmentView:
        """Approve an adjustment and move its money; whoever comes second gets the first's answer.

        Raises `AdjustmentNotFound`, `AdjustmentAlreadyDecided` if it was rejected,
        `SecondApproverNeeded`, `OwnAffairs`, or `AdjustmentNotBooked`, which leaves it pending.
        """
        reason = reason_of(reason)
        adjustment = await self._get(adjustment_id)
        actor.require_other(adjustment.owner_id)
        if adjustment.status is not AdjustmentStatus.APPROVED:
            # Asked of what is known already: under the lock it is decided again.
            adjustment.decided(AdjustmentStatus.APPROVED, actor, reason, adjustment.requested_at)
        async with self._unit_of_work() as work:
            accounts = adjustment_accounts(adjustment.currency)
            await work.wallets.add_system_accounts(accounts, adjustment.requested_at)
            await work.commit()
        scope, key_digest = system_key("adjustments", f"adjustment:{adjustment_id}")
        header = Header(
            id=adjustment_id,
            kind=Kind.ADJUSTMENT,
            scope=scope,
            key_digest=key_digest,
            fingerprint=fingerprint({"adjustment": str(adjustment_id)}),
            account_id=adjustment.account_id,
            currency=adjustment.currency,
            amount=abs(adjustment.amount),
            owner_id=adjustment.owner_id,
        )
        instruction = BookAdjustment(header, adjustment_id, actor, reason, self._new_id())
        outcome = definite(await self._mover.carry_out(instruction))
        return await self._view(adjustment_id, replayed=outcome.replayed)

    async def reject(self, actor: StaffMember, adjustment_id: UUID, reason: str) -> AdjustmentView:
        """End an adjustment that nobody approved; who asked for it may take it back like this.

        Who has rejected it before and asks again, for want of an answer, changes nothing.
        Raises `AdjustmentNotFound`, `AdjustmentAlreadyDecided` or `OwnAffairs`.
        """
        reason = reason_of(reason)
        place = (await self._get(adjustment_id)).account_id
        async with self._unit_of_work() as work:
            book = await work.ledger.lock([place], 0)
            found = (await work.ledger.adjustments([(place, adjustment_id)])).get(adjustment_id)
            if found is None:
                raise AdjustmentNotFound
            actor.require_other(found.owner_id)
            if found.status is not AdjustmentStatus.REJECTED or found.decided_by != actor.id:
                rejected = found.decided(AdjustmentStatus.REJECTED, actor, reason, book.booked_at)
                await work.adjustments.reject(rejected)
                act = rejected.act(
                    self._new_id(), ActKind.ADJUSTMENT_REJECTED, actor, reason, book.booked_at
                )
                await work.audit_trail.add(act)
                await work.commit()
        return await self._view(adjustment_id)

    async def view(self, adjustment_id: UUID) -> AdjustmentView:
        """Return one adjustment; raise `AdjustmentNotFound`."""
        return await self._view(adjustment_id)

    async def page(
        self, status: AdjustmentStatus | None, *, before: UUID | None, limit: int
    ) -> Sequence[AdjustmentView]:
        """Return the next `limit` adjustments with an id below `before`, newest first."""
        async with self._reading() as work:
            found = await work.adjustments.page(status, before=before, limit=limit)
            return await _views(work, found)

    async def _get(self, adjustment_id: UUID) -> Adjustment:
        async with self._reading() as work:
            found = await work.adjustments.get(adjustment_id)
        if found is None:
            raise AdjustmentNotFound
        return found

    async def _view(self, adjustment_id: UUID, *, replayed: bool = False) -> AdjustmentView:
        found = await self._get(adjustment_id)
        async with self._reading() as work:
            (view,) = await _views(work, [found], replayed=replayed)
        return view


async def _views(
    work: UnitOfWork, adjustments: Iterable[Adjustment], *, replayed: bool = False
) -> list[AdjustmentView]:
    found = list(adjustments)
    people = [id_ for a in found for id_ in (a.requested_by, a.decided_by) if id_ is not None]
    cards = await work.back_office.cards(people)
    wallets = await work.back_office.wallets_at({a.account_id for a in found})
    return [
        AdjustmentView(
            adjustment=adjustment,
            wallet=wallets[adjustment.account_id],
            requested_by=cards[adjustment.requested_by],
            decided_by=None if adjustment.decided_by is None else cards[adjustment.decided_by],
            replayed=replayed,
        )
        for adjustment in found
    ]
