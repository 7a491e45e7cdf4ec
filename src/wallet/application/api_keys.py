"""API keys as people make, watch, rotate and revoke them."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from wallet.application.account_mail import AccountMail
from wallet.application.directory import Recipient
from wallet.application.limits import DEFAULT_LIMITS, PeopleLimits
from wallet.application.ports import Clock, Message, NewId
from wallet.application.revocations import Revocations
from wallet.application.unit_of_work import UnitOfWork, UnitOfWorkFactory
from wallet.domain.api_keys import (
    API_KEYS_MAX,
    RANDOM_BYTES,
    ApiKey,
    ApiKeyLimitReached,
    ApiKeyNotFound,
    ApiKeyNotLive,
    ExpiryInvalid,
    KeySecret,
    Scope,
    check_scopes,
    hint_of,
    secret_digest,
    secret_of,
)
from wallet.domain.events import Event
from wallet.domain.guards import Guards
from wallet.domain.money import check_amount, currency_of
from wallet.domain.sessions import Principal
from wallet.domain.spending import Interval, Spending, SpendingRule
from wallet.domain.transfers import RecipientNotFound
from wallet.domain.users import AccountClosed, User, name_of
from wallet.domain.wallets import WalletNotFound

FindRecipients = Callable[[UUID, Iterable[Recipient]], Awaitable[Mapping[Recipient, UUID]]]
"""Returns those whom a person names; leaves out, and counts, those who are not there."""


@dataclass(frozen=True, slots=True)
class SpendingWish:
    """The rule that somebody wants for a key; amounts in minor units, None is no limit."""

    currency: str
    budget: int
    per_payment_max: int | None = None
    payees: Sequence[Recipient] | None = None
    interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class ApiKeyWish:
    """The key that somebody wants."""

    name: str
    scopes: Sequence[Scope]
    expires_at: datetime | None = None
    spending: SpendingWish | None = None


KEY_TEXT = """\
The API key "{name}" of your wallet was {done}. It may do: {scopes}.

An API key goes on when sessions end and when you set a new password. If it was not you, log in,
revoke the key, and set a new password.
"""


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key with a secret that is shown this once."""

    key: ApiKey
    secret: str = field(repr=False)


