"""What is asked of the books and what becomes of it: instructions, decisions, outcomes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from wallet.domain.errors import Conflict, Rejected, WalletError
from wallet.domain.journal import (
    Details,
    Entry,
    Kind,
    Posting,
    facts_text,
    instruction_seal,
    microseconds,
)
from wallet.domain.money import Currency

if TYPE_CHECKING:
    from wallet.domain.adjustments import Adjustment
    from wallet.domain.audit_trail import Act
    from wallet.domain.funding import Funding
    from wallet.domain.ledger.book import Book
    from wallet.domain.refunds import Refund
    from wallet.domain.spending import Spending


PART_DOMAIN = b"wallet-part-v1"


class IdempotencyKeyReused(Rejected):
    """This idempotency key was used before for a different request."""

    code = "idempotency-key-reused"


class AccountMissing(Conflict):
    """An account that this needs does not exist."""

    code = "account-missing"


class PartsRefused(Rejected):
    """A part of this was refused, so nothing of it was carried out."""

    code = "batch-refused"


class RefusalForgotten(Rejected):
    """This was refused; why is kept for a week only."""

    code = "refusal-forgotten"


class LedgerInvariantBroken(AssertionError):
    """The code decided something that the books forbid; nothing of it may be saved."""


@dataclass(frozen=True, slots=True)
class Header:
    """What was asked, by whom and under which key; it never changes once it is stored.

    `scope` is the person behind the credential or `system:<worker>`; `account_id` is the account
    the instruction is filed under, `amount` is in minor units.
    """

    id: UUID
    kind: Kind
    scope: str
    key_digest: bytes
    fingerprint: bytes
    account_id: UUID
    currency: Currency
    amount: int
    owner_id: UUID | None
    counterparty_id: UUID | None = None
    counterparty_owner_id: UUID | None = None

    @property
    def key(self) -> "Key":
        """The scoped idempotency key, as everything is looked up by."""
        return (self.scope, self.key_digest)


Key = tuple[str, bytes]


@dataclass(frozen=True, slots=True)
class StaffChange:
    """What an instruction of staff does besides moving money.

    `debts` are how far below their floors it leaves accounts, in minor units; nothing else may.
    """

    acts: tuple["Act", ...] = ()
    refunds: tuple["Refund", ...] = ()
    adjustments: tuple["Adjustment", ...] = ()
    debts: Mapping[UUID, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """Everything that an accepted instruction does."""

    postings: tuple[Posting, ...] = ()
    fundings: tuple["Funding", ...] = ()
    staff: StaffChange | None = None
    spending: "Spending | None" = None


Decision = Change | WalletError


@dataclass(frozen=True, slots=True)
class Parts:
    """The instructions that one request is made of, in order.

    If it is `atomic`, one refused part refuses them all; else each stands alone. They are decided
    and saved together in either case.
    """

    instructions: tuple["Instruction", ...]
    atomic: bool


def part_digest(key_digest: bytes, index: int) -> bytes:
    """Return the digest of a part's own key, which follows from the key of the whole."""
    return sha256(PART_DOMAIN + key_digest + index.to_bytes(4, "big")).digest()


class Instruction(Protocol):
    """One thing to be done to the books; frozen, and decided by pure code."""

    @property
    def header(self) -> Header:
        """What is stored of it."""
        ...

    @property
    def details(self) -> Details | None:
        """What people wrote about it."""
        ...

    @property
    def funding_id(self) -> UUID | None:
        """The funding that must be read under the lock for it, if any."""
        ...

    @property
    def api_key_id(self) -> UUID | None:
        """The spending key that it is asked for with, if any; its parts have the same."""
        ...

    @property
    def parts(self) -> Parts | None:
        """What it is made of, decided after it and under its key, if it is several in one."""
        ...

    def account_ids(self, stripe: int) -> Sequence[UUID]:
        """Return every account to lock; `stripe` picks the system accounts."""
        ...

    def decide(self, book: "Book") -> Decision:
        """Return the whole change, or the reason why not; the book is left as it is."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an instruction; `entry` is that of the account it is filed under.

    `parts` are the outcomes of what it was made of, if it was several in one and not refused.
    """

    header: Header
    booked_at: datetime
    refusal: Rejected | None = None
    entry: Entry | None = None
    details: Details | None = None
    replayed: bool = False
    parts: tuple["Outcome", ...] = ()

    def seal(self) -> bytes:
        """Return what is stored beside the outcome to tell whether its row was changed."""
        header, refusal = self.header, self.refusal
        return instruction_seal(
            header.id,
            header.kind,
            header.scope,
            header.key_digest,
            header.fingerprint,
            header.account_id,
            header.currency,
            header.amount,
            (header.owner_id, header.counterparty_id, header.counterparty_owner_id),
            microseconds(self.booked_at),
            None if refusal is None else (refusal.code, facts_text(refusal.facts)),
        )


Result = Outcome | Exception
"""What the caller of one instruction gets: a decided outcome, or why it was not decided."""
