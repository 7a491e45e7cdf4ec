"""People: sign-up, profile, export of one's own data, and leaving."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from wallet.application.account_mail import AccountMail
from wallet.application.limits import DEFAULT_LIMITS, PeopleLimits
from wallet.application.password_checks import PasswordChecks, still_confirmed
from wallet.application.ports import Clock, NewId, PasswordHasher
from wallet.application.revocations import Revocations
from wallet.application.unit_of_work import UnitOfWork, UnitOfWorkFactory
from wallet.application.wallets import open_wallet
from wallet.domain.api_keys import ApiKey
from wallet.domain.events import Event
from wallet.domain.guards import Guards, subject_of_address
from wallet.domain.history import PAGE_LIMIT_MAX, Line
from wallet.domain.money import Currency
from wallet.domain.passwords import PASSWORD_LENGTH_MIN, new_password_of
from wallet.domain.sessions import MailPurpose, Principal, Session
from wallet.domain.users import (
    HANDLES_MAX,
    AccountClosed,
    HandleLimitReached,
    User,
    email_of,
    handle_of,
    name_of,
)
from wallet.domain.wallets import WalletView
from wallet.domain.webhooks import Endpoint


@dataclass(frozen=True, slots=True)
class SignUp:
    """What somebody tells who signs up; `address` is where the request came from."""

    first_name: str
    last_name: str
    email: str
    password: str = field(repr=False)
    handle: str | None = None
    address: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """A person and their default wallet, as they see themselves."""

    user: User
    wallet_id: UUID | None


@dataclass(frozen=True, slots=True)
class Export:
    """Everything that is held about a person, but for the lines of their history."""

    exported_at: datetime
    user: User
    handles: Sequence[str]
    sessions: Sequence[Session]
    second_factor_enabled_at: datetime | None
    api_keys: Sequence[ApiKey]
    webhook_endpoints: Sequence[Endpoint]
    wallets: Sequence[WalletView]


class People:
    """What people do with their own account."""

    def __init__(
        self,
        *,
        unit_of_work: UnitOfWorkFactory,
        guards: Guards,
        hasher: PasswordHasher,
        password_checks: PasswordChecks,
        mail: AccountMail,
        revocations: Revocations,
        clock: Clock,
        new_id: NewId,
        default_currency: Currency,
        limits: PeopleLimits = DEFAULT_LIMITS,
        password_length_min: int = PASSWORD_LENGTH_MIN,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._guards = guards
        self._hasher = hasher
        self._password_checks = password_checks
        self._mail = mail
        self._revocations = revocations
        self._clock = clock
        self._new_id = new_id
        self._default_currency = default_currency
        self._limits = limits
        self._password_length_min = password_length_min

    async def sign_up(self, wish: SignUp) -> Profile:
        """Create a person with a default wallet, and mail them a token that verifies the address.

        Raises `GuardTripped`, an `Invalid` of a name, handle, address or password, `EmailTaken`,
        `HandleTaken`, or `Overloaded`.
        """
        await self._guards.count(self._limits.sign_up, subject_of_address(wish.address))
        user = await self._user_of(wish)
        wallet_id = self._new_id()
        may_send = await self._mail.may_send(user.email or "")
        async with self._unit_of_work() as work:
            await work.users.add(user)
            await open_wallet(
                work,
                owner_id=user.id,
                currency=user.default_currency,
                wallet_id=wallet_id,
                event_id=self._new_id(),
                now=user.created_at,
            )
            await self._record(work, user.id, "user.signed-up", {})
            address = user.email or ""
            message = await self._mail.verification(work, user.id, address, user.created_at)
            await work.commit()
        if may_send:
            self._mail.post(message)
        return Profile(user, wallet_id)

    async def me(self, principal: Principal) -> Profile:
        """Return the person behind a token."""
        async with self._unit_of_work() as work:
            return await self._profile(work, await work.users.get(principal.user_id))

    async def update(
        self,
        principal: Principal,
        *,
        first_name: str | None = None,
        last_name: str | None = None,
        handle: str | None = None,
    ) -> Profile:
        """Change names or handle; None leaves one as it is.

        Raises an `Invalid` of a name or handle, `HandleTaken`, or `HandleLimitReached`.
        """
        first_name = None if first_name is None else name_of(first_name, "first_name")
        last_name = None if last_name is None else name_of(last_name, "last_name")
        handle = None if handle is None else handle_of(handle)
        async with self._unit_of_work() as work:
            user = _open(await work.users.lock(principal.user_id))
            renamed = user.renamed(first_name, last_name)
            if handle is not None and handle != user.handle:
                await self._take_handle(work, user.id, handle)
            elif renamed == user:
                return await self._profile(work, user)
            await work.users.save(renamed)
            await self._record(work, user.id, "user.updated", {})
            profile = await self._profile(work, await work.users.get(user.id))
            await work.commit()
        return profile

    async def close(self, principal: Principal, password: str) -> None:
        """Close the account for good: nothing about the person stays but the books.

        Raises `PasswordWrong`, `LogInDelayed`, or `WalletNotEmpty` while money is there or on its
        way.
        """
        async with self._unit_of_work() as work:
            user = await work.users.get(principal.user_id)
        confirmed = await self._password_checks.confirm(user, password)
        now = self._clock()
        async with self._unit_of_work() as work:
            user = still_confirmed(await work.users.lock(principal.user_id), confirmed)
            await work.wallets.close_all(user.id, now)
            await work.webhooks.remove_all(user.id)
            await work.users.close(user.closed(now))
            await work.second_factors.remove(user.id)
            ended = await work.sessions.revoke_all(user.id, now)
            secrets = await work.api_keys.revoke_all(user.id, now)
            for purpose in MailPurpose:
                await work.mail_tokens.spend_all(user.id, purpose, now)
            await self._record(work, user.id, "user.closed", {})
            await work.commit()
        self._revocations.add(ended)
        self._revocations.end(dict.fromkeys(secrets, now))

    async def export(self, principal: Principal) -> Export:
        """Return everything that is held about a person; their history comes by `export_lines`."""
        await self._guards.count(self._limits.export, str(principal.user_id))
        now = self._clock()
        async with self._unit_of_work() as work:
            factor = await work.second_factors.get(principal.user_id)
            return Export(
                exported_at=now,
                user=_open(await work.users.get(principal.user_id)),
                handles=await work.users.handles(principal.user_id),
                sessions=await work.sessions.of_user(principal.user_id, now),
                second_factor_enabled_at=None if factor is None else factor.enabled_at,
                api_keys=await _all_keys(work, principal.user_id, now),
                webhook_endpoints=await work.webhooks.of_owner(principal.user_id),
                wallets=await work.wallets.of_owner(principal.user_id),
            )

    async def export_lines(self, principal: Principal) -> AsyncIterator[Line]:
        """Yield every line of a person's history, newest first, a page at a time."""
        before_versions: Mapping[UUID, int] | None = None
        while True:
            # A unit of work per page: a slow reader must not hold a connection.
            async with self._unit_of_work() as work:
                page = await work.history.page(
                    principal.user_id, before_versions=before_versions, limit=PAGE_LIMIT_MAX
                )
            for line in page.lines:
                yield line
            if page.next_versions is None:
                return
            before_versions = page.next_versions

    async def _user_of(self, wish: SignUp) -> User:
        first_name = name_of(wish.first_name, "first_name")
        last_name = name_of(wish.last_name, "last_name")
        email = email_of(wish.email)
        handle = None if wish.handle is None else handle_of(wish.handle)
        known = (first_name, last_name, email, handle or "")
        password = new_password_of(wish.password, known, length_min=self._password_length_min)
        return User(
            id=self._new_id(),
            first_name=first_name,
            last_name=last_name,
            email=email,
            handle=handle,
            password_hash=await self._hasher.hash(password),
            default_currency=self._default_currency,
            created_at=self._clock(),
        )

    async def _take_handle(self, work: UnitOfWork, user_id: UUID, handle: str) -> None:
        taken = await work.users.handles(user_id)
        if handle not in taken and len(taken) >= HANDLES_MAX:
            raise HandleLimitReached(maximum=HANDLES_MAX)
        await work.users.take_handle(user_id, handle, self._clock())

    async def _profile(self, work: UnitOfWork, user: User | None) -> Profile:
        user = _open(user)
        return Profile(user, await work.wallets.find(user.id, user.default_currency))

    async def _record(
        self, work: UnitOfWork, user_id: UUID, kind: str, facts: Mapping[str, str]
    ) -> None:
        await work.events.add(Event(self._new_id(), user_id, kind, facts, self._clock()))


async def _all_keys(work: UnitOfWork, user_id: UUID, now: datetime) -> Sequence[ApiKey]:
    """Return all API keys of a person with what they have spent by now."""
    keys: list[ApiKey] = []
    before: UUID | None = None
    while page := await work.api_keys.page(user_id, before=before, limit=PAGE_LIMIT_MAX):
        keys += [key.at(now) for key in page]
        before = page[-1].id
    return keys


def _open(user: User | None) -> User:
    """Return a person who has not left; a token outlives its owner by a moment at most."""
    if user is None or user.closed_at is not None:
        raise AccountClosed
    return user
