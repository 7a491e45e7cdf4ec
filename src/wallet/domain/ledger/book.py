"""The book of one batch: instructions decided in arrival order, all or nothing each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from wallet.domain.accounts import Account
from wallet.domain.errors import Rejected, WalletError
from wallet.domain.journal import Entry, Kind, Posting, entry_hash, microseconds
from wallet.domain.ledger.instructions import (
    AccountMissing,
    Change,
    Header,
    IdempotencyKeyReused,
    Instruction,
    Key,
    LedgerInvariantBroken,
    Outcome,
    Parts,
    PartsRefused,
    RefusalForgotten,
    Result,
    StaffChange,
)

if TYPE_CHECKING:
    from wallet.domain.adjustments import Adjustment
    from wallet.domain.audit_trail import Act
    from wallet.domain.funding import Funding
    from wallet.domain.refunds import Refund
    from wallet.domain.spending import Spending


REFUSALS_TOLD_MAX = 20

SpendingPlace = tuple[UUID, UUID]
"""Account and API key: where a spending is found."""


@dataclass(slots=True)
class Book:
    """The locked truth of one batch and everything decided on it so far.

    `booked_at` is one time for the whole batch, not before any account's last entry; `stripe`
    picks the system accounts of this batch. `repeats` says whether any of its keys has been used
    before, as far as could be seen when the locks were asked for. `refunded` says, by transfer, how
    much was given back of those that this batch refunds.
    """

    accounts: dict[UUID, Account]
    booked_at: datetime
    stripe: int = 0
    repeats: bool = True
    earlier: dict[Key, Outcome] = field(default_factory=dict)
    fundings: dict[UUID, "Funding"] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    changed_fundings: dict[UUID, "Funding"] = field(default_factory=dict)
    refunded: dict[UUID, int] = field(default_factory=dict)
    adjustments: dict[UUID, "Adjustment"] = field(default_factory=dict)
    acts: list["Act"] = field(default_factory=list)
    new_refunds: list["Refund"] = field(default_factory=list)
    changed_adjustments: dict[UUID, "Adjustment"] = field(default_factory=dict)
    new_debts: dict[UUID, int] = field(default_factory=dict)
    spendings: dict[SpendingPlace, "Spending"] = field(default_factory=dict)
    changed_spendings: dict[SpendingPlace, "Spending"] = field(default_factory=dict)
    key_payments: list[tuple[SpendingPlace, UUID]] = field(default_factory=list)
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
            return self._again(earlier, instruction)
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
        if instruction.parts is not None and outcome.refusal is None:
            return self._decide_parts(outcome, instruction.parts)
        return self._keep(outcome)

    def _keep(self, outcome: Outcome) -> Outcome:
        self.outcomes.append(outcome)
        self.earlier[outcome.header.key] = outcome
        return outcome

    def _decide_parts(self, whole: Outcome, parts: Parts) -> Result:
        """Decide the parts in order; what must not stand is undone as if it had never been."""
        mark = self._mark(parts)
        self._keep(whole)
        outcomes: list[Outcome] = []
        for part in parts.instructions:
            result = self._decide_one(part)
            if isinstance(result, Exception):
                self._undo(mark)
                return result
            outcomes.append(result)
        refused = [(n, o.refusal) for n, o in enumerate(outcomes) if o.refusal is not None]
        if parts.atomic and refused:
            self._undo(mark)
            return self._keep(replace(whole, refusal=_refusal_of(refused)))
        whole = replace(whole, parts=tuple(outcomes))
        self.earlier[whole.header.key] = whole
        return whole

    def _again(self, earlier: Outcome, instruction: Instruction) -> Result:
        """Return an earlier outcome again, with those of its parts."""
        header = instruction.header
        result = replay(earlier, header.kind, header.fingerprint)
        parts = instruction.parts
        if parts is None or isinstance(result, Exception) or result.refusal is not None:
            return result
        if result.parts:
            return result
        return replace(
            result,
            parts=tuple(
                self.earlier.get(part.header.key)
                # Accepted ones stay for ever, so one that is gone was refused.
                or Outcome(part.header, result.booked_at, refusal=RefusalForgotten())
                for part in parts.instructions
            ),
        )

    def _mark(self, parts: Parts) -> "_Mark":
        ids = {id_ for part in parts.instructions for id_ in part.account_ids(self.stripe)}
        accounts = [self.accounts[id_].copy() for id_ in ids if id_ in self.accounts]
        return _Mark(
            accounts,
            len(self.entries),
            len(self.outcomes),
            dict(self.fundings),
            dict(self.changed_fundings),
            dict(self.spendings),
            dict(self.changed_spendings),
            len(self.key_payments),
        )

    def _undo(self, mark: "_Mark") -> None:
        self.accounts.update((account.id, account) for account in mark.accounts)
        for outcome in self.outcomes[mark.outcomes :]:
            del self.earlier[outcome.header.key]
        del self.entries[mark.entries :], self.outcomes[mark.outcomes :]
        del self.key_payments[mark.key_payments :]
        self.fundings, self.changed_fundings = mark.fundings, mark.changed_fundings
        self.spendings, self.changed_spendings = mark.spendings, mark.changed_spendings

    def _accept(self, instruction: Instruction, change: Change) -> Outcome:
        self._check(change)
        details = instruction.details
        digest = details.digest if details is not None else None
        own: Entry | None = None
        for posting in change.postings:
            entry = self._post(posting, instruction.header, digest)
            if posting.account_id == instruction.header.account_id:
                own = entry
        for funding in change.fundings:
            self.fundings[funding.id] = self.changed_fundings[funding.id] = funding
        if change.staff is not None:
            self._accept_of_staff(change.staff)
        if change.spending is not None:
            self._spend(change.spending, instruction.header.id)
        return Outcome(instruction.header, self.booked_at, entry=own, details=details)

    def _accept_of_staff(self, change: StaffChange) -> None:
        """Note what staff decided; no part of a batch of transfers does, so nothing undoes it."""
        for act in change.acts:
            # All acts of a batch have its time, so their ids alone say which was the last.
            if self.acts and act.id <= (last := self.acts[-1].id):
                act = replace(act, id=UUID(int=last.int + 1))
            self.acts.append(act)
        for refund in change.refunds:
            before = self.refunded.get(refund.transfer_id, 0)
            self.refunded[refund.transfer_id] = before + refund.amount
            self.new_refunds.append(refund)
        for adjustment in change.adjustments:
            self.adjustments[adjustment.id] = adjustment
            self.changed_adjustments[adjustment.id] = adjustment
        self.new_debts.update(change.debts)

    def _spend(self, spending: "Spending", instruction_id: UUID) -> None:
        place = spending.place
        self.spendings[place] = self.changed_spendings[place] = spending
        self.key_payments.append((place, instruction_id))

    def _check(self, change: Change) -> None:
        """Assert every rule of the books before anything changes; the CHECKs assert it again."""
        sums: dict[str, int] = {}
        seen: set[UUID] = set()
        for posting in change.postings:
            account = self.account(posting.account_id)
            posted = account.posted + posting.posted_delta
            held = account.held + posting.held_delta
            if posting.account_id in seen:
                raise LedgerInvariantBroken("two postings to one account in one instruction")
            limit = account.balance_max
            if not (-limit <= posted <= limit and 0 <= held <= limit):
                raise LedgerInvariantBroken("a balance leaves its range")
            spends = posting.posted_delta - posting.held_delta < 0
            short = account.floor - (posted - held)
            if spends and short > 0 and short != _debt(change, account.id):
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


@dataclass(frozen=True, slots=True)
class _Mark:
    """What a book was like before something that may have to be undone."""

    accounts: Sequence[Account]
    entries: int
    outcomes: int
    fundings: dict[UUID, "Funding"]
    changed_fundings: dict[UUID, "Funding"]
    spendings: dict[SpendingPlace, "Spending"]
    changed_spendings: dict[SpendingPlace, "Spending"]
    key_payments: int


def _debt(change: Change, account_id: UUID) -> int:
    """Return how far below its floor a change leaves an account on purpose."""
    return 0 if change.staff is None else change.staff.debts.get(account_id, 0)


def _refusal_of(refused: Sequence[tuple[int, Rejected]]) -> PartsRefused:
    """Return the refusal of the whole, which says of the first parts why they were refused."""
    told = [
        {"index": index, "code": reason.code, "title": reason.title(), **reason.facts}
        for index, reason in refused[:REFUSALS_TOLD_MAX]
    ]
    return PartsRefused(refused=len(refused), refusals=told)


def replay(earlier: Outcome, kind: Kind, fingerprint: bytes) -> Result:
    """Return an earlier outcome again, or refuse the key if it was for something else."""
    if earlier.header.fingerprint != fingerprint or earlier.header.kind is not kind:
        return IdempotencyKeyReused()
    return replace(earlier, replayed=True)
