"""Staff: people of the operator, appointed from the command line."""

from dataclasses import replace
from uuid import UUID

from wallet.application.people import People, SignUp
from wallet.application.ports import Clock, NewId
from wallet.application.unit_of_work import UnitOfWorkFactory
from wallet.domain.audit_trail import Act, ActKind, SubjectKind
from wallet.domain.back_office import PersonNotFound
from wallet.domain.events import Event
from wallet.domain.staff import StaffMember, command_line, reason_of
from wallet.domain.users import AccountClosed, EmailNotVerified, Role, email_of

APPOINTED = "appointed from the command line"
UNKNOWN = command_line("unknown")


class Staff:
    """Gives roles and takes them away; each change is an event and an act in the audit trail."""

    def __init__(
        self,
        *,
        unit_of_work: UnitOfWorkFactory,
        people: People,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._people = people
        self._clock = clock
        self._new_id = new_id

    async def appoint(
        self, wish: SignUp, actor: StaffMember = UNKNOWN, reason: str = APPOINTED
    ) -> tuple[UUID, bool]:
        """Make an administrator of whoever has this e-mail address, signing them up if nobody has.

        Return who it is, and whether they were signed up: somebody who has an account keeps name
        and password. Raises what `People.sign_up` raises.
        """
        async with self._unit_of_work() as work:
            known = await work.users.by_email(email_of(wish.email))
        if known is not None and known.role is Role.ADMIN:
            return known.id, False
        if known is not None and known.email_verified_at is None:
            # Whoever signs up with an administrator's address first must not become one.
            raise EmailNotVerified
        user_id = known.id if known is not None else (await self._people.sign_up(wish)).user.id
        await self._give(user_id, Role.ADMIN, actor, reason)
        return user_id, known is None

    async def give_role(
        self, email: str, role: Role, actor: StaffMember, reason: str
    ) -> tuple[UUID, bool]:
        """Give whoever has this e-mail address a role; `Role.USER` takes every other one away.

        Return who it is, and whether that changed anything.

        Raises `PersonNotFound`, `EmailNotVerified` for a role of the staff, or `ReasonInvalid`.
        """
        async with self._unit_of_work() as work:
            known = await work.users.by_email(email_of(email))
        if known is None:
            raise PersonNotFound
        if role.is_staff and known.email_verified_at is None:
            raise EmailNotVerified
        return known.id, await self._give(known.id, role, actor, reason)

    async def _give(self, user_id: UUID, role: Role, actor: StaffMember, reason: str) -> bool:
        """Give the role; return whether it is another one than before."""
        reason, now = reason_of(reason), self._clock()
        async with self._unit_of_work() as work:
            user = await work.users.lock(user_id)
            if user is None or user.closed_at is not None:
                raise AccountClosed
            if user.role is role:
                return False
            await work.users.save(replace(user, role=role))
            event = Event(self._new_id(), user_id, "user.appointed", {"role": role.value}, now)
            await work.events.add(event)
            act = Act(
                id=self._new_id(),
                kind=ActKind.ROLE_CHANGED,
                happened_at=now,
                actor=actor,
                subject_kind=SubjectKind.PERSON,
                subject_id=user_id,
                person_id=user_id,
                reason=reason,
                before={"role": user.role.value},
                after={"role": role.value},
            )
            await work.audit_trail.add(act)
            await work.commit()
        return True
