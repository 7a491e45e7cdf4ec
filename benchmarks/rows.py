"""Rows of the service's tables, in the order of `loading.COLUMNS`."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from wallet.application.idempotency import person_scope
from wallet.domain.accounts import Account
from wallet.domain.funding import Funding
from wallet.domain.journal import Details, Entry, Kind, entry_hash, instruction_seal
from wallet.domain.ledger import Outcome
from wallet.domain.money import Currency

USD = Currency("USD")
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with one wallet."""

    user_id: UUID
    account_id: UUID
    session_id: UUID


@dataclass(slots=True)
class Rows:
    """A chunk of rows for each table, ready to be copied."""

    entries: list[Row] = field(default_factory=list)
    instructions: list[Row] = field(default_factory=list)
    details: list[Row] = field(default_factory=list)
    fundings: list[Row] = field(default_factory=list)
    batches: list[Row] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Transfer:
    """A transfer of the history; nobody repeats it, so key and fingerprint are of chance."""

    id: UUID
    source: Person
    target: Person
    amount: int
    key_digest: bytes
    booked_at: datetime
    booked_at_us: int
    details: Details | None = None

    def book(self, account: Account, delta: int, counterparty_id: UUID) -> Row:
        """Change an account by one leg, and return its entry's row."""
        version, posted = account.version + 1, account.posted + delta
        digest = None if self.details is None else self.details.digest
        hash_ = entry_hash(
            account.head_hash,
            account.id,
            version,
            self.id,
            Kind.TRANSFER,
            USD,
            delta,
            0,
            posted,
            0,
            counterparty_id,
            self.booked_at_us,
            digest,
        )
        account.version, account.posted = version, posted
        account.head_hash, account.head_booked_at = hash_, self.booked_at
        return (
            account.id,
            version,
            self.id,
            1,
            USD,
            delta,
            0,
            posted,
            0,
            counterparty_id,
            self.booked_at,
            digest,
            hash_,
        )

    def details_row(self, account_id: UUID) -> Row:
        """Return the row of what one side sees of the details."""
        details = self.details
        assert details is not None  # noqa: S101 - asked only of transfers that have some
        metadata = orjson.dumps(dict(details.metadata or {})).decode()
        return (account_id, self.id, details.salt, details.note, details.reference, metadata)

    def instruction_row(self) -> Row:
        """Return the row of what was asked."""
        source, target = self.source, self.target
        scope = person_scope(source.user_id)
        parties = (source.user_id, target.account_id, target.user_id)
        seal = instruction_seal(
            self.id,
            Kind.TRANSFER,
            scope,
            self.key_digest,
            self.key_digest,
            source.account_id,
            USD,
            self.amount,
            parties,
            self.booked_at_us,
            None,
        )
        return (
            self.id,
            source.account_id,
            1,
            scope,
            self.key_digest,
            self.key_digest,
            USD,
            self.amount,
            *parties,
            self.booked_at,
            seal,
        )


def entry_row(entry: Entry) -> Row:
    """Return the row of an entry."""
    return (
        entry.account_id,
        entry.version,
        entry.instruction_id,
        entry.kind,
        entry.currency,
        entry.posted_delta,
        entry.held_delta,
        entry.posted_after,
        entry.held_after,
        entry.counterparty_id,
        entry.booked_at,
        entry.details_digest,
        entry.hash,
    )


def instruction_row(outcome: Outcome) -> Row:
    """Return the row of an accepted instruction."""
    header = outcome.header
    return (
        header.id,
        header.account_id,
        header.kind,
        header.scope,
        header.key_digest,
        header.fingerprint,
        header.currency,
        header.amount,
        header.owner_id,
        header.counterparty_id,
        header.counterparty_owner_id,
        outcome.booked_at,
        outcome.seal(),
    )


def funding_row(funding: Funding) -> Row:
    """Return the row of a funding."""
    return (
        funding.id,
        funding.account_id,
        funding.owner_id,
        funding.amount,
        funding.currency,
        funding.source,
        funding.status.value,
        funding.created_at,
        funding.decided_at,
    )