class ApiKeyKeeping:
    """What people do with their API keys. Only somebody who has logged in gets here."""

    def __init__(
        self,
        *,
        unit_of_work: UnitOfWorkFactory,
        reading: UnitOfWorkFactory,
        guards: Guards,
        find_recipients: FindRecipients,
        revocations: Revocations,
        mail: AccountMail,
        clock: Clock,
        new_id: NewId,
        random_bytes: Callable[[int], bytes],
        limits: PeopleLimits = DEFAULT_LIMITS,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._reading = reading
        self._guards = guards
        self._find_recipients = find_recipients
        self._revocations = revocations
        self._mail = mail
        self._clock = clock
        self._new_id = new_id
        self._random_bytes = random_bytes
        self._limits = limits

    async def create(self, principal: Principal, wish: ApiKeyWish) -> NewApiKey:
        """Make a key.

        Raises `NameInvalid`, `ScopesInvalid`, `ExpiryInvalid`, `UnknownCurrency`,
        `AmountOutOfRange`, `RecipientNotFound` for a payee, `WalletNotFound` for the currency,
        `ApiKeyLimitReached`, or `GuardTripped`.
        """
        await self._guards.count(self._limits.api_key, str(principal.user_id))
        now = self._clock()
        name = name_of(wish.name, "name")
        scopes = check_scopes(wish.scopes, spends=wish.spending is not None)
        if wish.expires_at is not None and wish.expires_at <= now:
            raise ExpiryInvalid(field="expires_at")
        text, secret = self._secret(self._new_id(), now, wish.expires_at)
        key = ApiKey(
            id=secret.api_key_id,
            owner_id=principal.user_id,
            name=name,
            scopes=scopes,
            hint=hint_of(text),
            created_at=now,
            expires_at=wish.expires_at,
        )
        payee_ids = await self._payees(principal, wish.spending)
        async with self._unit_of_work() as work:
            await self._require_room(work, principal.user_id, now)
            if wish.spending is not None:
                rule = await self._rule(work, principal, wish.spending, payee_ids)
                key = replace(key, spending=Spending.begin(key.id, rule, now, key.expires_at))
            await work.api_keys.add(key, secret)
            await self._record(work, key, "api-key.created", now)
            owner = await work.users.get(principal.user_id)
            await work.commit()
        self._tell(owner, key, "There is a new API key", "made")
        return NewApiKey(key.at(now), text)

    async def page(
        self, principal: Principal, *, before: UUID | None, limit: int
    ) -> tuple[Sequence[ApiKey], UUID | None]:
        """Return one's own keys, newest first, and the key behind which the next page begins."""
        now = self._clock()
        async with self._reading() as work:
            found = await work.api_keys.page(principal.user_id, before=before, limit=limit + 1)
        keys = [key.at(now) for key in found[:limit]]
        return keys, keys[-1].id if len(found) > limit else None

    async def get(self, principal: Principal, api_key_id: UUID) -> ApiKey:
        """Return one of one's own keys; raise `ApiKeyNotFound` for any other."""
        async with self._reading() as work:
            key = await work.api_keys.get(principal.user_id, api_key_id)
        if key is None:
            raise ApiKeyNotFound
        return key.at(self._clock())

    async def rotate(self, principal: Principal, api_key_id: UUID, overlap: timedelta) -> NewApiKey:
        """Give a key a new secret; those before it are good for `overlap` more.

        Raises `ApiKeyNotFound`, `ApiKeyNotLive` for one that has expired, or `GuardTripped`.
        """
        await self._guards.count(self._limits.api_key, str(principal.user_id))
        now = self._clock()
        async with self._unit_of_work() as work:
            key = await work.api_keys.lock(principal.user_id, api_key_id)
            if key is None:
                raise ApiKeyNotFound
            if not key.is_live(now):
                raise ApiKeyNotLive
            text, secret = self._secret(key.id, now, key.expires_at)
            hint = hint_of(text)
            ended = await work.api_keys.rotate(secret, hint, now + overlap, now)
            await self._record(work, key, "api-key.rotated", now)
            owner = await work.users.get(principal.user_id)
            await work.commit()
        self._tell(owner, key, "An API key has a new secret", "given a new secret")
        self._revocations.end(dict(ended))
        return NewApiKey(replace(key, hint=hint).at(now), text)

    async def revoke(self, principal: Principal, api_key_id: UUID) -> None:
        """Revoke a key: refused here at once, everywhere within 2 s; raise `ApiKeyNotFound`.

        Once this has returned, no payment is booked any more under the key's spending rule.
        """
        now = self._clock()
        async with self._unit_of_work() as work:
            key = await work.api_keys.lock(principal.user_id, api_key_id)
            if key is None:
                raise ApiKeyNotFound
            ended = await work.api_keys.revoke([key.id], now)
            await self._record(work, key, "api-key.revoked", now)
            await work.commit()
        self._revocations.end(dict.fromkeys(ended, now))

    def _tell(self, owner: User | None, key: ApiKey, subject: str, done: str) -> None:
        """Post a mail of something that would let in whoever has got hold of a session."""
        if owner is not None and owner.email is not None:
            text = KEY_TEXT.format(name=key.name, done=done, scopes=", ".join(sorted(key.scopes)))
            self._mail.post(Message(owner.email, subject, text))

    def _secret(
        self, api_key_id: UUID, now: datetime, expires_at: datetime | None
    ) -> tuple[str, KeySecret]:
        text = secret_of(self._random_bytes(RANDOM_BYTES))
        return text, KeySecret(self._new_id(), secret_digest(text), api_key_id, now, expires_at)

    async def _payees(
        self, principal: Principal, wish: SpendingWish | None
    ) -> tuple[UUID, ...] | None:
        """Return the ids of the payees of a rule, found before anything is locked."""
        if wish is None or wish.payees is None:
            return None
        found = await self._find_recipients(principal.user_id, wish.payees)
        for index, payee in enumerate(wish.payees):
            if payee not in found:
                raise RecipientNotFound(field=f"spending.payees.{index}")
        return tuple(dict.fromkeys(found[payee] for payee in wish.payees))

    async def _rule(
        self,
        work: UnitOfWork,
        principal: Principal,
        wish: SpendingWish,
        payee_ids: tuple[UUID, ...] | None,
    ) -> SpendingRule:
        code = currency_of(wish.currency)
        for amount in (wish.budget, wish.per_payment_max):
            if amount is not None:
                check_amount(amount)
        account_id = await work.wallets.find(principal.user_id, code)
        if account_id is None:
            raise WalletNotFound(currency=code)
        return SpendingRule(
            account_id, code, wish.budget, wish.per_payment_max, payee_ids, wish.interval
        )

    async def _require_room(self, work: UnitOfWork, user_id: UUID, now: datetime) -> None:
        """Keep others from making keys for this person or closing the account meanwhile."""
        user = await work.users.lock(user_id)
        if user is None or user.closed_at is not None:
            raise AccountClosed
        if await work.api_keys.count_live(user_id, now) >= API_KEYS_MAX:
            raise ApiKeyLimitReached(maximum=API_KEYS_MAX)

    async def _record(self, work: UnitOfWork, key: ApiKey, kind: str, now: datetime) -> None:
        facts = {"api_key_id": str(key.id), "name": key.name}
        await work.events.add(Event(self._new_id(), key.owner_id, kind, facts, now))
