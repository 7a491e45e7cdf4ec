"""How instructions are decided: in arrival order, on locked truth, all or nothing each.

`instructions` says what is asked and what becomes of it, `book` decides, `repository` is where the
books are kept.
"""

from wallet.domain.ledger.book import Book, SpendingPlace, replay
from wallet.domain.ledger.instructions import (
    AccountMissing,
    Change,
    Decision,
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
    part_digest,
)
from wallet.domain.ledger.repository import Ledger

__all__ = [
    "AccountMissing",
    "Book",
    "Change",
    "Decision",
    "Header",
    "IdempotencyKeyReused",
    "Instruction",
    "Key",
    "Ledger",
    "LedgerInvariantBroken",
    "Outcome",
    "Parts",
    "PartsRefused",
    "RefusalForgotten",
    "Result",
    "SpendingPlace",
    "StaffChange",
    "part_digest",
    "replay",
]
