"""Transfer batches: many transfers of one payer in one request, under one key."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from wallet.domain.ledger import Book, Change, Decision, Header, Parts
from wallet.domain.transfers import NotYourWallet

BATCH_SIZE_MAX = 1_000


@dataclass(frozen=True, slots=True)
class CreateTransferBatch:
    """Carry out many transfers together: all or none of them, or each on its own.

    It moves nothing itself: its row keeps the key and the fingerprint of the whole request, so its
    amount is 0. It is filed under the payer's default wallet.
    """

    header: Header
    actor_id: UUID
    parts: Parts
    api_key_id: UUID | None = None
    details: None = None
    funding_id: None = None

    def account_ids(self, stripe: int) -> Sequence[UUID]:
        """Return the account it is filed under and those of every transfer."""
        ids = {self.header.account_id}
        for part in self.parts.instructions:
            ids.update(part.account_ids(stripe))
        return tuple(ids)

    def decide(self, book: Book) -> Decision:
        """Accept it; what becomes of the transfers is decided one by one."""
        if book.account(self.header.account_id).owner_id != self.actor_id:
            return NotYourWallet()
        return Change()
