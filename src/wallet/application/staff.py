"""Staff: people of the operator, appointed from the command line."""

from dataclasses import replace
from uuid import UUID

from wallet.application.people import People, SignUp
from wallet.application.ports import Clock, NewId
from wallet.application.unit_of_work import UnitOfWorkFactory
from wallet.domain.events import Event
from wallet.domain.users import AccountClosed, EmailNotVerified, Role, email_of


class Staff:
    """Appoints administrators; every appointment is an event."""

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

    async def appoint(self, wish: SignUp) -> UUID:
        """Make an administrator of whoever has this e-mail address, signing them up if nobody has.

        Somebody who has an account keeps name and password. Raises what `People.sign_up` raises.
        """
        async with self._unit_of_work() as work:
            known = await work.users.by_email(email_of(wish.email))
        if known is not None and known.email_verified_at is None:
            # Whoever signs up with an administrator's address first must not become one.
            raise EmailNotVerified
        user_id = known.id if known is not None else (await self._people.sign_up(wish)).user.id
        async with self._unit_of_work() as work:
            user = await work.users.lock(user_id)
            if user is None or user.closed_at is not None:
                raise AccountClosed
            await work.users.save(replace(user, role=Role.ADMIN))
            facts = {"role": Role.ADMIN.value}
            event = Event(self._new_id(), user_id, "user.appointed", facts, self._clock())
            await work.events.add(event)
            await work.commit()
        return user_id
