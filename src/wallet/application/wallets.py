"""Wallets: opened in further currencies, and read."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from wallet.application.gathering import Gathered
from wallet.application.unit_of_work import UnitOfWork, UnitOfWorkFactory
from wallet.domain.accounts import Account, Purpose, system_accounts
from wallet.domain.events import Event
from wallet.domain.money import Currency, currency_of
from wallet.domain.users import AccountClosed
from wallet.domain.wallets import WalletNotFound, WalletView

Place = tuple[UUID, str | None]


async def open_wallet(
    work: UnitOfWork,
    *,
    owner_id: UUID,
    currency: Currency,
    wallet_id: UUID,
    event_id: UUID,
    now: datetime,
) -> None:
    """Open a wallet in the caller's unit of work, with everything its currency needs.

    Raises `WalletAlreadyOpen`.
    """
    await work.wallets.add_system_accounts(system_accounts(currency), now)
    account = Account(id=wallet_id, currency=currency, purpose=Purpose.WALLET, owner_id=owner_id)
    await work.wallets.open(account, now)
    await work.webhooks.follow(owner_id, wallet_id)
    facts = {"wallet_id": str(wallet_id), "currency": currency}
    await work.events.add(Event(event_id, owner_id, "wallet.opened", facts, now))


class WalletKeeping:
    """What people do with their wallets, other than moving money."""

    def __init__(
        self,
        *,
        unit_of_work: UnitOfWorkFactory,
        reading: UnitOfWorkFactory | None = None,
        new_id: Callable[[], UUID],
        clock: Callable[[], datetime],
    ) -> None:
        self._unit_of_work = unit_of_work
        self._reading = reading or unit_of_work
        self._new_id = new_id
        self._clock = clock
        self._balances = Gathered(self._read_balances)

    async def open(self, person_id: UUID, currency: str) -> WalletView:
        """Open a wallet in a currency; raise `WalletAlreadyOpen` or `UnknownCurrency`."""
        code = currency_of(currency)
        async with self._unit_of_work() as work:
            # The person's lock keeps somebody who is leaving from opening one more wallet.
            person = await work.users.lock(person_id)
            if person is None or person.closed_at is not None:
                raise AccountClosed
            await open_wallet(
                work,
                owner_id=person_id,
                currency=code,
                wallet_id=self._new_id(),
                event_id=self._new_id(),
                now=self._clock(),
            )
            wallet = await work.wallets.get(person_id, code)
            await work.commit()
        if wallet is None:
            raise WalletNotFound(currency=code)
        return wallet

    async def of_person(self, person_id: UUID) -> Sequence[WalletView]:
        """Return the person's wallets, by currency."""
        async with self._reading() as work:
            return await work.wallets.of_owner(person_id)

    async def balance(self, person_id: UUID, currency: str | None) -> WalletView:
        """Return one wallet, the default one for None; raise `WalletNotFound`."""
        code = None if currency is None else currency_of(currency)
        place = (person_id, code)
        wallet = (await self._balances.get([place])).get(place)
        if wallet is None:
            raise WalletNotFound(**({} if code is None else {"currency": code}))
        return wallet

    async def _read_balances(self, places: Sequence[Place]) -> Mapping[Place, WalletView]:
        async with self._reading() as work:
            return await work.wallets.get_many(places)
