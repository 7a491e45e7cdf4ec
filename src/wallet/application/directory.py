"""The directory: which wallet somebody is paid into, resolved before anything is locked.

Only what never changes is cached (whose wallet in which currency, a person's default currency);
whether an e-mail address is verified and whether a wallet is closed is read each time.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from wallet.application.gathering import Gathered
from wallet.application.unit_of_work import UnitOfWorkFactory
from wallet.domain.money import Currency
from wallet.domain.wallets import WalletNotFound

CACHE_SIZE_MAX = 100_000

Place = tuple[UUID, str]
K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom a payer named, by exactly one of the three."""

    user_id: UUID | None = None
    email: str | None = None
    handle: str | None = None

    def canonical(self) -> Mapping[str, str]:
        """Return the one form of it that fingerprints cover."""
        if self.user_id is not None:
            return {"to_user_id": str(self.user_id)}
        if self.email is not None:
            return {"to_email": self.email.lower()}
        return {"to_handle": (self.handle or "").lower()}


class Directory:
    """Finds people's wallets; caches what is immutable, within bounds.

    What is not known is looked up for everybody who is waiting at once, in one statement.
    """

    def __init__(
        self, unit_of_work: UnitOfWorkFactory, *, cache_size_max: int = CACHE_SIZE_MAX
    ) -> None:
        self._unit_of_work = unit_of_work
        self._wallet_ids = _Known(self._find_wallets, cache_size_max)
        self._default_currencies = _Known(self._find_currencies, cache_size_max)

    async def default_currency(self, person_id: UUID) -> Currency:
        """Return the currency that a person pays in unless told otherwise."""
        currency = self._default_currencies.cache.get(person_id)
        if currency is None:
            currency = (await self._default_currencies.get([person_id])).get(person_id)
        if currency is None:
            raise WalletNotFound
        return currency

    async def wallet_id(self, person_id: UUID, currency: str) -> UUID | None:
        """Return the id of a person's wallet in a currency, or None."""
        place = (person_id, currency)
        return self._wallet_ids.cache.get(place) or (await self._wallet_ids.get([place])).get(place)

    async def wallet_ids(self, places: Iterable[Place]) -> Mapping[Place, UUID]:
        """Return the wallets of many people (person, currency) at once; leave out who has none."""
        return await self._wallet_ids.get(places)

    async def _find_wallets(self, places: Sequence[Place]) -> Mapping[Place, UUID]:
        async with self._unit_of_work() as work:
            return await work.wallets.find_many(places)

    async def _find_currencies(self, person_ids: Sequence[UUID]) -> Mapping[UUID, Currency]:
        async with self._unit_of_work() as work:
            return await work.wallets.default_currencies(person_ids)


class _Known(Generic[K, V]):
    """Facts that never change: looked up for many at once, and kept until there are too many."""

    def __init__(
        self, find: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]], size_max: int
    ) -> None:
        self.cache: dict[K, V] = {}
        self._size_max = size_max
        self._look_ups = Gathered(find)

    async def get(self, keys: Iterable[K]) -> Mapping[K, V]:
        """Return what is known or found of these; what does not exist is left out."""
        wanted = tuple(keys)
        cache = self.cache
        try:
            # Nearly always everything is known, and each look into the cache hashes identifiers.
            return {key: cache[key] for key in wanted}
        except KeyError:
            return await self._get(dict.fromkeys(wanted))

    async def _get(self, wanted: Iterable[K]) -> Mapping[K, V]:
        known = {key: self.cache[key] for key in wanted if key in self.cache}
        missing = [key for key in wanted if key not in known]
        found = await self._look_ups.get(missing)
        for key in missing:
            if key in found:
                known[key] = found[key]
                self._remember(key, found[key])
        return known

    def _remember(self, key: K, value: V) -> None:
        if key not in self.cache and len(self.cache) >= self._size_max:
            del self.cache[next(iter(self.cache))]
        self.cache[key] = value
