"""Recipients: whom a payer means, told to nobody who asks too often."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from uuid import UUID

from wallet.application.directory import Recipient
from wallet.application.limits import DEFAULT_LIMITS, PeopleLimits
from wallet.application.unit_of_work import UnitOfWorkFactory
from wallet.domain.errors import Invalid
from wallet.domain.guards import Guards
from wallet.domain.history import Counterparty
from wallet.domain.transfers import RecipientAmbiguous, RecipientNotFound
from wallet.domain.users import User, as_seen_by_payers, email_of, handle_of


class Recipients:
    """Finds people by user id, verified e-mail address or handle."""

    def __init__(
        self,
        *,
        unit_of_work: UnitOfWorkFactory,
        guards: Guards,
        limits: PeopleLimits = DEFAULT_LIMITS,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._guards = guards
        self._limits = limits

    async def look_up(self, payer_id: UUID, recipient: Recipient) -> Counterparty:
        """Return what a payer may see of a recipient before paying.

        Raises `RecipientNotFound`, `RecipientAmbiguous` or `GuardTripped`.
        """
        await self._guards.count(self._limits.look_up, str(payer_id))
        return as_seen_by_payers(await self._find(payer_id, recipient))

    async def find(self, payer_id: UUID, recipient: Recipient) -> UUID:
        """Return the id of the person that a payer names; raises the same."""
        return (await self._find(payer_id, recipient)).id

    async def find_many(
        self, payer_id: UUID, recipients: Iterable[Recipient]
    ) -> Mapping[Recipient, UUID]:
        """Return the ids of those whom a payer names, all at once; leave out who is not there.

        Everybody who is not there counts as a miss: raises `GuardTripped` if that is too often.
        """
        wanted = list(dict.fromkeys(recipients))
        if not wanted:
            return {}
        subject = str(payer_id)
        await self._guards.check(self._limits.failed_recipient, subject)
        found = await self._read_many(wanted)
        for _ in range(len(wanted) - len(found)):
            await self._guards.count(self._limits.failed_recipient, subject)
        return found

    async def _read_many(self, wanted: Sequence[Recipient]) -> Mapping[Recipient, UUID]:
        addresses = {r: _read_as(email_of, r.email) for r in wanted if r.email is not None}
        handles = {r: _read_as(handle_of, r.handle) for r in wanted if r.handle is not None}
        async with self._unit_of_work() as work:
            users = await work.users.find_many(
                ids=[r.user_id for r in wanted if r.user_id is not None],
                addresses=[address for address in addresses.values() if address],
                handles=[handle for handle in handles.values() if handle],
            )
        known: dict[object, UUID] = {}
        for user in users:
            if user.closed_at is None:
                known[user.id] = known[user.handle] = user.id
                if user.email_verified_at is not None:
                    known[user.email] = user.id
        known.pop(None, None)
        named = {r: r.user_id or addresses.get(r) or handles.get(r) for r in wanted}
        return {r: known[name] for r, name in named.items() if name in known}

    async def _find(self, payer_id: UUID, recipient: Recipient) -> User:
        named = (recipient.user_id, recipient.email, recipient.handle)
        if sum(name is not None for name in named) != 1:
            raise RecipientAmbiguous
        subject = str(payer_id)
        # Who has failed too often is not told of hits either: the difference would be an answer.
        await self._guards.check(self._limits.failed_recipient, subject)
        user = await self._read(recipient)
        if user is None or user.closed_at is not None:
            await self._guards.count(self._limits.failed_recipient, subject)
            raise RecipientNotFound
        return user

    async def _read(self, recipient: Recipient) -> User | None:
        async with self._unit_of_work() as work:
            if recipient.user_id is not None:
                return await work.users.get(recipient.user_id)
            try:
                if recipient.email is not None:
                    user = await work.users.by_email(email_of(recipient.email))
                    # Whoever signs up with an address first may not be the one it belongs to.
                    verified = user is not None and user.email_verified_at is not None
                    return user if verified else None
                return await work.users.by_handle(handle_of(recipient.handle or ""))
            except Invalid:
                return None


def _read_as(form: Callable[[str], str], text: str) -> str | None:
    """Return a name in the form it is kept in, or None if nobody can have it."""
    try:
        return form(text)
    except Invalid:
        return None
