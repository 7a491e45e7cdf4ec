"""Refunds: staff give a transfer back, once per key and never more than was paid."""

from collections.abc import Callable
from uuid import UUID

from wallet.application.idempotency import IdempotencyKey, fingerprint, person_scope
from wallet.application.ledger_writer import definite
from wallet.application.ports import NewId
from wallet.application.transfers import SALT_LENGTH, Mover
from wallet.application.unit_of_work import UnitOfWorkFactory
from wallet.domain.journal import Details, Kind
from wallet.domain.ledger import Header, Outcome
from wallet.domain.movements import Movement
from wallet.domain.refunds import (
    METADATA_KEY,
    BookedTransfer,
    RefundTransfer,
    TransferNotFound,
)
from wallet.domain.staff import Right, StaffMember, reason_of


class Refunds:
    """Gives transfers back."""

    def __init__(
        self,
        *,
        mover: Mover,
        unit_of_work: UnitOfWorkFactory,
        new_id: NewId,
        random_bytes: Callable[[int], bytes],
        debt_max: int,
    ) -> None:
        self._debt_max = debt_max
        self._mover = mover
        self._unit_of_work = unit_of_work
        self._new_id = new_id
        self._random_bytes = random_bytes

    async def refund(
        self,
        actor: StaffMember,
        transfer_id: UUID,
        *,
        reason: str,
        force: bool,
        key: IdempotencyKey,
    ) -> tuple[BookedTransfer, Outcome]:
        """Give back the whole of a transfer; a repeated key gets its first answer again.

        Raises `TransferNotFound`, `RightMissing` for `force`, `OwnAffairs`, a `Rejected` if the
        books refuse, or an `Unavailable`.
        """
        actor.require(Right.REFUND)
        if force:
            actor.require(Right.FORCE_REFUND)
        reason = reason_of(reason)
        transfer = (await self._movement(transfer_id)).transfer
        if transfer is None or actor.id is None:
            raise TransferNotFound("This movement is no transfer, and only those can be refunded.")
        actor.require_other(transfer.owner_id, transfer.counterparty_owner_id)
        asked = {
            "force": force,
            "kind": Kind.REFUND.word,
            "reason": reason,
            "transfer": str(transfer.id),
        }
        header = Header(
            id=self._new_id(),
            kind=Kind.REFUND,
            scope=person_scope(actor.id),
            key_digest=key.digest,
            fingerprint=fingerprint(asked),
            account_id=transfer.counterparty_id,
            currency=transfer.currency,
            amount=transfer.amount,
            owner_id=transfer.counterparty_owner_id,
            counterparty_id=transfer.account_id,
            counterparty_owner_id=transfer.owner_id,
        )
        instruction = RefundTransfer(
            header=header,
            transfer=transfer,
            actor=actor,
            reason=reason,
            act_id=self._new_id(),
            force=force,
            debt_max=self._debt_max,
            details=Details(
                self._random_bytes(SALT_LENGTH), metadata={METADATA_KEY: str(transfer.id)}
            ),
        )
        return transfer, definite(await self._mover.carry_out(instruction))

    async def _movement(self, transfer_id: UUID) -> Movement:
        async with self._unit_of_work() as work:
            movement = await work.movements.movement(transfer_id)
        if movement is None:
            raise TransferNotFound
        return movement
