"""The directory: which wallet somebody is paid into, resolved before anything is locked.

Only what never changes is cached (whose wallet in which currency, a person's default currency);
whether an e-mail address is verified and whether a wallet is closed is read each time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from wallet.application.unit_of_work import UnitOfWorkFactory
from wallet.domain.money import Currency
from wallet.domain.wallets import WalletNotFound

CACHE_SIZE_MAX = 100_000


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
    """Finds people's wallets; caches what is immutable, within bounds."""

    def __init__(
        self, unit_of_work: UnitOfWorkFactory, *, cache_size_max: int = CACHE_SIZE_MAX
    ) -> None:
        self._unit_of_work = unit_of_work
        self._cache_size_max = cache_size_max
        self._wallet_ids: dict[tuple[UUID, str], UUID] = {}
        self._default_currencies: dict[UUID, Currency] = {}

    async def default_currency(self, person_id: UUID) -> Currency:
        """Return the currency that a person pays in unless told otherwise."""
        known = self._default_currencies.get(person_id)
        if known is not None:
            return known
        async with self._unit_of_work() as work:
            wallet = await work.wallets.get(person_id, None)
        if wallet is None:
            raise WalletNotFound
        _remember(self._default_currencies, person_id, wallet.currency, self._cache_size_max)
        return wallet.currency

    async def wallet_id(self, person_id: UUID, currency: str) -> UUID | None:
        """Return the id of a person's wallet in a currency, or None."""
        place = (person_id, currency)
        known = self._wallet_ids.get(place)
        if known is not None:
            return known
        async with self._unit_of_work() as work:
            found = await work.wallets.find(person_id, currency)
        if found is not None:
            _remember(self._wallet_ids, place, found, self._cache_size_max)
        return found

    async def wallet_ids(
        self, places: Iterable[tuple[UUID, str]]
    ) -> Mapping[tuple[UUID, str], UUID]:
        """Return the wallets of many people (person, currency) at once; leave out who has none."""
        wanted = dict.fromkeys(places)
        missing = [place for place in wanted if place not in self._wallet_ids]
        found: Mapping[tuple[UUID, str], UUID] = {}
        if missing:
            async with self._unit_of_work() as work:
                found = await work.wallets.find_many(missing)
        known = {place: self._wallet_ids.get(place) or found.get(place) for place in wanted}
        for place, wallet_id in found.items():
            _remember(self._wallet_ids, place, wallet_id, self._cache_size_max)
        return {place: id_ for place, id_ in known.items() if id_ is not None}


_K = TypeVar("_K")
_V = TypeVar("_V")


def _remember(cache: dict[_K, _V], key: _K, value: _V, size_max: int) -> None:
    """Add to a cache that forgets its oldest item when it is full."""
    if len(cache) >= size_max:
        del cache[next(iter(cache))]
    cache[key] = value
