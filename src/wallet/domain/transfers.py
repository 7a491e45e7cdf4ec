"""Transfers: one person pays another, in one currency, from wallet to wallet."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from wallet.domain.errors import Forbidden, Invalid, NotFound, Rejected, WalletError
from wallet.domain.journal import Details, Posting
from wallet.domain.ledger import Book, Change, Decision, Header
from wallet.domain.spending import Spending, SpendingWalletOther

NOTE_LENGTH_MAX = 500
REFERENCE_LENGTH_MAX = 100
METADATA_KEYS_MAX = 50
METADATA_KEY_LENGTH_MAX = 50
METADATA_VALUE_LENGTH_MAX = 500


class RecipientNotFound(NotFound):
    """There is no such recipient."""

    code = "recipient-not-found"


class RecipientUnknown(Rejected):
    """There is no such recipient, so this transfer of a batch was refused."""

    code = "recipient-unknown"


class RecipientHasNoWallet(Rejected):
    """The recipient has no wallet in this currency."""

    code = "recipient-has-no-wallet"


class SelfTransfer(Rejected):
    """A transfer needs two different wallets."""

    code = "self-transfer"


class NotYourWallet(Forbidden):
    """The wallet belongs to somebody else."""

    code = "not-your-wallet"


class RecipientAmbiguous(Invalid):
    """Exactly one of to_user_id, to_email and to_handle is needed."""

    code = "recipient-ambiguous"


@dataclass(frozen=True, slots=True)
class CreateTransfer:
    """Move `header.amount` from `header.account_id` to `header.counterparty_id`.

    A `counterparty_id` of None is a recipient without a wallet in this currency, and without its
    owner one that does not exist: that is decided like everything else, so that a repeated key gets
    the same refusal. With an `api_key_id` it is paid under the spending rule of that key.
    """

    header: Header
    actor_id: UUID
    details: Details | None = None
    api_key_id: UUID | None = None
    funding_id: None = None
    parts: None = None

    def account_ids(self, stripe: int) -> Sequence[UUID]:
        """Return the payer's and the payee's wallet."""
        header = self.header
        if header.counterparty_id is None:
            return (header.account_id,)
        return (header.account_id, header.counterparty_id)

    def decide(self, book: Book) -> Decision:
        """Refuse, or move the amount in two legs."""
        header = self.header
        source = book.account(header.account_id)
        if source.owner_id != self.actor_id:
            return NotYourWallet()
        if header.counterparty_owner_id == self.actor_id:
            return SelfTransfer()
        if header.counterparty_owner_id is None:
            return RecipientUnknown()
        if header.counterparty_id is None:
            return RecipientHasNoWallet(currency=header.currency)
        target = book.account(header.counterparty_id)
        spending: Spending | None = None
        if self.api_key_id is not None:
            found = self._spending(book, self.api_key_id, header.counterparty_owner_id)
            if isinstance(found, WalletError):
                return found
            spending = found
        refusal = source.refuse_debit(header.amount) or target.refuse_credit(header.amount)
        if refusal is not None:
            return refusal
        return Change(
            (
                Posting(source.id, -header.amount, counterparty_id=target.id),
                Posting(target.id, header.amount, counterparty_id=source.id),
            ),
            spending=spending,
        )

    def _spending(self, book: Book, api_key_id: UUID, payee_id: UUID) -> Spending | WalletError:
        """Return what the key has spent after this transfer, or why it may not make it."""
        known = book.spendings.get((self.header.account_id, api_key_id))
        if known is None:
            return SpendingWalletOther(currency=self.header.currency)
        now = known.at(book.booked_at)
        refusal = now.refuse(self.header.amount, payee_id, book.booked_at)
        return now.paid(self.header.amount) if refusal is None else refusal
