"""Controls: staff freeze, unfreeze and close wallets, allow overdrafts, and end sessions.

Each is one transaction: the account under its lock, the decision, and its act in the audit trail.
Asked for a second time it changes nothing and is no second act, so a retry is safe.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from wallet.application.ports import Clock, NewId
from wallet.application.revocations import Revocations
from wallet.application.unit_of_work import UnitOfWork, UnitOfWorkFactory
from wallet.domain import controls
from wallet.domain.accounts import Account, Freeze, Purpose
from wallet.domain.audit_trail import Act, ActKind, ActSearch, SubjectKind
from wallet.domain.back_office import PersonNotFound, StaffWalletNotFound
from wallet.domain.cards import WalletCard
from wallet.domain.controls import Controls
from wallet.domain.events import Event
from wallet.domain.staff import Right, RightMissing, StaffMember, reason_of
from wallet.domain.users import Role

Decide = Callable[[Account], Controls]
MICROSECOND = timedelta(microseconds=1)


class WalletControls:
    """What staff do to wallets and sessions, other than moving money."""

    def __init__(
        self,
        *,
        unit_of_work: UnitOfWorkFactory,
        revocations: Revocations,
        clock: Clock,
        new_id: NewId,
        overdraft_max: int,
    ) -> None:
        self._overdraft_max = overdraft_max
        self._unit_of_work = unit_of_work
        self._revocations = revocations
        self._clock = clock
        self._new_id = new_id

    async def freeze(
        self, actor: StaffMember, wallet_id: UUID, direction: Freeze, reason: str
    ) -> WalletCard:
        """Freeze a direction as well; raise `WalletClosed` or `StaffWalletNotFound`."""

        def decide(account: Account) -> Controls:
            return controls.frozen(account, direction)

        return await self._control(actor, wallet_id, reason, ActKind.WALLET_FROZEN, decide)

    async def unfreeze(self, actor: StaffMember, wallet_id: UUID, reason: str) -> WalletCard:
        """Let go of both directions; raise as `freeze` does."""
        return await self._control(
            actor, wallet_id, reason, ActKind.WALLET_UNFROZEN, controls.unfrozen
        )

    async def close(self, actor: StaffMember, wallet_id: UUID, reason: str) -> WalletCard:
        """Close a wallet for good; raise `WalletNotEmpty` while money is there or on its way."""
        return await self._control(actor, wallet_id, reason, ActKind.WALLET_CLOSED, controls.closed)

    async def allow_overdraft(
        self, actor: StaffMember, wallet_id: UUID, limit: int, reason: str
    ) -> WalletCard:
        """Let a wallet go `limit` minor units below zero.

        Raises `OverdraftLimitTooHigh` above what one administrator may grant, or `OverdraftInUse`.
        """

        def decide(account: Account) -> Controls:
            return controls.with_overdraft(account, limit, self._overdraft_max)

        return await self._control(actor, wallet_id, reason, ActKind.OVERDRAFT_SET, decide)

    async def end_sessions(self, actor: StaffMember, person_id: UUID, reason: str) -> int:
        """Log a person out everywhere; return how many sessions that ended.

        Raises `PersonNotFound`, `OwnAffairs`, or `RightMissing` for one of the staff, whom only an
        administrator may log out.
        """
        reason = reason_of(reason)
        actor.require_other(person_id)
        now = self._clock()
        async with self._unit_of_work() as work:
            person = await work.users.lock(person_id)
            if person is None:
                raise PersonNotFound
            if person.role.is_staff and actor.role is not Role.ADMIN:
                raise RightMissing(right=Right.END_SESSIONS.value)
            ended = await work.sessions.revoke_all(person_id, now)
            if ended:
                act = Act(
                    id=self._new_id(),
                    kind=ActKind.SESSIONS_ENDED,
                    happened_at=now,
                    actor=actor,
                    subject_kind=SubjectKind.PERSON,
                    subject_id=person_id,
                    person_id=person_id,
                    reason=reason,
                    before={"sessions": len(ended)},
                    after={"sessions": 0},
                )
                await work.audit_trail.add(act)
                await work.commit()
        self._revocations.add(ended)
        return len(ended)

    async def _control(
        self, actor: StaffMember, wallet_id: UUID, reason: str, kind: ActKind, decide: Decide
    ) -> WalletCard:
        reason = reason_of(reason)
        async with self._unit_of_work() as work:
            book = await work.ledger.lock([wallet_id], 0)
            account = book.accounts.get(wallet_id)
            if account is None or account.purpose is not Purpose.WALLET:
                raise StaffWalletNotFound
            actor.require_other(account.owner_id)
            before, after = Controls.of(account), decide(account)
            if after != before:
                told_at = await _told_at(work, wallet_id, book.booked_at)
                closed_at = told_at if after.closed else None
                await work.wallets.control(wallet_id, after.freeze, after.floor, closed_at)
                act = Act(
                    id=self._new_id(),
                    kind=kind,
                    happened_at=told_at,
                    actor=actor,
                    subject_kind=SubjectKind.WALLET,
                    subject_id=wallet_id,
                    person_id=account.owner_id,
                    reason=reason,
                    before=before.facts() | _debt(account, account.floor),
                    after=after.facts() | _debt(account, after.floor),
                )
                await work.audit_trail.add(act)
                await self._tell(work, account, act)
            card = await _card(work, wallet_id)
            await work.commit()
        return card

    async def _tell(self, work: UnitOfWork, account: Account, act: Act) -> None:
        """Tell the owner what was decided, but neither by whom nor why."""
        if account.owner_id is None:
            return
        facts = {
            "wallet_id": str(account.id),
            "currency": str(account.currency),
            **{name: str(value) for name, value in act.after.items() if name != "debt"},
        }
        await work.events.add(
            Event(self._new_id(), account.owner_id, act.kind.value, facts, act.happened_at)
        )


def _debt(account: Account, floor: int) -> dict[str, object]:
    """Return what a wallet that owes would owe at this floor: an overdraft may end it."""
    return {"debt": max(0, floor - account.available)} if account.debt else {}


async def _told_at(work: UnitOfWork, wallet_id: UUID, booked_at: datetime) -> datetime:
    """Return the time of an act under the wallet's lock: always behind that of the act before it.

    Controls move no head of a chain, so a clock that was set back would turn their order around.
    """
    last = await work.audit_trail.page(ActSearch(subject_id=wallet_id), before=None, limit=1)
    return max(booked_at, last[0].happened_at + MICROSECOND) if last else booked_at


async def _card(work: UnitOfWork, wallet_id: UUID) -> WalletCard:
    card = await work.back_office.wallet(wallet_id)
    if card is None:
        raise StaffWalletNotFound
    return card
