"""How instructions are decided: in arrival order, on locked truth, all or nothing each.

A `Book` is the working copy of one batch: the accounts its instructions name, as their locks show
them, and the outcomes that the same keys have had before. Deciding an instruction either changes
the book as a whole or leaves it untouched; a refusal never disturbs its neighbours.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from wallet.domain.accounts import Account
from wallet.domain.errors import Conflict, Rejected, WalletError
from wallet.domain.journal import (
    Details,
    Entry,
    Kind,
    Posting,
    entry_hash,
    facts_text,
    instruction_seal,
    microseconds,
)
from wallet.domain.money import Currency

if TYPE_CHECKING:
    from wallet.domain.funding import Funding


class IdempotencyKeyReused(Rejected):
    """This idempotency key was used before for a different request."""

    code = "idempotency-key-reused"


class AccountMissing(Conflict):
    """An account that this needs does not exist."""

    code = "account-missing"


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
class Change:
    """Everything that an accepted instruction does."""

    postings: tuple[Posting, ...] = ()
    fundings: tuple["Funding", ...] = ()


Decision = Change | WalletError


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

    def account_ids(self, stripe: int) -> Sequence[UUID]:
        """Return every account to lock; `stripe` picks the system accounts."""
        ...

    def decide(self, book: "Book") -> Decision:
        """Return the whole change, or the reason why not; the book is left as it is."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an instruction; `entry` is that of the account it is filed under."""

    header: Header
    booked_at: datetime
    refusal: Rejected | None = None
    entry: Entry | None = None
    details: Details | None = None
    replayed: bool = False

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


@dataclass(slots=True)
class Book:
    """The locked truth of one batch and everything decided on it so far.

    `booked_at` is one time for the whole batch, not before any account's last entry; `stripe`
    picks the system accounts of this batch.
    """

    accounts: dict[UUID, Account]
    booked_at: datetime
    stripe: int = 0
    earlier: dict[Key, Outcome] = field(default_factory=dict)
    fundings: dict[UUID, "Funding"] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    changed_fundings: dict[UUID, "Funding"] = field(default_factory=dict)
    _booked_at_us: int = 0

    def __post_init__(self) -> None:
        self._booked_at_us = microseconds(self.booked_at)

    def account(self, account_id: UUID) -> Account:
        """Return a locked account; raise `AccountMissing` if it does not exist."""
        account = self.accounts.get(account_id)
        if account is None:
            raise AccountMissing
        return account

    def changed_accounts(self) -> list[Account]:
        """Return each account that has a new entry, once."""
        return [self.accounts[id_] for id_ in dict.fromkeys(e.account_id for e in self.entries)]

    def decide(self, instructions: Iterable[Instruction]) -> list[Result]:
        """Decide each instruction in order and return one result each, in the same order."""
        return [self._decide_one(instruction) for instruction in instructions]

    def _decide_one(self, instruction: Instruction) -> Result:
        header = instruction.header
        earlier = self.earlier.get(header.key)
        if earlier is not None:
            return replay(earlier, header.kind, header.fingerprint)
        try:
            decision = instruction.decide(self)
        except WalletError as error:
            return error
        if isinstance(decision, Change):
            outcome = self._accept(instruction, decision)
        elif isinstance(decision, Rejected):
            outcome = Outcome(header, self.booked_at, refusal=decision)
        else:
            return decision
        self.outcomes.append(outcome)
        self.earlier[header.key] = outcome
        return outcome

    def _accept(self, instruction: Instruction, change: Change) -> Outcome:
        self._check(change.postings)
        details = instruction.details
        digest = details.digest if details is not None else None
        own: Entry | None = None
        for posting in change.postings:
            entry = self._post(posting, instruction.header, digest)
            if posting.account_id == instruction.header.account_id:
                own = entry
        for funding in change.fundings:
            self.fundings[funding.id] = self.changed_fundings[funding.id] = funding
        return Outcome(instruction.header, self.booked_at, entry=own, details=details)

    def _check(self, postings: Sequence[Posting]) -> None:
        """Assert every rule of the books before anything changes; the CHECKs assert it again."""
        sums: dict[str, int] = {}
        seen: set[UUID] = set()
        for posting in postings:
            account = self.account(posting.account_id)
            posted = account.posted + posting.posted_delta
            held = account.held + posting.held_delta
            if posting.account_id in seen:
                raise LedgerInvariantBroken("two postings to one account in one instruction")
            limit = account.balance_max
            if not (-limit <= posted <= limit and 0 <= held <= limit):
                raise LedgerInvariantBroken("a balance leaves its range")
            spends = posting.posted_delta - posting.held_delta < 0
            if spends and posted - held < account.floor:
                raise LedgerInvariantBroken("available would be below the floor")
            seen.add(posting.account_id)
            sums[account.currency] = sums.get(account.currency, 0) + posting.posted_delta
        if any(sums.values()):
            raise LedgerInvariantBroken("the postings do not sum to zero")

    def _post(self, posting: Posting, header: Header, digest: bytes | None) -> Entry:
        account = self.accounts[posting.account_id]
        version = account.version + 1
        posted = account.posted + posting.posted_delta
        held = account.held + posting.held_delta
        hash_ = entry_hash(
            account.head_hash,
            account.id,
            version,
            header.id,
            header.kind,
            account.currency,
            posting.posted_delta,
            posting.held_delta,
            posted,
            held,
            posting.counterparty_id,
            self._booked_at_us,
            digest,
        )
        entry = Entry(
            account.id,
            version,
            header.id,
            header.kind,
            account.currency,
            posting.posted_delta,
            posting.held_delta,
            posted,
            held,
            posting.counterparty_id,
            self.booked_at,
            digest,
            hash_,
        )
        account.posted = posted
        account.held = held
        account.version = version
        account.head_hash = hash_
        account.head_booked_at = self.booked_at
        self.entries.append(entry)
        return entry


def replay(earlier: Outcome, kind: Kind, fingerprint: bytes) -> Result:
    """Return an earlier outcome again, or refuse the key if it was for something else."""
    if earlier.header.fingerprint != fingerprint or earlier.header.kind is not kind:
        return IdempotencyKeyReused()
    return replace(earlier, replayed=True)


class Ledger(Protocol):
    """Where the books are kept; every call belongs to the unit of work that it came from."""

    async def lock(self, account_ids: Sequence[UUID], stripe: int) -> Book:
        """Lock these accounts in id order and return them with this batch's `booked_at`."""
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

    async def save(self, book: Book) -> bool:
        """Write everything the book decided, set-based.

        Returns False if one of the keys was taken meanwhile: roll back, and do the batch again.
        Raises `LedgerInvariantBroken` if the rows written are not the rows decided.
        """
        ...
