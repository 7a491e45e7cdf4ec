"""Staff access: whether somebody who asks is one of the staff, and may do what they ask for."""

from collections.abc import Awaitable, Callable, Sequence

from wallet.application.unit_of_work import UnitOfWork, UnitOfWorkFactory
from wallet.domain.cards import card_of
from wallet.domain.errors import NotFound
from wallet.domain.sessions import Principal
from wallet.domain.staff import Right, StaffMember
from wallet.domain.users import User

StaffCheck = Callable[[UnitOfWork, User, Principal], Awaitable[None]]
"""What else must hold of one of the staff, such as a second factor; raises if it does not."""


class StaffAccess:
    """Reads roles from the database on every request; nobody else learns that there is anything."""

    def __init__(
        self, *, unit_of_work: UnitOfWorkFactory, checks: Sequence[StaffCheck] = ()
    ) -> None:
        self._unit_of_work = unit_of_work
        self._checks = checks

    async def member(
        self, principal: Principal, right: Right, request_id: str | None = None
    ) -> StaffMember:
        """Return who is asking as one of the staff who has this right.

        Raises `NotFound` for whoever is not of the staff, whatever a check raises, and
        `RightMissing`.
        """
        async with self._unit_of_work() as work:
            user = await work.users.get(principal.user_id)
            if user is None or user.closed_at is not None or not user.role.is_staff:
                raise NotFound
            for check in self._checks:
                await check(work, user, principal)
        member = StaffMember(user.id, card_of(user).name, user.role, request_id)
        member.require(right)
        return member
