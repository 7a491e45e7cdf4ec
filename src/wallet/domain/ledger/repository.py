"""Where the books are kept: the repository's protocol."""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from wallet.domain.ledger.book import Book, SpendingPlace
from wallet.domain.ledger.instructions import Key, Outcome

if TYPE_CHECKING:
    from wallet.domain.adjustments import Adjustment
    from wallet.domain.funding import Funding
    from wallet.domain.spending import Spending


class Ledger(Protocol):
    """Where the books are kept; every call belongs to the unit of work that it came from."""

    async def lock(
        self, account_ids: Sequence[UUID], stripe: int, keys: Sequence[Key] = ()
    ) -> Book:
        """Lock these accounts in id order and return them with this batch's `booked_at`.

        The book's `repeats` may be false only if none of the keys had been used before the call.
        """
        ...

    async def peek(self, account_ids: Sequence[UUID], stripe: int) -> Book:
        """Return the same without locks, for a preview that saves nothing."""
        ...

    async def outcomes(self, keys: Sequence[Key]) -> Mapping[Key, Outcome]:
        """Return what the keys have come to before; a key without an outcome is left out."""
        ...

    async def fundings(self, places: Sequence[tuple[UUID, UUID]]) -> Mapping[UUID, "Funding"]:
        """Return the fundings at these (account id, funding id)."""
        ...

    async def refunded(self, places: Sequence[tuple[UUID, UUID]]) -> Mapping[UUID, int]:
        """Return how much was refunded of the transfers at these (payer's account id, id)."""
        ...

    async def adjustments(self, places: Sequence[tuple[UUID, UUID]]) -> Mapping[UUID, "Adjustment"]:
        """Return the adjustments at these (account id, adjustment id)."""
        ...

    async def spendings(
        self, places: Collection[SpendingPlace], *, lock: bool = True
    ) -> Mapping[SpendingPlace, "Spending"]:
        """Return the spendings at these places, and keep keys from being revoked meanwhile.

        Without `lock` they are only looked at, for a preview.
        """
        ...

    async def save(self, book: Book) -> bool:
        """Write everything the book decided, set-based.

        Returns False if one of the keys was taken meanwhile: roll back, and do the batch again.
        Raises `LedgerInvariantBroken` if the rows written are not the rows decided.
        """
        ...
